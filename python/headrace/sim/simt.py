"""Launches in the SIMT simulator: libheadrace_simt.so, through ctypes."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headrace.errors import ToolMissingError, UsageError

__all__ = ["NATIVE", "Schedule", "Traffic"]

# Where the library and the headers for kernels are.
NATIVE = Path(__file__).parent / "native"
MAX_BUFFERS, MAX_ARRAYS = 32, 16
ORDERS = ("forward", "reverse", "random")
FAILURES = (
    "none",
    "resources",
    "out of bounds",
    "read-only",
    "address",
    "stack",
    "trap",
    "uninitialized",
    "race",
    "workgroup race",
    "divergent barrier",
    "divergent subgroup",
    "lane",
    "workgroup memory",
    "misaligned",
)
# The process has one simulator.
one_launch = threading.Lock()


@dataclass(frozen=True)
class Schedule:
    """In which order the workgroups of a launch run, and the threads of a workgroup between points
    where they meet: `forward` and `reverse` by their numbers, `random` drawn from `seed`."""

    order: str = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UsageError(f"unknown order '{self.order}'; allowed: {', '.join(ORDERS)}")
        if not 0 <= self.seed < 1 << 63:
            raise UsageError(f"expected a seed from 0 to 2^63 - 1, but got {self.seed}")


class Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        ("writable", ctypes.c_int32),
        ("members", ctypes.c_int32),
        ("first_member", ctypes.c_int32),
    ]


class Launch(ctypes.Structure):
    """HeadraceLaunch of runtime/simt/headrace_simt.h."""

    _fields_ = [
        ("entry", ctypes.c_void_p),
        ("buffers", Buffer * MAX_BUFFERS),
        ("arrays", ctypes.c_uint64 * MAX_ARRAYS),
        ("grid", ctypes.c_uint32 * 3),
        ("threads", ctypes.c_uint32 * 3),
        ("order", ctypes.c_int32),
        ("seed", ctypes.c_uint64),
        ("workgroup_limit", ctypes.c_uint64),
        ("checked", ctypes.c_int32),
        ("traced", ctypes.c_int32),
    ]


class Failure(ctypes.Structure):
    """HeadraceFailure of runtime/simt/headrace_simt.h."""

    _fields_ = [
        ("kind", ctypes.c_int32),
        ("has_thread", ctypes.c_int32),
        ("workgroup", ctypes.c_uint32 * 3),
        ("thread", ctypes.c_uint32),
        ("is_buffer", ctypes.c_int32),
        ("index", ctypes.c_int32),
        ("name", ctypes.c_char * 64),
        ("offset", ctypes.c_int64),
        ("size", ctypes.c_uint32),
        ("writes", ctypes.c_int32),
        ("has_other", ctypes.c_int32),
        ("other_workgroup", ctypes.c_uint32 * 3),
        ("other_thread", ctypes.c_uint32),
        ("other_writes", ctypes.c_int32),
        ("other_ended", ctypes.c_int32),
        ("file", ctypes.c_char * 256),
        ("other_file", ctypes.c_char * 256),
        ("line", ctypes.c_uint32),
        ("column", ctypes.c_uint32),
        ("other_line", ctypes.c_uint32),
        ("other_column", ctypes.c_uint32),
        ("pc", ctypes.c_uint64),
        ("text", ctypes.c_char * 128),
    ]


_COUNTS = (
    *("loads", "stores", "loaded", "stored"),
    *("loaded_64", "loaded_128", "stored_64", "stored_128"),
    *("distinct_loaded_64", "distinct_loaded_128"),
    *("distinct_stored_64", "distinct_stored_128"),
)


class TrafficCounts(ctypes.Structure):
    """HeadraceTraffic of runtime/simt/headrace_simt.h."""

    _fields_ = [(name, ctypes.c_uint64) for name in _COUNTS]


@dataclass(frozen=True)
class Traffic:
    """What a launch loaded from one buffer and stored into it.

    loads, stores: accesses of single threads; loaded, stored: their bytes. loaded_64 and so on:
    sectors of 64 or 128 bytes that the lanes of a simdgroup touch together by one load, summed over
    all loads. distinct_loaded_64 and so on: sectors that the launch touches at all.
    """

    loads: int
    stores: int
    loaded: int
    stored: int
    loaded_64: int
    loaded_128: int
    stored_64: int
    stored_128: int
    distinct_loaded_64: int
    distinct_loaded_128: int
    distinct_stored_64: int
    distinct_stored_128: int


def traffic_of(counts: TrafficCounts) -> Traffic:
    return Traffic(**{name: getattr(counts, name) for name in _COUNTS})


@cache
def library() -> ctypes.CDLL:
    """libheadrace_simt.so."""
    path = NATIVE / "libheadrace_simt.so"
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolMissingError(
            f"the simulator's library does not load ({error}); `make build` makes it"
        ) from error
    loaded.headrace_simt_launch.argtypes = [
        ctypes.POINTER(Launch),
        ctypes.POINTER(Failure),
        ctypes.POINTER(TrafficCounts),
        ctypes.POINTER(ctypes.c_uint64),
    ]
    loaded.headrace_simt_launch.restype = ctypes.c_int
    return loaded
