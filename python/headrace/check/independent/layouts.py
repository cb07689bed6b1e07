"""zigzag, repacked and strips: where values, blocks or fields lie, then the inner format."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.formats import Format

__all__ = ["decode", "who"]

# The fields of a block, and those of a piece of a strip in their order: of 32 columns there are two
# blocks in a piece. Numbers are how many units (2 bytes, else 4) a row has of the field.
_SMALL = {"q4_0": "d2 q4", "iq4_nl": "d2 q4", "q4_1": "d2 m2 q4", "q8_0": "d2 q8"}
_SMALL |= {"q5_0": "d2 h1 q4", "q5_1": "d2 m2 h1 q4"}
_BIG = {
    "q2_k": ("s4 q16 d2 m2", "d m s q"),
    "q3_k": ("h8 q16 s3 d2", "d s h q"),
    "q4_k": ("d2 m2 s3 q32", "d m s q"),
    "q5_k": ("d2 m2 s3 h8 q32", "d m s h q"),
    "q6_k": ("a4 b4 c4 e4 f4 g4 h4 i4 j4 k4 l4 n4 s4 d2", "d s j a c k b e l f h n g i"),
}

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def who(form: Format) -> str:
    """Who decodes the inner format."""
    from headrace.check import independent

    return f"{independent.who(formats.get(form.name.rpartition(':')[0]))}, placed by index"


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The values of a zigzag, repacked or strips matrix, float32 [rows, cols]."""
    if found := re.fullmatch(r"(.*):zigzag(\d*)", form.name):
        return _zigzag(formats.get(found[1]), int(found[2] or 256), data, rows, cols)
    if found := re.fullmatch(r"(.*):rows(\d+)", form.name):
        return _repacked(formats.get(found[1]), int(found[2]), data, rows, cols)
    if found := re.fullmatch(r"(.*):strips16", form.name):
        return _strips(formats.get(found[1]), data, rows, cols)
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


def _strips(inner: Format, data: U8, rows: int, cols: int) -> F32:
    from headrace.check import independent

    if inner.name.startswith("int"):
        return _affine_strips(inner, data, rows, cols)
    if inner.name == "bf16":
        pairs = data.view("<u2").reshape(-(-rows // 16), -(-cols // 32), 16, 16, 2)
        lines = pairs.transpose(0, 3, 1, 2, 4).reshape(-(-rows // 16) * 16, -1)
        return (lines[:rows, :cols].astype(np.uint32) << 16).view(np.float32)
    if inner.name in _SMALL:
        fields, blocks = _SMALL[inner.name].split(), 2
        order = [field[0] for field in fields]
    else:
        fields, blocks = _BIG[inner.name][0].split(), 1
        order = _BIG[inner.name][1].split()
    kinds = {
        field[0]: ("<u2", 1) if field[0] in "dm" else ("<u4", int(field[1:])) for field in fields
    }
    block = np.dtype([(field[0], *kinds[field[0]]) for field in fields])
    assert block.itemsize == inner.block_bytes
    piece = np.dtype([(name, kinds[name][0], (blocks, kinds[name][1], 16)) for name in order])
    width = inner.block_shape[1]
    pieces = data.view(piece).reshape(-(-rows // 16), -(-cols // (width * blocks)))
    rebuilt = np.empty((*pieces.shape, 16, blocks), dtype=block)
    for name in order:
        # [strip, piece, block, unit, row] to [strip, piece, row, block, unit]
        moved = pieces[name].transpose(0, 1, 4, 2, 3)
        rebuilt[name] = moved.reshape(rebuilt[name].shape)
    lines = np.ascontiguousarray(rebuilt.swapaxes(1, 2)).reshape(len(pieces) * 16, -1)
    stored = lines.view(np.uint8).reshape(-1)
    values = independent.decode(inner, stored, len(lines), lines.shape[1] * width)
    return np.ascontiguousarray(values[:rows, :cols])


def _affine_strips(inner: Format, data: U8, rows: int, cols: int) -> F32:
    """Every byte of the rows without layout by its index, int4 nibble by nibble."""
    from headrace.check import independent

    found = re.match(r"int([48]):g(\d+)(:zp|:fz)?(:\w+)?$", inner.name)
    assert found is not None
    bits, group = int(found[1]), int(found[2])
    scale = 4 if found[4] == ":f32" else 2
    zero = {None: 0, ":zp": 1, ":fz": scale}[found[3]]
    groups, pieces, strips = 256 // group, -(-cols // 256), -(-rows // 16)
    zeros, codes = 16 * groups * scale, 16 * groups * (scale + zero)
    stored = data.reshape(strips, pieces, codes + 16 * 32 * bits)
    row, col = np.arange(16)[:, None], np.arange(256)[None, :]

    def take(at: npt.NDArray[np.int64]) -> U8:
        """[row, byte] of a piece to rows of all its bytes: [all rows, piece, byte]."""
        found = stored[:, :, at.reshape(-1)].reshape(strips, pieces, *at.shape)
        return found.transpose(0, 2, 1, 3).reshape(16 * strips, pieces, -1)

    def numbers(start: int, size: int) -> U8:
        byte = np.arange(groups * size)[None, :]
        return take(start + (byte // size * 16 + row) * size + byte % size)

    if bits == 8:
        lines = take(codes + col // 4 * 64 + row * 4 + col % 4)
    else:
        byte = col // 32 * 16 + col % 16
        both = take(codes + byte // 4 * 64 + row * 4 + byte % 4)
        shift: U8 = (col % 32 // 16 * 4).astype(np.uint8)
        code = (both >> shift) & np.uint8(15)
        lines = code[..., 0::2] | (code[..., 1::2] << np.uint8(4))
    parts = [lines, numbers(0, scale)] + ([numbers(zeros, zero)] if zero else [])
    whole = np.concatenate([part.reshape(16 * strips, -1) for part in parts], axis=1)
    values = independent.decode(inner, whole.reshape(-1), 16 * strips, 256 * pieces)
    return np.ascontiguousarray(values[:rows, :cols])
