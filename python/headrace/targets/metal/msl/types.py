"""Types and constants of MLIR as the Metal Shading Language writes them.

Integers of MLIR have no sign; they are unsigned types here, and operations that read a sign convert
first. An index is an `int` that is never negative: compilers may then add it to a 64-bit pointer
without looking after its overflow. Buffers of more than 2 GiB are refused before text is made.
"""

from __future__ import annotations

import math
from typing import Any

from headrace import ir
from headrace.errors import CompileError

__all__ = ["constant_text", "is_vector", "lanes", "scalar_bytes", "signed", "type_text"]

_UNSIGNED = {1: "bool", 8: "uchar", 16: "ushort", 32: "uint", 64: "ulong"}
_SIGNED = {"uchar": "char", "ushort": "short", "uint": "int", "ulong": "long"}
_FLOATS = {"f16": "half", "bf16": "bfloat", "f32": "float"}
_BYTES = {"char": 1, "uchar": 1, "half": 2, "bfloat": 2, "short": 2, "ushort": 2, "bool": 1}
# Longest vector that the language has.
_LANES = 4


def _scalar(kind: ir.Type) -> str:
    if isinstance(kind, ir.IndexType):
        return "int"
    if isinstance(kind, ir.IntegerType) and kind.width in _UNSIGNED:
        return _UNSIGNED[kind.width]
    if str(kind) in _FLOATS:
        return _FLOATS[str(kind)]
    raise CompileError(
        "msl: expected index, integers of 1, 8, 16, 32 or 64 bits, f16, bf16 or f32, "
        f"but got {kind}"
    )


def _matrix(kind: str) -> str:
    """A matrix that the lanes of a simdgroup have together: of 8x8."""
    shape, _, _ = kind.removeprefix("!gpu.mma_matrix<").partition(",")
    element = _FLOATS.get(shape.removeprefix("8x8x"))
    if element is None:
        raise CompileError(
            f"msl: expected matrices of 8x8xf16, 8x8xbf16 or 8x8xf32, but got {kind}"
        )
    return f"simdgroup_{element}8x8"


def is_vector(kind: ir.Type) -> bool:
    """Whether values of the type have several lanes."""
    return isinstance(kind, ir.VectorType) and lanes(kind) > 1


def lanes(kind: ir.Type) -> int:
    """Lanes of a vector, 1 for a number."""
    if not isinstance(kind, ir.VectorType):
        return 1
    return math.prod(kind.shape)


def type_text(kind: ir.Type) -> str:
    """`float4` for `vector<4xf32>`, `int` for an index, `simdgroup_float8x8` for a matrix."""
    if str(kind).startswith("!gpu.mma_matrix<"):
        return _matrix(str(kind))
    if not isinstance(kind, ir.VectorType):
        return _scalar(kind)
    count = lanes(kind)
    if count > _LANES:
        raise CompileError(f"msl: expected vectors of at most {_LANES} lanes, but got {kind}")
    return _scalar(kind.element_type) + (str(count) if count > 1 else "")


def signed(text: str) -> str:
    """The signed type for an unsigned one: `short4` for `ushort4`."""
    name = text.rstrip("0123456789")
    return _SIGNED.get(name, name) + text[len(name) :]


def scalar_bytes(text: str) -> int:
    """Bytes of a number, or of a lane of a vector, of a type of the language."""
    name = text.rstrip("0123456789")
    return 8 if "long" in name else _BYTES.get(name, 4)


def _number(value: Any, text: str, hexadecimal: bool) -> str:
    if text == "bool":
        return "true" if value else "false"
    if text in ("float", "half", "bfloat"):
        return _float(float(value), text)
    bits = 8 * scalar_bytes(text)
    unsigned = int(value) & ((1 << bits) - 1)
    if hexadecimal:
        return f"0x{unsigned:0{bits // 4 if bits < 32 else 1}X}"
    return str(unsigned) if unsigned < 1 << 31 else f"{unsigned}u"


def _float(value: float, text: str) -> str:
    if math.isnan(value):
        number = "NAN"
    elif math.isinf(value):
        number = "INFINITY" if value > 0 else "-INFINITY"
    else:
        # The shortest decimals that are read back as this number.
        import numpy as np

        short = np.format_float_positional(np.float32(value), unique=True, trim="0")
        long = np.format_float_scientific(np.float32(value), unique=True, trim="0", exp_digits=1)
        number = (short if len(short) <= len(long) + 2 else long) + "f"
    return number if text == "float" else f"{text}({number})"


def constant_text(attribute: ir.Attribute, kind: ir.Type, *, hexadecimal: bool = False) -> str:
    """A constant; vectors by their constructor."""
    text = type_text(kind)
    if isinstance(kind, ir.VectorType):
        dense: Any = attribute
        element = _scalar(kind.element_type)
        if dense.is_splat:
            number = _number(dense.get_splat_value().value, element, hexadecimal)
            return f"{text}({number})" if is_vector(kind) else number
        numbers = [_number(value, element, hexadecimal) for value in dense]
        return f"{text}({', '.join(numbers)})"
    value: Any = attribute
    return _number(value.value, text, hexadecimal)
