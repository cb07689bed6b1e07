"""Run Metal Shading Language on this machine, and find what would go wrong on a device.

    library = msl.build(source)
    library.launch("scale", buffers=[x, y], constants=[3], grid=(8, 1, 1), threads=(64, 1, 1))

The source is what a device would compile. A launch runs it thread by thread, in an order that is
drawn; what no device promises is a `SimulationError` (docs/simulator.md).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headrace.errors import UsageError, unknown
from headrace.sim import simt
from headrace.sim.errors import SimulationError
from headrace.sim.failures import describe
from headrace.sim.inner_loop import InnerLoop, inner_loop
from headrace.sim.msl_buffers import Binding, Buffer, set_buffers
from headrace.sim.msl_compiler import Compiled, compile_library
from headrace.sim.msl_kernels import Kernel
from headrace.sim.simt import Schedule, Traffic

__all__ = [
    "InnerLoop",
    "Library",
    "Run",
    "Schedule",
    "SimulationError",
    "Traffic",
    "build",
    "inner_loop",
]

# What every device with simdgroups of 32 allows.
MAX_THREADS = 1024
MAX_THREADGROUP_BYTES = 32 << 10


def build(
    source: str,
    *,
    trace: bool = False,
    check: bool = True,
    aligned: bool = True,
    kernels: Sequence[str] | None = None,
    function_constants: Mapping[int, int | float | bool] | None = None,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
) -> Library:
    """Compiles MSL for the simulator; what was compiled before is taken from the cache.

    trace: count loads and stores. check: look at each access: bounds to the byte, races, reading
    threadgroup memory that nobody wrote. Without, a launch is several times faster and only pages
    next to buffers guard them. aligned: with either, an address that is no multiple of what its
    type wants is an error. kernels: their names; None for all that the source has, templates where
    they are instantiated. function_constants: values by index. include: folders of headers.
    defines: macros.

    Raises CompileError with what clang says, by lines of the source.
    """
    compiled = compile_library(
        source,
        checked=check or trace,
        aligned=aligned,
        kernels=None if kernels is None else list(kernels),
        constants=dict(function_constants or {}),
        include=[Path(folder) for folder in include],
        defines=dict(defines or {}),
    )
    return Library(compiled, check=check, trace=trace)


@dataclass(frozen=True)
class Run:
    """What a launch says about itself. traffic: one entry for each buffer, in order of bindings,
    and behind them for each member of an argument buffer; None unless the library was built with
    `trace`. threadgroup_bytes: of all arrays of a threadgroup."""

    traffic: tuple[Traffic, ...] | None
    threadgroup_bytes: int


class Library:
    """Compiled kernels. kernels: by name."""

    def __init__(self, compiled: Compiled, *, check: bool, trace: bool) -> None:
        self._compiled = compiled
        self._check = check
        self._trace = trace
        simt.library()  # kernels' libraries link to it
        try:
            self._loaded = ctypes.CDLL(str(compiled.path))
        except OSError as error:
            name = str(error).rpartition("undefined symbol: ")[2]
            if name not in compiled.missing:
                raise
            raise UsageError(
                f"MSL: '{name}' has no value; a function constant takes one in "
                "function_constants={index: value}"
            ) from error
        self.kernels: dict[str, Kernel] = {kernel.name: kernel for kernel in compiled.kernels}

    def launch(
        self,
        name: str,
        *,
        buffers: Sequence[Buffer],
        constants: Sequence[int] = (),
        threadgroup: Sequence[int] = (),
        grid: tuple[int, int, int],
        threads: tuple[int, int, int],
        schedule: Schedule | None = None,
    ) -> Run:
        """Runs a kernel over `grid` workgroups of `threads` threads.

        buffers: by binding; None where the kernel has none, a list where it has a buffer of
        pointers (an argument buffer). Those that it may write get what it wrote; after a
        SimulationError they are as before. In a list, these are all whose array is not read-only.
        constants: 32-bit integers, bound as one buffer behind the others. threadgroup: bytes of the
        kernel's threadgroup arguments.
        """
        kernel = self.kernels.get(name)
        if kernel is None:
            raise unknown("kernel", name, self.kernels)
        arrays: list[Buffer] = [*buffers]
        if constants:
            arrays.append(np.asarray(constants, np.int32))
        members = [
            f"{index}[{position}]"
            for index, array in enumerate(arrays)
            if isinstance(array, list)
            for position in range(len(array))
        ]
        launch = simt.Launch(
            entry=self._address(f"headrace_entry_{self._number(name)}"),
            workgroup_limit=MAX_THREADGROUP_BYTES,
            checked=self._check,
            traced=self._trace,
        )
        _set_sizes(launch, kernel, grid, threads)
        set_buffers(launch, name, self._bindings(kernel), arrays)
        _set_arrays(launch, kernel, threadgroup)
        schedule = schedule or Schedule()
        launch.order = simt.ORDERS.index(schedule.order)
        launch.seed = schedule.seed

        failure = simt.Failure()
        counts = (simt.TrafficCounts * simt.MAX_BUFFERS)()
        used = ctypes.c_uint64()
        with simt.one_launch:
            kind = simt.library().headrace_simt_launch(
                ctypes.byref(launch), ctypes.byref(failure), counts, ctypes.byref(used)
            )
        if kind:
            raise describe(failure, kernel, members, self._compiled.line_of)
        used_bindings = [
            *range(len(arrays)),
            *range(simt.MAX_BUFFERS - len(members), simt.MAX_BUFFERS),
        ]
        traffic = tuple(simt.traffic_of(counts[index]) for index in used_bindings)
        return Run(traffic if self._trace else None, used.value)

    def _number(self, name: str) -> int:
        return list(self.kernels).index(name)

    def _address(self, symbol: str) -> int:
        return ctypes.cast(self._loaded[symbol], ctypes.c_void_p).value or 0

    def _bindings(self, kernel: Kernel) -> dict[int, Binding]:
        """The buffers that a kernel has, by index."""
        found = (_Argument * max(len(kernel.parameters), 1)).in_dll(
            self._loaded, f"headrace_arguments_{self._number(kernel.name)}"
        )
        return {
            parameter.index: Binding(parameter.name, bool(argument.writable), argument.size)
            for parameter, argument in zip(kernel.parameters, found, strict=False)
            if parameter.kind == "buffer"
        }


class _Argument(ctypes.Structure):
    """metal_shim::Argument of runtime/msl/host.h."""

    _fields_ = [
        ("space", ctypes.c_int),
        ("writable", ctypes.c_int),
        ("size", ctypes.c_ulong),
    ]


def _set_sizes(
    launch: simt.Launch, kernel: Kernel, grid: tuple[int, int, int], threads: tuple[int, int, int]
) -> None:
    for what, size in (("grid", grid), ("threads", threads)):
        if len(size) != 3 or min(size) < 1:
            raise UsageError(
                f"kernel '{kernel.name}': expected three positive sizes as {what}, but got {size}"
            )
    limit = min(MAX_THREADS, kernel.max_threads or MAX_THREADS)
    if math.prod(threads) > limit:
        raise UsageError(
            f"kernel '{kernel.name}': expected at most {limit} threads in a workgroup, but got "
            f"{math.prod(threads)}"
        )
    if math.prod(grid) * math.prod(threads) >= 1 << 31:
        raise UsageError(f"kernel '{kernel.name}': expected fewer than 2^31 threads in all")
    launch.grid[:] = grid
    launch.threads[:] = threads


def _set_arrays(launch: simt.Launch, kernel: Kernel, sizes: Sequence[int]) -> None:
    wanted = [parameter.index for parameter in kernel.parameters if parameter.kind == "threadgroup"]
    for index, size in enumerate(sizes):
        if index not in wanted or size <= 0:
            raise UsageError(
                f"kernel '{kernel.name}': expected the bytes of threadgroup arguments {wanted}, "
                f"but got {list(sizes)}"
            )
        launch.arrays[index] = size
