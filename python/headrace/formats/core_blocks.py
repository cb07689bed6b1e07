"""Weights for arrays of cores: blocks of q4nx, in the order in which streams bring them.

    blocks = core_blocks(data, 10240, 2560, "q4_k")
    weights = group_blocks([blocks], [4, 5, 2, 11, ...])

A core takes blocks of 32 rows by 256 columns. Those of q4nx are as in the file. Others have their
codes in the same order, and before them what says their scales, without loss:

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

from headrace.errors import UsageError

from . import get
from .base import F32, U8, bf16_bits, bf16_values, half_values
from .kquants import nibbles, six_bit_pairs
from .q4nx import pack

__all__ = ["FORMATS", "core_blocks", "group_blocks"]

# Of these formats there are blocks.
FORMATS = ("q4nx", "q4_0", "q4_k")

_ROWS, _COLS, _GROUP = 32, 256, 32
_GROUPS = _COLS // _GROUP


def core_blocks(data: Any, rows: int, cols: int, name: str) -> U8:
    """The matrix that `data` stores in format `name`, as blocks [rows / 32, columns / 256, bytes].

    Both sides are padded to whole blocks; padding is 0. Raises `UsageError` for another format and
    for bytes of another size.
    """
    if name not in FORMATS:
        raise UsageError(
            f"blocks for cores: expected a format that cores multiply with, but got"
            f" {name}; allowed: {', '.join(FORMATS)}"
        )
    raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.asarray(data)
    raw = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
    size = get(name).storage_bytes(rows, cols)
    if raw.nbytes != size:
        raise UsageError(
            f"blocks for cores: expected {size} bytes of {name} for {rows}x{cols}, "
            f"but got {raw.nbytes}"
        )
    bands, blocks = -(-rows // _ROWS), -(-cols // _COLS)
    if name == "q4nx":
        return raw.reshape(bands, blocks, -1)
    codes, head = (_q4_0 if name == "q4_0" else _q4_k)(raw, rows, bands, blocks)
    nothing = np.zeros((bands * _ROWS, blocks * _GROUPS), np.uint16)
    packed = pack(_padded(codes.reshape(rows, cols), blocks), nothing, nothing)
    return np.concatenate([head, packed.reshape(bands, blocks, -1)[:, :, 1024:]], axis=2)


def _q4_0(raw: U8, rows: int, bands: int, blocks: int) -> tuple[U8, U8]:
    """Codes [n, 32] and what is before them in blocks."""
    stored = raw.reshape(-1, 18)
    codes = np.concatenate([stored[:, 2:] & np.uint8(15), stored[:, 2:] >> np.uint8(4)], axis=1)
    scales = _padded(half_values(stored[:, :2]).reshape(rows, -1), blocks, _GROUPS)
    parts = [_by_group(part, bands, blocks) for part in _split(scales)]
    return codes, np.concatenate(parts, axis=2)


def _q4_k(raw: U8, rows: int, bands: int, blocks: int) -> tuple[U8, U8]:
    """Codes [n, 256] and what is before them in blocks."""
    stored = raw.reshape(-1, 144)
    integers = [
        _by_group(_padded(numbers.reshape(rows, -1), blocks, _GROUPS), bands, blocks)
        for numbers in six_bit_pairs(stored[:, 4:16])
    ]
    d, dmin = half_values(stored[:, 0:2]), half_values(stored[:, 2:4])
    rest = [
        _by_group(part, bands, blocks)
        for number in (d, np.float32(0) - dmin)
        for part in _split(_padded(number.reshape(rows, -1), blocks, 1))
    ]
    return nibbles(stored[:, 16:]), np.concatenate([*integers, *rest], axis=2)


def _split(values: F32) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The bits of two bf16 whose sum an f16 is."""
    first = bf16_bits(values)
    return first, bf16_bits(values - bf16_values(first))


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


def group_blocks(matrices: Sequence[U8], groups: Sequence[int]) -> U8:
    """The bytes of all blocks of `matrices` (one, or gate and up) in the order of streams.

    groups: for each group its number of cores and of rounds. The order is: group, round, matrix,
    256 columns, core; the row of blocks of a core in a round is the next one. Blocks behind the
    last row are zero. Raises `UsageError` where the groups have fewer blocks than the matrices.
    """
    shape = matrices[0].shape
    held = sum(cores * rounds for cores, rounds in _pairs(groups))
    if held < shape[0] or any(matrix.shape != shape for matrix in matrices):
        raise UsageError(
            f"blocks for cores: expected matrices of one shape and at most {held} rows of blocks, "
            f"as the groups have, but got {', '.join(str(m.shape[:2]) for m in matrices)}"
        )
    stacked = np.zeros((len(matrices), held, *shape[1:]), np.uint8)
    for matrix, part in zip(matrices, stacked, strict=True):
        part[: shape[0]] = matrix
    pieces, first = [], 0
    for cores, rounds in _pairs(groups):
        part = stacked[:, first : first + cores * rounds]
        # [matrix, round, core, columns, bytes] to [round, matrix, columns, core, bytes]
        part = part.reshape(len(matrices), rounds, cores, *shape[1:]).transpose(1, 0, 3, 2, 4)
        pieces.append(part.reshape(-1))
        first += cores * rounds
    return np.concatenate(pieces)


def _pairs(groups: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(groups[::2], groups[1::2], strict=True))
