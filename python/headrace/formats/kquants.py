"""GGUF's K-quants: super-blocks of 256 values of a row, with quantized scales of sub-blocks.

Layout facts: the GGUF specification's tensor types. `f16` is little endian.

q4_k, 144 bytes, 8 sub-blocks of 32 values: value = (d sc) q - (dmin m)

    | d f16 | dmin f16 | 12 bytes: 6-bit sc[8], m[8] | 128 bytes of nibbles |

    scale byte j      (j < 4): bits 0-5 sc[j],     bits 6-7 upper bits of sc[j + 4]
    scale byte j + 4          : bits 0-5 m[j],      bits 6-7 upper bits of m[j + 4]
    scale byte j + 8          : bits 0-3 sc[j + 4], bits 4-7 m[j + 4]
    nibble byte 32 c + i      : low = sub-block 2c, high = sub-block 2c + 1, value i

q6_k, 210 bytes, 16 sub-blocks of 16 values: value = (d sc) (q - 32)

    | 128 bytes ql | 64 bytes qh | 16 int8 sc | d f16 |

    for each half h of 128 values, quarters of 32 values:
    ql byte 64 h + i (i < 64): low nibble = value i, high nibble = value i + 64
    qh byte 32 h + i (i < 32): bits 2p, 2p + 1 = upper bits of value 32 p + i

Encoding fits each sub-block by least squares over a few ranges (fit.py), rounds the scales to
their quantized form, and then chooses the codes for the scales that are really stored.
"""

from __future__ import annotations

import numpy as np

from .base import F32, U8, Format, half_bits, half_values
from .fit import fit_affine, fit_symmetric, inverse, normalised, quantize_to

__all__ = ["FORMATS"]

_LOW, _FOUR, _SIX = np.uint8(15), np.uint8(4), np.uint8(6)
_MOST = np.float32(63)  # the largest 6-bit scale


def _half_at_least(values: F32) -> F32:
    """The next half-precision number away from zero, so that no quantized scale must be clipped.

    It matters for small weights, whose super-scales are subnormal halves with few bits.
    """
    half = values.astype(np.float16)
    short = np.abs(half.astype(np.float32)) < np.abs(values)
    return (half.view(np.uint16) + short).view(np.float16).astype(np.float32)


def _encode_q4_k(values: F32, _cols: int) -> U8:
    groups = values.reshape(-1, 32)
    unit, size = normalised(groups)
    scale, offset = fit_affine(unit, 15, offset_at_most_zero=True)
    scales = (scale * size).reshape(-1, 8)
    mins = (offset * -size).reshape(-1, 8)

    d = _half_at_least(np.max(scales, axis=1, keepdims=True) / _MOST)
    dmin = _half_at_least(np.max(mins, axis=1, keepdims=True) / _MOST)
    # At least 1: it can represent all that 0 can.
    sc = np.clip(np.rint(scales * inverse(d)), 1, 63)
    step = (d * sc).reshape(-1, 1)
    # With the scale rounded another minimum is best: the mean of what the codes leave.
    codes = quantize_to(groups, step, offset * size, 0, 15)
    mins = np.mean(codes * step - groups, axis=1).reshape(-1, 8)
    m = np.clip(np.rint(mins * inverse(dmin)), 0, 63)

    codes = quantize_to(groups, step, -(dmin * m).reshape(-1, 1), 0, 15)
    pairs = codes.astype(np.uint8).reshape(-1, 4, 2, 32)
    nibbles = (pairs[:, :, 0] | (pairs[:, :, 1] << _FOUR)).reshape(-1, 128)
    parts = [half_bits(d[:, 0]), half_bits(dmin[:, 0])]
    parts += [_pack_scales(sc.astype(np.uint8), m.astype(np.uint8)), nibbles]
    return np.hstack(parts).reshape(-1)


def _pack_scales(sc: U8, m: U8) -> U8:
    """6-bit scales and minima [n, 8] each to bytes [n, 12]."""
    first, second = slice(0, 4), slice(4, 8)
    return np.hstack(
        [
            sc[:, first] | (sc[:, second] >> _FOUR << _SIX),
            m[:, first] | (m[:, second] >> _FOUR << _SIX),
            (sc[:, second] & _LOW) | (m[:, second] << _FOUR),
        ]
    )


def _unpack_scales(raw: U8) -> tuple[U8, U8]:
    """The inverse of `_pack_scales`."""
    a, b, c = raw[:, 0:4], raw[:, 4:8], raw[:, 8:12]
    sc = np.hstack([a & 63, (c & 15) | (a >> 6 << 4)])
    m = np.hstack([b & 63, (c >> 4) | (b >> 6 << 4)])
    return sc, m


def _decode_q4_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 144)
    sc, m = _unpack_scales(blocks[:, 4:16])
    scale = half_values(blocks[:, 0:2])[:, None] * sc.astype(np.float32)
    minimum = half_values(blocks[:, 2:4])[:, None] * m.astype(np.float32)
    nibbles = blocks[:, 16:].reshape(-1, 4, 1, 32)
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=2).astype(np.float32)
    values = values.reshape(-1, 8, 32)
    values *= scale[:, :, None]
    values -= minimum[:, :, None]
    return values.reshape(rows, cols)


def _encode_q6_k(values: F32, _cols: int) -> U8:
    groups = values.reshape(-1, 16)
    unit, size = normalised(groups)
    scales = (fit_symmetric(unit, 32) * size).reshape(-1, 16)

    # The extreme scale becomes -128, the end of int8 that reaches further.
    at = np.argmax(np.abs(scales), axis=1, keepdims=True)
    d = _half_at_least(np.take_along_axis(scales, at, axis=1) / np.float32(-128))
    sc = np.clip(np.rint(scales * inverse(d)), -128, 127)
    sc = np.where(sc == 0, np.float32(1), sc)  # it can represent all that 0 can

    scale = (d * sc).reshape(-1, 1)
    codes = quantize_to(groups, scale, np.zeros_like(scale), -32, 31)
    codes += 32
    q = codes.astype(np.uint8).reshape(-1, 2, 2, 64)
    ql = (q[:, :, 0] & 15) | (q[:, :, 1] << 4)
    upper = (q >> 4).reshape(-1, 2, 4, 32)
    qh = upper[:, :, 0] | (upper[:, :, 1] << 2) | (upper[:, :, 2] << 4) | (upper[:, :, 3] << 6)
    parts = [ql.reshape(-1, 128), qh.reshape(-1, 64), sc.astype(np.int8).view(np.uint8)]
    return np.hstack([*parts, half_bits(d[:, 0])]).reshape(-1)


def _decode_q6_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 210)
    ql = blocks[:, :128].reshape(-1, 2, 1, 64)
    lower = np.concatenate([ql & 15, ql >> 4], axis=2).reshape(-1, 2, 4, 32)
    shifts = np.array([0, 2, 4, 6], dtype=np.uint8).reshape(4, 1)
    upper = (blocks[:, 128:192].reshape(-1, 2, 1, 32) >> shifts) & 3
    values = (lower | (upper << 4)).astype(np.float32).reshape(-1, 16, 16)
    values -= 32
    sc = blocks[:, 192:208].view(np.int8).astype(np.float32)
    values *= (half_values(blocks[:, 208:210])[:, None] * sc)[:, :, None]
    return values.reshape(rows, cols)


# Largest magnitudes: a power of two whose scales fit half precision whatever the other values.
FORMATS = [
    Format(
        name="q4_k",
        attribute="#qlinear.gguf<q4_k>",
        summary="GGUF: 4 bits, scale and minimum for 32 in 6 bits each",
        checked_by="gguf",
        block_shape=(1, 256),
        block_bytes=144,
        largest=2.0**21,
        scales=lambda raw, _rows, _cols: [raw.reshape(-1, 144)[:, :4].view("<f2")],
        encode_rows=_encode_q4_k,
        decode_rows=_decode_q4_k,
    ),
    Format(
        name="q6_k",
        attribute="#qlinear.gguf<q6_k>",
        summary="GGUF: 6 bits, a scale for 16 in 8 bits",
        checked_by="gguf",
        block_shape=(1, 256),
        block_bytes=210,
        largest=2.0**27,
        scales=lambda raw, _rows, _cols: [raw.reshape(-1, 210)[:, 208:].view("<f2")],
        encode_rows=_encode_q6_k,
        decode_rows=_decode_q6_k,
    ),
]
