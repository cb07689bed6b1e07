"""Prints one core function, of vector, scf, memref and arith operations, as C++ on aie_api.

Vectors of f32 are in accumulators where products and sums make them, and in vectors where memory,
comparisons and shuffles do; what is f32 only because bf16 are multiplied as that stays bf16, which
is what cores multiply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.aie.cpp.operations import OPERATIONS
from headrace.targets.aie.cpp.types import Value, bits, is_f32, lanes, scalar, splat

__all__ = ["FunctionPrinter"]

# What arguments of each kind of function are.
_ARGUMENTS = {
    "zero": ("y",),
    "copy": ("from", "to"),
    "take": ("piece", "x", "bias", "parts", "number"),
    "accumulate": ("x", "bias", "parts", "w", "y", "block"),
    "gate": ("gate", "y"),
    "dequantize": ("w", "weights", "part"),
    "multiply": ("x", "weights", "y"),
}
# Smallest vector that is one: of fewer bits, the numbers are loaded one by one.
_SMALLEST_BITS = 128


class FunctionPrinter:
    """The text of one function in `lines`; `helpers` are functions that it calls."""

    def __init__(self, function: Any) -> None:
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        self._depth = 1
        self.values: dict[ir.Value, Value] = {}
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
        count = len(block.arguments)
        names = next(
            (
                known
                for kind, known in _ARGUMENTS.items()
                if name.startswith(kind) and len(known) == count
            ),
            tuple(f"arg{index}" for index in range(count)),
        )
        parameters = []
        for argument, usual in zip(block.arguments, names, strict=True):
            self.values[argument] = Value(usual, "number")
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

    def define(self, op: ir.Operation, stem: str, text: str, form: str) -> None:
        """A name, that starts with `stem`, for the result."""
        name = self._fresh(stem)
        kind = scalar(op.results[0].type) if form == "number" else "auto"
        self._line(f"const {kind} {name} = {text};")
        self.values[op.results[0]] = Value(name, form)

    def name(self, stem: str, text: str) -> str:
        """A name, that starts with `stem`, for what `text` computes."""
        name = self._fresh(stem)
        self._line(f"const auto {name} = {text};")
        return name

    def text(self, value: ir.Value) -> str:
        return self.values[value].text

    def vector(self, value: ir.Value) -> str:
        """A value in a vector."""
        known = self.values[value]
        if known.form == "vector":
            return known.text
        return f"{self.accum(value)}.to_vector<float>()"

    def accum(self, value: ir.Value) -> str:
        """A value of f32 in an accumulator."""
        known = self.values[value]
        if known.form == "accum":
            return known.text
        if not is_f32(value.type):
            raise CompileError(f"aie-cpp: expected vectors of f32, but got {value.type}")
        return f"aie::accum<accfloat, {lanes(value.type)}>({known.text})"

    def factors(self, *values: ir.Value) -> str:
        """Factors of a product: bf16 if all of them are."""
        narrow = [self._bf16(value) for value in values]
        if None not in narrow:
            return ", ".join(map(str, narrow))
        return ", ".join(self.vector(value) for value in values)

    def _bf16(self, value: ir.Value) -> str | None:
        """A value of f32 that is one of bf16, or a constant which bf16 has too."""
        if self.values[value].form == "bf16":
            return self.text(value)
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.name != "arith.constant":
            return None
        constant = splat(owner.operation)
        if np.float32(constant).view(np.uint32) & 0xFFFF:
            return None
        return f"aie::broadcast<bfloat16, {lanes(value.type)}>(bfloat16({np.float32(constant)!s}f))"

    # --- operations ------------------------------------------------------------------------------

    def _block(self, block: Any) -> None:
        known = OPERATIONS | _STATEMENTS
        for item in block.operations:
            op = item.operation
            if op.name not in known:
                raise CompileError(
                    f"{op.location}: aie-cpp: '{op.name}' cannot be written in C++; allowed: "
                    f"{', '.join(sorted(known))}"
                )
            known[op.name](self, op)

    def _load(self, op: ir.Operation) -> None:
        memref, index = op.operands
        kind = op.results[0].type
        pointer = self.text(memref)
        if not lanes(kind):
            self.define(op, "one", f"{pointer}[{self.text(index)}]", "number")
        elif bits(kind) < _SMALLEST_BITS:
            if any(_stores_to(use.owner.operation, memref) for use in memref.uses):
                raise CompileError(
                    f"{op.location}: aie-cpp: expected memory that is only read, but got {op}"
                )
            self.values[op.results[0]] = Value(f"{pointer}[{self.text(index)} + ", "memory")
        else:
            text = f"aie::load_v<{lanes(kind)}>({pointer} + {self.text(index)})"
            self.define(op, f"{pointer}_", text, "vector")

    def _store(self, op: ir.Operation) -> None:
        value, memref, index = op.operands
        if lanes(value.type):
            place = f"{self.text(memref)} + {self.text(index)}"
            self._line(f"aie::store_v({place}, {self.vector(value)});")
        else:
            place = f"{self.text(memref)}[{self.text(index)}]"
            self._line(f"{place} = {self.text(value)};")

    def _for(self, op: ir.Operation) -> None:
        lower, upper, step, *inits = op.operands
        (body,) = op.regions[0].blocks
        counter, *carried = body.arguments
        for argument, result, init in zip(carried, op.results, inits, strict=True):
            if not is_f32(result.type):
                raise CompileError(f"{op.location}: aie-cpp: expected sums in f32, but got {op}")
            name = self._fresh("carried")
            self._line(f"aie::accum<accfloat, {lanes(result.type)}> {name} = {self.accum(init)};")
            self.values[argument] = self.values[result] = Value(name, "accum")
        name = self._fresh("i")
        self.values[counter] = Value(name, "number")
        head = f"int32 {name} = {self.text(lower)}; {name} < {self.text(upper)}"
        self._line(f"for ({head}; {name} += {self.text(step)}) {{")
        self._depth += 1
        self._block(body)
        self._depth -= 1
        self._line("}")

    def _yield(self, op: ir.Operation) -> None:
        loop = op.block.owner
        targets = [self.text(result) for result in loop.results]
        values = [self.accum(value) for value in op.operands]
        pairs = zip(values, targets, strict=True)
        if any(value in targets and value != target for value, target in pairs):
            raise CompileError(f"{op.location}: aie-cpp: expected new sums, but got {op}")
        for target, value in zip(targets, values, strict=True):
            if target != value:
                self._line(f"{target} = {value};")

    def _return(self, op: ir.Operation) -> None:
        pass


def _stores_to(op: ir.Operation, memref: ir.Value) -> bool:
    return op.name in ("vector.store", "memref.store") and op.operands[1] == memref


def _narrows(block: Any) -> bool:
    """Whether f32 become bf16 or bfp16 anywhere."""
    return any(
        item.operation.name in ("arith.truncf", "func.call")
        or any(_narrows(inner) for region in item.operation.regions for inner in region.blocks)
        for item in block.operations
    )


_STATEMENTS: dict[str, Callable[[FunctionPrinter, ir.Operation], None]] = {
    "func.return": FunctionPrinter._return,
    "memref.load": FunctionPrinter._load,
    "memref.store": FunctionPrinter._store,
    "scf.for": FunctionPrinter._for,
    "scf.yield": FunctionPrinter._yield,
    "vector.load": FunctionPrinter._load,
    "vector.store": FunctionPrinter._store,
}
