"""The read probe: what this machine's memory and arithmetic give in the very run that is judged.

Wraps libheadrace_probe.so, built from runtime/cpu/probe.c and shipped with the CPU target.
"""

from __future__ import annotations

import ctypes
from importlib import resources
from pathlib import Path

import numpy as np

from headrace.errors import MachineError, ToolMissingError

LIBRARY = "libheadrace_probe.so"
# activation type -> instruction kind of hr_probe_peak_gops
PEAK_KINDS = {"f32": 0, "i8": 1, "bf16": 2}


def library_path() -> Path:
    """Where the CPU target keeps the library. Raises `ToolMissingError` if it was not built."""
    path = Path(str(resources.files("headrace.targets.cpu"))) / "native" / LIBRARY
    if not path.exists():
        raise ToolMissingError(
            f"bench: expected the read probe at '{path}', but it is not there; "
            "build Headrace (`make`) or install its wheel"
        )
    return path


class Probe:
    """Read patterns, core-to-core latency and peak rates over `threads` threads."""

    def __init__(self, threads: int, path: Path | None = None) -> None:
        library = ctypes.CDLL(str(path or library_path()))
        library.hr_probe_read.restype = ctypes.c_double
        library.hr_probe_read.argtypes = [
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_int,
        ]
        library.hr_probe_pattern_name.restype = ctypes.c_char_p
        library.hr_probe_pattern_name.argtypes = [ctypes.c_int]
        library.hr_probe_core_latency_ns.restype = ctypes.c_double
        library.hr_probe_peak_gops.restype = ctypes.c_double
        library.hr_probe_peak_gops.argtypes = [ctypes.c_int, ctypes.c_int]
        self._library = library
        self.threads = threads
        self.patterns = [
            library.hr_probe_pattern_name(index).decode()
            for index in range(library.hr_probe_patterns())
        ]

    def read(self, data: np.ndarray, pattern: int) -> float:
        """GB/s (1e9 bytes a second) of reading `data` once with a pattern."""
        rate = self._library.hr_probe_read(data.ctypes.data, data.nbytes, pattern, self.threads)
        if rate <= 0:
            raise MachineError(
                f"bench: the read probe could not run pattern '{self.patterns[pattern]}' over "
                f"{data.nbytes} bytes with {self.threads} threads; "
                f"allowed: at least {512 * self.threads + 64} bytes"
            )
        return float(rate)

    def core_latency_ns(self) -> float | None:
        """One-way time of a cache line between the first two CPUs; None on a single CPU."""
        latency = float(self._library.hr_probe_core_latency_ns())
        return latency if latency >= 0 else None

    def peak_gops(self, activations: str) -> float:
        """1e9 operations a second of the best instruction for that activation type."""
        # bfloat16 values may be widened and multiplied as float32, which some CPUs do faster
        kinds = {activations, "f32"} if activations == "bf16" else {activations}
        rates = [self._peak(kind) for kind in sorted(kinds)]
        best = max(rates) if max(rates) > 0 else self._peak("f32")
        if best <= 0:
            raise MachineError(f"bench: no peak rate for {activations} activations was measured")
        return best

    def _peak(self, kind: str) -> float:
        """Negative where the CPU has no such instruction."""
        return float(self._library.hr_probe_peak_gops(PEAK_KINDS[kind], self.threads))
