"""The order of 4-bit codes for tensor cores, as PyTorch's CUDA kernel packs them.

A tile of 8 rows by 128 columns is 32 x 4 words. Word (lane, i) has the codes of row lane / 4; from
the lowest bits the columns p, p + 8, p + 16, p + 24, p + 1, p + 9, p + 17, p + 25 with
p = 32 i + 2 (lane % 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.formats.base import U8

__all__ = ["TILE_COLS", "TILE_ROWS", "from_tiles"]

TILE_ROWS, TILE_COLS = 8, 128


def from_tiles(words: npt.NDArray[Any]) -> U8:
    """Words i32 [rows / 8, cols / 128, 32, 4] to codes u8 [rows, cols]."""
    high, wide = words.shape[:2]
    source = np.ascontiguousarray(words).view(np.uint32)
    fields = np.empty((*words.shape, 8), dtype=np.uint8)
    for at in range(8):
        fields[..., at] = (source >> np.uint32(4 * at)) & np.uint32(15)
    # [tile row, tile column, row, pair, i, odd, eighth] to columns 32 i + 8 eighth + 2 pair + odd
    split = fields.reshape(high, wide, 8, 4, 4, 2, 4)
    ordered = split.transpose(0, 2, 1, 4, 6, 3, 5)
    return ordered.reshape(high * TILE_ROWS, wide * TILE_COLS)
