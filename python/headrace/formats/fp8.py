"""fp8: 8-bit floats with float32 scales for the tensor, for each row (token) or for 128x128 tiles.

    fp8_e4m3:per_tensor   | f32 scale | M x K codes |
    fp8_e4m3:per_token    K codes, f32 scale, for each row
    fp8_e4m3:per_block    | ceil(M / 128) x ceil(K / 128) f32 scales | M x K codes |

and the same with e5m2. Codes are one byte, row by row; all is little endian. A value is
scale * code, in float32. Tiles at the edges may be partial.

e4m3 is the variant without infinities (largest 448, NaN 0x7f and 0xff); e5m2 is IEEE-like (largest
57344, infinities and NaNs). Encoding: scale = max / largest over what shares it, codes round to
nearest even; zeros have scale 0. Bytes that are NaN or infinite decode to that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.errors import unknown

from .base import F32, U8, Format, Scales

__all__ = ["FORMATS", "parse"]

_TILE = 128
_KINDS = {"e4m3": (ml_dtypes.float8_e4m3fn, 448.0), "e5m2": (ml_dtypes.float8_e5m2, 57344.0)}
_SCALES = {
    "per_tensor": "one scale",
    "per_token": "a scale for each row",
    "per_block": "a scale for 128x128",
}
_CHUNK = 1 << 20  # values at a time, to bound temporaries


def _codes(values: F32, scale: F32, kind: npt.DTypeLike, most: float) -> U8:
    """values / scale as codes; `scale` broadcasts; where it is 0 all values are 0 or too small."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        quotient = values / scale
    quotient = np.where(scale > 0, quotient, np.float32(0))
    np.clip(quotient, -most, most, out=quotient)
    return quotient.astype(kind).view(np.uint8)


def _values(codes: U8, kind: npt.DTypeLike, scale: F32) -> F32:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(codes.view(kind).astype(np.float32) * scale)


def _row_ranges(rows: int, cols: int, unit: int = 1) -> Iterator[slice]:
    size = max(_CHUNK // (cols * unit), 1) * unit
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _tiles(rows: int, cols: int) -> tuple[int, int]:
    return -(-rows // _TILE), -(-cols // _TILE)


def _spread(scales: F32, rows: slice, cols: int) -> F32:
    """Scales of tiles for each value of some rows."""
    wide = np.repeat(scales, _TILE, axis=1)[:, :cols]
    return wide[np.arange(rows.start, rows.stop) // _TILE]


def _tile_maxima(values: F32) -> F32:
    down = np.arange(0, values.shape[0], _TILE)
    across = np.arange(0, values.shape[1], _TILE)
    return np.maximum.reduceat(np.maximum.reduceat(np.abs(values), down, axis=0), across, axis=1)


@functools.cache
def _format(kind: str, granularity: str) -> Format:
    dtype, most = _KINDS[kind]

    def encode_token(values: F32, _cols: int) -> U8:
        scale = np.max(np.abs(values), axis=1, keepdims=True) / np.float32(most)
        codes = _codes(values, scale, dtype, most)
        return np.hstack([codes, scale.astype("<f4").view(np.uint8)]).reshape(-1)

    def decode_token(raw: U8, rows: int, cols: int) -> F32:
        lines = raw.reshape(rows, cols + 4)
        scale = np.ascontiguousarray(lines[:, cols:]).view("<f4")
        return _values(np.ascontiguousarray(lines[:, :cols]), dtype, scale)

    def header_bytes(rows: int, cols: int) -> int:
        if granularity != "per_block":
            return 4 if granularity == "per_tensor" else 0
        down, across = _tiles(rows, cols)
        return 4 * down * across

    def encode_matrix(values: F32, rows: int, cols: int) -> U8:
        head = header_bytes(rows, cols)
        out = np.empty(head + rows * cols, dtype=np.uint8)
        if granularity == "per_tensor":
            largest = max(float(np.max(np.abs(values[r]))) for r in _row_ranges(rows, cols))
            scales = np.array([[largest]], dtype=np.float32) / np.float32(most)
        else:
            maxima = [_tile_maxima(values[r]) for r in _row_ranges(rows, cols, _TILE)]
            scales = np.vstack(maxima) / np.float32(most)
        out[:head] = scales.astype("<f4").view(np.uint8).reshape(-1)
        codes = out[head:].reshape(rows, cols)
        for part in _row_ranges(rows, cols):
            spread = scales if granularity == "per_tensor" else _spread(scales, part, cols)
            codes[part] = _codes(values[part], spread, dtype, most)
        return out

    def decode_matrix(raw: U8, rows: int, cols: int) -> F32:
        head = header_bytes(rows, cols)
        scales = raw[:head].view("<f4")
        codes = raw[head:].reshape(rows, cols)
        if granularity == "per_block":
            scales = scales.reshape(_tiles(rows, cols))
        out = np.empty((rows, cols), dtype=np.float32)
        for part in _row_ranges(rows, cols):
            spread = scales if granularity == "per_tensor" else _spread(scales, part, cols)
            out[part] = _values(codes[part], dtype, spread)
        return out

    def scales(raw: U8, rows: int, cols: int) -> list[Scales]:
        if granularity == "per_token":
            return [raw.reshape(rows, cols + 4)[:, cols:].view("<f4")]
        return [raw[: header_bytes(rows, cols)].view("<f4")]

    per_token = granularity == "per_token"
    return Format(
        name=f"fp8_{kind}:{granularity}",
        attribute=f"#qlinear.fp8<{kind}, scale = {granularity}>",
        summary=f"8-bit floats ({kind}), {_SCALES[granularity]} (f32)",
        checked_by="torch",
        block_shape=(1, 1),
        block_bytes=1,
        row_extra=4 if per_token else 0,
        # The largest scale times the largest code stays finite.
        largest=2.0**127,
        scales=scales,
        header_bytes=header_bytes,
        encode_rows=encode_token if per_token else None,
        decode_rows=decode_token if per_token else None,
        encode_matrix=None if per_token else encode_matrix,
        decode_matrix=None if per_token else decode_matrix,
    )


FORMATS = [_format(kind, granularity) for kind in _KINDS for granularity in _SCALES]


def parse(name: str) -> Format | None:
    """`fp8_e4m3:per_token` and so on; `UsageError` for another parameter."""
    if not name.startswith("fp8_"):
        return None
    raise unknown("format", name, [form.name for form in FORMATS])
