"""libheadrace_array.so through ctypes: the structures of runtime/array/headrace_array.h."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from headrace.errors import ToolMissingError
from headrace.sim.simt import NATIVE

__all__ = ["FAILURES", "WAITS", "library"]

DIMENSIONS = 4
FAILURES = (
    *("none", "deadlock", "bounds", "uninitialized", "race", "overwrite", "lock", "task queue"),
    *("surplus", "limit", "index", "division", "fault", "host"),
)
WAITS = ("none", "lock", "room", "data", "task")

_i32, _i64, _f64, _p = ctypes.c_int32, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


class Buffer(ctypes.Structure):
    _fields_ = [
        *(("bytes", _i64), ("initial", _p), ("tile", _i32), ("bank", _i32)),
        ("bank_offset", _i64),
    ]


class Argument(ctypes.Structure):
    _fields_ = [("data", _p), ("bytes", _i64)]


class Lock(ctypes.Structure):
    _fields_ = [("value", _i32), ("limit", _i32), ("counts", _i32)]


class Descriptor(ctypes.Structure):
    _fields_ = [
        *(("buffer", _i32), ("argument", _i32), ("offset", _i64), ("bytes", _i64)),
        *(("element", _i64), ("dimensions", _i32)),
        *(("sizes", _i64 * DIMENSIONS), ("strides", _i64 * DIMENSIONS)),
        *(("iterations", _i64), ("iteration_stride", _i64)),
        *(("acquire", _i32), ("acquire_value", _i32)),
        *(("release", _i32), ("release_value", _i32)),
    ]


class Channel(ctypes.Structure):
    _fields_ = [
        *(("direction", _i32), ("shim", _i32), ("first_descriptor", _i32)),
        *(("descriptors", _i32), ("first_stream", _i32), ("streams", _i32)),
    ]


class Stream(ctypes.Structure):
    _fields_ = [("to", _i32), ("latency", _i32), ("words", _i32)]


class Task(ctypes.Structure):
    _fields_ = [
        *(("channel", _i32), ("first_descriptor", _i32)),
        *(("descriptors", _i32), ("repeats", _i32)),
    ]


class Step(ctypes.Structure):
    _fields_ = [("kind", _i32), ("task", _i32)]


class Instruction(ctypes.Structure):
    _fields_ = [
        ("op", _i32),
        ("a", _i32),
        ("b", _i32),
        ("c", _i32),
        ("immediate", _i64),
        ("cycles", _f64),
    ]


class Core(ctypes.Structure):
    _fields_ = [("tile", _i32), ("first_instruction", _i32), ("registers", _i32)]


class Function(ctypes.Structure):
    _fields_ = [("entry", _p), ("cycles", _f64)]


class Timing(ctypes.Structure):
    _fields_ = [
        *(("stream_bytes", _f64), ("ddr_bytes", _f64)),
        *(("shim_start", _f64 * 2), ("shim_task", _f64 * 2)),
        *(("descriptor", _f64), ("configure", _f64), ("sync", _f64)),
        *(("bank_bytes", _f64), ("vector_bytes", _f64)),
        *(("banks", _i32), ("queue", _i32), ("limit", _f64)),
    ]


# The arrays of a design, in the order of HeadraceDesign.
ARRAYS: tuple[tuple[str, Any], ...] = (
    *(("buffers", Buffer), ("arguments", Argument), ("locks", Lock)),
    *(("descriptors", Descriptor), ("channels", Channel), ("streams", Stream)),
    *(("tasks", Task), ("steps", Step), ("instructions", Instruction)),
    *(("cores", Core), ("functions", Function), ("table", _i32)),
)
_COUNTS = (
    *("buffer", "argument", "lock", "descriptor", "channel", "stream", "task", "step"),
    *("instruction", "core", "function", "tile"),
)


class Design(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.POINTER(kind)) for name, kind in ARRAYS),
        *((f"{name}_count", _i32) for name in _COUNTS),
        ("timing", Timing),
    ]


class Failure(ctypes.Structure):
    _fields_ = [
        *(("kind", _i32), ("agent", _i32), ("other", _i32), ("descriptor", _i32)),
        *(("buffer", _i32), ("lock", _i32), ("task", _i32), ("function", _i32)),
        *(("offset", _i64), ("time", _f64)),
    ]


class Agent(ctypes.Structure):
    _fields_ = [
        *(("busy", _f64), ("waited", _f64 * 5), ("conflicts", _f64)),
        ("memory", _f64),
        *(("bytes", _i64), ("ended", _i32), ("wait", _i32), ("waits_for", _i32)),
        *(("needs", _i32), ("at", _i32)),
    ]


class Interval(ctypes.Structure):
    _fields_ = [("agent", _i32), ("wait", _i32), ("start", _f64), ("end", _f64)]


class Result(ctypes.Structure):
    _fields_ = [
        *(("failure", Failure), ("agents", ctypes.POINTER(Agent))),
        ("intervals", ctypes.POINTER(Interval)),
        *(("interval_capacity", _i64), ("intervals_dropped", _i64), ("interval_count", _i64)),
        *(("interval_least", _f64), ("lock_values", ctypes.POINTER(_i32))),
        *(("cycles", _f64), ("ddr_read", _i64), ("ddr_written", _i64)),
    ]


@cache
def library() -> ctypes.CDLL:
    path = NATIVE / "libheadrace_array.so"
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolMissingError(
            f"the array simulator's library does not load ({error}); `make build` makes it"
        ) from error
    loaded.headrace_array_run.argtypes = [ctypes.POINTER(Design), ctypes.POINTER(Result)]
    loaded.headrace_array_run.restype = ctypes.c_int
    loaded.headrace_array_addresses.argtypes = [
        *(ctypes.POINTER(Descriptor), _i64, ctypes.POINTER(_i64), _i64)
    ]
    loaded.headrace_array_addresses.restype = _i64
    return loaded
