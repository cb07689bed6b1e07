"""Buffers for measuring: huge pages, and how much memory a row must rotate over.

A matrix-vector product reads each weight once. Measured on one weight it would run from the
last-level cache; so each call takes the next of several copies, whose total is larger than that
cache. The cache here may be shared with other users of the machine and its replacement is not
exactly least-recently-used, hence the generous factor.
"""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import numpy as np

from headrace.errors import MachineError

CACHE_FACTOR = 2.5
LEAST_ROTATION = 256 << 20
# one row keeps about this many rotation sets alive (ours, the peers' repacked forms, torch's f32)
SETS_ALIVE = 11

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_size(text: str) -> int:
    """Bytes of a size as sysfs writes it: `48K`, `266240K`, `32M` or plain bytes."""
    text = text.strip()
    unit = _UNITS.get(text[-1:], 0)
    return int(text[:-1]) * unit if unit else int(text)


def last_level_cache(root: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """Bytes of the largest cache the first CPU sees. Raises `MachineError` where none is listed."""
    sizes = [parse_size(path.read_text()) for path in root.glob("index*/size")]
    if not sizes:
        raise MachineError(
            f"bench: expected cache sizes under '{root}', but found none; "
            "allowed: Linux machines that list them"
        )
    return max(sizes)


def available_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that can be allocated without swapping."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise MachineError(f"bench: expected MemAvailable in '{meminfo}', but it has none")


def rotation_bytes(cache: int, available: int) -> int:
    """Bytes of weights to rotate over, so that every call reads main memory.

    Raises `MachineError` if even a set just larger than the cache does not fit: a smaller one
    would measure the cache and call it memory.
    """
    wanted = max(int(CACHE_FACTOR * cache), LEAST_ROTATION)
    affordable = available // (SETS_ALIVE + 1)
    least = max(int(1.5 * cache), LEAST_ROTATION // 2)
    if affordable < least:
        raise MachineError(
            f"bench: expected {SETS_ALIVE + 1} x {least >> 20} MiB of free memory (the last-level "
            f"cache has {cache >> 20} MiB), but got {available >> 20} MiB"
        )
    return min(wanted, affordable)


def allocate(nbytes: int) -> np.ndarray:
    """Zeroed uint8 [nbytes], page aligned, backed by huge pages where the kernel gives them."""
    # shared memory would need a kernel that is set to give it huge pages
    buffer = mmap.mmap(-1, max(nbytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(buffer, dtype=np.uint8, count=nbytes)


def advise_huge(address: int, nbytes: int) -> None:
    """Ask for huge pages for a range that another library allocated and nobody wrote yet.

    Gives peers that allocate their own weights the same pages as ours; a kernel without them
    refuses, which changes nothing.
    """
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return
    first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (address + nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if last > first:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.madvise(
            ctypes.c_void_p(first), ctypes.c_size_t(last - first), ctypes.c_int(mmap.MADV_HUGEPAGE)
        )
