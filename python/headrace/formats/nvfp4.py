"""nvfp4: 4-bit floats in groups of 16 with e4m3 scales, and one float32 scale for the tensor.

    | f32 tensor scale |, then for each row  | K / 2 bytes of nibbles | K / 16 e4m3 scales |

    nibble byte j: low 4 bits = column 2 j, high 4 bits = column 2 j + 1 (E2M1)

A value is (tensor scale * scale) * code, in float32. Little endian; rows follow each other.

Encoding: the tensor scale is max / (448 * 6), so that the largest group has the largest scale; the
scale of a group is max / 6 in units of it, rounded to e4m3, and codes are the nearest for the
product of the scales that is stored. A group too small for the least scale is zeros.
"""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np

from .base import F32, U8, Format, Scales

__all__ = ["FORMATS"]

_GROUP = 16
_CHUNK = 1 << 20  # values at a time, to bound temporaries


def _row_ranges(rows: int, cols: int) -> Iterator[slice]:
    size = max(_CHUNK // cols, 1)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _encode(values: F32, rows: int, cols: int) -> U8:
    largest = max(float(np.max(np.abs(values[part]))) for part in _row_ranges(rows, cols))
    tensor = np.float32(largest / (448.0 * 6.0))
    out = np.empty(4 + rows * (cols // 2 + cols // _GROUP), dtype=np.uint8)
    out[:4] = np.asarray(tensor, dtype="<f4").reshape(1).view(np.uint8)
    lines = out[4:].reshape(rows, -1)
    for part in _row_ranges(rows, cols):
        groups = values[part].reshape(-1, _GROUP)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            wanted = np.max(np.abs(groups), axis=1, keepdims=True) / np.float32(6) / tensor
        wanted = np.where(np.isfinite(wanted), np.minimum(wanted, np.float32(448)), np.float32(0))
        stored = wanted.astype(ml_dtypes.float8_e4m3fn)
        step = tensor * stored.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scaled = groups / step
        scaled = np.where(step > 0, np.clip(scaled, -6, 6), np.float32(0))
        codes = scaled.astype(ml_dtypes.float4_e2m1fn).view(np.uint8).reshape(-1, cols)
        lines[part, : cols // 2] = codes[:, 0::2] | (codes[:, 1::2] << np.uint8(4))
        lines[part, cols // 2 :] = stored.view(np.uint8).reshape(-1, cols // _GROUP)
    return out


def _decode(raw: U8, rows: int, cols: int) -> F32:
    tensor = raw[:4].view("<f4")[0]
    lines = raw[4:].reshape(rows, -1)
    out = np.empty((rows, cols), dtype=np.float32)
    for part in _row_ranges(rows, cols):
        packed = lines[part, : cols // 2]
        codes = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=2)
        values = codes.view(ml_dtypes.float4_e2m1fn).astype(np.float32)
        scale = np.ascontiguousarray(lines[part, cols // 2 :]).view(ml_dtypes.float8_e4m3fn)
        with np.errstate(over="ignore", invalid="ignore"):
            step = tensor * scale.astype(np.float32)
            out[part] = (values.reshape(-1, cols // _GROUP, _GROUP) * step[..., None]).reshape(
                -1, cols
            )
    return out


def _scales(raw: U8, rows: int, cols: int) -> list[Scales]:
    lines = raw[4:].reshape(rows, -1)
    return [raw[:4].view("<f4"), lines[:, cols // 2 :].view(ml_dtypes.float8_e4m3fn)]


FORMATS = [
    Format(
        name="nvfp4",
        attribute="#qlinear.nvfp4",
        summary="4-bit floats, an e4m3 scale for 16 and one (f32) for the tensor",
        checked_by="torch",
        block_shape=(1, _GROUP),
        block_bytes=9,
        largest=2.0**127,
        header_bytes=lambda _rows, _cols: 4,
        scales=_scales,
        encode_matrix=_encode,
        decode_matrix=_decode,
    ),
]
