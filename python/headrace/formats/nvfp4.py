"""nvfp4: 4-bit floats with an 8-bit float scale for 16, and a float32 scale for the matrix.

Little endian; see smallfloats.py for e2m1 and e4m3:

    | tensor scale f32 | row 0 | row 1 | ...
    row:   | K / 2 bytes of nibbles e2m1 | K / 16 scales e4m3 |

    nibble byte j:   low 4 bits = column 2 j, high 4 bits = column 2 j + 1

    value = (tensor scale * scale) * code, in float32, in this order

Encoding: tensor scale = amax / (448 * 6), scale = amax of 16 / 6 / tensor scale, rounded to
nearest; codes are the nearest for the scale that is stored, halves to even. All zeros have zero
scales and codes. Encoding refuses NaN and infinity. NaN scales decode to NaN, products that
overflow to infinity; `check_scales` finds NaN and infinity among the scales.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from .base import F32, U8, Format, Scales
from .smallfloats import LARGEST, VALUES, divided, nibbles, rounded, row_ranges

__all__ = ["FORMATS"]

_GROUP = 16
_LARGEST_SCALE, _LARGEST_CODE = np.float32(LARGEST["e4m3"]), np.float32(LARGEST["e2m1"])


def _encode(values: F32, rows: int, cols: int) -> U8:
    out = np.empty(4 + rows * (cols // 2 + cols // _GROUP), dtype=np.uint8)
    tensor_scale = np.maximum(np.max(values), -np.min(values)) / (_LARGEST_SCALE * _LARGEST_CODE)
    out[:4].view("<f4")[0] = tensor_scale
    lines = out[4:].reshape(rows, -1)
    for start, stop in row_ranges(rows, cols):
        groups = values[start:stop].reshape(stop - start, cols // _GROUP, _GROUP)
        amax = np.max(np.abs(groups), axis=2)
        scale = rounded(divided(amax / _LARGEST_CODE, tensor_scale), "e4m3")
        step = tensor_scale * VALUES["e4m3"][scale]
        codes = rounded(divided(groups, step[..., None]), "e2m1").reshape(stop - start, cols)
        lines[start:stop, : cols // 2] = codes[:, ::2] | codes[:, 1::2] << np.uint8(4)
        lines[start:stop, cols // 2 :] = scale
    return out


def _decode(raw: U8, rows: int, cols: int) -> F32:
    tensor_scale = raw[:4].view("<f4")[0]
    lines = raw[4:].reshape(rows, -1)
    out = np.empty((rows, cols), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop in row_ranges(rows, cols):
            piece, line = out[start:stop], lines[start:stop]
            for odd, codes in enumerate(nibbles(line[:, : cols // 2])):
                piece[:, odd::2] = VALUES["e2m1"][codes]
            step = tensor_scale * VALUES["e4m3"][line[:, cols // 2 :]]
            groups = piece.reshape(stop - start, cols // _GROUP, _GROUP)
            groups *= step[..., None]
    return out


def _scales(raw: U8, rows: int, cols: int) -> list[Scales]:
    lines = raw[4:].reshape(rows, -1)
    return [raw[:4].view("<f4"), lines[:, cols // 2 :].view(ml_dtypes.float8_e4m3fn)]


FORMATS = [
    Format(
        name="nvfp4",
        attribute="#qlinear.nvfp4",
        summary="4-bit floats e2m1, a scale (e4m3) for 16 and one (f32) for the matrix",
        checked_by="ml_dtypes",
        block_shape=(1, _GROUP),
        block_bytes=9,
        largest=2.0**127,  # code times scales, all rounded, stays finite
        header_bytes=lambda _rows, _cols: 4,
        scales=_scales,
        encode_matrix=_encode,
        decode_matrix=_decode,
    ),
]
