"""act_i8: activations as int8 with one float32 scale for each group of 32.

One row (a token) of K values, K + 8 (K / 32) bytes, little endian:

    | K int8 q | K / 32 float32 scales | K / 32 int32 sum(q) |

A value is scale q. In float32: amax = max |x| of the group, scale = amax / 127,
q = roundeven(x * (127 / amax)). The third part saves kernels of formats with a zero point or a
minimum a second pass over q. A group with amax below 2^-120 counts as zeros (q = 0, scale = 0),
because 127 / amax would overflow.
"""

from __future__ import annotations

import numpy as np

from .base import F32, U8, Format, Scales

__all__ = ["FORMATS"]


def _encode(values: F32, _cols: int) -> U8:
    rows, cols = values.shape
    groups = values.reshape(rows, cols // 32, 32)
    amax = np.max(np.abs(groups), axis=2, keepdims=True)
    tiny = amax < np.float32(2.0**-120)
    scale = np.where(tiny, np.float32(0), amax / np.float32(127))
    with np.errstate(divide="ignore", over="ignore"):
        factor = np.where(tiny, np.float32(0), np.float32(127) / amax)
    q = np.rint(groups * factor).astype(np.int8)
    sums = np.sum(q, axis=2, dtype=np.int32)
    parts = [q.reshape(rows, cols), scale[:, :, 0].astype("<f4"), sums.astype("<i4")]
    return np.hstack([part.view(np.uint8) for part in parts]).reshape(-1)


def _decode(raw: U8, rows: int, cols: int) -> F32:
    lines = raw.reshape(rows, -1)
    groups = cols // 32
    scale = np.ascontiguousarray(lines[:, cols : cols + 4 * groups]).view("<f4")
    values = lines[:, :cols].view(np.int8).astype(np.float32).reshape(rows, groups, 32)
    values *= scale[:, :, None]
    return values.reshape(rows, cols)


def _scales(raw: U8, rows: int, cols: int) -> list[Scales]:
    return [raw.reshape(rows, -1)[:, cols : cols + cols // 8].view("<f4")]


FORMATS = [
    Format(
        name="act_i8",
        attribute="#qlinear.act_i8",
        summary="activations: 8 bits, a scale and the sum of codes for 32",
        checked_by="torch",
        block_shape=(1, 32),
        block_bytes=40,
        largest=2.0**122,  # the sum of 32 such values stays finite
        scales=_scales,
        encode_rows=_encode,
        decode_rows=_decode,
    ),
]
