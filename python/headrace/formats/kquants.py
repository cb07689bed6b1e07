"""GGUF's K-quants: super-blocks of 256 values of a row, with quantized scales of sub-blocks.

Layout facts: the GGUF specification's tensor types. `f16` is little endian; halves h are of 128
values, quarters p of a half of 32.

q2_k, 84 bytes, 16 sub-blocks of 16 values: value = (d sc) q - (dmin m)

    | 16 bytes: low 4 bits sc, high 4 bits m | 64 bytes qs | d f16 | dmin f16 |

    qs byte 32 h + i          : bits 2p, 2p + 1 = q of value 128 h + 32 p + i

q3_k, 110 bytes, 16 sub-blocks of 16 values: value = (d (sc - 32)) (q - 4)

    | 32 bytes high bits | 64 bytes qs | 12 bytes: 6-bit sc[16] | d f16 |

    high-bit byte i           : bit g = bit 2 of q of value 32 g + i
    qs                        : bits 0, 1 of q, as in q2_k
    scale byte j      (j < 8) : low 4 bits = low bits of sc[j], high 4 bits = those of sc[j + 8]
    scale byte 8 + j  (j < 4) : bits 2g, 2g + 1 = upper bits of sc[4 g + j]

q4_k, 144 bytes, 8 sub-blocks of 32 values: value = (d sc) q - (dmin m)

    | d f16 | dmin f16 | 12 bytes: 6-bit sc[8], m[8] | 128 bytes of nibbles |

    scale byte j      (j < 4) : bits 0-5 sc[j],     bits 6-7 upper bits of sc[j + 4]
    scale byte j + 4          : bits 0-5 m[j],      bits 6-7 upper bits of m[j + 4]
    scale byte j + 8          : bits 0-3 sc[j + 4], bits 4-7 m[j + 4]
    nibble byte 32 c + i      : low = sub-block 2c, high = sub-block 2c + 1, value i

q5_k, 176 bytes: as q4_k, with 32 bytes of fifth bits before the nibbles

    fifth-bit byte i          : bit g = bit 4 of q of value i of sub-block g

q6_k, 210 bytes, 16 sub-blocks of 16 values: value = (d sc) (q - 32)

    | 128 bytes ql | 64 bytes qh | 16 int8 sc | d f16 |

    ql byte 64 h + i (i < 64) : low nibble = value i of the half, high nibble = value i + 64
    qh byte 32 h + i          : bits 2p, 2p + 1 = upper bits of value 32 p + i of the half

Encoding is a weighted search of scales and minima in C (native.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import F32, U8, Format, Scales, half_values
from .native import encode_blocks

__all__ = ["FORMATS", "nibbles", "six_bit_pairs"]

_PAIRS = np.array([0, 2, 4, 6], dtype=np.uint8).reshape(4, 1)
_BITS = np.arange(8, dtype=np.uint8).reshape(8, 1)


def _two_bits(raw: U8) -> U8:
    """Bytes [n, 64] of bit pairs to codes [n, 256]."""
    halves = raw.reshape(-1, 2, 1, 32)
    return ((halves >> _PAIRS) & np.uint8(3)).reshape(-1, 256)


def _single_bits(raw: U8) -> U8:
    """Bytes [n, 32] to bits [n, 256]: bit g of byte i is that of value 32 g + i."""
    return ((raw.reshape(-1, 1, 32) >> _BITS) & np.uint8(1)).reshape(-1, 256)


def nibbles(raw: U8) -> U8:
    """Bytes [n, 128] to codes [n, 256]: each 32 bytes are two sub-blocks of 32."""
    chunks = raw.reshape(-1, 4, 1, 32)
    return np.concatenate([chunks & np.uint8(15), chunks >> np.uint8(4)], axis=2).reshape(-1, 256)


def _scaled(codes: F32, scale: F32, minimum: F32 | None = None) -> F32:
    """codes [n, 256] times scales [n, sub-blocks], less minima."""
    groups = codes.reshape(len(codes), scale.shape[1], -1)
    groups *= scale[:, :, None]
    if minimum is not None:
        groups -= minimum[:, :, None]
    return groups


def _product(half: U8, integers: U8) -> F32:
    """An f16 of each block [n, 2] times integers of its sub-blocks, float32 [n, sub-blocks]."""
    return half_values(half)[:, None] * integers.astype(np.float32)


def _decode_q2_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 84)
    codes = _two_bits(blocks[:, 16:80]).astype(np.float32)
    scale = _product(blocks[:, 80:82], blocks[:, :16] & np.uint8(15))
    minimum = _product(blocks[:, 82:84], blocks[:, :16] >> np.uint8(4))
    return _scaled(codes, scale, minimum).reshape(rows, cols)


def _decode_q3_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 110)
    codes = _two_bits(blocks[:, 32:96]) | (_single_bits(blocks[:, :32]) << np.uint8(2))
    low, upper = blocks[:, 96:104], blocks[:, 104:108].reshape(-1, 1, 4)
    sc = np.hstack([low & np.uint8(15), low >> np.uint8(4)])
    sc |= ((upper >> _PAIRS) & np.uint8(3)).reshape(-1, 16) << np.uint8(4)
    scale = half_values(blocks[:, 108:110])[:, None] * (sc.astype(np.float32) - np.float32(32))
    return _scaled(codes.astype(np.float32) - np.float32(4), scale).reshape(rows, cols)


def six_bit_pairs(raw: U8) -> tuple[U8, U8]:
    """sc and m [n, 8] each of bytes [n, 12]."""
    a, b, c = raw[:, 0:4], raw[:, 4:8], raw[:, 8:12]
    sc = np.hstack([a & 63, (c & 15) | (a >> 6 << 4)])
    m = np.hstack([b & 63, (c >> 4) | (b >> 6 << 4)])
    return sc, m


def _decode_q4_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 144)
    sc, m = six_bit_pairs(blocks[:, 4:16])
    codes = nibbles(blocks[:, 16:]).astype(np.float32)
    scale, minimum = _product(blocks[:, 0:2], sc), _product(blocks[:, 2:4], m)
    return _scaled(codes, scale, minimum).reshape(rows, cols)


def _decode_q5_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 176)
    sc, m = six_bit_pairs(blocks[:, 4:16])
    codes = nibbles(blocks[:, 48:]) | (_single_bits(blocks[:, 16:48]) << np.uint8(4))
    scale, minimum = _product(blocks[:, 0:2], sc), _product(blocks[:, 2:4], m)
    return _scaled(codes.astype(np.float32), scale, minimum).reshape(rows, cols)


def _decode_q6_k(raw: U8, rows: int, cols: int) -> F32:
    blocks = raw.reshape(-1, 210)
    ql = blocks[:, :128].reshape(-1, 2, 1, 64)
    lower = np.concatenate([ql & 15, ql >> 4], axis=2).reshape(-1, 256)
    codes = (lower | (_two_bits(blocks[:, 128:192]) << np.uint8(4))).astype(np.float32)
    codes -= 32
    sc = blocks[:, 192:208].view(np.int8).astype(np.float32)
    scale = half_values(blocks[:, 208:210])[:, None] * sc
    return _scaled(codes, scale).reshape(rows, cols)


def _format(
    name: str,
    block_bytes: int,
    largest: float,
    halves: slice,
    decode: Callable[[U8, int, int], F32],
    summary: str,
) -> Format:
    """halves: the bytes of a block that are its f16 scales."""

    def scales(raw: U8, _rows: int, _cols: int) -> list[Scales]:
        return [raw.reshape(-1, block_bytes)[:, halves].view("<f2")]

    return Format(
        name=name,
        attribute=f"#qlinear.gguf<{name}>",
        summary=f"GGUF: {summary}",
        checked_by="gguf",
        block_shape=(1, 256),
        block_bytes=block_bytes,
        largest=largest,
        scales=scales,
        encode_rows=lambda values, _cols: encode_blocks(name, values),
        decode_rows=decode,
    )


# Largest magnitudes: a power of two whose scales fit half precision whatever the other values.
FORMATS = [
    _format("q2_k", 84, 2.0**19, slice(80, 84), _decode_q2_k, "2 bits, scale and minimum for 16"),
    _format("q3_k", 110, 2.0**22, slice(108, 110), _decode_q3_k, "3 bits, a scale for 16"),
    _format("q4_k", 144, 2.0**21, slice(0, 4), _decode_q4_k, "4 bits, scale and minimum for 32"),
    _format("q5_k", 176, 2.0**21, slice(0, 4), _decode_q5_k, "5 bits, scale and minimum for 32"),
    _format("q6_k", 210, 2.0**27, slice(208, 210), _decode_q6_k, "6 bits, a scale for 16"),
]
