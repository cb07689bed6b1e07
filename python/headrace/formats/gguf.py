"""GGUF's plain blocks: 32 consecutive values of a row share one half-precision scale.

Layout facts: the GGUF specification's tensor types. `f16` is little endian.

    q4_0, 18 bytes     | d f16 | 16 bytes of nibbles |                           value = d (q - 8)
    q4_1, 20 bytes     | d f16 | m f16 | 16 bytes of nibbles |                   value = d q + m
    q5_0, 22 bytes     | d f16 | fifth bits u32 | 16 bytes of nibbles |          value = d (q - 16)
    q5_1, 24 bytes     | d f16 | m f16 | fifth bits u32 | 16 bytes of nibbles |  value = d q + m
    q8_0, 34 bytes     | d f16 | 32 int8 |                                       value = d q
    iq4_nl, 18 bytes   | d f16 | 16 bytes of nibbles |                           value = d t[q]

    nibble byte j:   low 4 bits = value j, high 4 bits = value j + 16
    fifth bits:      bit j belongs to value j (its bit 4)

The scale of q4_0 and q5_0 is signed: the value of largest magnitude is stored as the lowest
code, so it is exact up to the rounding of d. The codes are computed with the unrounded scale, as
the format's other writers do; the bytes are the same as theirs. q4_1 and q5_1 span the least to
the largest value. iq4_nl looks its codes up in a table of uneven steps, finer near zero; it is
encoded by a search (native.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import F32, U8, Format, Scales, half_bits, half_values
from .native import encode_blocks

__all__ = ["FORMATS"]

_HALF_MAX = 65504.0
_LOW, _FOUR = np.uint8(15), np.uint8(4)

_Encode = Callable[[F32, int], U8]
_Decode = Callable[[U8, int, int], F32]


def _reciprocal(scale: F32) -> F32:
    """1 / scale; 0 where that is not finite (no scale, or one that half precision rounds to 0)."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(1) / scale
    return np.where(np.isfinite(inverse), inverse, np.float32(0))


def _signed_codes(blocks: F32, half_range: int) -> tuple[F32, U8]:
    """Scale [n, 1] and codes 0 .. 2 half_range - 1 [n, 32] of blocks [n, 32]."""
    at = np.argmax(np.abs(blocks), axis=1, keepdims=True)
    scale = np.take_along_axis(blocks, at, axis=1) / np.float32(-half_range)
    codes = blocks * _reciprocal(scale)
    codes += np.float32(half_range + 0.5)  # then truncation rounds, as nothing is negative
    np.minimum(codes, np.float32(2 * half_range - 1), out=codes)
    return scale, codes.astype(np.uint8)


def _pack_nibbles(codes: U8) -> U8:
    return (codes[:, :16] & _LOW) | (codes[:, 16:] << _FOUR)


def _unpack_nibbles(raw: U8) -> U8:
    return np.concatenate([raw & _LOW, raw >> _FOUR], axis=1)


def _encode_q4_0(values: F32, _cols: int) -> U8:
    scale, codes = _signed_codes(values.reshape(-1, 32), 8)
    return np.hstack([half_bits(scale[:, 0]), _pack_nibbles(codes)]).reshape(-1)


def _decode_q4_0(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 18)
    codes = _unpack_nibbles(blocks[:, 2:]).astype(np.float32)
    codes -= 8
    codes *= half_values(blocks[:, :2])[:, None]
    return codes.reshape(rows, cols)


def _affine_codes(blocks: F32, levels: int) -> tuple[F32, F32, U8]:
    """Scale [n, 1], minimum [n, 1] and codes 0 .. levels [n, 32] of blocks [n, 32]."""
    low = np.min(blocks, axis=1, keepdims=True)
    scale = (np.max(blocks, axis=1, keepdims=True) - low) / np.float32(levels)
    codes = (blocks - low) * _reciprocal(scale)
    codes += np.float32(0.5)
    np.minimum(codes, np.float32(levels), out=codes)
    return scale, low, codes.astype(np.uint8)


def _encode_q4_1(values: F32, _cols: int) -> U8:
    scale, low, codes = _affine_codes(values.reshape(-1, 32), 15)
    parts = [half_bits(scale[:, 0]), half_bits(low[:, 0]), _pack_nibbles(codes)]
    return np.hstack(parts).reshape(-1)


def _decode_q4_1(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 20)
    codes = _unpack_nibbles(blocks[:, 4:]).astype(np.float32)
    return _scaled_plus_minimum(codes, blocks).reshape(rows, cols)


def _scaled_plus_minimum(codes: F32, blocks: U8) -> F32:
    codes *= half_values(blocks[:, :2])[:, None]
    codes += half_values(blocks[:, 2:4])[:, None]
    return codes


def _encode_q5_0(values: F32, _cols: int) -> U8:
    scale, codes = _signed_codes(values.reshape(-1, 32), 16)
    fifth = np.packbits(codes >> _FOUR, axis=1, bitorder="little")
    return np.hstack([half_bits(scale[:, 0]), fifth, _pack_nibbles(codes)]).reshape(-1)


def _decode_q5_0(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 22)
    fifth = np.unpackbits(blocks[:, 2:6], axis=1, bitorder="little")
    codes = (_unpack_nibbles(blocks[:, 6:]) | (fifth << _FOUR)).astype(np.float32)
    codes -= 16
    codes *= half_values(blocks[:, :2])[:, None]
    return codes.reshape(rows, cols)


def _encode_q5_1(values: F32, _cols: int) -> U8:
    scale, low, codes = _affine_codes(values.reshape(-1, 32), 31)
    fifth = np.packbits(codes >> _FOUR, axis=1, bitorder="little")
    parts = [half_bits(scale[:, 0]), half_bits(low[:, 0]), fifth, _pack_nibbles(codes)]
    return np.hstack(parts).reshape(-1)


def _decode_q5_1(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 24)
    fifth = np.unpackbits(blocks[:, 4:8], axis=1, bitorder="little")
    codes = (_unpack_nibbles(blocks[:, 8:]) | (fifth << _FOUR)).astype(np.float32)
    return _scaled_plus_minimum(codes, blocks).reshape(rows, cols)


def _encode_q8_0(values: F32, _cols: int) -> U8:
    blocks = values.reshape(-1, 32)
    scale = np.max(np.abs(blocks), axis=1, keepdims=True) / np.float32(127)
    codes = blocks * _reciprocal(scale)
    # Halves round away from zero; adding 0.5 first would also lift 0.49999997.
    size = np.abs(codes)
    whole = np.floor(size)
    whole += size - whole >= np.float32(0.5)
    codes = np.copysign(whole, codes)
    return np.hstack([half_bits(scale[:, 0]), codes.astype(np.int8).view(np.uint8)]).reshape(-1)


def _decode_q8_0(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 34)
    values = blocks[:, 2:].view(np.int8).astype(np.float32)
    values *= half_values(blocks[:, :2])[:, None]
    return values.reshape(rows, cols)


# The values of iq4_nl's codes (GGUF specification).
_UNEVEN = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], dtype=np.float32
)


def _decode_iq4_nl(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 18)
    values = _UNEVEN[_unpack_nibbles(blocks[:, 2:])]
    values *= half_values(blocks[:, :2])[:, None]
    return values.reshape(rows, cols)


def _scales(raw: U8, block_bytes: int, count: int) -> list[Scales]:
    return [raw.reshape(-1, block_bytes)[:, : 2 * count].view("<f2")]


def _format(
    kind: str, block_bytes: int, largest: float, encode: _Encode, decode: _Decode, summary: str
) -> Format:
    halves = 2 if kind.endswith("_1") else 1
    return Format(
        name=kind,
        attribute=f"#qlinear.gguf<{kind}>",
        summary=summary,
        checked_by="gguf",
        block_shape=(1, 32),
        block_bytes=block_bytes,
        largest=largest * _HALF_MAX,
        scales=lambda raw, _rows, _cols: _scales(raw, block_bytes, halves),
        encode_rows=encode,
        decode_rows=decode,
    )


FORMATS = [
    _format("q4_0", 18, 8, _encode_q4_0, _decode_q4_0, "GGUF: 4 bits, a scale for 32"),
    # Half the range of halves, so that a span of both signs fits a scale times its levels.
    _format("q4_1", 20, 0.5, _encode_q4_1, _decode_q4_1, "GGUF: 4 bits, scale and minimum for 32"),
    _format("q5_0", 22, 16, _encode_q5_0, _decode_q5_0, "GGUF: 5 bits, a scale for 32"),
    _format("q5_1", 24, 0.5, _encode_q5_1, _decode_q5_1, "GGUF: 5 bits, scale and minimum for 32"),
    _format("q8_0", 34, 127, _encode_q8_0, _decode_q8_0, "GGUF: 8 bits, a scale for 32"),
    _format(
        "iq4_nl",
        18,
        2.0**22 / _HALF_MAX,
        lambda values, _cols: encode_blocks("iq4_nl", values),
        _decode_iq4_nl,
        "GGUF: 4 bits in uneven steps, a scale for 32",
    ),
]
