"""Floats of 4 and 8 bits: tables of their values, and rounding to them.

    fp4 e2m1    s ee m        bias 1    0 .5 1 1.5 2 3 4 6, no infinity, no NaN
    fp8 e4m3    s eeee mmm    bias 7    up to 448, no infinity; NaN is 0x7f and 0xff ("fn")
    fp8 e5m2    s eeeee mm    bias 15   up to 57344, infinity and NaN as IEEE 754 has them
    e8m0        eeeeeeee      2^(e - 127), no zero, no sign; NaN is 255

Sources: the Open Compute Project's specifications of 8-bit floats and of microscaling formats.
"""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import numpy.typing as npt

from .base import F32, U8

__all__ = [
    "DTYPES",
    "E8M0",
    "LARGEST",
    "VALUES",
    "divided",
    "nibbles",
    "rounded",
    "row_ranges",
    "scaled",
]


def _table(exponent_bits: int, fraction_bits: int) -> F32:
    """The values of all codes, float32 [codes], as if none were special."""
    bias = (1 << (exponent_bits - 1)) - 1
    codes = np.arange(1 << (1 + exponent_bits + fraction_bits))
    fraction = codes & ((1 << fraction_bits) - 1)
    exponent = codes >> fraction_bits & ((1 << exponent_bits) - 1)
    normal = exponent > 0
    whole = fraction + np.where(normal, 1 << fraction_bits, 0)
    size = np.ldexp(whole.astype(np.float32), np.maximum(exponent, 1) - bias - fraction_bits)
    negative = codes >> (exponent_bits + fraction_bits) == 1
    return np.where(negative, -size, size).astype(np.float32)


def _e4m3() -> F32:
    table = _table(4, 3)
    table[[0x7F, 0xFF]] = np.nan
    return table


def _e5m2() -> F32:
    table = _table(5, 2)
    for sign in (0, 0x80):
        table[sign + 0x7D : sign + 0x80] = np.nan
    table[[0x7C, 0xFC]] = np.inf, -np.inf
    return table


def _e8m0() -> F32:
    table = np.ldexp(np.float32(1), np.arange(-127, 129).clip(max=127)).astype(np.float32)
    table[255] = np.nan
    return table


# What a code stands for.
VALUES = {"e2m1": _table(2, 1), "e4m3": _e4m3(), "e5m2": _e5m2()}
E8M0 = _e8m0()

# Their largest finite values, and their types in NumPy.
LARGEST = {"e2m1": 6.0, "e4m3": 448.0, "e5m2": 57344.0}
DTYPES: dict[str, npt.DTypeLike] = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}


def rounded(values: F32, kind: str) -> U8:
    """Codes, uint8 of the same shape, of the nearest values (halves to even); saturates.

    values: finite; overwritten.
    """
    np.clip(values, -LARGEST[kind], LARGEST[kind], out=values)
    return values.astype(DTYPES[kind]).view(np.uint8)


def divided(values: F32, scale: F32 | np.float32) -> F32:
    """values / scale, a new array; zeros where the scale is zero. Too large becomes the largest.

    Not by the reciprocal, which rounds once more and overflows for subnormal scales.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        result: F32 = values / scale
    np.nan_to_num(result, copy=False, nan=0.0)
    return np.where(scale == 0, np.float32(0), result)


def scaled(codes: U8, kind: str, scale: F32 | np.float32) -> F32:
    """scale * value of each code, float32 of the codes' shape. Not finite where it overflows."""
    values = VALUES[kind][codes]
    with np.errstate(over="ignore", invalid="ignore"):
        values *= scale
    return values


def nibbles(raw: U8) -> tuple[U8, U8]:
    """The low and the high 4 bits of each byte."""
    return raw & np.uint8(15), raw >> np.uint8(4)


def row_ranges(rows: int, cols: int, unit: int = 1) -> Iterator[tuple[int, int]]:
    """Ranges of `unit` rows or more, of about 2^18 values, for codecs of whole matrices."""
    size = max((1 << 18) // (cols * unit), 1) * unit
    for start in range(0, rows, size):
        yield start, min(start + size, rows)
