"""zigzag and repacked: where each value or block lies, by index, then the inner format."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.formats import Format

__all__ = ["decode", "who"]

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def who(form: Format) -> str:
    """Who decodes the inner format."""
    from headrace.check import independent

    return f"{independent.who(formats.get(form.name.rpartition(':')[0]))}, placed by index"


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The values of a zigzag or repacked matrix, float32 [rows, cols]."""
    if found := re.fullmatch(r"(.*):zigzag(\d*)", form.name):
        return _zigzag(formats.get(found[1]), int(found[2] or 256), data, rows, cols)
    if found := re.fullmatch(r"(.*):rows(\d+)", form.name):
        return _repacked(formats.get(found[1]), int(found[2]), data, rows, cols)
    return None


def _zigzag(inner: Format, band: int, data: U8, rows: int, cols: int) -> F32:
    from headrace.check import independent

    bands = -(-rows // band)
    lines = independent.decode(inner, data, bands * cols, band)
    row, col = np.arange(rows)[:, None], np.arange(cols)[None, :]
    return np.ascontiguousarray(lines[row // band * cols + col, row % band])


def _repacked(inner: Format, count: int, data: U8, rows: int, cols: int) -> F32:
    from headrace.check import independent

    size, width = inner.block_bytes, inner.block_shape[1]
    blocks_per_row = -(-cols // width)
    row, block = np.arange(rows)[:, None], np.arange(blocks_per_row)[None, :]
    at = ((row // count * blocks_per_row + block) * count + row % count) * size
    stored = data[at[:, :, None] + np.arange(size)]
    # Each block is a row of one block.
    values = independent.decode(inner, stored.reshape(-1), rows * blocks_per_row, width)
    return np.ascontiguousarray(values.reshape(rows, -1)[:, :cols])
