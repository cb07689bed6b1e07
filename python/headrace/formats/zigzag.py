"""zigzag: the blocks of another format along the rows, so that a column is in one piece.

`q4_k:zigzag` cuts a matrix into bands of 256 rows (`q4_k:zigzag512`: of 512). The part of a column
in a band is stored as one row of the inner format; the columns of a band follow each other:

    band 0:  | column 0, rows 0 .. 255 | column 1, rows 0 .. 255 | ... | column K - 1 |
    band 1:  | column 0, rows 256 .. 511 | ...

so a column whose activation is zero is one run of bytes that need not be read (arXiv 2511.04477).
Rows are padded to whole bands, with zeros before they are encoded. Groups run along rows here and
along columns in the inner format: going from one to the other means to quantize again
(conversion.py).
"""

from __future__ import annotations

import functools
import re

from headrace.errors import UsageError

from . import gguf, kquants
from .base import F32, U8, Format, Scales

__all__ = ["FORMATS", "has_plain_rows", "make", "parse", "split"]

_BAND = 256
_NAME = re.compile(r"(.+):zigzag(0|[1-9][0-9]{0,8}|)")
_MOST = 1 << 20
# Names come from files too; in longer ones layouts of layouts could nest without end.
_LONGEST_NAME = 120


def has_plain_rows(inner: Format) -> bool:
    """Whether each row of a format is a run of blocks that can be encoded by itself."""
    return (
        inner.block_shape[0] == 1
        and inner.encode_rows is not None
        and not (inner.row_extra or inner.pads or inner.holds_activations)
        and inner.header_bytes(1, inner.block_shape[1]) == 0
    )


@functools.cache
def make(inner: Format, band: int = _BAND) -> Format:
    """`inner` in bands of `band` rows; `UsageError` if it cannot be."""
    columns = inner.block_shape[1]
    if not has_plain_rows(inner):
        raise UsageError(
            f"zigzag: expected a format whose rows are runs of blocks, but got '{inner.name}'; "
            "allowed: for example q4_k, q8_0"
        )
    if not 1 <= band <= _MOST or band % columns:
        raise UsageError(
            f"zigzag: expected a band of a multiple of {columns} rows (the block of {inner.name}), "
            f"at most {_MOST}, but got {band}"
        )
    encode_inner, decode_inner = inner.encode_rows, inner.decode_rows
    assert encode_inner is not None and decode_inner is not None

    def encode(values: F32, _cols: int) -> U8:
        rows, cols = values.shape
        # [band, row, column] to [band, column, row]: a line is a column of a band.
        lines = values.reshape(rows // band, band, cols).transpose(0, 2, 1)
        return encode_inner(lines.reshape(-1, band), band)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        lines = decode_inner(raw, rows // band * cols, band)
        return lines.reshape(rows // band, cols, band).transpose(0, 2, 1).reshape(rows, cols)

    def scales(raw: U8, rows: int, cols: int) -> list[Scales]:
        return inner.scales(raw, rows // band * cols, band)

    return Format(
        name=f"{inner.name}:zigzag{'' if band == _BAND else band}",
        attribute=f"#qlinear.zigzag<{inner.attribute}, band = {band}>",
        summary=f"columns of {band} rows in blocks of {inner.name}",
        checked_by=inner.checked_by,
        block_shape=(band, 1),
        block_bytes=band // columns * inner.block_bytes,
        pads=True,
        largest=inner.largest,
        scales=scales,
        encode_rows=encode,
        decode_rows=decode,
    )


def split(name: str) -> tuple[str, int] | None:
    """The inner format's name and the band of `FORMAT:zigzag` or `FORMAT:zigzagBAND`."""
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    return (match[1], int(match[2] or _BAND)) if match else None


def parse(name: str) -> Format | None:
    """The format of that name, None if it is no zigzag format."""
    parts = split(name)
    if parts is None:
        return None
    from . import get  # this module is one of those that it looks in

    return make(get(parts[0]), parts[1])


_INNER = {form.name: form for form in (*gguf.FORMATS, *kquants.FORMATS)}
FORMATS = [make(_INNER[name]) for name in ("q4_0", "q8_0", "q4_k", "q6_k")]
