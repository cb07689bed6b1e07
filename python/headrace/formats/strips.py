"""strips: the bytes of 16 rows of GGUF blocks in the order in which a kernel reads them.

`q4_k:strips16` cuts a matrix into strips of 16 rows, and a strip into pieces of 256 columns (64,
which is two blocks, where blocks have 32 columns). Pieces of a strip follow each other:

    rows 0 .. 15:   | columns 0 .. 255 | columns 256 .. 511 | ...
    rows 16 .. 31:  | columns 0 .. 255 | ...

The bytes of a piece are those of its blocks. Each part is cut into units: first that of each row,
then the next of each row, so that 64 bytes of codes are 4 bytes of each row, a lane for each row:

    q4_k          | d f16[16] | dmin f16[16] | 3 x 4 scale bytes[16] | 32 x 4 nibble bytes[16] |
    q5_k          as q4_k, with 8 x 4 bytes of fifth bits[16] before the nibbles
    q6_k          | d f16[16] | 4 x 4 scales[16] | for each half of the columns, twice:
                  4 x 4 high[16], 4 x 4 low[16], and 4 x 4 low[16] of 32 columns further |
    q2_k          | d f16[16] | dmin f16[16] | 4 x 4 scale bytes[16] | 16 x 4 codes[16] |
    q3_k          | d f16[16] | 3 x 4 scale bytes[16] | 8 x 4 high[16] | 16 x 4 codes[16] |
    q4_0, iq4_nl  | d f16[2][16] | 2 x 4 x 4 nibble bytes[16] |
    q4_1          | d f16[2][16] | m f16[2][16] | 2 x 4 x 4 nibble bytes[16] |
    q5_0          | d f16[2][16] | 2 x 4 fifth bits[16] | 2 x 4 x 4 nibble bytes[16] |
    q5_1          as q4_1, with 2 x 4 fifth bits[16] before the nibbles
    q8_0          | d f16[2][16] | 2 x 8 x 4 int8[16] |

Within a row, codes keep the order that they have in its blocks. Rows and columns are padded to
whole pieces, with zeros.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

from . import gguf, kquants
from .base import F32, U8, Format, Scales

__all__ = ["FORMATS", "ROWS", "from_strips", "make", "parse", "split", "to_strips"]

Units = npt.NDArray[Any]  # of 2 or 4 bytes

ROWS = 16
_NAME = re.compile(r"(.+):strips(0|[1-9][0-9]{0,8})")
_LONGEST_NAME = 120  # as in zigzag


class _Run(NamedTuple):
    """`size` bytes at `start` in the blocks of a row, stored in units."""

    start: int
    size: int
    unit: int


def _pair(shared: tuple[int, ...], codes: int) -> list[_Run]:
    """Two blocks of 32 columns that start with numbers of `shared` bytes: two floats, or bits."""
    block = sum(shared) + codes
    starts = [sum(shared[:i]) for i in range(len(shared))]
    numbers = [
        _Run(which * block + start, size, size)
        for start, size in zip(starts, shared, strict=True)
        for which in (0, 1)
    ]
    return [*numbers, *(_Run(which * block + sum(shared), codes, 4) for which in (0, 1))]


_LAYOUTS = {
    "q4_0": _pair((2,), 16),
    "iq4_nl": _pair((2,), 16),
    "q4_1": _pair((2, 2), 16),
    "q5_0": _pair((2, 4), 16),
    "q5_1": _pair((2, 2, 4), 16),
    "q8_0": _pair((2,), 32),
    "q2_k": [_Run(80, 2, 2), _Run(82, 2, 2), _Run(0, 16, 4), _Run(16, 64, 4)],
    "q3_k": [_Run(108, 2, 2), _Run(96, 12, 4), _Run(0, 32, 4), _Run(32, 64, 4)],
    "q4_k": [_Run(0, 2, 2), _Run(2, 2, 2), _Run(4, 12, 4), _Run(16, 128, 4)],
    "q5_k": [_Run(0, 2, 2), _Run(2, 2, 2), _Run(4, 12, 4), _Run(16, 160, 4)],
    "q6_k": [
        _Run(208, 2, 2),
        _Run(192, 16, 4),
        *(
            _Run(start + 16 * part, 16, 4)
            for half in (0, 1)
            for part in (0, 1)
            for start in (128 + 32 * half, 64 * half, 64 * half + 32)
        ),
    ],
}


def to_strips(inner: Format, raw: U8, rows: int, cols: int) -> U8:
    """The blocks of a matrix in strips; padding is zero bytes."""
    row_bytes, used = _row_bytes(inner), inner.storage_bytes(1, cols)
    pieces = -(-used // row_bytes)
    padded = raw.reshape(rows, used)
    if rows % ROWS or used % row_bytes:
        padded = np.zeros((-(-rows // ROWS) * ROWS, pieces * row_bytes), dtype=np.uint8)
        padded[:rows, :used] = raw.reshape(rows, used)
    tiles = padded.reshape(-1, ROWS, pieces, row_bytes)
    stored = np.empty((len(tiles), pieces, ROWS * row_bytes), dtype=np.uint8)
    for blocks, units in _units(inner, tiles, stored):
        units[...] = blocks
    return stored.reshape(-1)


def from_strips(inner: Format, raw: U8, rows: int, cols: int) -> U8:
    """The inverse of `to_strips`, without the padding."""
    row_bytes, used = _row_bytes(inner), inner.storage_bytes(1, cols)
    pieces = -(-used // row_bytes)
    stored = raw.reshape(-1, pieces, ROWS * row_bytes)
    tiles = np.empty((len(stored), ROWS, pieces, row_bytes), dtype=np.uint8)
    for blocks, units in _units(inner, tiles, stored):
        blocks[...] = units
    return np.ascontiguousarray(tiles.reshape(-1, pieces * row_bytes)[:rows, :used]).reshape(-1)


def _row_bytes(inner: Format) -> int:
    """Bytes of one row of a piece."""
    return sum(run.size for run in _LAYOUTS[inner.name])


def _units(inner: Format, tiles: U8, stored: U8) -> Iterator[tuple[Units, Units]]:
    """Views [strip, piece, unit, row] of each run, in blocks and in strips.

    tiles:  [strip, row, piece, byte]
    stored: [strip, piece, byte]
    """
    at = 0
    for run in _LAYOUTS[inner.name]:
        kind = f"<u{run.unit}"
        blocks = tiles[..., run.start : run.start + run.size].view(kind).transpose(0, 2, 3, 1)
        end = at + ROWS * run.size
        yield blocks, stored[..., at:end].view(kind).reshape(*stored.shape[:2], -1, ROWS)
        at = end


@functools.cache
def make(inner: Format, count: int) -> Format:
    """`inner` in strips of `count` rows; `UsageError` if it cannot be."""
    if inner.name not in _LAYOUTS:
        raise UsageError(
            f"strips: expected a block type of GGUF files, but got '{inner.name}'; "
            f"allowed: {', '.join(_LAYOUTS)}"
        )
    if count != ROWS:
        raise UsageError(f"strips: expected strips16, but got 'strips{count}' of {inner.name}")
    encode_inner, decode_inner = inner.encode_rows, inner.decode_rows
    assert encode_inner is not None and decode_inner is not None
    row_bytes = _row_bytes(inner)

    def encode(values: F32, cols: int) -> U8:
        return to_strips(inner, encode_inner(values, cols), *values.shape)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        return decode_inner(from_strips(inner, raw, rows, cols), rows, cols)

    def scales(raw: U8, _rows: int, _cols: int) -> list[Scales]:
        pieces, views, at = raw.reshape(-1, ROWS * row_bytes), [], 0
        for run in _LAYOUTS[inner.name]:
            end = at + ROWS * run.size
            if run.unit == 2:  # all else is integers
                views.append(pieces[:, at:end].view("<f2"))
            at = end
        return views

    return Format(
        name=f"{inner.name}:strips{count}",
        attribute=f'#qlinear.repacked<{inner.attribute}, "strips{count}">',
        summary=f"{inner.name}, {count} rows side by side in a kernel's order",
        checked_by=inner.checked_by,
        block_shape=(count, inner.block_shape[1] * row_bytes // inner.block_bytes),
        block_bytes=count * row_bytes,
        pads=True,
        largest=inner.largest,
        scales=scales,
        encode_rows=encode,
        decode_rows=decode,
    )


def split(name: str) -> tuple[str, int] | None:
    """The inner format's name and the number of rows of `FORMAT:stripsN`."""
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    return (match[1], int(match[2])) if match else None


def parse(name: str) -> Format | None:
    """The format of that name, None if it is not in strips."""
    parts = split(name)
    if parts is None:
        return None
    from . import get  # this module is one of those that it looks in

    return make(get(parts[0]), parts[1])


_USUAL = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k")
_INNER = {form.name: form for form in (*gguf.FORMATS, *kquants.FORMATS)}
FORMATS = [make(_INNER[name], ROWS) for name in _USUAL]
