"""The simulator of AI Engine arrays: runs the AIE text that the compiler emits.

    design = aie.load(text, kernels="cores.so", cycles={"accumulate": 2240.0})
    run = design.run([weights, x, y])  # y gets what the array wrote
    print(run.us, run.ddr_gb_per_s, run.utilisation)
    run.timeline("run.png")

Times are modelled, never measured: docs/array-simulator.md says of what.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headrace import ir
from headrace.dialects import aie as dialect
from headrace.errors import UsageError, unknown
from headrace.sim.aie_cores import acquires, core_program
from headrace.sim.aie_design import Design
from headrace.sim.aie_device import AieTiming, Tile, timing_of
from headrace.sim.aie_engine import Function, execute
from headrace.sim.aie_errors import ArraySimulationError, DeadlockError, Stuck
from headrace.sim.aie_fifos import Fifo, Fifos, Link, place_buffers
from headrace.sim.aie_host import add_sequence
from headrace.sim.aie_run import Run, Use, Wait

__all__ = [
    "AieDesign",
    "ArraySimulationError",
    "DeadlockError",
    "Run",
    "Stuck",
    "Use",
    "Wait",
    "load",
]

Kernels = str | Path | ctypes.CDLL | Mapping[str, int]


@dataclass(frozen=True)
class AieDesign:
    """A design that is ready to run. arguments: bytes of those of the runtime sequence."""

    design: Design
    functions: Mapping[str, Function]
    arguments: tuple[int, ...]
    written: frozenset[int]
    keep: Any  # the library that the functions are in

    def run(self, arguments: Sequence[np.ndarray], *, limit_us: float = 1e6) -> Run:
        """Runs the sequence once on arrays as long as its arguments; those that it writes change.

        `ArraySimulationError`, of which `DeadlockError` is one, if the array would give no result,
        or if more than `limit_us` would pass.
        """
        if len(arguments) != len(self.arguments):
            raise UsageError(
                f"expected {len(self.arguments)} arguments of the runtime sequence, "
                f"but got {len(arguments)}"
            )
        for index, (array, size) in enumerate(zip(arguments, self.arguments, strict=True)):
            if array.nbytes != size:
                raise UsageError(
                    f"expected argument {index} of the runtime sequence to have {size} bytes, "
                    f"but got {array.nbytes}"
                )
            if index in self.written and not array.flags.writeable:
                raise UsageError(
                    f"expected argument {index} to be writable: the sequence writes it"
                )
        return execute(self.design, arguments, self.functions, limit_us=limit_us)


def load(
    text: str,
    kernels: Kernels | None = None,
    cycles: Mapping[str, float] | None = None,
    device: str | None = None,
    *,
    sequence: str | None = None,
    timing: AieTiming | None = None,
) -> AieDesign:
    """Reads AIE text.

    kernels: a shared library with the functions that cores call, each a C symbol that takes a bare
    pointer for each memref, 32-bit integers and floats; or their addresses by name. cycles: what a
    call of each takes on a core. device: of several in the text, the one for this device; the text
    says which it is for otherwise. sequence: of several, by name. timing: instead of that of the
    device.
    """
    with ir.Context():
        module = ir.Module.parse(text)
        return _Reader(_device(module, device), timing).read(kernels, cycles or {}, sequence)


def _device(module: Any, name: str | None) -> Any:
    devices = {
        _name_of(op): op for op in module.body.operations if isinstance(op, dialect.DeviceOp)
    }
    if name is None and len(devices) == 1:
        return next(iter(devices.values()))
    if name is None:
        raise UsageError(f"expected one aie.device, but got {len(devices)}; say which device")
    if name not in devices:
        raise unknown("aie.device", name, devices)
    return devices[name]


def _name_of(device: Any) -> str:
    return dialect.Device(ir.IntegerAttr(device.device).value).name


class _Reader:
    def __init__(self, device: Any, timing: AieTiming | None) -> None:
        self.operations = list(device.body_region.blocks[0].operations)
        self.design = Design(timing or timing_of(_name_of(device)))

    def of(self, kind: type) -> list[Any]:
        return [op for op in self.operations if isinstance(op, kind)]

    def tile(self, value: Any) -> Tile:
        op, timing = value.owner.opview, self.design.timing
        column, row = ir.IntegerAttr(op.col).value, ir.IntegerAttr(op.row).value
        if column >= timing.columns or row >= timing.rows:
            raise ArraySimulationError(
                f"expected a tile of {timing.name}, which has {timing.columns} columns and "
                f"{timing.rows} rows, but got ({column}, {row})",
                kind="resources",
            )
        return column, row

    def read(
        self, kernels: Kernels | None, cycles: Mapping[str, float], sequence: str | None
    ) -> AieDesign:
        design = self.design
        fifos = [self._fifo(op) for op in self.of(dialect.ObjectFifoOp)]
        links = [self._link(op, fifos) for op in self.of(dialect.ObjectFifoLinkOp)]
        cores = [(op, self.tile(op.tile)) for op in self.of(dialect.CoreOp)]
        held = {(name, t): n for op, t in cores for name, n in acquires(op).items()}
        lowered = Fifos(design, fifos, links, held)
        lowered.lower()
        buffers: dict[Any, int] = {}
        for op in self.of(dialect.BufferOp):
            kind = ir.MemRefType(op.buffer.type)
            name = op.sym_name.value if op.sym_name else f"buffer {len(buffers)}"
            size = _count(kind) * _bytes(kind.element_type)
            buffers[op.buffer] = design.buffer(name, self.tile(op.tile), size)
        for op, tile in cores:
            program, registers = core_program(design, lowered, op, tile, buffers)
            design.core(f"core {tile}", tile, program, registers)
        stacks = {tile: ir.IntegerAttr(op.stack_size).value for op, tile in cores}
        place_buffers(design, lowered, stacks)
        chosen = self._sequence(sequence)
        add_sequence(design, chosen, lowered.shims)
        kinds = [ir.MemRefType(a.type) for a in chosen.body.blocks[0].arguments]
        sizes = tuple(_count(kind) * _bytes(kind.element_type) for kind in kinds)
        written = frozenset(
            d.memory.index
            for task in design.tasks
            if design.channels[task.channel].direction == "S2MM"
            for d in task.descriptors
            if not isinstance(d.memory, int)
        )
        functions, keep = _functions(design, kernels, cycles)
        return AieDesign(design, functions, sizes, written, keep)

    def _fifo(self, op: Any) -> Fifo:
        kind = dialect.element(op.elemType.value)
        explicit = isinstance(op.elemNumber, ir.ArrayAttr)
        outwards = tuple(dialect.dimensions(op.dimensionsToStream))
        inwards = (tuple(each) for each in dialect.dimensions_per_consumer(op))
        return Fifo(
            op.sym_name.value,
            self.tile(op.producerTile),
            tuple(self.tile(value) for value in op.consumerTiles),
            _count(kind),
            _bytes(kind.element_type),
            tuple(dialect.depths(op)),
            explicit,
            (outwards, *inwards),
            bool(op.via_DMA.value),
            1 if op.repeat_count is None else op.repeat_count.value,
        )

    def _link(self, op: Any, fifos: Sequence[Fifo]) -> Link:
        named = {fifo.name: fifo for fifo in fifos}
        inputs, outputs = (
            tuple(named[ir.FlatSymbolRefAttr(name).value] for name in names)
            for names in (op.fifoIns, op.fifoOuts)
        )
        offsets = op.src_offsets if len(inputs) > 1 else op.dst_offsets
        values = tuple(ir.IntegerAttr(offset).value for offset in offsets)
        if len(inputs) == len(outputs) == 1:
            values = ()
        return Link(inputs, outputs, values)

    def _sequence(self, name: str | None) -> Any:
        found = self.of(dialect.RuntimeSequenceOp)
        names = {op.sym_name.value if op.sym_name else "": op for op in found}
        if name is None and len(found) == 1:
            return found[0]
        if name is None:
            raise UsageError(f"expected one aie.runtime_sequence, but got {len(found)}; name one")
        if name not in names:
            raise unknown("aie.runtime_sequence", name, names)
        return names[name]


def _count(kind: Any) -> int:
    return int(np.prod(kind.shape, dtype=np.int64)) if kind.rank else 1


def _bytes(element: Any) -> int:
    if isinstance(element, ir.IntegerType | ir.FloatType) and element.width % 8 == 0:
        return int(element.width // 8)
    raise UsageError(f"expected memory of whole bytes, but got elements of {element}")


def _functions(
    design: Design, kernels: Kernels | None, cycles: Mapping[str, float]
) -> tuple[dict[str, Function], Any]:
    """Address and cycles of all that cores call."""
    missing = [name for name in design.functions if name not in cycles]
    if missing:
        raise UsageError(f"expected the cycles of core functions {', '.join(missing)}")
    if isinstance(kernels, str | Path):
        kernels = ctypes.CDLL(str(kernels))
    found: dict[str, Function] = {}
    for name in design.functions:
        if isinstance(kernels, ctypes.CDLL) and hasattr(kernels, name):
            address = ctypes.cast(getattr(kernels, name), ctypes.c_void_p).value
        else:
            address = kernels.get(name) if isinstance(kernels, Mapping) else None
        if address is None:
            raise UsageError(f"expected core function {name} in `kernels`, but it is not there")
        found[name] = (address, float(cycles[name]))
    return found, kernels
