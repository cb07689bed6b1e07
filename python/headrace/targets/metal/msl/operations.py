"""Expressions: what each operation without side effects is in the language.

One function for an operation, called with the printer's view of it; it returns text, whether that
text needs parentheses as an operand, or raises `CompileError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.metal.msl.types import (
    constant_text,
    is_vector,
    lanes,
    signed,
    type_text,
)

__all__ = ["EXPRESSIONS", "PINNED", "Expression", "Operands", "defining_op"]

# Text, and whether it is an atom: a name, a call or a literal.
Expression = tuple[str, bool]
# The texts of operands, each an atom if asked for.
Operands = Callable[[int], str]
Build = Callable[[ir.Operation, Operands], Expression]

_LETTERS = "xyzw"


def _result(op: ir.Operation) -> ir.Type:
    return op.results[0].type


def defining_op(value: ir.Value) -> ir.Operation | None:
    """The operation that computes a value; None for an argument."""
    return None if isinstance(value.owner, ir.Block) else value.owner.operation


def _infix(sign: str) -> Build:
    def build(op: ir.Operation, operand: Operands) -> Expression:
        text = f"{operand(0)} {sign} {operand(1)}"
        kind = type_text(_result(op))
        # Narrow numbers are promoted to int; vectors are not.
        if kind in ("uchar", "ushort"):
            return f"{kind}({text})", True
        return text, False

    return build


def _unsigned_infix(sign: str) -> Build:
    """Division: of indices as unsigned numbers, which is faster."""

    def build(op: ir.Operation, operand: Operands) -> Expression:
        kind = type_text(_result(op))
        if kind != "int":
            return _infix(sign)(op, operand)
        return f"int({_unsigned(operand(0))} {sign} {_unsigned(operand(1))})", True

    return build


def _unsigned(text: str) -> str:
    """An index as an unsigned number; what a thread knows of its place is one already."""
    place = re.fullmatch(r"int\((\w+(?:\.\w)?)\)", text)
    return place[1] if place else text if text.isdecimal() else f"uint({text})"


def _masked(sign: str) -> Build:
    """`&`, `|` and `^`, with constants in hexadecimal."""

    def build(op: ir.Operation, operand: Operands) -> Expression:
        texts = []
        for index, value in enumerate(op.operands):
            owner = defining_op(value)
            constant = owner is not None and owner.name == "arith.constant"
            if owner and constant and type_text(value.type) != "bool":
                attribute = owner.attributes["value"]
                texts.append(constant_text(attribute, value.type, hexadecimal=True))
            else:
                texts.append(operand(index))
        text = f" {sign} ".join(texts)
        kind = type_text(_result(op))
        return (f"{kind}({text})", True) if kind in ("uchar", "ushort") else (text, False)

    return build


def _signed_infix(sign: str) -> Build:
    def build(op: ir.Operation, operand: Operands) -> Expression:
        kind = signed(type_text(op.operands[0].type))
        right = operand(1) if sign == ">>" else f"{kind}({operand(1)})"
        return f"{type_text(_result(op))}({kind}({operand(0)}) {sign} {right})", True

    return build


def _call(name: str) -> Build:
    def build(op: ir.Operation, operand: Operands) -> Expression:
        arguments = ", ".join(operand(index) for index in range(len(op.operands)))
        return f"{name}({arguments})", True

    return build


def _unsigned_call(name: str) -> Build:
    """A call of a function that has one form for each type: literals need one."""

    def build(op: ir.Operation, operand: Operands) -> Expression:
        kind = type_text(_result(op))
        arguments = [operand(index) for index in range(len(op.operands))]
        literal = kind != "int"
        typed = [f"{kind}({text})" if literal and text.isdecimal() else text for text in arguments]
        return f"{name}({', '.join(typed)})", True

    return build


def _signed_call(name: str) -> Build:
    def build(op: ir.Operation, operand: Operands) -> Expression:
        kind = signed(type_text(_result(op)))
        return f"{type_text(_result(op))}({name}({kind}({operand(0)}), {kind}({operand(1)})))", True

    return build


def _convert(op: ir.Operation, operand: Operands) -> Expression:
    source, target = type_text(op.operands[0].type), type_text(_result(op))
    return (operand(0), True) if source == target else (f"{target}({operand(0)})", True)


def _convert_signed(op: ir.Operation, operand: Operands) -> Expression:
    source, target = type_text(op.operands[0].type), type_text(_result(op))
    if source == target:
        return operand(0), True
    if source == "int":
        return f"{target}({operand(0)})", True
    if target.startswith(("float", "half", "bfloat")):
        return f"{target}({signed(source)}({operand(0)}))", True
    return f"{target}({signed(target)}({signed(source)}({operand(0)})))", True


def _float_to_signed(op: ir.Operation, operand: Operands) -> Expression:
    target = type_text(_result(op))
    return f"{target}({signed(target)}({operand(0)}))", True


def _itself(operand: Operands) -> Expression:
    """What is another type in IR only; as an argument it may have no parentheses."""
    text = operand(0)
    return text, re.fullmatch(r"[\w.]+", text) is not None


def _bitcast(op: ir.Operation, operand: Operands) -> Expression:
    source, target = type_text(op.operands[0].type), type_text(_result(op))
    return _itself(operand) if source == target else (f"as_type<{target}>({operand(0)})", True)


# eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge
_INTEGERS = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
# Of floats, those that are false for NaN, but for une: oeq, ogt, oge, olt, ole, and une.
_FLOATS = {1: "==", 2: ">", 3: ">=", 4: "<", 5: "<=", 13: "!="}


def _compare_integers(op: ir.Operation, operand: Operands) -> Expression:
    number = int(ir.IntegerAttr(op.attributes["predicate"]).value)
    source = type_text(op.operands[0].type)
    if 2 <= number < 6 and source != "int":
        kind = signed(source)
        return f"{kind}({operand(0)}) {_INTEGERS[number]} {kind}({operand(1)})", False
    return f"{operand(0)} {_INTEGERS[number]} {operand(1)}", False


def _compare_floats(op: ir.Operation, operand: Operands) -> Expression:
    number = int(ir.IntegerAttr(op.attributes["predicate"]).value)
    if number == 14 and op.operands[0] == op.operands[1]:
        return f"isnan({operand(0)})", True
    if number not in _FLOATS:
        raise CompileError(
            f"{op.location}: msl: expected arith.cmpf oeq, ogt, oge, olt, ole or une, or uno of a "
            f"number and itself, but got {op}"
        )
    return f"{operand(0)} {_FLOATS[number]} {operand(1)}", False


def _select(op: ir.Operation, operand: Operands) -> Expression:
    if is_vector(op.operands[0].type):
        return f"select({operand(2)}, {operand(1)}, {operand(0)})", True
    return f"{operand(0)} ? {operand(1)} : {operand(2)}", False


def _negate(op: ir.Operation, operand: Operands) -> Expression:
    return f"-{operand(0)}", False


def _broadcast(op: ir.Operation, operand: Operands) -> Expression:
    if not is_vector(_result(op)):
        return _itself(operand)
    if isinstance(op.operands[0].type, ir.VectorType):
        raise CompileError(f"{op.location}: msl: expected a number to broadcast, but got {op}")
    return f"{type_text(_result(op))}({operand(0)})", True


def _from_elements(op: ir.Operation, operand: Operands) -> Expression:
    texts = [operand(index) for index in range(len(op.operands))]
    return f"{type_text(_result(op))}({', '.join(texts)})", True


def _integers(op: ir.Operation, name: str) -> list[int]:
    return list(ir.DenseI64ArrayAttr(op.attributes[name]))


def _lane(op: ir.Operation, value: ir.Value, text: str, places: Sequence[int]) -> str:
    """Lanes of a value; of one lane, the value itself is a number."""
    if lanes(value.type) == 1:
        return text
    return f"{text}.{''.join(_LETTERS[place] for place in places)}"


def _extract(op: ir.Operation, operand: Operands) -> Expression:
    places = _integers(op, "static_position")
    if len(places) != 1 or len(op.operands) != 1:
        raise CompileError(f"{op.location}: msl: expected one constant lane, but got {op}")
    return _lane(op, op.operands[0], operand(0), places), True


def _shuffle(op: ir.Operation, operand: Operands) -> Expression:
    count = lanes(op.operands[0].type)
    runs: list[tuple[int, list[int]]] = []
    for place in _integers(op, "mask"):
        source = int(place >= count)
        if not runs or runs[-1][0] != source:
            runs.append((source, []))
        runs[-1][1].append(place - source * count)
    texts = [_lane(op, op.operands[source], operand(source), places) for source, places in runs]
    if len(texts) == 1:
        return texts[0], True
    return f"{type_text(_result(op))}({', '.join(texts)})", True


def _slice(op: ir.Operation, operand: Operands) -> Expression:
    def first(name: str) -> int:
        (attribute,) = ir.ArrayAttr(op.attributes[name])
        return int(ir.IntegerAttr(attribute).value)

    start, stride = first("offsets"), first("strides")
    places = [start + stride * lane for lane in range(lanes(_result(op)))]
    return _lane(op, op.operands[0], operand(0), places), True


def _reduction(op: ir.Operation, operand: Operands) -> Expression:
    kind = str(op.attributes["kind"])
    count = lanes(op.operands[0].type)
    if kind != "#vector.kind<add>" or len(op.operands) != 1:
        raise CompileError(
            f"{op.location}: msl: expected vector.reduction <add> without accumulator, but got {op}"
        )
    parts = [_lane(op, op.operands[0], operand(0), [lane]) for lane in range(count)]
    while len(parts) > 1:
        pairs = [f"{a} + {b}" for a, b in zip(parts[::2], parts[1::2], strict=False)]
        rest = parts[len(pairs) * 2 :]
        parts = [*(f"({pair})" if len(pairs) + len(rest) > 1 else pair for pair in pairs), *rest]
    return parts[0], count == 1


_REDUCTIONS = {
    "add": "simd_sum",
    "mul": "simd_product",
    "maxnumf": "simd_max",
    "minnumf": "simd_min",
    "maxui": "simd_max",
    "minui": "simd_min",
    "and": "simd_and",
    "or": "simd_or",
    "xor": "simd_xor",
}


def _subgroup_reduce(op: ir.Operation, operand: Operands) -> Expression:
    kind = str(op.attributes["op"]).removeprefix("#gpu<all_reduce_op ").removesuffix(">")
    if kind not in _REDUCTIONS or "cluster_size" in op.attributes:
        raise CompileError(
            f"{op.location}: msl: expected gpu.subgroup_reduce over all lanes with one of "
            f"{', '.join(_REDUCTIONS)}, but got {op}"
        )
    return f"{_REDUCTIONS[kind]}({operand(0)})", True


_SHUFFLES = {
    "xor": "simd_shuffle_xor",
    "up": "simd_shuffle_up",
    "down": "simd_shuffle_down",
    "idx": "simd_shuffle",
}


def _shuffle_lanes(op: ir.Operation, operand: Operands) -> Expression:
    kind = str(op.attributes["mode"]).removeprefix("#gpu<shuffle_mode ").removesuffix(">")
    if any(True for _ in op.results[1].uses):
        raise CompileError(f"{op.location}: msl: expected nothing to use whether a lane was there")
    return f"{_SHUFFLES[kind]}({operand(0)}, ushort({operand(1)}))", True


def _constant_matrix(op: ir.Operation, operand: Operands) -> Expression:
    type_text(_result(op))  # there are matrices of one shape only
    element = type_text(op.operands[0].type)
    return f"make_filled_simdgroup_matrix<{element}, 8, 8>({operand(0)})", True


def _constant(op: ir.Operation, operand: Operands) -> Expression:
    text = constant_text(op.attributes["value"], _result(op))
    return text, not text.startswith("-")


EXPRESSIONS: dict[str, Build] = {
    "arith.constant": _constant,
    **{f"arith.{name}": _infix("+") for name in ("addi", "addf")},
    **{f"arith.{name}": _infix("-") for name in ("subi", "subf")},
    **{f"arith.{name}": _infix("*") for name in ("muli", "mulf")},
    "arith.divf": _infix("/"),
    "arith.divui": _unsigned_infix("/"),
    "arith.remui": _unsigned_infix("%"),
    "arith.shli": _infix("<<"),
    "arith.shrui": _infix(">>"),
    "arith.andi": _masked("&"),
    "arith.ori": _masked("|"),
    "arith.xori": _masked("^"),
    "arith.shrsi": _signed_infix(">>"),
    "arith.divsi": _signed_infix("/"),
    "arith.remsi": _signed_infix("%"),
    "arith.minui": _unsigned_call("min"),
    "arith.maxui": _unsigned_call("max"),
    "arith.minsi": _signed_call("min"),
    "arith.maxsi": _signed_call("max"),
    "arith.minnumf": _call("fmin"),
    "arith.maxnumf": _call("fmax"),
    "arith.negf": _negate,
    "arith.select": _select,
    "arith.cmpi": _compare_integers,
    "arith.cmpf": _compare_floats,
    **{
        f"arith.{name}": _convert
        for name in (["extui", "extf", "truncf", "trunci", "uitofp", "fptoui", "index_castui"])
    },
    **{f"arith.{name}": _convert_signed for name in ("extsi", "sitofp", "index_cast")},
    "arith.fptosi": _float_to_signed,
    "arith.bitcast": _bitcast,
    "vector.bitcast": _bitcast,
    "vector.broadcast": _broadcast,
    "vector.from_elements": _from_elements,
    "vector.extract": _extract,
    "vector.shuffle": _shuffle,
    "vector.extract_strided_slice": _slice,
    "vector.reduction": _reduction,
    "vector.fma": _call("fma"),
    "math.fma": _call("fma"),
    "math.exp": _call("exp"),
    "math.exp2": _call("exp2"),
    "math.log": _call("log"),
    "math.log2": _call("log2"),
    # Fast ones, which sources may get, are NaN where tanh is 1, and far off for large angles.
    "math.tanh": _call("precise::tanh"),
    "math.cos": _call("precise::cos"),
    "math.sin": _call("precise::sin"),
    "math.sqrt": _call("sqrt"),
    "math.rsqrt": _call("rsqrt"),
    "math.absf": _call("fabs"),
    "math.ctpop": _call("popcount"),
    "math.floor": _call("floor"),
    "math.ceil": _call("ceil"),
    "math.roundeven": _call("rint"),
    "gpu.subgroup_reduce": _subgroup_reduce,
    "gpu.subgroup_mma_constant_matrix": _constant_matrix,
    "gpu.shuffle": _shuffle_lanes,
}

# Operations that other lanes or memory have a part in: never moved, never computed twice.
PINNED = frozenset({"gpu.subgroup_reduce", "gpu.shuffle"})
