"""Weights for arrays of cores: blocks of q4nx, in the order in which streams bring them.

    blocks = core_blocks(data, 10240, 2560, "q4_k")
    weights = column_blocks([unit_blocks(blocks, "q4_k")], [2, 2], [20, 20, ...])
    weights = group_blocks([cut_blocks(blocks, "q4_k", 128)], [2, 20, 2, 20, ...])

Blocks have 32 rows and 256 columns, and a core takes a part at a time: for many tokens 128 columns
of them, for a vector 16 rows (`unit_blocks`), of q4nx and q4_0 also of 128 or 64 columns
(`cut_blocks`). Those of q4nx are as in the file. Others have their codes in the same
order, and before them what says their scales, without loss:

    q4_0, 5120 bytes   256 bf16 and 256 bf16: the two parts of each f16 scale, index 32 g + r
    q4_k, 4864 bytes   256 u8 scales, 256 u8 minima, index 32 g + r;
                       32 bf16 each: d, what is left of it, -dmin, what is left of it

Which groups of cores there are is said by the graph that `dataflow-partition-products` makes
(`headrace.packing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError

__all__ = [
    "FORMATS",
    "bf16_bits",
    "column_blocks",
    "core_blocks",
    "cut_blocks",
    "group_blocks",
    "unit_blocks",
]

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
F32 = npt.NDArray[np.float32]

# Of these formats there are blocks. Columns and bytes of a block of one row; of q4nx 32 rows.
_STORED = {"q4nx": (256, 5120), "q4_0": (32, 18), "q4_k": (256, 144)}
FORMATS = tuple(_STORED)

_ROWS, _COLS, _GROUP = 32, 256, 32
# Rows that a core has at a time where it multiplies with a vector.
_UNIT = _ROWS // 2
_GROUPS = _COLS // _GROUP


def core_blocks(data: Any, rows: int, cols: int, name: str) -> U8:
    """The matrix that `data` stores in format `name`, as blocks [rows / 32, columns / 256, bytes].

    Both sides are padded to whole blocks; padding is 0. Raises `ArgumentError` for another format
    and for bytes of another size.
    """
    if name not in FORMATS:
        raise ArgumentError(
            f"blocks for cores: expected a format that cores multiply with, but got"
            f" {name}; allowed: {', '.join(FORMATS)}"
        )
    raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.asarray(data)
    raw = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
    across, each = _STORED[name]
    size = -(-rows // (_ROWS if name == "q4nx" else 1)) * -(-cols // across) * each
    if raw.nbytes != size:
        raise ArgumentError(
            f"blocks for cores: expected {size} bytes of {name} for {rows}x{cols}, "
            f"but got {raw.nbytes}"
        )
    bands, blocks = -(-rows // _ROWS), -(-cols // _COLS)
    if name == "q4nx":
        return raw.reshape(bands, blocks, -1)
    codes, head = (_q4_0 if name == "q4_0" else _q4_k)(raw, rows, bands, blocks)
    packed = _pairs_of_rows(_padded(codes.reshape(rows, cols), blocks), bands, blocks)
    return np.concatenate([head, packed], axis=2)


def _pairs_of_rows(codes: U8, bands: int, blocks: int) -> U8:
    """Codes [rows, columns] to nibbles as those of q4nx: a byte is two rows of a column."""
    # [band, half, pair, parity, block, column] to [parity, band, block, half, column, pair]
    split = codes.reshape(bands, 2, 8, 2, blocks, _COLS).transpose(3, 0, 4, 1, 5, 2)
    packed: U8 = (split[0] | (split[1] << 4)).reshape(bands, blocks, -1)
    return packed


def _q4_0(raw: U8, rows: int, bands: int, blocks: int) -> tuple[U8, U8]:
    """Codes [n, 32] and what is before them in blocks."""
    stored = raw.reshape(-1, 18)
    codes = np.concatenate([stored[:, 2:] & np.uint8(15), stored[:, 2:] >> np.uint8(4)], axis=1)
    scales = _padded(_half_values(stored[:, :2]).reshape(rows, -1), blocks, _GROUPS)
    parts = [_by_group(part, bands, blocks) for part in _split(scales)]
    return codes, np.concatenate(parts, axis=2)


def _q4_k(raw: U8, rows: int, bands: int, blocks: int) -> tuple[U8, U8]:
    """Codes [n, 256] and what is before them in blocks."""
    stored = raw.reshape(-1, 144)
    integers = [
        _by_group(_padded(numbers.reshape(rows, -1), blocks, _GROUPS), bands, blocks)
        for numbers in _six_bit_pairs(stored[:, 4:16])
    ]
    d, dmin = _half_values(stored[:, 0:2]), _half_values(stored[:, 2:4])
    rest = [
        _by_group(part, bands, blocks)
        for number in (d, np.float32(0) - dmin)
        for part in _split(_padded(number.reshape(rows, -1), blocks, 1))
    ]
    return _nibbles(stored[:, 16:]), np.concatenate([*integers, *rest], axis=2)


def _nibbles(raw: U8) -> U8:
    """Bytes [n, 128] of q4_k to codes [n, 256]: each 32 bytes are two sub-blocks of 32."""
    chunks = raw.reshape(-1, 4, 1, 32)
    return np.concatenate([chunks & np.uint8(15), chunks >> np.uint8(4)], axis=2).reshape(-1, 256)


def _six_bit_pairs(raw: U8) -> tuple[U8, U8]:
    """Scales and minima [n, 8] each of bytes [n, 12] of q4_k."""
    a, b, c = raw[:, 0:4], raw[:, 4:8], raw[:, 8:12]
    scales = np.hstack([a & 63, (c & 15) | (a >> 6 << 4)])
    return scales, np.hstack([b & 63, (c >> 4) | (b >> 6 << 4)])


def _half_values(raw: U8) -> F32:
    """The f16 in the two bytes of each row."""
    return np.ascontiguousarray(raw).view("<f2")[..., 0].astype(np.float32)


def bf16_bits(values: F32) -> U16:
    """Rounded to the nearest bf16, ties to even. Not for NaN."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def _bf16_values(bits: U16) -> F32:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _split(values: F32) -> tuple[U16, U16]:
    """The bits of two bf16 whose sum an f16 is."""
    first = bf16_bits(values)
    return first, bf16_bits(values - _bf16_values(first))


def _padded(
    values: np.ndarray[Any, Any], blocks: int, of_block: int = _COLS
) -> np.ndarray[Any, Any]:
    """`values` [rows, n] with zeros to whole blocks, which have `of_block` of them in a row."""
    rows, cols = values.shape
    return np.pad(values, ((0, -rows % _ROWS), (0, blocks * of_block - cols)))


def _by_group(values: np.ndarray[Any, Any], bands: int, blocks: int) -> U8:
    """[rows, groups] to bytes of blocks, index 32 g + r."""
    ordered = values.reshape(bands, _ROWS, blocks, -1).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(ordered).reshape(bands, blocks, -1).view(np.uint8)


def unit_blocks(blocks: U8, name: str) -> U8:
    """Halves of blocks, of 16 rows each: [rows / 16, columns / 256, bytes / 2].

    blocks: what `core_blocks` gives for format `name`. A half is the same for its rows: what says
    their scales, index 16 g + r, then their codes.
    """
    bands, columns, _ = blocks.shape
    # Bytes of a row in each of the tables before the codes, and how many such tables there are.
    tables = [(1, 2 * _GROUPS), (2, 4)] if name == "q4_k" else [(2, 2 * _GROUPS)]
    parts, at = [], 0
    for size, count in [*tables, (_COLS // 2, 1)]:
        end = at + size * count * _ROWS
        # Rows of a half lie together, in each table and in the codes.
        part = blocks[:, :, at:end].reshape(bands, columns, count, 2, _UNIT * size)
        parts.append(part.transpose(0, 3, 1, 2, 4).reshape(2 * bands, columns, -1))
        at = end
    return np.concatenate(parts, axis=2)


def cut_blocks(blocks: U8, name: str, columns: int) -> U8:
    """Blocks of format `name` cut to `columns` columns each: [..., 256 / columns times as many,
    bytes].

    blocks: what `core_blocks` or `unit_blocks` gives. A part is the same for its columns; what says
    the scales of whole rows is in each.
    """
    across, blocks_of_row, size = blocks.shape
    # Bytes of a row: in both tables of its groups, behind them, and in all.
    tables, of_row = (2 * _GROUPS, 8) if name == "q4_k" else (4 * _GROUPS, 0)
    rows, count = size // (tables + of_row + _COLS // 2), _COLS // columns
    head, middle, codes = np.split(blocks, [rows * tables, rows * (tables + of_row)], axis=2)
    shape = (across, blocks_of_row, count, -1)
    parts = [
        head.reshape(across, blocks_of_row, 2, count, -1).swapaxes(2, 3).reshape(shape),
        np.repeat(middle[:, :, np.newaxis], count, axis=2),
        # 16 rows by all columns follow each other.
        codes.reshape(across, blocks_of_row, rows // _UNIT, count, -1)
        .swapaxes(2, 3)
        .reshape(shape),
    ]
    return np.concatenate(parts, axis=3).reshape(across, blocks_of_row * count, -1)


def column_blocks(matrices: Sequence[U8], channels: Sequence[int], rounds: Sequence[int]) -> U8:
    """The bytes of all halves of blocks of `matrices` (one, or gate and up), as streams bring them.

    channels: the number of cores of each channel of a column; rounds: of each column, how many
    units of 16 rows each of its cores gets. The order is: column, channel, round, matrix, columns
    of a block, core; the units of a column follow each other by round and core, and columns follow
    each other. What is behind the last row is zero. Raises `ArgumentError` where there are more
    rows than the cores have.
    """
    shape, cores = matrices[0].shape, sum(channels)
    stacked = _stacked(matrices, cores * sum(rounds), "units")
    pieces, first = [], 0
    for count in rounds:
        column = stacked[:, first : first + count * cores]
        column = column.reshape(len(matrices), count, cores, *shape[1:])
        start = 0
        for width in channels:
            # [matrix, round, core, columns, bytes] to [round, matrix, columns, core, bytes]
            part = column[:, :, start : start + width].transpose(1, 0, 3, 2, 4)
            pieces.append(part.reshape(-1))
            start += width
        first += count * cores
    return np.concatenate(pieces)


def group_blocks(matrices: Sequence[U8], groups: Sequence[int]) -> U8:
    """The bytes of all blocks of `matrices` (one, or gate and up) in the order of streams.

    groups: for each group its number of cores and of rounds. The order is: group, round, matrix,
    columns of a block, core; the row of blocks of a core in a round is the next one. Blocks behind
    the last row are zero. Raises `ArgumentError` where the groups have fewer blocks than the
    matrices.
    """
    shape = matrices[0].shape
    stacked = _stacked(matrices, sum(c * r for c, r in _pairs(groups)), "rows of blocks")
    pieces, first = [], 0
    for cores, rounds in _pairs(groups):
        part = stacked[:, first : first + cores * rounds]
        # [matrix, round, core, columns, bytes] to [round, matrix, columns, core, bytes]
        part = part.reshape(len(matrices), rounds, cores, *shape[1:]).transpose(1, 0, 3, 2, 4)
        pieces.append(part.reshape(-1))
        first += cores * rounds
    return np.concatenate(pieces)


def _stacked(matrices: Sequence[U8], held: int, what: str) -> U8:
    """[matrix, held, columns, bytes], zeros behind the matrices."""
    shape = matrices[0].shape
    if held < shape[0] or any(matrix.shape != shape for matrix in matrices):
        raise ArgumentError(
            f"blocks for cores: expected matrices of one shape and at most {held} {what}, "
            f"as the cores have, but got {', '.join(str(m.shape[:2]) for m in matrices)}"
        )
    stacked = np.zeros((len(matrices), held, *shape[1:]), np.uint8)
    for matrix, part in zip(matrices, stacked, strict=True):
        part[: shape[0]] = matrix
    return stacked


def _pairs(groups: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(groups[::2], groups[1::2], strict=True))
