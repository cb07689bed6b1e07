"""Runs a design: hands it to libheadrace_array.so and reads what came of it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headrace.errors import UsageError
from headrace.sim import aie_native as native
from headrace.sim.aie_design import Argument, Descriptor, Design
from headrace.sim.aie_failures import error_of
from headrace.sim.aie_program import OPCODES
from headrace.sim.aie_run import Run

__all__ = ["Function", "addresses", "execute"]

# What a host function is and what it takes on a core: its address and cycles.
Function = tuple[int, float]

_DIRECTIONS = ("MM2S", "S2MM")
_STEPS = ("configure", "start", "await")
_INTERVALS = 200_000
# Waits that are shorter are not seen in a picture.
_SHORT = 32.0


def execute(
    design: Design,
    arguments: Sequence[np.ndarray],
    functions: Mapping[str, Function],
    *,
    limit_us: float = 1e6,
) -> Run:
    """Runs once. Arrays that the sequence writes get what was written, also in a run that fails."""
    marshalled = _Marshalled(design, arguments, functions, limit_us)
    agents = design.agents()
    facts = (native.Agent * len(agents))()
    intervals = (native.Interval * _INTERVALS)()
    values = (ctypes.c_int32 * max(1, len(design.locks)))()
    result = native.Result(
        agents=facts,
        intervals=intervals,
        interval_capacity=_INTERVALS,
        interval_least=_SHORT,
        lock_values=values,
    )
    kind = native.library().headrace_array_run(
        ctypes.byref(marshalled.design), ctypes.byref(result)
    )
    if kind:
        raise error_of(design, marshalled.descriptors, result, list(facts), list(values))
    return Run.of(design, result, list(facts))


def addresses(descriptor: Descriptor, iteration: int = 0) -> np.ndarray:
    """Byte offsets of the words that a descriptor moves, in order."""
    described = _descriptor(descriptor)
    found = np.empty(descriptor.length // 4, np.int64)
    pointer = found.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
    count = native.library().headrace_array_addresses(
        ctypes.byref(described), iteration, pointer, len(found)
    )
    assert count == len(found), "a transfer has as many words as its length says"
    return found


def _descriptor(d: Descriptor) -> native.Descriptor:
    if len(d.dimensions) > native.DIMENSIONS:
        raise UsageError(
            f"descriptor {d.name}: expected at most {native.DIMENSIONS} dimensions, "
            f"but got {len(d.dimensions)}"
        )
    described = native.Descriptor(
        buffer=-1 if isinstance(d.memory, Argument) else d.memory,
        argument=d.memory.index if isinstance(d.memory, Argument) else -1,
        offset=d.offset,
        bytes=d.length,
        element=d.element,
        dimensions=len(d.dimensions),
        iterations=d.iteration[0],
        iteration_stride=d.iteration[1],
    )
    for index, (size, stride) in enumerate(d.dimensions):
        described.sizes[index], described.strides[index] = size, stride
    described.acquire, described.acquire_value = d.acquire or (-1, 0)
    described.release, described.release_value = d.release or (-1, 0)
    return described


class _Marshalled:
    """A design in C. Keeps what C points to alive."""

    def __init__(
        self,
        design: Design,
        arguments: Sequence[np.ndarray],
        functions: Mapping[str, Function],
        limit_us: float,
    ) -> None:
        self.keep: list[Any] = []
        self.descriptors: list[Descriptor] = []
        self.tiles = {
            tile: index
            for index, tile in enumerate(
                sorted({x.tile for x in design.buffers} | {x.tile for x in design.cores})
            )
        }
        timing = design.timing
        rows: dict[str, list[Any]] = {name: [] for name, _ in native.ARRAYS}
        rows["buffers"] = [self._buffer(design, index) for index in range(len(design.buffers))]
        rows["arguments"] = [self._argument(i, array) for i, array in enumerate(arguments)]
        rows["locks"] = [(x.value, timing.lock_limit, int(x.counts)) for x in design.locks]
        for index, channel in enumerate(design.channels):
            targets = [to for source, to in design.streams if source == index]
            first = self._descriptors(rows, channel.descriptors)
            rows["channels"].append(
                (
                    *(_DIRECTIONS.index(channel.direction), int(channel.shim)),
                    *(first, len(channel.descriptors), len(rows["streams"]), len(targets)),
                )
            )
            for to in targets:
                latency = timing.latency(channel.tile, design.channels[to].tile)
                # The switches on the way hold words too, so that latency costs no rate.
                rows["streams"].append((to, latency, 32 + 16 * -(-latency // 16)))
        for task in design.tasks:
            first = self._descriptors(rows, task.descriptors)
            rows["tasks"].append((task.channel, first, len(task.descriptors), task.repeats))
        rows["steps"] = [(_STEPS.index(kind), task) for kind, task in design.steps]
        for core in design.cores:
            first = len(rows["instructions"])
            rows["cores"].append((self.tiles[core.tile], first, core.registers))
            for i in core.instructions:
                immediate = i.immediate + (first if i.op in ("jump", "branch") else 0)
                rows["instructions"].append(
                    (OPCODES.index(i.op), i.a, i.b, i.c, immediate, i.cycles)
                )
        rows["functions"] = [functions[name] for name in design.functions]
        rows["table"] = list(design.table)
        arrays = {
            name: (kind * max(1, len(rows[name])))(*rows[name]) for name, kind in native.ARRAYS
        }
        self.keep.append(arrays)
        counts = {
            f"{name[:-1]}_count": len(rows[name]) for name, _ in native.ARRAYS if name != "table"
        }
        pointers: dict[str, Any] = {
            name: ctypes.cast(arrays[name], ctypes.POINTER(kind)) for name, kind in native.ARRAYS
        }
        self.design = native.Design(
            **pointers, **counts, tile_count=len(self.tiles), timing=_timing(design, limit_us)
        )

    def _buffer(self, design: Design, index: int) -> tuple[Any, ...]:
        buffer = design.buffers[index]
        initial = None
        if buffer.initial is not None:
            self.keep.append(ctypes.create_string_buffer(buffer.initial, buffer.size))
            initial = ctypes.addressof(self.keep[-1])
        bank, offset = -1, 0
        if buffer.offset is not None:
            bank, offset = divmod(buffer.offset, design.timing.bank_bytes)
        return (buffer.size, initial, self.tiles[buffer.tile], bank, offset)

    def _argument(self, index: int, array: np.ndarray) -> tuple[int, int]:
        if not array.flags.c_contiguous:
            raise UsageError(f"expected argument {index} to be contiguous, but it is strided")
        self.keep.append(array)
        return array.ctypes.data, array.nbytes

    def _descriptors(self, rows: dict[str, list[Any]], found: Sequence[Descriptor]) -> int:
        first = len(self.descriptors)
        self.descriptors += found
        rows["descriptors"] += [_descriptor(d) for d in found]
        return first


def _timing(design: Design, limit_us: float) -> native.Timing:
    timing = design.timing
    return native.Timing(
        stream_bytes=timing.stream_bytes,
        ddr_bytes=timing.ddr_bytes(),
        shim_start=timing.shim_start,
        shim_task=timing.shim_task,
        descriptor=timing.descriptor,
        configure=timing.cycles(timing.configure_us),
        sync=timing.cycles(timing.sync_us),
        bank_bytes=timing.bank_bytes,
        vector_bytes=timing.vector_bytes,
        banks=timing.banks,
        queue=timing.task_queue,
        limit=timing.cycles(limit_us),
    )
