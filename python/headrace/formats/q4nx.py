"""q4nx: 4-bit blocks of 32 rows by 256 columns, for spatial arrays.

Layout facts: arXiv 2602.06063 (Gemma3 on AMD's NPU) and the weight files of its authors. Groups
of 32 columns of a row share a scale and a minimum: value = scale q + min, q in 0 .. 15.

One block, 5120 bytes (bf16 little endian; group g = column / 32, row r in 0 .. 31):

    bytes    0 -  511   256 bf16 scales, index 32 g + r
    bytes  512 - 1023   256 bf16 minima, index 32 g + r
    bytes 1024 - 5119   nibbles: byte 1024 + 2048 (r / 16) + 8 column + (r % 16) / 2,
                        low nibble = even row, high nibble = odd row

Blocks follow each other along the columns, then the rows. Both sides are padded to whole
blocks, and the padding decodes to exactly 0: whole groups have scale and minimum 0; in the one
group of a row that true columns share with padding, the minimum is -z times the scale for a z
that makes it exact, and the padding's code is z.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt

from .base import F32, U8, Format, Scales, bf16_bits, bf16_values
from .fit import fit_affine, inverse, normalised, quantize_to

__all__ = ["FORMATS", "pack"]

_ROWS, _COLS, _GROUP = 32, 256, 32
_BLOCK_BYTES = 5120

# Zero's code in a group with padding: multiples by these are exact in bfloat16.
_ZERO_CODES = (0, 1, 2, 4, 8)


def _rounded(values: F32) -> F32:
    return bf16_values(bf16_bits(values))


def _rounded_down(values: F32) -> F32:
    """The largest bfloat16 not above each value (normal numbers)."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    away = np.where(values < 0, np.uint32(0xFFFF), np.uint32(0))  # magnitude up, where negative
    return ((bits + away) & np.uint32(0xFFFF0000)).view(np.float32)


def _error(groups: F32, codes: F32, scale: F32, offset: F32) -> F32:
    difference = codes * scale
    difference += offset
    difference -= groups
    return np.einsum("ng,ng->n", difference, difference)[:, None]


def _quantize(groups: F32) -> tuple[F32, F32, F32]:
    """Codes [n, 32], and bf16-rounded scale and minimum [n, 1], of groups [n, 32]."""
    unit, size = normalised(groups)
    scale, low = fit_affine(unit, 15)
    scale, low = _rounded(scale * size), _rounded(low * size)
    codes = quantize_to(groups, scale, low, 0, 15)

    # Far from zero a bfloat16 minimum is coarse. There it is better to start below the values
    # and to cover them with larger steps.
    below = _rounded_down(np.min(groups, axis=1, keepdims=True))
    steps = _rounded((np.max(groups, axis=1, keepdims=True) - below) / np.float32(15))
    other = quantize_to(groups, steps, below, 0, 15)
    unit_error = _error(unit, codes, scale / size, low / size)
    use = _error(unit, other, steps / size, below / size) < unit_error
    return np.where(use, other, codes), np.where(use, steps, scale), np.where(use, below, low)


def _quantize_through_zero(groups: F32) -> tuple[F32, F32, F32]:
    """As `_quantize`, for groups [n, p] that must also represent 0 exactly.

    The minimum is -z times the scale (of either sign); returns codes with one more column, z.
    """
    unit, size = normalised(groups)
    n = len(groups)
    best = np.full((n, 1), np.inf, dtype=np.float32)
    codes = np.zeros((n, groups.shape[1] + 1), dtype=np.float32)
    scale = np.zeros((n, 1), dtype=np.float32)
    low = np.zeros((n, 1), dtype=np.float32)
    for zero in _ZERO_CODES:
        for sign in (1, -1):
            x = unit * np.float32(sign)
            reach = np.max(x, axis=1, keepdims=True) / np.float32(15 - zero)
            if zero:
                reach = np.maximum(reach, np.min(x, axis=1, keepdims=True) / np.float32(-zero))
            step = np.maximum(reach, np.float32(0))
            q = quantize_to(x, step, -zero * step, 0, 15) - np.float32(zero)
            step = np.einsum("ng,ng->n", x, q)[:, None] * inverse(
                np.einsum("ng,ng->n", q, q)[:, None]
            )
            step = _rounded(np.maximum(step, np.float32(0)) * size)
            q = quantize_to(groups * np.float32(sign), step, -zero * step, 0, 15)
            error = _error(x, q, step / size, -zero * step / size)
            better = error < best
            best = np.where(better, error, best)
            zeros = np.full((n, 1), zero, dtype=np.float32)
            codes = np.where(better, np.hstack([q, zeros]), codes)
            scale = np.where(better, step * np.float32(sign), scale)
            low = np.where(better, step * np.float32(-zero * sign), low)
    return codes, scale, low


def _encode(values: F32, cols: int) -> U8:
    rows, padded_cols = values.shape
    groups_per_row = padded_cols // _GROUP
    codes, scale, low = _quantize(values.reshape(-1, _GROUP))
    codes = codes.reshape(rows, padded_cols)
    scale = scale.reshape(rows, groups_per_row)
    low = low.reshape(rows, groups_per_row)
    mixed, used = divmod(cols, _GROUP)
    if used:
        part, scale[:, mixed : mixed + 1], low[:, mixed : mixed + 1] = _quantize_through_zero(
            np.ascontiguousarray(values[:, cols - used : cols])
        )
        codes[:, cols - used : cols] = part[:, :-1]
        codes[:, cols : (mixed + 1) * _GROUP] = part[:, -1:]
    low += np.float32(0)  # -0 becomes 0
    return pack(codes.astype(np.uint8), bf16_bits(scale), bf16_bits(low))


def pack(codes: U8, scale: npt.NDArray[np.uint16], low: npt.NDArray[np.uint16]) -> U8:
    """Codes [rows, columns], scales and minima [rows, columns / 32], to bytes."""
    bands, blocks = codes.shape[0] // _ROWS, codes.shape[1] // _COLS
    out = np.empty((bands, blocks, _BLOCK_BYTES), dtype=np.uint8)
    for start, table in ((0, scale), (512, low)):
        # [band, row, block, group] to [band, block, group, row]
        ordered = table.reshape(bands, _ROWS, blocks, _COLS // _GROUP).transpose(0, 2, 3, 1)
        raw = ordered.astype("<u2").reshape(bands, blocks, 256).view(np.uint8)
        out[:, :, start : start + 512] = raw
    # [band, half, pair, parity, block, column] to [parity, band, block, half, column, pair]
    split = codes.reshape(bands, 2, 8, 2, blocks, _COLS).transpose(3, 0, 4, 1, 5, 2)
    out[:, :, 1024:] = (split[0] | (split[1] << 4)).reshape(bands, blocks, 4096)
    return out.reshape(-1)


def _decode(raw: U8, rows: int, cols: int) -> F32:
    bands, blocks = rows // _ROWS, cols // _COLS
    data = raw.reshape(bands, blocks, _BLOCK_BYTES)
    nibbles = data[:, :, 1024:].reshape(1, bands, blocks, 2, _COLS, 8)
    codes = np.concatenate([nibbles & 15, nibbles >> 4])
    # [parity, band, block, half, column, pair] to [band, half, pair, parity, block, column]
    values = codes.transpose(1, 3, 5, 0, 2, 4).astype(np.float32)
    values = values.reshape(bands, _ROWS, blocks, _COLS // _GROUP, _GROUP)

    def table(start: int) -> F32:
        bits = np.ascontiguousarray(data[:, :, start : start + 512]).view("<u2")
        ordered = bf16_values(bits).reshape(bands, blocks, _COLS // _GROUP, _ROWS)
        return ordered.transpose(0, 3, 1, 2)[..., None]

    values *= table(0)
    values += table(512)
    return values.reshape(rows, cols)


def _scales(raw: U8, _rows: int, _cols: int) -> list[Scales]:
    return [raw.reshape(-1, _BLOCK_BYTES)[:, :1024].view(ml_dtypes.bfloat16)]


FORMATS = [
    Format(
        name="q4nx",
        attribute="#qlinear.q4nx",
        summary="4 bits in blocks of 32x256, scale and minimum (bf16) for 32",
        checked_by="torch, by the layout's formula",
        block_shape=(_ROWS, _COLS),
        block_bytes=_BLOCK_BYTES,
        pads=True,
        # Scale times 15 and the span of two such values stay finite in float32.
        largest=2.0**126,
        scales=_scales,
        encode_rows=_encode,
        decode_rows=_decode,
    ),
]
