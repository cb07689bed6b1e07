"""Bodies of cores, from IR to the instructions of the array simulator."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from headrace import ir
from headrace.dialects import aie
from headrace.errors import UsageError
from headrace.sim.aie_design import Design
from headrace.sim.aie_device import Tile
from headrace.sim.aie_fifos import PRODUCER, Fifo, Fifos
from headrace.sim.aie_program import Instruction, Program

__all__ = ["acquires", "core_program"]

_BINARY = {
    "arith.addi": "add",
    "arith.subi": "sub",
    "arith.muli": "mul",
    "arith.divsi": "div",
    "arith.remsi": "rem",
    "arith.divui": "div unsigned",
    "arith.remui": "rem unsigned",
    "arith.andi": "and",
    "arith.ori": "or",
    "arith.xori": "xor",
    "arith.shli": "shl",
    "arith.shrsi": "shr",
    "arith.shrui": "shr unsigned",
    "arith.minsi": "min",
    "arith.maxsi": "max",
}
# Predicates by MLIR's numbers: the opcode, whether operands change places, whether it is negated.
_COMPARISONS = {
    0: ("equal", False, False),
    1: ("equal", False, True),
    2: ("less", False, False),
    3: ("less", True, True),
    4: ("less", True, False),
    5: ("less", False, True),
    6: ("less unsigned", False, False),
    7: ("less unsigned", True, True),
    8: ("less unsigned", True, False),
    9: ("less unsigned", False, True),
}
_CASTS = ("arith.index_cast", "arith.index_castui", "arith.extsi")
# Cycles of a turn of a loop beside its body: count, compare, jump.
_TURN = 3.0


def core_program(
    design: Design, fifos: Fifos, core: Any, tile: Tile, buffers: Mapping[Any, int]
) -> tuple[tuple[Instruction, ...], int]:
    """Instructions of an `aie.core`, and how many registers they use."""
    own = {value: index for value, index in buffers.items() if design.buffers[index].tile == tile}
    translation = _Core(design, fifos, tile, own)
    translation.block(core.body.blocks[0])
    return translation.program.finish(), translation.program.registers


class _Port:
    """One end of a FIFO in a core. head: the register that counts elements given back; held: those
    that the core has at this place of the text."""

    def __init__(self, program: Program, fifo: Fifo, produces: bool, fifos: Fifos, tile: Tile):
        self.produces = produces
        end = PRODUCER if produces else fifo.consumers.index(tile)
        self.pool = fifos.pool(fifo, end)
        self.table = fifos.design.choice(self.pool.buffers)
        self.head, self.held = program.register(), 0
        self.take = self.pool.empty[0] if produces else self.pool.full[0]
        self.give = self.pool.full[0] if produces else self.pool.empty[0]


class _Core:
    def __init__(
        self, design: Design, fifos: Fifos, tile: Tile, buffers: Mapping[Any, int]
    ) -> None:
        self.design, self.fifos, self.tile = design, fifos, tile
        self.program = Program()
        self.values: dict[Any, int] = {
            value: self.program.compute("buffer", immediate=index)
            for value, index in buffers.items()
        }
        self.ports: dict[tuple[str, bool], _Port] = {}
        self.acquired: dict[Any, _Port] = {}
        self.rules: dict[str, Callable[[Any], None]] = {
            "arith.constant": self._constant,
            "arith.cmpi": self._compare,
            "arith.select": self._select,
            "arith.trunci": self._truncate,
            "arith.extui": self._extend,
            "scf.for": self._for,
            "scf.if": self._if,
            "func.call": self._call,
            "memref.load": self._load,
            "memref.store": self._store,
            "aie.objectfifo.acquire": self._acquire,
            "aie.objectfifo.subview.access": self._element,
            "aie.objectfifo.release": self._release,
            **dict.fromkeys(_CASTS, self._cast),
            **dict.fromkeys(_BINARY, self._binary),
        }

    def block(self, block: Any) -> None:
        for operation in block.operations:
            name = operation.operation.name
            if name in ("aie.end", "scf.yield"):
                return
            if name not in self.rules:
                raise UsageError(
                    f"the array simulator does not run {name} in a core; allowed: "
                    f"{', '.join(sorted(self.rules))}"
                )
            self.rules[name](operation)

    def value(self, value: Any) -> int:
        if value not in self.values:
            raise UsageError(f"core {self.tile} uses {value}, which is not of its tile")
        return self.values[value]

    def operand(self, operation: Any, number: int) -> int:
        return self.value(operation.operation.operands[number])

    def define(self, operation: Any, register: int) -> None:
        self.values[operation.operation.results[0]] = register

    # Numbers.

    def _constant(self, operation: Any) -> None:
        value = operation.operation.attributes["value"]
        kind = operation.operation.results[0].type
        if isinstance(kind, ir.F32Type):
            number = struct.unpack("<i", struct.pack("<f", ir.FloatAttr(value).value))[0]
        elif isinstance(kind, ir.IndexType | ir.IntegerType):
            number = int(ir.IntegerAttr(value).value)
            if isinstance(kind, ir.IntegerType) and kind.width == 1:
                number &= 1
        else:
            raise UsageError(f"the array simulator has no constants of {kind} in a core")
        self.define(operation, self.program.constant(number))

    def _binary(self, operation: Any) -> None:
        left, right = self.operand(operation, 0), self.operand(operation, 1)
        opcode = _BINARY[operation.operation.name]
        self.define(operation, self.program.compute(opcode, left, right, cycles=1))

    def _compare(self, operation: Any) -> None:
        predicate = ir.IntegerAttr(operation.operation.attributes["predicate"]).value
        opcode, swapped, negated = _COMPARISONS[predicate]
        operands = [self.operand(operation, 0), self.operand(operation, 1)]
        first, second = reversed(operands) if swapped else operands
        register = self.program.compute(opcode, first, second, cycles=1)
        if negated:
            register = self.program.compute("xor", register, self.program.constant(1))
        self.define(operation, register)

    def _select(self, operation: Any) -> None:
        condition, yes, no = (self.operand(operation, n) for n in range(3))
        self.define(operation, self.program.compute("select", condition, yes, no, cycles=1))

    def _cast(self, operation: Any) -> None:
        self.define(operation, self.operand(operation, 0))

    def _truncate(self, operation: Any) -> None:
        width = ir.IntegerType(operation.operation.results[0].type).width
        places = self.program.constant(64 - width)
        shifted = self.program.compute("shl", self.operand(operation, 0), places)
        opcode = "shr unsigned" if width == 1 else "shr"
        self.define(operation, self.program.compute(opcode, shifted, places, cycles=1))

    def _extend(self, operation: Any) -> None:
        width = ir.IntegerType(operation.operation.operands[0].type).width
        mask = self.program.constant((1 << width) - 1 if width < 63 else -1)
        register = self.program.compute("and", self.operand(operation, 0), mask, cycles=1)
        self.define(operation, register)

    # Structure.

    def _moves(self, targets: list[int], sources: list[int]) -> None:
        """All at the same time."""
        held = [self.program.compute("move", source) for source in sources]
        for target, source in zip(targets, held, strict=True):
            self.program.emit("move", target, source)

    def _yielded(self, block: Any) -> list[int]:
        operations = list(block.operations)
        return [self.value(value) for value in operations[-1].operation.operands]

    def _for(self, operation: Any) -> None:
        op = operation.operation
        program, body = self.program, op.regions[0].blocks[0]
        low, high, step = (self.value(op.operands[n]) for n in range(3))
        arguments = list(body.arguments)
        carried = [program.register() for _ in op.operands[3:]]
        self._moves(carried, [self.value(value) for value in op.operands[3:]])
        counter = program.compute("move", low)
        self.values[arguments[0]] = counter
        self.values |= zip(arguments[1:], carried, strict=True)
        head = program.here()
        leave = program.hole("branch", program.compute("less", counter, high), cycles=_TURN)
        self.block(body)
        self._moves(carried, self._yielded(body))
        program.emit("add", counter, counter, step)
        program.emit("jump", immediate=head)
        program.fill(leave)
        self.values |= zip(op.results, carried, strict=True)

    def _if(self, operation: Any) -> None:
        op, program = operation.operation, self.program
        results = [program.register() for _ in op.results]
        other = program.hole("branch", self.value(op.operands[0]), cycles=1)
        self._branch(op.regions[0].blocks[0], results)
        if len(op.regions[1].blocks):
            behind = program.hole("jump")
            program.fill(other)
            self._branch(op.regions[1].blocks[0], results)
            program.fill(behind)
        else:
            program.fill(other)
        self.values |= zip(op.results, results, strict=True)

    def _branch(self, block: Any, results: list[int]) -> None:
        self.block(block)
        self._moves(results, self._yielded(block))

    def _call(self, operation: Any) -> None:
        op = operation.operation
        name = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
        if len(op.results):
            raise UsageError(f"expected core function {name} to return nothing")
        counts = {"argument": 0, "float": 0}
        for value in op.operands:
            opcode = "float" if isinstance(value.type, ir.F32Type) else "argument"
            counts[opcode] += 1
            self.program.emit(opcode, self.value(value))
        if counts["argument"] > 16 or counts["float"] > 8:
            raise UsageError(
                f"expected core function {name} to have at most 16 pointers and integers and 8 "
                f"floats, but got {counts['argument']} and {counts['float']}"
            )
        self.program.emit("call", self.design.function(name))

    # Memory.

    def _place(self, memref: Any, indices: list[Any]) -> tuple[int, int, int]:
        """Registers of an address and an index, and the size of a value (negative: signed)."""
        kind = ir.MemRefType(memref.type)
        element = kind.element_type
        if isinstance(element, ir.IntegerType):
            size = -(element.width // 8)
        elif isinstance(element, ir.F32Type):
            size = 4
        else:
            raise UsageError(f"the array simulator does not load or store {element} in a core")
        program = self.program
        index = program.constant(0)
        for extent, value in zip(kind.shape, indices, strict=True):
            scaled = program.compute("mul", index, program.constant(extent))
            index = program.compute("add", scaled, self.value(value))
        return self.value(memref), index, size

    def _load(self, operation: Any) -> None:
        memref, *indices = operation.operation.operands
        address, index, size = self._place(memref, indices)
        self.define(operation, self.program.compute("load", address, index, size, cycles=1))

    def _store(self, operation: Any) -> None:
        value, memref, *indices = operation.operation.operands
        address, index, size = self._place(memref, indices)
        self.program.emit("store", self.value(value), address, index, size, cycles=1)

    # Object FIFOs.

    def _port(self, operation: Any) -> _Port:
        name = operation.objFifo_name.value
        produces = ir.IntegerAttr(operation.port).value == 0
        if (name, produces) not in self.ports:
            fifo = next(f for f in self.fifos.fifos if f.name == name)
            end = (fifo.producer,) if produces else fifo.consumers
            if self.tile not in end:
                side = "producer" if produces else "consumer"
                raise UsageError(f"core {self.tile} is no {side} of objectfifo @{name}")
            self.ports[name, produces] = _Port(self.program, fifo, produces, self.fifos, self.tile)
        return self.ports[name, produces]

    def _acquire(self, operation: Any) -> None:
        """Takes what is missing; what a producer gets has no content yet.

        What the core holds is counted along the text, not along its way through it: so does
        mlir-aie, and a loop that keeps an element takes one more each time.
        """
        program, port = self.program, self._port(operation)
        count = ir.IntegerAttr(operation.size).value
        depth = len(port.pool.buffers)
        if count > depth:
            raise UsageError(
                f"core {self.tile} acquires {count} elements of @{operation.objFifo_name.value}, "
                f"which has {depth}"
            )
        missing = max(0, count - port.held)
        if missing:
            locks = program.constant(missing * port.pool.repeat)
            program.emit("acquire", port.take, locks, cycles=self.design.timing.lock)
        if port.produces:
            for place in range(count - missing, count):
                program.emit("poison", self._address(port, place))
        port.held = max(port.held, count)
        self.acquired[operation.operation.results[0]] = port

    def _address(self, port: _Port, place: int) -> int:
        program = self.program
        which = program.compute("add", port.head, program.constant(place))
        return program.compute("element", port.table, which, len(port.pool.buffers))

    def _element(self, operation: Any) -> None:
        port = self.acquired[operation.operation.operands[0]]
        place = ir.IntegerAttr(operation.operation.attributes["index"]).value
        self.define(operation, self._address(port, place))

    def _release(self, operation: Any) -> None:
        program, port = self.program, self._port(operation)
        count = ir.IntegerAttr(operation.size).value
        locks = program.constant(count * port.pool.repeat)
        program.emit("release", port.give, locks, cycles=self.design.timing.lock)
        program.emit("add", port.head, port.head, program.constant(count))
        port.held = max(0, port.held - count)


def acquires(core: Any) -> dict[str, int]:
    """The most elements of each FIFO that a core asks for at once."""
    found: dict[str, int] = {}

    def walk(operation: Any) -> ir.WalkResult:
        opview = operation.opview
        if isinstance(opview, aie.AcquireOp):
            name = opview.objFifo_name.value
            count = ir.IntegerAttr(opview.size).value
            found[name] = max(found.get(name, 0), count)
        return ir.WalkResult.ADVANCE

    core.operation.walk(walk)
    return found
