"""Exact ways from one storage format to another: other places for the same codes and scales.

Three things can differ while every value stays as it is:

    layout    rows of blocks, blocks of several rows side by side (repacked, strips), columns of
              bands (zigzag): permutations of bytes, with padding added or dropped
    codes     blocks of 32 values that are each an integer of at most 8 bits times an f16 scale,
              `_SIGNED`: any that has room for the integers can hold them
    plain     formats that store each value by itself take any order

Between rows and bands there is no way for blocks of several values: one groups along columns, the
other along rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from . import get, repacked, strips, zigzag
from .affine import parameters
from .affine_parts import Parts
from .base import U8, Format

__all__ = ["Exact", "find", "is_plain", "split_name"]

# (storage, rows, columns) -> storage, which may be the same memory
Exact = Callable[[U8, int, int], U8]

_CHUNK = 1 << 20  # values whose codes are unpacked at a time

# Bits of the integers of formats whose values are an integer times the f16 scale of 32 columns.
# iq4_nl's few integers are spread over 8 bits, and q5_0 keeps its fifth bits apart; both are only
# converted from.
_SIGNED = {"q4_0": 4, "q5_0": 5, "iq4_nl": 8, "q8_0": 8, "int4:g32": 4, "int8:g32": 8}
_TARGETS = ("q4_0", "q8_0", "int4:g32", "int8:g32")


def find(old: Format, new: Format) -> Exact | None:
    """How to convert without a change of any value; None if there is no way."""
    if old.name == new.name:
        return lambda raw, _rows, _cols: raw
    (old_inner, old_layout, old_count) = split_name(old.name)
    (new_inner, new_layout, new_count) = split_name(new.name)
    turned = (old_layout == "zigzag") != (new_layout == "zigzag")
    if old_inner == new_inner and is_plain(get(old_inner)) and turned:
        return lambda raw, rows, cols: new.encode(old.decode(raw, rows, cols))
    codes = _codes(old_inner, new_inner)
    if codes is None or turned:
        return None
    inner = get(new_inner)

    def from_bands(raw: U8, rows: int, cols: int) -> U8:
        lines = codes(raw, -(-rows // old_count) * cols, old_count)
        return _rebanded(inner, lines, rows, cols, old_count, new_count)

    def from_rows(raw: U8, rows: int, cols: int) -> U8:
        # What is padded is whole blocks on both sides, as their blocks are as wide.
        padded_rows = old.padded_shape(rows, cols)[0]
        cols = -(-cols // inner.block_shape[1]) * inner.block_shape[1]
        if old_layout == "strips":
            raw = strips.from_strips(get(old_inner), raw, rows, cols)
        elif old_layout:
            raw = _from_repacked(get(old_inner), raw, padded_rows, cols, old_count)
        raw = codes(raw[: get(old_inner).storage_bytes(rows, cols)], rows, cols)
        if new_layout == "strips":
            return strips.to_strips(inner, raw, rows, cols)
        return _to_repacked(inner, raw, rows, cols, new_count) if new_layout else raw

    return from_bands if new_layout == "zigzag" else from_rows


def split_name(name: str) -> tuple[str, str, int]:
    """Inner format, layout and band or number of rows of a name.

    Layouts are "zigzag", "repacked", "strips" and "".
    """
    if parts := zigzag.split(name):
        return parts[0], "zigzag", parts[1]
    if parts := repacked.split(name):
        return parts[0], "repacked", parts[1]
    if parts := strips.split(name):
        return parts[0], "strips", parts[1]
    return name, "", 1


def is_plain(form: Format) -> bool:
    """Whether each value is stored by itself, so that any order will do."""
    return form.attribute.startswith("#qlinear.plain<")


# -- layouts --------------------------------------------------------------------------------------


def _reshaped(inner: Format, raw: U8, rows: int, cols: int, new_cols: int) -> U8:
    """Rows of `cols` values cut or joined to rows of `new_cols`, both of whole blocks.

    Rows of most formats are runs of blocks; affine ones have their scales behind all codes.
    """
    affine = parameters(inner.name)
    if affine is None or cols == new_cols:
        return raw
    old = affine.unpack(raw, rows, cols)
    groups = new_cols // affine.group
    zeros = None if old.zeros is None else old.zeros.reshape(-1, groups)
    parts = Parts(old.codes.reshape(-1, new_cols), old.scales.reshape(-1, groups), zeros)
    return affine.pack(parts)


def _from_repacked(inner: Format, raw: U8, rows: int, cols: int, count: int) -> U8:
    width = inner.block_shape[1]
    blocks = repacked.separate(raw, rows, count, inner.block_bytes)
    return _reshaped(inner, blocks, rows * (cols // width), width, cols)


def _to_repacked(inner: Format, raw: U8, rows: int, cols: int, count: int) -> U8:
    missing = -rows % count
    if missing:
        raw = np.concatenate([raw, inner.encode(np.zeros((missing, cols), dtype=np.float32))])
    blocks = _reshaped(inner, raw, rows + missing, cols, inner.block_shape[1])
    return repacked.interleave(blocks, rows + missing, count, inner.block_bytes)


def _rebanded(inner: Format, lines: U8, rows: int, cols: int, band: int, new_band: int) -> U8:
    """Columns of bands of another height: lines are [bands * cols] rows of `band` values."""
    if band == new_band:
        return lines
    width, size = inner.block_shape[1], inner.block_bytes
    bands, new_bands = -(-rows // band), -(-rows // new_band)
    raw = _reshaped(inner, lines, bands * cols, band, width)
    # [band, column, block] to [block of rows, column], with only the blocks that hold true rows.
    blocks = raw.reshape(bands, cols, band // width, size).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(-1, cols, size)[: -(-rows // width)]
    out = np.empty((new_bands * (new_band // width), cols, size), dtype=np.uint8)
    out[: len(blocks)] = blocks
    out[len(blocks) :] = inner.encode(np.zeros((1, width), dtype=np.float32))
    ordered = out.reshape(new_bands, new_band // width, cols, size).transpose(0, 2, 1, 3)
    blocks_of_lines = new_bands * cols * (new_band // width)
    return _reshaped(inner, ordered.reshape(-1), blocks_of_lines, width, new_band)


# -- codes ----------------------------------------------------------------------------------------


def _codes(old: str, new: str) -> Exact | None:
    """From rows of one format without layout to rows of another."""
    if old == new:
        return lambda raw, _rows, _cols: raw
    if old not in _SIGNED or new not in _TARGETS or _SIGNED[old] > _SIGNED[new]:
        return None

    def convert(raw: U8, rows: int, cols: int) -> U8:
        out = np.empty(get(new).storage_bytes(rows, cols), dtype=np.uint8).reshape(rows, -1)
        lines = raw.reshape(rows, -1)
        step = max(_CHUNK // cols, 1)
        for start in range(0, rows, step):
            piece = lines[start : start + step]
            codes, scales = _signed_codes(get(old), piece, cols)
            out[start : start + step] = _packed(new, codes, scales).reshape(len(piece), -1)
        return out.reshape(-1)

    return convert


def _signed_codes(form: Format, lines: U8, cols: int) -> tuple[npt.NDArray[np.int8], U8]:
    """Integers [rows, cols] and f16 scales as bytes [rows, groups, 2] of rows of a format."""
    rows = len(lines)
    ones = lines.copy().reshape(-1)
    view = form.scales(ones, rows, cols)[0]
    scales = view.astype("<f2").reshape(rows, -1, 1).view(np.uint8)
    view[...] = 1
    return form.decode(ones, rows, cols).astype(np.int8), scales


def _packed(name: str, codes: npt.NDArray[np.int8], scales: U8) -> U8:
    """The rows of one of `_TARGETS` with these integers and scales."""
    rows = len(codes)
    affine = parameters(name)
    if affine is not None:
        unsigned = (codes.view(np.uint8) + np.uint8(affine.middle)).astype(np.uint8)
        return affine.pack(Parts(unsigned, scales.view("<f2")[..., 0]))
    blocks = codes.reshape(rows, -1, 32).view(np.uint8)
    if name == "q4_0":
        nibbles = (blocks + np.uint8(8)) & np.uint8(15)
        blocks = nibbles[:, :, :16] | (nibbles[:, :, 16:] << np.uint8(4))
    return np.concatenate([scales, blocks], axis=2).reshape(-1)
