"""strips: the bytes of 16 rows in the order in which a kernel reads them.

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

Affine integers (`int4:g128:zp:strips16`) of 4 or 8 bits in groups of 32, 64, 128 or 256 columns
have pieces of 256 columns, of G groups:

    int4          | scales[G][16] | zero points[G][16], if any | 32 x 4 nibble bytes[16] |
    int8          | scales[G][16] | zero points[G][16], if any | 64 x 4 codes[16] |

bf16 has pieces of 32 columns, | 16 x 2 values[16] |: a lane for each row has two columns.

Within a row, codes keep the order that they have in its blocks, but that of int4 becomes that of
q4_0: of 32 columns, byte j holds columns j (low) and j + 16. Rows and columns are padded to whole
pieces, with zeros.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

from . import gguf, kquants, plain
from .affine import FORMATS as AFFINE
from .affine import Affine, parameters
from .base import F32, U8, Format, Scales

__all__ = ["FORMATS", "ROWS", "from_strips", "make", "parse", "split", "to_strips"]

Units = npt.NDArray[Any]  # of 2 or 4 bytes

ROWS = 16
_AFFINE_COLS = 256
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


_GGUF = {
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


def _affine(affine: Affine) -> list[_Run] | None:
    """The runs of groups that fill 256 columns; none if the format is not laid out in strips."""
    whole = affine.group >= 32 and _AFFINE_COLS % affine.group == 0
    if affine.bits == 2 or affine.act_order or not whole:
        return None
    codes, scale = affine.group * affine.bits // 8, affine.dtype.itemsize
    zero = affine.group_bytes - scale
    parts = [(codes, scale, scale), (codes + scale, zero, zero), (0, codes, 4)]
    block = codes + affine.group_bytes
    return [
        _Run(i * block + start, size, unit)
        for start, size, unit in parts
        for i in range(_AFFINE_COLS // affine.group)
        if size
    ]


@functools.cache
def _layout(name: str) -> list[_Run] | None:
    """The runs of a piece of an inner format; None if it has no strips."""
    affine = parameters(name)
    if name == "bf16":
        return [_Run(0, 64, 4)]
    return _affine(affine) if affine is not None else _GGUF.get(name)


def to_strips(inner: Format, raw: U8, rows: int, cols: int) -> U8:
    """The blocks of a matrix in strips; padding is zero bytes."""
    row_bytes, used = _row_bytes(inner), inner.storage_bytes(1, cols)
    pieces = -(-used // row_bytes)
    padded = _to_blocks(inner, raw, rows, cols)
    if rows % ROWS or used % row_bytes:
        blocks = padded
        padded = np.zeros((-(-rows // ROWS) * ROWS, pieces * row_bytes), dtype=np.uint8)
        padded[:rows, :used] = blocks
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
    lines = np.ascontiguousarray(tiles.reshape(-1, pieces * row_bytes)[:rows, :used])
    return _from_blocks(inner, lines, rows, cols)


def _to_blocks(inner: Format, raw: U8, rows: int, cols: int) -> U8:
    """[rows, bytes] of blocks whose codes are in the order of strips."""
    affine = parameters(inner.name)
    if affine is None:
        return raw.reshape(rows, -1)
    blocks = affine.to_blocks(raw, rows, cols)
    if affine.bits == 4:
        # Of 16 bytes, the first eight hold columns 0 to 15.
        nibbles = _nibbles(blocks, affine, (2, 8))
        low, high = nibbles[..., 0, :].copy(), nibbles[..., 1, :].copy()
        mixed = _nibbles(blocks, affine, (8, 2))
        mixed[..., 0] = (low & 0x0F) | (high << 4)
        mixed[..., 1] = (low >> 4) | (high & 0xF0)
    return blocks


def _from_blocks(inner: Format, lines: U8, rows: int, cols: int) -> U8:
    """The inverse of `_to_blocks`; changes its argument."""
    affine = parameters(inner.name)
    if affine is None:
        return lines.reshape(-1)
    if affine.bits == 4:
        mixed = _nibbles(lines, affine, (8, 2))
        even, odd = mixed[..., 0].copy(), mixed[..., 1].copy()
        nibbles = _nibbles(lines, affine, (2, 8))
        nibbles[..., 0, :] = (even & 0x0F) | (odd << 4)
        nibbles[..., 1, :] = (even >> 4) | (odd & 0xF0)
    return affine.from_blocks(lines, rows, cols)


def _nibbles(lines: U8, affine: Affine, shape: tuple[int, int]) -> U8:
    """A view of the codes in blocks, 16 bytes each in that shape."""
    codes = affine.group // 2
    blocks = lines.reshape(-1, codes + affine.group_bytes)
    return blocks[:, :codes].reshape(len(blocks), -1, *shape)


def _runs(inner: Format) -> list[_Run]:
    runs = _layout(inner.name)
    assert runs is not None
    return runs


def _row_bytes(inner: Format) -> int:
    """Bytes of one row of a piece."""
    return sum(run.size for run in _runs(inner))


def _units(inner: Format, tiles: U8, stored: U8) -> Iterator[tuple[Units, Units]]:
    """Views [strip, piece, unit, row] of each run, in blocks and in strips.

    tiles:  [strip, row, piece, byte]
    stored: [strip, piece, byte]
    """
    at = 0
    for run in _runs(inner):
        kind = f"<u{run.unit}"
        blocks = tiles[..., run.start : run.start + run.size].view(kind).transpose(0, 2, 3, 1)
        end = at + ROWS * run.size
        yield blocks, stored[..., at:end].view(kind).reshape(*stored.shape[:2], -1, ROWS)
        at = end


@functools.cache
def make(inner: Format, count: int) -> Format:
    """`inner` in strips of `count` rows; `UsageError` if it cannot be."""
    if _layout(inner.name) is None:
        raise UsageError(
            f"strips: expected bf16, a block type of GGUF files, or int4 or int8 in groups of 32, "
            f"64, 128 or 256 without act_order, but got '{inner.name}'; allowed: for example "
            f"{', '.join(_GGUF)}, int4:g128:zp"
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

    affine = parameters(inner.name)
    dtype = np.dtype("<f2") if affine is None else affine.dtype

    def floats(run: _Run) -> bool:
        """Whether a run is floats; all else is integers."""
        return run.size == run.unit == dtype.itemsize

    def scales(raw: U8, _rows: int, _cols: int) -> list[Scales]:
        pieces, views, at = raw.reshape(-1, ROWS * row_bytes), [], 0
        if inner.name == "bf16":
            return [pieces.view(ml_dtypes.bfloat16)]
        for run in _runs(inner):
            end = at + ROWS * run.size
            if floats(run):
                views.append(pieces[:, at:end].view(dtype))
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


_USUAL = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl", "q4_k", "q5_k", "q6_k", "bf16")
_USUAL_AFFINE = ("int4:g32", "int4:g128", "int4:g128:zp", "int8:g32", "int8:g128")
_INNER = {form.name: form for form in (*gguf.FORMATS, *kquants.FORMATS, *plain.FORMATS, *AFFINE)}
FORMATS = [make(_INNER[name], ROWS) for name in (*_USUAL, *_USUAL_AFFINE)]
