"""Prints one core function, of vector, scf, memref and arith operations, as C++ on aie_api.

Vectors of f32 are in accumulators where products and sums make them, and in vectors where memory,
comparisons and shuffles do; what is f32 only because bf16 are multiplied as that stays bf16, which
is what cores multiply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.aie.cpp.types import bits, is_f32, lanes, number, scalar, splat, vector

__all__ = ["FLOOR", "FunctionPrinter"]

# aie_api has no floor. Right whichever way `to_fixed` rounds.
FLOOR = """\
// The largest whole numbers that are not above x, of less than 2^22.
static inline aie::vector<float, 16> floor_of(const aie::vector<float, 16> &x) {
  const auto near = aie::to_float<float>(aie::to_fixed<int32>(x));
  const auto below = aie::sub(near, aie::broadcast<float, 16>(1.0f));
  return aie::select(near, below, aie::gt(near, x));
}"""

# What arguments of each kind of function are.
_ARGUMENTS = {
    "zero": ("y",),
    "sum_groups": ("x", "bias", "parts"),
    "accumulate": ("x", "bias", "parts", "w", "y", "block"),
    "gate": ("gate", "y"),
}
# Smallest vector that is one: of fewer bits, the numbers are loaded one by one.
_SMALLEST_BITS = 128
# An unordered comparison holds where the opposite ordered one does not.
_COMPARISONS = {
    2: ("gt", False),
    4: ("lt", False),
    10: ("lt", True),  # uge
    12: ("gt", True),  # ule
}


@dataclass(frozen=True)
class _Value:
    """Text of a value, and what it is.

    form: "number", "vector" or "accum"; "bf16" is a vector of bf16 that stands for its f32;
        "memory" the address of numbers that are loaded one by one; "mask" and "not mask".
    """

    text: str
    form: str


class FunctionPrinter:
    """The text of one function in `lines`; `floors` if it calls `floor_of`."""

    def __init__(self, function: Any) -> None:
        self.lines: list[str] = []
        self.floors = False
        self._depth = 1
        self._values: dict[ir.Value, _Value] = {}
        self._counts: Counter[str] = Counter()
        (block,) = function.regions[0].blocks
        self._head(function, block)
        if _narrows(block):
            # A core starts with rounding down.
            self._line("aie::set_rounding(aie::rounding_mode::conv_even);")
        self._block(block)
        self.lines.append("}")

    def _head(self, function: Any, block: Any) -> None:
        name = function.name.value
        names = next(
            (known for kind, known in _ARGUMENTS.items() if name.startswith(kind)),
            tuple(f"arg{index}" for index in range(len(block.arguments))),
        )
        parameters = []
        for argument, usual in zip(block.arguments, names, strict=True):
            self._values[argument] = _Value(usual, "number")
            if not isinstance(argument.type, ir.MemRefType):
                parameters.append(f"{scalar(argument.type)} {usual}")
                continue
            if str(argument.type.layout) != "affine_map<(d0) -> (d0)>":
                raise CompileError(
                    f"aie-cpp: expected contiguous memory of one dimension, but got {argument.type}"
                )
            stored = any(_stores_to(use.owner.operation, argument) for use in argument.uses)
            constant = "" if stored else "const "
            element = scalar(argument.type.element_type)
            parameters.append(f"{constant}{element} *__restrict {usual}")
        self.lines.append(f"void {name}({', '.join(parameters)}) {{")

    # --- values ----------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        self.lines.append("  " * self._depth + text)

    def _fresh(self, stem: str) -> str:
        self._counts[stem] += 1
        return f"{stem}{self._counts[stem]}"

    def _define(self, op: ir.Operation, stem: str, text: str, form: str) -> None:
        name = self._fresh(stem)
        kind = scalar(op.results[0].type) if form == "number" else "auto"
        self._line(f"const {kind} {name} = {text};")
        self._values[op.results[0]] = _Value(name, form)

    def _text(self, value: ir.Value) -> str:
        return self._values[value].text

    def _vector(self, value: ir.Value) -> str:
        """A value in a vector."""
        known = self._values[value]
        if known.form == "vector":
            return known.text
        return f"{self._accum(value)}.to_vector<float>()"

    def _accum(self, value: ir.Value) -> str:
        """A value of f32 in an accumulator."""
        known = self._values[value]
        if known.form == "accum":
            return known.text
        return f"aie::accum<accfloat, {lanes(value.type)}>({known.text})"

    def _factors(self, *values: ir.Value) -> str:
        """Factors of a product: bf16 if all of them are."""
        if all(self._values[value].form == "bf16" for value in values):
            return ", ".join(self._text(value) for value in values)
        return ", ".join(self._vector(value) for value in values)

    # --- operations ------------------------------------------------------------------------------

    def _block(self, block: Any) -> None:
        for item in block.operations:
            op = item.operation
            if op.name not in _OPERATIONS:
                raise CompileError(
                    f"{op.location}: aie-cpp: '{op.name}' cannot be written in C++; allowed: "
                    f"{', '.join(sorted(_OPERATIONS))}"
                )
            _OPERATIONS[op.name](self, op)

    def _constant(self, op: ir.Operation) -> None:
        kind = op.results[0].type
        if not isinstance(kind, ir.VectorType):
            self._values[op.results[0]] = _Value(number(splat(op), kind), "number")
            return
        value = splat(op)
        text = f"aie::broadcast<{vector(kind)}>({number(value, kind)})"
        if str(value) == "0.0":
            text = f"aie::zeros<{vector(kind)}>()"
        self._values[op.results[0]] = _Value(text, "vector")

    def _integers(self, op: ir.Operation) -> None:
        a, b = op.operands
        if lanes(a.type):
            if op.name != "arith.addi":
                raise CompileError(f"{op.location}: aie-cpp: expected numbers, but got {op}")
            self._define(op, "whole", f"aie::add({self._vector(a)}, {self._vector(b)})", "vector")
            return
        sign = "*" if op.name == "arith.muli" else "+"
        self._define(op, "at", f"{self._text(a)} {sign} {self._text(b)}", "number")

    def _same(self, op: ir.Operation) -> None:
        self._values[op.results[0]] = self._values[op.operands[0]]

    def _load(self, op: ir.Operation) -> None:
        memref, index = op.operands
        kind = op.results[0].type
        pointer = self._text(memref)
        if not lanes(kind):
            self._define(op, "one", f"{pointer}[{self._text(index)}]", "number")
        elif bits(kind) < _SMALLEST_BITS:
            if any(_stores_to(use.owner.operation, memref) for use in memref.uses):
                raise CompileError(
                    f"{op.location}: aie-cpp: expected memory that is only read, but got {op}"
                )
            self._values[op.results[0]] = _Value(f"{pointer}[{self._text(index)} + ", "memory")
        else:
            text = f"aie::load_v<{lanes(kind)}>({pointer} + {self._text(index)})"
            self._define(op, f"{pointer}_", text, "vector")

    def _store(self, op: ir.Operation) -> None:
        value, memref, index = op.operands
        if lanes(value.type):
            place = f"{self._text(memref)} + {self._text(index)}"
            self._line(f"aie::store_v({place}, {self._vector(value)});")
        else:
            place = f"{self._text(memref)}[{self._text(index)}]"
            self._line(f"{place} = {self._text(value)};")

    def _broadcast(self, op: ir.Operation) -> None:
        (value,) = op.operands
        kind = op.results[0].type
        if lanes(value.type):
            raise CompileError(f"{op.location}: aie-cpp: expected a number, but got {op}")
        text = f"aie::broadcast<{vector(kind)}>({self._text(value)})"
        self._define(op, "all", text, "vector")

    def _extract(self, op: ir.Operation) -> None:
        (value,) = op.operands
        (lane,) = ir.DenseI64ArrayAttr(op.attributes["static_position"])
        known = self._values[value]
        if known.form == "memory":
            self._define(op, "one", f"{known.text}{lane}]", "number")
        else:
            self._define(op, "one", f"{self._vector(value)}.get({lane})", "number")

    def _part(self, op: ir.Operation) -> None:
        kind = op.results[0].type
        (offset,) = (ir.IntegerAttr(item).value for item in ir.ArrayAttr(op.attributes["offsets"]))
        (stride,) = (ir.IntegerAttr(item).value for item in ir.ArrayAttr(op.attributes["strides"]))
        if stride != 1 or offset % lanes(kind):
            raise CompileError(f"{op.location}: aie-cpp: expected a part number, but got {op}")
        text = f"{self._vector(op.operands[0])}.extract<{lanes(kind)}>({offset // lanes(kind)})"
        self._define(op, "part", text, "vector")

    def _bits(self, op: ir.Operation) -> None:
        text = f"{self._vector(op.operands[0])}.cast_to<{scalar(op.results[0].type)}>()"
        self._define(op, "bits", text, "vector")

    def _unsigned(self, op: ir.Operation) -> None:
        (value,) = op.operands
        steps = {("uint4", "uint16"): 2, ("int8", "uint16"): 1}
        pair = (scalar(value.type), scalar(op.results[0].type))
        if pair not in steps:
            raise CompileError(
                f"{op.location}: aie-cpp: expected i4 or i8 that become i16, but got {op}"
            )
        text = self._vector(value) + (".cast_to<uint8>()" if pair[0] == "int8" else "")
        self._define(op, "wide", text + ".unpack()" * steps[pair], "vector")

    def _or(self, op: ir.Operation) -> None:
        value, constant = op.operands
        mask = number(splat(_constant_of(op, constant)), constant.type)
        self._define(op, "code", f"aie::bit_or({mask}, {self._vector(value)})", "vector")

    def _shift(self, op: ir.Operation) -> None:
        value, constant = op.operands
        count = splat(_constant_of(op, constant))
        self._define(op, "bits", f"aie::upshift({self._vector(value)}, {count})", "vector")

    def _widen(self, op: ir.Operation) -> None:
        self._values[op.results[0]] = _Value(self._vector(op.operands[0]), "bf16")

    def _narrow(self, op: ir.Operation) -> None:
        text = f"{self._accum(op.operands[0])}.to_vector<bfloat16>()"
        self._define(op, "narrow", text, "vector")

    def _sum(self, op: ir.Operation) -> None:
        name = "add" if op.name == "arith.addf" else "sub"
        a, b = op.operands
        self._define(op, "sum", f"aie::{name}({self._accum(a)}, {self._accum(b)})", "accum")

    def _product(self, op: ir.Operation) -> None:
        self._define(op, "product", f"aie::mul<accfloat>({self._factors(*op.operands)})", "accum")

    def _fused(self, op: ir.Operation) -> None:
        a, b, addend = op.operands
        text = f"aie::mac({self._accum(addend)}, {self._factors(a, b)})"
        self._define(op, "sum", text, "accum")

    def _quotient(self, op: ir.Operation) -> None:
        a, b = (self._vector(value) for value in op.operands)
        self._define(op, "quotient", f"aie::div({a}, {b})", "accum")

    def _negative(self, op: ir.Operation) -> None:
        self._define(op, "negative", f"aie::neg({self._vector(op.operands[0])})", "vector")

    def _floor(self, op: ir.Operation) -> None:
        if vector(op.results[0].type) != "float, 16":
            raise CompileError(f"{op.location}: aie-cpp: expected 16 lanes of f32, but got {op}")
        self.floors = True
        self._define(op, "whole", f"floor_of({self._vector(op.operands[0])})", "vector")

    def _to_integer(self, op: ir.Operation) -> None:
        kind = scalar(op.results[0].type)
        text = f"aie::to_fixed<{kind}>({self._vector(op.operands[0])})"
        self._define(op, "whole", text, "vector")

    def _compare(self, op: ir.Operation) -> None:
        predicate = ir.IntegerAttr(op.attributes["predicate"]).value
        if predicate not in _COMPARISONS:
            raise CompileError(
                f"{op.location}: aie-cpp: expected ogt, olt, uge or ule, but got {op}"
            )
        name, negated = _COMPARISONS[predicate]
        a, b = (self._vector(value) for value in op.operands)
        self._define(op, "which", f"aie::{name}({a}, {b})", "not mask" if negated else "mask")

    def _select(self, op: ir.Operation) -> None:
        which, first, second = op.operands
        a, b = self._vector(first), self._vector(second)
        # The mask chooses the second of what `select` is given.
        if self._values[which].form == "mask":
            a, b = b, a
        self._define(op, "chosen", f"aie::select({a}, {b}, {self._text(which)})", "vector")

    def _rotate(self, op: ir.Operation) -> None:
        a, b = op.operands
        order = list(ir.DenseI64ArrayAttr(op.attributes["mask"]))
        if a != b or order != [(order[0] + lane) % len(order) for lane in range(len(order))]:
            raise CompileError(f"{op.location}: aie-cpp: expected a rotation, but got {op}")
        text = f"aie::shuffle_down_rotate({self._vector(a)}, {order[0]})"
        self._define(op, "turned", text, "vector")

    def _for(self, op: ir.Operation) -> None:
        lower, upper, step, *inits = op.operands
        (body,) = op.regions[0].blocks
        counter, *carried = body.arguments
        for argument, result, init in zip(carried, op.results, inits, strict=True):
            if not is_f32(result.type):
                raise CompileError(f"{op.location}: aie-cpp: expected sums in f32, but got {op}")
            name = self._fresh("carried")
            self._line(f"aie::accum<accfloat, {lanes(result.type)}> {name} = {self._accum(init)};")
            self._values[argument] = self._values[result] = _Value(name, "accum")
        name = self._fresh("i")
        self._values[counter] = _Value(name, "number")
        head = f"int32 {name} = {self._text(lower)}; {name} < {self._text(upper)}"
        self._line(f"for ({head}; {name} += {self._text(step)}) {{")
        self._depth += 1
        self._block(body)
        self._depth -= 1
        self._line("}")

    def _yield(self, op: ir.Operation) -> None:
        loop = op.block.owner
        targets = [self._text(result) for result in loop.results]
        values = [self._accum(value) for value in op.operands]
        pairs = zip(values, targets, strict=True)
        if any(value in targets and value != target for value, target in pairs):
            raise CompileError(f"{op.location}: aie-cpp: expected new sums, but got {op}")
        for target, value in zip(targets, values, strict=True):
            if target != value:
                self._line(f"{target} = {value};")

    def _return(self, op: ir.Operation) -> None:
        pass


def _constant_of(op: ir.Operation, value: ir.Value) -> ir.Operation:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "arith.constant":
        raise CompileError(f"{op.location}: aie-cpp: expected a constant, but got {op}")
    return owner.operation


def _stores_to(op: ir.Operation, memref: ir.Value) -> bool:
    return op.name in ("vector.store", "memref.store") and op.operands[1] == memref


def _narrows(block: Any) -> bool:
    """Whether f32 become bf16 anywhere."""
    return any(
        item.operation.name == "arith.truncf"
        or any(_narrows(inner) for region in item.operation.regions for inner in region.blocks)
        for item in block.operations
    )


_OPERATIONS: dict[str, Callable[[FunctionPrinter, ir.Operation], None]] = {
    "arith.addf": FunctionPrinter._sum,
    "arith.addi": FunctionPrinter._integers,
    "arith.bitcast": FunctionPrinter._bits,
    "arith.cmpf": FunctionPrinter._compare,
    "arith.constant": FunctionPrinter._constant,
    "arith.divf": FunctionPrinter._quotient,
    "arith.extf": FunctionPrinter._widen,
    "arith.extui": FunctionPrinter._unsigned,
    "arith.fptosi": FunctionPrinter._to_integer,
    "arith.index_cast": FunctionPrinter._same,
    "arith.mulf": FunctionPrinter._product,
    "arith.muli": FunctionPrinter._integers,
    "arith.negf": FunctionPrinter._negative,
    "arith.ori": FunctionPrinter._or,
    "arith.select": FunctionPrinter._select,
    "arith.shli": FunctionPrinter._shift,
    "arith.subf": FunctionPrinter._sum,
    "arith.truncf": FunctionPrinter._narrow,
    "func.return": FunctionPrinter._return,
    "math.floor": FunctionPrinter._floor,
    "math.fma": FunctionPrinter._fused,
    "memref.load": FunctionPrinter._load,
    "memref.store": FunctionPrinter._store,
    "scf.for": FunctionPrinter._for,
    "scf.yield": FunctionPrinter._yield,
    "vector.bitcast": FunctionPrinter._bits,
    "vector.broadcast": FunctionPrinter._broadcast,
    "vector.extract": FunctionPrinter._extract,
    "vector.extract_strided_slice": FunctionPrinter._part,
    "vector.fma": FunctionPrinter._fused,
    "vector.load": FunctionPrinter._load,
    "vector.shuffle": FunctionPrinter._rotate,
    "vector.store": FunctionPrinter._store,
}
