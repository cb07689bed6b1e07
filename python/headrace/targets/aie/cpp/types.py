"""Types and numbers of MLIR as C++ on aie_api writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace import ir
from headrace.errors import CompileError

__all__ = ["Value", "bits", "is_f32", "lanes", "number", "scalar", "splat", "vector"]

# Sums and indices have a sign; codes, and bits that numbers are made of, have none.
_NAMES = {
    "index": "int32",
    "i4": "uint4",
    "i8": "int8",
    "i16": "uint16",
    "i32": "int32",
    "bf16": "bfloat16",
    "f32": "float",
}


@dataclass(frozen=True)
class Value:
    """Text of a value, and what it is.

    form: "number", "vector" or "accum"; "bf16" is a vector of bf16 that stands for its f32;
        "blocks" are bfp16; "memory" the address of numbers that are loaded one by one; "mask" and
        "not mask".
    """

    text: str
    form: str


def scalar(kind: ir.Type) -> str:
    """`bfloat16` for bf16, also for vectors of it."""
    element = str(kind.element_type if isinstance(kind, ir.VectorType) else kind)
    if element not in _NAMES:
        raise CompileError(f"aie-cpp: expected numbers of {', '.join(_NAMES)}, but got {element}")
    return _NAMES[element]


def lanes(kind: ir.Type) -> int:
    """Lanes of a vector of one dimension; 0 for a number."""
    if not isinstance(kind, ir.VectorType):
        return 0
    if kind.rank != 1:
        raise CompileError(f"aie-cpp: expected vectors of one dimension, but got {kind}")
    return int(kind.shape[0])


def bits(kind: ir.Type) -> int:
    """Of all lanes of a vector."""
    element: Any = ir.VectorType(kind).element_type
    return lanes(kind) * int(element.width)


def vector(kind: ir.Type) -> str:
    """Arguments of the template: `bfloat16, 16`."""
    return f"{scalar(kind)}, {lanes(kind)}"


def is_f32(kind: ir.Type) -> bool:
    """Whether it is a vector of f32, which may be in an accumulator."""
    return isinstance(kind, ir.VectorType) and scalar(kind) == "float"


def splat(op: ir.Operation) -> Any:
    """The number that all lanes of a constant have, or that it is."""
    value: Any = op.attributes["value"]
    if not isinstance(op.results[0].type, ir.VectorType):
        return value.value
    if not value.is_splat:
        raise CompileError(f"aie-cpp: expected a constant of one number, but got {op}")
    return value.get_splat_value().value


def number(value: Any, kind: ir.Type) -> str:
    """A literal that is read back as this number, in the fewest decimals."""
    name = scalar(kind)
    if name == "float":
        if not math.isfinite(value):
            raise CompileError(f"aie-cpp: expected a finite constant, but got {value}")
        return f"{np.float32(value)!s}f"
    if name == "bfloat16" and math.isfinite(value):
        return f"bfloat16({np.float32(value)!s}f)"
    if name == "uint16":
        return f"uint16(0x{int(value) & 0xFFFF:04X})"
    if name == "int8":
        return f"int8({int(value)})"
    if name == "int32":
        return str(int(value))
    raise CompileError(
        f"aie-cpp: expected a constant of f32, bf16, i8, i16, i32 or index, but got {kind}"
    )
