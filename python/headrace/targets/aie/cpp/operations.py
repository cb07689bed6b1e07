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

# aie_api has no floor. Right whichever way `to_fixed` rounds.
FLOOR = """\
// The largest whole numbers that are not above x, of less than 2^22.
static inline aie::vector<float, 16> floor_of(const aie::vector<float, 16> &x) {
  const auto near = aie::to_float<float>(aie::to_fixed<int32>(x));
  const auto below = aie::sub(near, aie::broadcast<float, 16>(1.0f));
  return aie::select(near, below, aie::gt(near, x));
}"""
SPLIT = """\
// Numbers of which eight share an exponent: those nearest to x, and to what is left of it.
using Blocks = aie::block_vector<bfp16ebs8, 64>;
struct Parts {
  Blocks first, rest;
};
static inline Parts split_bfp16(const aie::vector<bfloat16, 64> &x) {
  alignas(aie::vector_decl_align) static const bfloat16 minus_identity[64] = {
ROWS
  };
  const aie::accum<accfloat, 64> minus(aie::load_v<64>(minus_identity));
  const aie::accum<accfloat, 64> all(x);
  const Blocks first = all.to_vector<bfp16ebs8>();
  const aie::accum<accfloat, 64> rest =
      mac_8x8_8x8T(first, minus.to_vector<bfp16ebs8>(), all);
  return {first, rest.to_vector<bfp16ebs8>()};
}""".replace(
    "ROWS",
    "\n".join(
        "      " + ", ".join(f"bfloat16({-1 if row == at else 0}.0f)" for at in range(8)) + ","
        for row in range(8)
    ),
)
MULTIPLY_ADD = """\
// sum + a * b, of matrices of M x K and K x N numbers.
template <unsigned M, unsigned K, unsigned N>
static inline aie::accum<accfloat, M * N>
multiply_add(const aie::accum<accfloat, M * N> &sum, const aie::vector<bfloat16, M * K> &a,
             const aie::vector<bfloat16, K * N> &b) {
  aie::mmul<M, K, N, bfloat16, bfloat16, accauto> product(sum);
  product.mac(a, b);
  return product.to_accum();
}"""

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
    steps = {("uint4", "uint16"): 2, ("int8", "uint16"): 1, ("uint4", "int8"): 1}
    pair = (scalar(value.type), scalar(op.results[0].type))
    if pair not in steps:
        raise CompileError(
            f"{op.location}: aie-cpp: expected i4 or i8 that become i8 or i16, but got {op}"
        )
    text = printer.vector(value) + (".cast_to<uint8>()" if pair[0] == "int8" else "")
    text += ".unpack()" * steps[pair] + (".cast_to<int8>()" if pair[1] == "int8" else "")
    printer.define(op, "wide", text, "vector")


def _interleave(printer: FunctionPrinter, op: ir.Operation) -> None:
    a, b = (printer.vector(value) for value in op.operands)
    both = printer.name("both", f"aie::interleave_zip({a}, {b}, 1)")
    printer.define(op, "lanes", f"aie::concat({both}.first, {both}.second)", "vector")


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
    printer.helpers.add(FLOOR)
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


def _shuffle(printer: FunctionPrinter, op: ir.Operation) -> None:
    a, b = op.operands
    (lanes_of, made) = (lanes(a.type), lanes(op.results[0].type))
    order = list(ir.DenseI64ArrayAttr(op.attributes["mask"]))
    text = _rearranged(printer.vector(a), lanes_of, order) if a == b else None
    if text is None:
        raise CompileError(
            f"{op.location}: aie-cpp: expected a rotation, every other lane, copies, or parts "
            f"beside themselves, but got {op}"
        )
    printer.define(op, "turned" if lanes_of == made else "lanes", text, "vector")


def _rearranged(text: str, count: int, order: list[int]) -> str | None:
    """The `count` lanes of `text` in another order, if there is a function for it."""
    if len(order) == count:
        if order == [(order[0] + lane) % count for lane in range(count)]:
            return f"aie::shuffle_down_rotate({text}, {order[0]})"
        step = count // 2
        if order == [lane % 8 * 8 + lane // 8 for lane in range(64)]:
            return f"aie::transpose({text}, 8, 8)"
        while step:
            zipped = [lane // (2 * step) * step + lane % step for lane in range(2 * count)]
            for half, name in enumerate(("first", "second")):
                if order == zipped[half * count : (half + 1) * count]:
                    return f"aie::interleave_zip({text}, {text}, {step}).{name}"
            step //= 2
    for first, name in enumerate(("even", "odd")):
        if order == list(range(first, count, 2)):
            return f"aie::filter_{name}({text})"
    if len(order) > count and order == [lane % count for lane in range(len(order))]:
        return f"{text}.grow_replicate<{len(order)}>()"
    return None


# What `vector.contract` has to be: a product of two matrices, row by row, the second of which is
# turned where it is of blocks.
_PRODUCT = (
    "[affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> ({right})>, "
    "affine_map<(d0, d1, d2) -> (d0, d1)>]"
)


def _contract(printer: FunctionPrinter, op: ir.Operation) -> None:
    left, right, addend = op.operands
    kinds = [ir.VectorType(value.type) for value in op.operands]
    blocks = all(printer.values[value].form == "blocks" for value in (left, right))
    maps = _PRODUCT.format(right="d1, d2" if blocks else "d2, d1")
    types = [str(kind.element_type) for kind in kinds]
    if str(op.attributes["indexing_maps"]) != maps or types != ["bf16", "bf16", "f32"]:
        raise CompileError(
            f"{op.location}: aie-cpp: expected a product of matrices of bf16, but got {op}"
        )
    sums = printer.accum(addend)
    if blocks:
        text = f"mac_8x8_8x8T({printer.text(left)}, {printer.text(right)}, {sums})"
    else:
        shape = f"{kinds[0].shape[0]}, {kinds[0].shape[1]}, {kinds[1].shape[1]}"
        factors = f"{printer.vector(left)}, {printer.vector(right)}"
        text = f"multiply_add<{shape}>({sums}, {factors})"
        printer.helpers.add(MULTIPLY_ADD)
    printer.define(op, "sum", text, "accum")


def _call(printer: FunctionPrinter, op: ir.Operation) -> None:
    name = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
    if name != "split_bfp16":
        raise CompileError(f"{op.location}: aie-cpp: expected a call of split_bfp16, but got {op}")
    printer.helpers.add(SPLIT)
    parts = printer.name("parts", f"{name}({printer.vector(op.operands[0])})")
    for result, member in zip(op.results, ("first", "rest"), strict=True):
        printer.values[result] = Value(f"{parts}.{member}", "blocks")


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
    "func.call": _call,
    "math.floor": _floor,
    "math.fma": _fused,
    "vector.bitcast": _bits,
    "vector.broadcast": _broadcast,
    "vector.contract": _contract,
    "vector.extract": _extract,
    "vector.extract_strided_slice": _part,
    "vector.fma": _fused,
    "vector.interleave": _interleave,
    "vector.shape_cast": _same,
    "vector.shuffle": _shuffle,
}
