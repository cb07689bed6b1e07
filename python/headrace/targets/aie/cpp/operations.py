"""What each operation without side effects is on aie_api: a definition of its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.aie.cpp.types import Value, lanes, number, scalar, splat, vector

if TYPE_CHECKING:
    from headrace.targets.aie.cpp.printer import FunctionPrinter

__all__ = ["OPERATIONS"]

# An unordered comparison holds where the opposite ordered one does not.
_COMPARISONS = {
    2: ("gt", False),  # ogt
    4: ("lt", False),  # olt
    10: ("lt", True),  # uge
    12: ("gt", True),  # ule
}


def _constant(printer: FunctionPrinter, op: ir.Operation) -> None:
    kind = op.results[0].type
    if not isinstance(kind, ir.VectorType):
        printer.values[op.results[0]] = Value(number(splat(op), kind), "number")
        return
    value = splat(op)
    text = f"aie::broadcast<{vector(kind)}>({number(value, kind)})"
    if str(value) == "0.0":
        text = f"aie::zeros<{vector(kind)}>()"
    printer.values[op.results[0]] = Value(text, "vector")


def _integers(printer: FunctionPrinter, op: ir.Operation) -> None:
    a, b = op.operands
    if lanes(a.type):
        if op.name != "arith.addi":
            raise CompileError(f"{op.location}: aie-cpp: expected numbers, but got {op}")
        printer.define(op, "whole", f"aie::add({printer.vector(a)}, {printer.vector(b)})", "vector")
        return
    sign = "*" if op.name == "arith.muli" else "+"
    printer.define(op, "at", f"{printer.text(a)} {sign} {printer.text(b)}", "number")


def _same(printer: FunctionPrinter, op: ir.Operation) -> None:
    printer.values[op.results[0]] = printer.values[op.operands[0]]


def _broadcast(printer: FunctionPrinter, op: ir.Operation) -> None:
    (value,) = op.operands
    kind = op.results[0].type
    if lanes(value.type):
        raise CompileError(f"{op.location}: aie-cpp: expected a number, but got {op}")
    text = f"aie::broadcast<{vector(kind)}>({printer.text(value)})"
    printer.define(op, "all", text, "vector")


def _extract(printer: FunctionPrinter, op: ir.Operation) -> None:
    (value,) = op.operands
    (lane,) = ir.DenseI64ArrayAttr(op.attributes["static_position"])
    known = printer.values[value]
    if known.form == "memory":
        printer.define(op, "one", f"{known.text}{lane}]", "number")
    else:
        printer.define(op, "one", f"{printer.vector(value)}.get({lane})", "number")


def _part(printer: FunctionPrinter, op: ir.Operation) -> None:
    kind = op.results[0].type
    (offset,) = (ir.IntegerAttr(item).value for item in ir.ArrayAttr(op.attributes["offsets"]))
    (stride,) = (ir.IntegerAttr(item).value for item in ir.ArrayAttr(op.attributes["strides"]))
    if stride != 1 or offset % lanes(kind):
        raise CompileError(f"{op.location}: aie-cpp: expected one of equal parts, but got {op}")
    text = f"{printer.vector(op.operands[0])}.extract<{lanes(kind)}>({offset // lanes(kind)})"
    printer.define(op, "part", text, "vector")


def _bits(printer: FunctionPrinter, op: ir.Operation) -> None:
    text = f"{printer.vector(op.operands[0])}.cast_to<{scalar(op.results[0].type)}>()"
    printer.define(op, "bits", text, "vector")


def _unsigned(printer: FunctionPrinter, op: ir.Operation) -> None:
    (value,) = op.operands
    steps = {("uint4", "uint16"): 2, ("int8", "uint16"): 1}
    pair = (scalar(value.type), scalar(op.results[0].type))
    if pair not in steps:
        raise CompileError(
            f"{op.location}: aie-cpp: expected i4 or i8 that become i16, but got {op}"
        )
    text = printer.vector(value) + (".cast_to<uint8>()" if pair[0] == "int8" else "")
    printer.define(op, "wide", text + ".unpack()" * steps[pair], "vector")


def _or(printer: FunctionPrinter, op: ir.Operation) -> None:
    value, constant = op.operands
    mask = number(splat(_constant_of(op, constant)), constant.type)
    printer.define(op, "code", f"aie::bit_or({mask}, {printer.vector(value)})", "vector")


def _shift(printer: FunctionPrinter, op: ir.Operation) -> None:
    value, constant = op.operands
    count = splat(_constant_of(op, constant))
    printer.define(op, "bits", f"aie::upshift({printer.vector(value)}, {count})", "vector")


def _widen(printer: FunctionPrinter, op: ir.Operation) -> None:
    printer.values[op.results[0]] = Value(printer.vector(op.operands[0]), "bf16")


def _narrow(printer: FunctionPrinter, op: ir.Operation) -> None:
    text = f"{printer.accum(op.operands[0])}.to_vector<bfloat16>()"
    printer.define(op, "narrow", text, "vector")


def _sum(printer: FunctionPrinter, op: ir.Operation) -> None:
    name = "add" if op.name == "arith.addf" else "sub"
    a, b = op.operands
    printer.define(op, "sum", f"aie::{name}({printer.accum(a)}, {printer.accum(b)})", "accum")


def _product(printer: FunctionPrinter, op: ir.Operation) -> None:
    printer.define(op, "product", f"aie::mul<accfloat>({printer.factors(*op.operands)})", "accum")


def _fused(printer: FunctionPrinter, op: ir.Operation) -> None:
    a, b, addend = op.operands
    text = f"aie::mac({printer.accum(addend)}, {printer.factors(a, b)})"
    printer.define(op, "sum", text, "accum")


def _quotient(printer: FunctionPrinter, op: ir.Operation) -> None:
    a, b = (printer.vector(value) for value in op.operands)
    printer.define(op, "quotient", f"aie::div({a}, {b})", "accum")


def _negative(printer: FunctionPrinter, op: ir.Operation) -> None:
    printer.define(op, "negative", f"aie::neg({printer.vector(op.operands[0])})", "vector")


def _floor(printer: FunctionPrinter, op: ir.Operation) -> None:
    if vector(op.results[0].type) != "float, 16":
        raise CompileError(f"{op.location}: aie-cpp: expected 16 lanes of f32, but got {op}")
    printer.floors = True
    printer.define(op, "whole", f"floor_of({printer.vector(op.operands[0])})", "vector")


def _to_integer(printer: FunctionPrinter, op: ir.Operation) -> None:
    kind = scalar(op.results[0].type)
    text = f"aie::to_fixed<{kind}>({printer.vector(op.operands[0])})"
    printer.define(op, "whole", text, "vector")


def _compare(printer: FunctionPrinter, op: ir.Operation) -> None:
    predicate = ir.IntegerAttr(op.attributes["predicate"]).value
    if predicate not in _COMPARISONS:
        raise CompileError(f"{op.location}: aie-cpp: expected ogt, olt, uge or ule, but got {op}")
    name, negated = _COMPARISONS[predicate]
    a, b = (printer.vector(value) for value in op.operands)
    printer.define(op, "which", f"aie::{name}({a}, {b})", "not mask" if negated else "mask")


def _select(printer: FunctionPrinter, op: ir.Operation) -> None:
    which, first, second = op.operands
    a, b = printer.vector(first), printer.vector(second)
    # The mask chooses the second of what `select` is given.
    if printer.values[which].form == "mask":
        a, b = b, a
    printer.define(op, "chosen", f"aie::select({a}, {b}, {printer.text(which)})", "vector")


def _rotate(printer: FunctionPrinter, op: ir.Operation) -> None:
    a, b = op.operands
    order = list(ir.DenseI64ArrayAttr(op.attributes["mask"]))
    if a != b or order != [(order[0] + lane) % len(order) for lane in range(len(order))]:
        raise CompileError(f"{op.location}: aie-cpp: expected a rotation, but got {op}")
    text = f"aie::shuffle_down_rotate({printer.vector(a)}, {order[0]})"
    printer.define(op, "turned", text, "vector")


def _constant_of(op: ir.Operation, value: ir.Value) -> ir.Operation:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "arith.constant":
        raise CompileError(f"{op.location}: aie-cpp: expected a constant, but got {op}")
    return owner.operation


OPERATIONS: dict[str, Callable[[FunctionPrinter, ir.Operation], None]] = {
    "arith.addf": _sum,
    "arith.addi": _integers,
    "arith.bitcast": _bits,
    "arith.cmpf": _compare,
    "arith.constant": _constant,
    "arith.divf": _quotient,
    "arith.extf": _widen,
    "arith.extui": _unsigned,
    "arith.fptosi": _to_integer,
    "arith.index_cast": _same,
    "arith.mulf": _product,
    "arith.muli": _integers,
    "arith.negf": _negative,
    "arith.ori": _or,
    "arith.select": _select,
    "arith.shli": _shift,
    "arith.subf": _sum,
    "arith.truncf": _narrow,
    "math.floor": _floor,
    "math.fma": _fused,
    "vector.bitcast": _bits,
    "vector.broadcast": _broadcast,
    "vector.extract": _extract,
    "vector.extract_strided_slice": _part,
    "vector.fma": _fused,
    "vector.shuffle": _rotate,
}
