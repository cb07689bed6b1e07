"""fp8: codes of 8 bits, with one float32 scale for the matrix, for a row, or for a tile.

Two kinds, e4m3 (the "fn" one: no infinity) and e5m2, see smallfloats.py. Little endian, codes in
rows of K bytes:

    per_tensor   | scale f32 | row 0: K codes | row 1: K codes | ...
    per_token    | row 0: K codes | scale f32 | row 1: K codes | scale f32 | ...
    per_block    | ceil(M / 128) x ceil(K / 128) scales f32, row after row | row 0: K codes | ...

    value = scale * code

A tile is 128 x 128 values, fewer at the right and lower edge. In float32: scale = amax / 448 (e5m2:
/ 57344), code = value / scale, rounded to nearest, halves to even; all zeros have scale 0 and codes
0. Encoding refuses NaN and infinity. Codes and scales that are NaN or infinite decode to what IEEE
multiplication says; `check_scales` finds them, in the codes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from headrace.errors import unknown

from .base import F32, U8, Format, Scales
from .smallfloats import DTYPES, LARGEST, divided, rounded, row_ranges, scaled

__all__ = ["FORMATS", "parse"]

_TILE = 128


def _amax(values: F32, axis: int) -> F32:
    """Largest magnitudes along an axis, without a copy of the values."""
    most: F32 = np.maximum(np.max(values, axis=axis), -np.min(values, axis=axis))
    return most


# -- one scale for a row --------------------------------------------------------------------------


def _per_token(kind: str) -> Format:
    def encode(values: F32, _cols: int) -> U8:
        scale = (_amax(values, 1) / np.float32(LARGEST[kind]))[:, None]
        codes = rounded(divided(values, scale), kind)
        return np.hstack([codes, scale.astype("<f4").view(np.uint8)]).reshape(-1)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        lines = raw.reshape(rows, -1)
        return scaled(lines[:, :cols], kind, lines[:, cols:].view("<f4"))

    def scales(raw: U8, rows: int, cols: int) -> list[Scales]:
        lines = raw.reshape(rows, -1)
        return [lines[:, cols:].view("<f4"), lines[:, :cols].view(DTYPES[kind])]

    return Format(
        name=f"fp8_{kind}:per_token",
        attribute=f"#qlinear.fp8<{kind}, scale = per_token>",
        summary=f"8-bit floats {kind}, a scale for a row",
        checked_by="ml_dtypes",
        block_shape=(1, 1),
        block_bytes=1,
        row_extra=4,
        largest=2.0**127,  # code times scale, both rounded, stays finite
        scales=scales,
        encode_rows=encode,
        decode_rows=decode,
    )


# -- a header of scales ---------------------------------------------------------------------------

# (rows, columns) -> rows and columns of a tile.
_Tile = Callable[[int, int], tuple[int, int]]


def _grid(tile: tuple[int, int], rows: int, cols: int) -> tuple[int, int]:
    return -(-rows // tile[0]), -(-cols // tile[1])


def _pieces(tile: tuple[int, int], rows: int, cols: int) -> Iterator[tuple[int, int, int]]:
    """Row ranges of about 2^18 values, each in one row of tiles: (tile row, start, stop)."""
    for first in range(0, rows, tile[0]):
        last = min(first + tile[0], rows)
        for start, stop in row_ranges(last - first, cols):
            yield first // tile[0], first + start, first + stop


def _tiled(kind: str, granularity: str, tile_of: _Tile, summary: str) -> Format:
    def header_bytes(rows: int, cols: int) -> int:
        down, across = _grid(tile_of(rows, cols), rows, cols)
        return 4 * down * across

    def parts(raw: U8, rows: int, cols: int) -> tuple[Scales, U8]:
        """Scales [rows of tiles, columns of tiles] and codes [rows, columns]."""
        size = header_bytes(rows, cols)
        grid = _grid(tile_of(rows, cols), rows, cols)
        return raw[:size].view("<f4").reshape(grid), raw[size:].reshape(rows, cols)

    def encode(values: F32, rows: int, cols: int) -> U8:
        tile = tile_of(rows, cols)
        out = np.empty(header_bytes(rows, cols) + rows * cols, dtype=np.uint8)
        table, codes = parts(out, rows, cols)
        starts = np.arange(0, cols, tile[1])
        table[:] = 0
        for band, start, stop in _pieces(tile, rows, cols):
            most = np.maximum.reduceat(_amax(values[start:stop], 0), starts)
            np.maximum(table[band], most, out=table[band])
        table /= np.float32(LARGEST[kind])
        for band, start, stop in _pieces(tile, rows, cols):
            scale = np.repeat(table[band], tile[1])[:cols]
            codes[start:stop] = rounded(divided(values[start:stop], scale), kind)
        return out

    def decode(raw: U8, rows: int, cols: int) -> F32:
        tile = tile_of(rows, cols)
        table, codes = parts(raw, rows, cols)
        out = np.empty((rows, cols), dtype=np.float32)
        for band, start, stop in _pieces(tile, rows, cols):
            scale = np.repeat(table[band], tile[1])[:cols]
            out[start:stop] = scaled(codes[start:stop], kind, scale)
        return out

    def scales(raw: U8, rows: int, cols: int) -> list[Scales]:
        table, codes = parts(raw, rows, cols)
        return [table, codes.view(DTYPES[kind])]

    return Format(
        name=f"fp8_{kind}:{granularity}",
        attribute=f"#qlinear.fp8<{kind}, scale = {granularity}>",
        summary=f"8-bit floats {kind}, {summary}",
        checked_by="ml_dtypes",
        block_shape=(1, 1),
        block_bytes=1,
        largest=2.0**127,  # code times scale, both rounded, stays finite
        header_bytes=header_bytes,
        scales=scales,
        encode_matrix=encode,
        decode_matrix=decode,
    )


def _of_kind(kind: str) -> list[Format]:
    return [
        _tiled(kind, "per_tensor", lambda rows, cols: (rows, cols), "a scale for the matrix"),
        _per_token(kind),
        _tiled(kind, "per_block", lambda _rows, _cols: (_TILE, _TILE), "a scale for 128x128"),
    ]


FORMATS = [*_of_kind("e4m3"), *_of_kind("e5m2")]


def parse(name: str) -> Format | None:
    """None for other families; UsageError for an fp8 that does not exist."""
    if not name.startswith("fp8"):
        return None
    raise unknown("format", name, [form.name for form in FORMATS])
