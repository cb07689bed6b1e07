"""mx: the Open Compute Project's microscaling formats; 32 values of a row share a power of two.

Blocks of 32 consecutive values of a row, see smallfloats.py for the kinds of float:

    mxfp4, 17 bytes                      | e8m0 scale | 16 bytes of nibbles e2m1 |
    mxfp8_e4m3, mxfp8_e5m2, 33 bytes     | e8m0 scale | 32 codes |

    nibble byte j:   low 4 bits = value j, high 4 bits = value j + 16 (as GGUF's MXFP4)

    value = 2^(scale - 127) * code;  scale 255 is NaN

Encoding, as the specification says: the scale's exponent is floor(log2(amax)) less that of the
kind's largest value (2, 8, 15), at least -127; larger values saturate. fp8 codes are rounded halves
to even, fp4 codes halves towards zero and never to -0, which gives the bytes of GGUF's MXFP4
quantizers (theirs take log2 in float32 and may differ just below a power of two and for magnitudes
below 2^-125, which they do not clamp). All zeros have scale byte 0. Encoding refuses NaN and
infinity. NaN scales and codes decode to NaN, products that overflow to infinity; `check_scales`
finds NaN and infinity in scales and fp8 codes.
"""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from .base import F32, U8, Format, Scales
from .smallfloats import DTYPES, E8M0, VALUES, nibbles, rounded, scaled

__all__ = ["FORMATS"]

_BLOCK = 32
# Halfway between neighbours of e2m1.
_MIDDLES = (VALUES["e2m1"][:7] + VALUES["e2m1"][1:8]) / np.float32(2)


def _scale_bytes(blocks: F32, top_exponent: int) -> U8:
    """The scales, uint8 [n, 1], of blocks [n, 32]; `top_exponent`: of the kind's largest value."""
    amax = np.max(np.abs(blocks), axis=1, keepdims=True)
    # frexp's fraction is below 1, so its exponent is one more than floor(log2).
    exponent = np.frexp(amax)[1] - (1 + top_exponent)
    return np.where(amax > 0, np.maximum(exponent + 127, 0), 0).astype(np.uint8)


def _unscaled(blocks: F32, scale: U8) -> F32:
    """blocks / 2^(scale - 127); exact, but where it becomes subnormal."""
    result: F32 = np.ldexp(blocks, 127 - scale.astype(np.int32))
    return result


def _encode_fp4(values: F32, _cols: int) -> U8:
    blocks = values.reshape(-1, _BLOCK)
    scale = _scale_bytes(blocks, 2)
    units = _unscaled(blocks, scale)
    size = np.abs(units)
    codes = np.zeros(units.shape, dtype=np.uint8)
    for middle in _MIDDLES:
        codes += size > middle
    codes |= ((units < 0) & (codes > 0)).astype(np.uint8) << np.uint8(3)
    return np.hstack([scale, codes[:, :16] | codes[:, 16:] << np.uint8(4)]).reshape(-1)


def _decode_fp4(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 17)
    codes = np.hstack(nibbles(blocks[:, 1:]))
    return scaled(codes, "e2m1", E8M0[blocks[:, :1]]).reshape(rows, cols)


def _fp8(kind: str, top_exponent: int) -> Format:
    def encode(values: F32, _cols: int) -> U8:
        blocks = values.reshape(-1, _BLOCK)
        scale = _scale_bytes(blocks, top_exponent)
        return np.hstack([scale, rounded(_unscaled(blocks, scale), kind)]).reshape(-1)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        blocks = raw.reshape(-1, 33)
        return scaled(blocks[:, 1:], kind, E8M0[blocks[:, :1]]).reshape(rows, cols)

    return _format(
        f"fp8_{kind}",
        33,
        lambda raw: [*_scale_views(raw, 33), raw.reshape(-1, 33)[:, 1:].view(DTYPES[kind])],
        encode,
        decode,
        f"8-bit floats {kind}",
    )


def _scale_views(raw: U8, block_bytes: int) -> list[Scales]:
    return [raw.reshape(-1, block_bytes)[:, :1].view(ml_dtypes.float8_e8m0fnu)]


def _format(
    kind: str,
    block_bytes: int,
    scales: Callable[[U8], list[Scales]],
    encode: Callable[[F32, int], U8],
    decode: Callable[[U8, int, int], F32],
    summary: str,
) -> Format:
    return Format(
        name=f"mx{kind}",
        attribute=f"#qlinear.mx<{kind}>",
        summary=f"microscaling: {summary}, a power of two for 32",
        checked_by="ml_dtypes",
        block_shape=(1, _BLOCK),
        block_bytes=block_bytes,
        largest=2.0**127,
        scales=lambda raw, _rows, _cols: scales(raw),
        encode_rows=encode,
        decode_rows=decode,
    )


FORMATS = [
    _format(
        "fp4", 17, lambda raw: _scale_views(raw, 17), _encode_fp4, _decode_fp4, "4-bit floats e2m1"
    ),
    _fp8("e4m3", 8),
    _fp8("e5m2", 15),
]
