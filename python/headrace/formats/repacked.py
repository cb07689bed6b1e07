"""repacked: the bytes of another format in the order of a kernel.

`q4_0:rows8` interleaves the blocks of 8 consecutive rows (also `rows4`, `rows16`):

    rows 0 .. 7:   | block 0 of rows 0 .. 7 | block 1 of rows 0 .. 7 | ...
    rows 8 .. 15:  | block 0 of rows 8 .. 15 | ...

so a kernel that computes 8 rows at once reads one run of bytes. Each block is what the inner format
stores for a row of one block: of int4:g32 16 bytes of codes, then their scale. Rows are padded to
the interleaving, columns to whole blocks, with zeros.
"""

from __future__ import annotations

import functools
import re

from headrace.errors import UsageError

from . import gguf, kquants
from .base import F32, U8, Format, Scales
from .zigzag import has_plain_rows

__all__ = ["FORMATS", "interleave", "make", "parse", "separate", "split"]

_NAME = re.compile(r"(.+):rows(0|[1-9][0-9]{0,8})")
_COUNTS = (4, 8, 16)
_LONGEST_NAME = 120  # as in zigzag


def interleave(raw: U8, rows: int, count: int, block_bytes: int) -> U8:
    """The bytes of `rows` rows of whole blocks, blocks of `count` rows side by side."""
    blocks = raw.reshape(rows // count, count, -1, block_bytes)
    return blocks.transpose(0, 2, 1, 3).reshape(-1)


def separate(raw: U8, rows: int, count: int, block_bytes: int) -> U8:
    """The inverse of `interleave`."""
    blocks = raw.reshape(rows // count, -1, count, block_bytes)
    return blocks.transpose(0, 2, 1, 3).reshape(-1)


@functools.cache
def make(inner: Format, count: int) -> Format:
    """`inner` with `count` rows interleaved; `UsageError` if it cannot be."""
    if not has_plain_rows(inner):
        raise UsageError(
            f"repacked: expected a format whose rows are runs of blocks, but got '{inner.name}'; "
            "allowed: for example q4_0, q4_k"
        )
    if count not in _COUNTS:
        raise UsageError(
            f"repacked: expected rows4, rows8 or rows16, but got 'rows{count}' of {inner.name}"
        )
    encode_inner, decode_inner = inner.encode_rows, inner.decode_rows
    assert encode_inner is not None and decode_inner is not None
    width = inner.block_shape[1]

    # A row of several blocks may keep its scales behind all codes (affine), so each block is
    # encoded as a row of its own.
    def encode(values: F32, _cols: int) -> U8:
        blocks = encode_inner(values.reshape(-1, width), width)
        return interleave(blocks, len(values), count, inner.block_bytes)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        blocks = separate(raw, rows, count, inner.block_bytes)
        return decode_inner(blocks, blocks.size // inner.block_bytes, width).reshape(rows, cols)

    def scales(raw: U8, _rows: int, _cols: int) -> list[Scales]:
        return inner.scales(raw, raw.size // inner.block_bytes, width)

    return Format(
        name=f"{inner.name}:rows{count}",
        attribute=f'#qlinear.repacked<{inner.attribute}, "rows{count}">',
        summary=f"{inner.name}, blocks of {count} rows side by side",
        checked_by=inner.checked_by,
        block_shape=(count, width),
        block_bytes=count * inner.block_bytes,
        pads=True,
        largest=inner.largest,
        scales=scales,
        encode_rows=encode,
        decode_rows=decode,
    )


def split(name: str) -> tuple[str, int] | None:
    """The inner format's name and the number of rows of `FORMAT:rowsN`."""
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    return (match[1], int(match[2])) if match else None


def parse(name: str) -> Format | None:
    """The format of that name, None if it is not repacked."""
    parts = split(name)
    if parts is None:
        return None
    from . import get  # this module is one of those that it looks in

    return make(get(parts[0]), parts[1])


_INNER = {form.name: form for form in (*gguf.FORMATS, *kquants.FORMATS)}
FORMATS = [make(_INNER[name], count) for name, count in (("q4_0", 8), ("q8_0", 4), ("q4_k", 8))]
