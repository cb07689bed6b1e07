"""Affine integers of 2, 4 or 8 bits, as GPTQ, AWQ and torchao hold them.

Names are `intB:GROUP[:zp|:fz][:bf16|:f32][:act_order]`: GROUP is `gN` (N columns share a scale) or
`channel` (a whole row does), `zp` adds integer and `fz` float zero points, then comes the type of
the scales (f16 if not said). One row of K columns with G groups:

    | K B / 8 bytes of codes | G scales | G zero points, if any |

    codes, unsigned:   4 bits: byte j low = column 2j, high = 2j + 1
                       2 bits: byte j = columns 4j .. 4j + 3, the first in the lowest bits
    scales:            f16, bf16 or f32, little endian
    zero points:       u8 (zp), or of the type of the scales (fz)

    no zero points:    value = scale (q - 2^(B - 1))
    zp:                value = scale (q - zero)
    fz:                value = (q - 2^(B - 1)) scale + zero

With `act_order` columns are stored in another order, and groups are of stored columns:

    | position: K int32 | rows as above |       column c is stored at position[c]

Integer zero points beyond 2^B - 1 are allowed (files of GPTQ have them). Layout facts: the
checkpoints of these three systems; the arithmetic is in float32, in the order written.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

from .affine_fit import fit_float, fit_integer, fit_symmetric
from .affine_parts import Parts, check_position, pack_codes, unpack_codes
from .base import F32, U8, Format, Scales
from .fit import normalised

__all__ = ["FORMATS", "Affine", "Parts", "encode_ordered", "parameters", "parse"]

_DTYPES: dict[str, np.dtype[Any]] = {
    "f16": np.dtype("<f2"),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype("<f4"),
}
_BITS = (2, 4, 8)
_MAX_GROUP = 1 << 28
# Values encoded at a time, so that temporaries stay in a core's cache.
_CHUNK = 1 << 18

_NAME = re.compile(r"int(\d+):(g(\d+)|channel)(:zp|:fz)?(:bf16|:f32)?(:act_order)?")
_HINT = (
    "expected intB:GROUP[:zp|:fz][:bf16|:f32][:act_order] with B one of 2, 4, 8 and GROUP "
    "'channel' or 'gN', N a multiple of 8, as in int4:g128:zp"
)


@dataclass(frozen=True)
class Affine:
    """The parameters of an affine format.

    bits:      2, 4 or 8
    group:     columns of a group, a multiple of 8; 0: a whole row
    zero:      "none", "integer" or "float"
    scale:     "f16", "bf16" or "f32"
    act_order: whether there is a column permutation
    """

    bits: int
    group: int
    zero: str = "none"
    scale: str = "f16"
    act_order: bool = False

    def __post_init__(self) -> None:
        if self.bits not in _BITS:
            raise UsageError(f"affine: expected 2, 4 or 8 bits, but got {self.bits}")
        if self.group < 0 or self.group % 8 or self.group > _MAX_GROUP:
            raise UsageError(
                f"affine: expected a group of a multiple of 8 columns (up to {_MAX_GROUP}), or 0 "
                f"for a whole row, but got {self.group}"
            )
        if self.zero not in ("none", "integer", "float") or self.scale not in _DTYPES:
            raise UsageError(
                f"affine: expected zero points none, integer or float and scales f16, bf16 or f32, "
                f"but got {self.zero} and {self.scale}"
            )

    @property
    def name(self) -> str:
        parts = [f"int{self.bits}", f"g{self.group}" if self.group else "channel"]
        parts += {"none": [], "integer": ["zp"], "float": ["fz"]}[self.zero]
        parts += [] if self.scale == "f16" else [self.scale]
        return ":".join([*parts, "act_order"] if self.act_order else parts)

    @property
    def attribute(self) -> str:
        text = f"bits = {self.bits}, group = {self.group or 'channel'}, scale = {self.scale}"
        if self.zero != "none":
            text += f", zero_point = {self.zero}"
        return f"#qlinear.affine<{text}{', act_order' if self.act_order else ''}>"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the scales."""
        return _DTYPES[self.scale]

    @property
    def zero_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8) if self.zero == "integer" else self.dtype

    @property
    def middle(self) -> int:
        """The code of zero where there are no zero points, of the middle with float ones."""
        return 1 << (self.bits - 1)

    @property
    def group_bytes(self) -> int:
        """Bytes of scale and zero point of a group."""
        return self.dtype.itemsize + (self.zero != "none") * self.zero_dtype.itemsize

    def groups(self, cols: int) -> int:
        return cols // self.group if self.group else 1

    def header_bytes(self, cols: int) -> int:
        return 4 * cols if self.act_order else 0

    @property
    def format(self) -> Format:
        """The format with these parameters."""
        return _format(self)

    def pack(self, parts: Parts) -> U8:
        """The bytes of a matrix of these parts; UsageError if they do not fit together."""
        rows, cols = parts.codes.shape
        self.format.padded_shape(rows, cols)
        tables = [parts.scales] if self.zero == "none" else [parts.scales, parts.zeros]
        for table, dtype in zip(tables, (self.dtype, self.zero_dtype), strict=False):
            expected = (rows, self.groups(cols))
            if table is None or table.shape != expected or table.dtype != dtype:
                got = "nothing" if table is None else f"{table.dtype} {list(table.shape)}"
                raise UsageError(
                    f"{self.name}: expected scales and zero points {list(expected)} of type "
                    f"{dtype} for {rows}x{cols} codes, but got {got}"
                )
        if parts.codes.dtype != np.uint8 or parts.codes.max() >> self.bits:
            raise UsageError(f"{self.name}: expected codes below {1 << self.bits} (uint8)")
        pieces = [pack_codes(parts.codes, self.bits)]
        pieces += [np.ascontiguousarray(t).view(np.uint8) for t in tables if t is not None]
        body = np.concatenate(pieces, axis=1).reshape(-1)
        if not self.act_order:
            return body
        position = np.asarray(parts.position, dtype="<i4")
        check_position(self.name, position, cols)
        return np.concatenate([position.view(np.uint8), body])

    def unpack(self, raw: U8, rows: int, cols: int) -> Parts:
        """The parts of a stored matrix; UsageError if its position table is no permutation."""
        position = self._position(raw, cols) if self.act_order else None
        codes, *tables = self._views(raw[self.header_bytes(cols) :], rows, cols)
        copies = [table.copy() for table in tables]
        zeros = copies[1] if self.zero != "none" else None
        return Parts(unpack_codes(codes, self.bits), copies[0], zeros, position)

    def _views(self, body: U8, rows: int, cols: int) -> list[Any]:
        """Views of code bytes, scales and, if any, zero points of rows."""
        data = body.reshape(rows, -1)
        codes = cols * self.bits // 8
        scales = codes + self.groups(cols) * self.dtype.itemsize
        views = [data[:, :codes], data[:, codes:scales].view(self.dtype)]
        return views if self.zero == "none" else [*views, data[:, scales:].view(self.zero_dtype)]

    def to_blocks(self, raw: U8, rows: int, cols: int) -> U8:
        """Rows as runs of blocks: the codes of a group, its scale, its zero point."""
        groups = (rows, self.groups(cols), -1)
        parts = self._views(raw, rows, cols)
        pieces = [np.ascontiguousarray(part).view(np.uint8).reshape(groups) for part in parts]
        return np.concatenate(pieces, axis=2).reshape(rows, -1)

    def from_blocks(self, blocks: U8, rows: int, cols: int) -> U8:
        """The inverse of `to_blocks`."""
        lines = blocks.reshape(rows, self.groups(cols), -1)
        codes = self.group * self.bits // 8
        ends = [codes, codes + self.dtype.itemsize]
        pieces = [part.reshape(rows, -1) for part in np.split(lines, ends, axis=2)]
        return np.concatenate(pieces, axis=1).reshape(-1)

    def float_views(self, raw: U8, rows: int, cols: int) -> list[Scales]:
        views = self._views(raw[self.header_bytes(cols) :], rows, cols)[1:]
        return views if self.zero == "float" else views[:1]

    def largest(self) -> float:
        most = float(ml_dtypes.finfo(self.dtype).max)
        span = {
            "none": float(self.middle),
            "integer": ((1 << self.bits) - 1) / 2,
            "float": 1.0,  # the zero point must reach it
        }[self.zero]
        # In float32, the span of two values must stay finite.
        return min(most * span, 2.0**126)

    def encode_rows(self, values: F32, _cols: int) -> U8:
        """Rows [rows, cols] to bytes: least-squares scales, rounded, then the nearest codes."""
        rows, cols = values.shape
        groups = values.reshape(rows * self.groups(cols), -1)
        unit, size = normalised(groups)
        fit = {"none": fit_symmetric, "integer": fit_integer, "float": fit_float}[self.zero]
        codes, scale, zero = fit(unit, size, self.bits, self.dtype)
        shape = (rows, self.groups(cols))
        zeros = None if zero is None else zero.astype(self.zero_dtype).reshape(shape)
        scales = scale.astype(self.dtype).reshape(shape)
        parts = Parts(codes.astype(np.uint8).reshape(rows, cols), scales, zeros)
        return self._rows_only().pack(parts)

    def decode_rows(self, raw: U8, rows: int, cols: int) -> F32:
        codes, scales, *zeros = self._views(raw, rows, cols)
        groups = (rows, self.groups(cols), 1)
        values = unpack_codes(codes, self.bits).astype(np.float32)
        values = values.reshape(rows, self.groups(cols), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.zero == "integer":
                values -= zeros[0].reshape(groups)
            else:
                values -= np.float32(self.middle)
            values *= scales.astype(np.float32).reshape(groups)
            if self.zero == "float":
                values += zeros[0].astype(np.float32).reshape(groups)
        return values.reshape(rows, cols)

    def encode_matrix(self, values: F32, _rows: int, _cols: int) -> U8:
        return encode_ordered(self, values)

    def check_header(self, raw: U8, _rows: int, cols: int) -> None:
        self._position(raw, cols)

    def _position(self, raw: U8, cols: int) -> npt.NDArray[np.int32]:
        position = raw[: self.header_bytes(cols)].copy().view("<i4")
        check_position(self.name, position, cols)
        return position

    def decode_matrix(self, raw: U8, rows: int, cols: int) -> F32:
        header = self.header_bytes(cols)
        position = self._position(raw, cols)
        body = raw[header:].reshape(rows, -1)
        out = np.empty((rows, cols), dtype=np.float32)
        step = max(_CHUNK // cols, 1)
        for start in range(0, rows, step):
            piece = body[start : start + step]
            stored = self.decode_rows(piece, len(piece), cols)
            np.take(stored, position, axis=1, out=out[start : start + step], mode="clip")
        return out

    def _rows_only(self) -> Affine:
        """The same without the permutation: what the rows are."""
        return Affine(self.bits, self.group, self.zero, self.scale)


def encode_ordered(
    affine: Affine, values: F32, importance: npt.NDArray[np.floating[Any]] | None = None
) -> U8:
    """A matrix [rows, cols] with its columns stored in descending order of importance.

    importance: [cols], the mean squared activation of each column, say. Without it the columns
    are ordered by their norms, so that large and small ones do not share a scale.
    """
    rows, cols = values.shape
    if importance is None:
        squares = np.zeros(cols)
        for start in range(0, rows, 256):
            piece = values[start : start + 256].astype(np.float64)
            squares += np.einsum("rc,rc->c", piece, piece)
        importance = squares
    elif np.shape(importance) != (cols,) or not np.isfinite(importance).all():
        raise UsageError(
            f"{affine.name}: expected {cols} finite importances of columns, but got shape "
            f"{list(np.shape(importance))}"
        )
    order = np.argsort(-importance, kind="stable")
    position = np.empty(cols, dtype="<i4")
    position[order] = np.arange(cols, dtype="<i4")
    form = affine.format
    out = np.empty(form.storage_bytes(rows, cols), dtype=np.uint8)
    header = affine.header_bytes(cols)
    out[:header] = position.view(np.uint8)
    body = out[header:].reshape(rows, -1)
    step = max(_CHUNK // cols, 1)
    for start in range(0, rows, step):
        ordered: F32 = values[start : start + step].astype(np.float32)[:, order]
        packed = affine.encode_rows(np.ascontiguousarray(ordered), cols)
        body[start : start + step] = packed.reshape(len(ordered), -1)
    return out


@functools.cache
def _format(affine: Affine) -> Format:
    group, bits = affine.group, affine.bits
    what = {"none": "scale", "integer": "scale, zero point", "float": "scale, float zero"}
    shared = f"for {group}" if group else "for a row"
    order = ", columns reordered" if affine.act_order else ""
    whole = affine.act_order
    return Format(
        name=affine.name,
        attribute=affine.attribute,
        summary=f"{bits} bits, {what[affine.zero]} ({affine.scale}) {shared}{order}",
        checked_by="torchao",
        block_shape=(1, group or 8 // bits),
        block_bytes=group * bits // 8 + affine.group_bytes if group else 1,
        row_extra=0 if group else affine.group_bytes,
        largest=affine.largest(),
        header_bytes=lambda _rows, cols: affine.header_bytes(cols),
        scales=affine.float_views,
        check_header=affine.check_header if whole else None,
        encode_rows=None if whole else affine.encode_rows,
        decode_rows=None if whole else affine.decode_rows,
        encode_matrix=affine.encode_matrix if whole else None,
        decode_matrix=affine.decode_matrix if whole else None,
    )


def parameters(name: str) -> Affine | None:
    """The parameters of a name; None if it is not affine, UsageError if it is but wrong."""
    if not re.match(r"int\d", name):
        return None
    match = _NAME.fullmatch(name)
    if match is None or len(name) > 60:
        raise UsageError(f"{name[:60]}: {_HINT}")
    bits, group, zero = int(match[1]), int(match[3] or 0), match[4]
    try:
        if match[3] is not None and group == 0:
            raise UsageError("affine: expected a group of at least 8 columns, but got 0")
        affine = Affine(
            bits,
            group,
            {None: "none", ":zp": "integer", ":fz": "float"}[zero],
            (match[5] or ":f16")[1:],
            match[6] is not None,
        )
    except UsageError as error:
        raise UsageError(f"{name}: {_HINT} ({error})") from error
    if affine.name != name:  # leading zeros
        raise UsageError(f"{name}: expected it written as {affine.name}")
    return affine


def parse(name: str) -> Format | None:
    """The format of that name, None if it is of another family; UsageError if it is wrong."""
    affine = parameters(name)
    return None if affine is None else affine.format


def _listed() -> list[Format]:
    names = (
        "int4:g128",
        "int4:g128:zp",
        "int4:g32",
        "int4:g32:fz:bf16",
        "int4:channel",
        "int4:g128:zp:act_order",
        "int8:channel:f32",
        "int8:g128",
        "int8:g128:zp",
        "int8:g32",
        "int2:g64:zp",
    )
    found = [parse(name) for name in names]
    return [form for form in found if form is not None]


FORMATS = _listed()
