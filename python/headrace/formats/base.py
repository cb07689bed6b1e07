"""What every storage format is: shapes, sizes, and checked, piecewise encoding and decoding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

__all__ = [
    "F32",
    "U8",
    "U16",
    "Format",
    "Scales",
    "bf16_bits",
    "bf16_values",
    "half_bits",
    "half_values",
]

F32 = npt.NDArray[np.float32]
Scales = npt.NDArray[Any]  # of any float dtype, ml_dtypes' included
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

# Elements encoded or decoded at a time: 1 MB as float32, so that the temporaries of a codec stay
# in a core's cache and its memory use does not grow with the matrix.
_CHUNK = 1 << 18


def _no_header(_rows: int, _cols: int) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Format:
    """One storage format of a matrix; rows are outputs, columns inputs.

    Storage is an optional header (what the whole matrix shares: a scale, a codebook), then rows of
    blocks. Sizes below are of padded matrices.

    name:        short name, as in `matvec:...,format=q4_k`; parameters follow it, `int4:g128:zp`
    attribute:   its MLIR attribute
    summary:     one line for lists
    checked_by:  the implementation, by somebody else, that the codec is compared with
    block_shape: rows and columns that are stored together
    block_bytes: bytes of one such block
    row_extra:   bytes that a row of blocks has besides its blocks (the scale of a whole row)
    pads:        whether a matrix is padded to whole blocks; if not, its columns must fill blocks
    largest:     largest magnitude that can be encoded (beyond it a scale would overflow)
    header_bytes: (rows, columns) -> bytes of the header
    scales:      (storage, rows, columns) -> views of all stored floats that values are made from,
                 in their own dtypes; writable if the storage is
    check_header: (storage, rows, columns) -> None; UsageError if the header holds anything but
                 floats that no decoder could follow (a table of positions, say)

    Either a codec of some rows at a time, for formats without a header:
    encode_rows: (float32 [rows, columns], number of true columns) -> their bytes
    decode_rows: (their bytes, rows, columns) -> float32 [rows, columns]
    or one of a whole matrix:
    encode_matrix: (float32 [rows, columns], true rows, true columns) -> storage
    decode_matrix: (storage, rows, columns) -> float32 [rows, columns]
    """

    name: str
    attribute: str
    summary: str
    checked_by: str
    block_shape: tuple[int, int]
    block_bytes: int
    row_extra: int = 0
    pads: bool = False
    largest: float
    header_bytes: Callable[[int, int], int] = field(default=_no_header, repr=False)
    scales: Callable[[U8, int, int], list[Scales]] = field(repr=False)
    check_header: Callable[[U8, int, int], None] | None = field(default=None, repr=False)
    encode_rows: Callable[[F32, int], U8] | None = field(default=None, repr=False)
    decode_rows: Callable[[U8, int, int], F32] | None = field(default=None, repr=False)
    encode_matrix: Callable[[F32, int, int], U8] | None = field(default=None, repr=False)
    decode_matrix: Callable[[U8, int, int], F32] | None = field(default=None, repr=False)

    @property
    def holds_activations(self) -> bool:
        """Whether the format is for activations (made at run time) rather than weights."""
        return self.name.startswith("act_")

    @property
    def bits_per_weight(self) -> float:
        """Stored bits for each value, scales of blocks included; padding, and what a row or the
        matrix has only once, are not."""
        return self.block_bytes * 8 / math.prod(self.block_shape)

    @property
    def k_multiple(self) -> int:
        """What the number of columns must be a multiple of."""
        return 1 if self.pads else self.block_shape[1]

    def padded_shape(self, rows: int, cols: int) -> tuple[int, int]:
        """The shape that is stored for a matrix (rows, cols); UsageError if it cannot be."""
        if rows < 1 or cols < 1:
            raise UsageError(
                f"{self.name}: expected at least one row and column, but got {rows}x{cols}"
            )
        if cols % self.k_multiple:
            raise UsageError(
                f"{self.name}: expected the number of columns to be a multiple of "
                f"{self.k_multiple}, but got {rows}x{cols}"
            )
        block_rows, block_cols = self.block_shape
        if not self.pads and rows % block_rows:
            raise UsageError(
                f"{self.name}: expected the number of rows to be a multiple of {block_rows}, "
                f"but got {rows}x{cols}"
            )
        return -(-rows // block_rows) * block_rows, -(-cols // block_cols) * block_cols

    def storage_bytes(self, rows: int, cols: int) -> int:
        """How many bytes a matrix (rows, cols) takes; UsageError if it cannot be stored."""
        padded_rows, padded_cols = self.padded_shape(rows, cols)
        block_rows, block_cols = self.block_shape
        row = padded_cols // block_cols * self.block_bytes + self.row_extra
        return self.header_bytes(padded_rows, padded_cols) + padded_rows // block_rows * row

    def check_scales(self, data: Any, rows: int, cols: int) -> None:
        """UsageError if a stored scale (or other float) is NaN or infinite, the header cannot be
        followed, or the size is wrong.

        data: as for `decode`. Reads the scales and the header only.
        """
        raw = self._raw_bytes(data, rows, cols)
        if self.check_header is not None:
            self.check_header(raw, *self.padded_shape(rows, cols))
        for view in self.scales(raw, *self.padded_shape(rows, cols)):
            with np.errstate(invalid="ignore"):  # a signalling NaN
                finite = np.isfinite(view)  # ml_dtypes' types have this too
            if not finite.all():
                at = tuple(int(i) for i in np.argwhere(~finite)[0])
                raise UsageError(
                    f"{self.name}: expected finite scales for {rows}x{cols} values, but got "
                    f"{float(view[at])} ({view.dtype} at {list(at)} of {list(view.shape)})"
                )

    def encode(self, values: npt.ArrayLike) -> U8:
        """Quantizes a matrix [rows, columns] of any float dtype; returns its bytes [storage].

        UsageError for a wrong shape and for NaN, infinite or too large values (names the first).
        """
        matrix = np.asarray(values)
        if matrix.ndim != 2 or not _is_float(matrix.dtype):
            raise UsageError(
                f"{self.name}: expected a matrix of floats to encode, but got {matrix.dtype} of "
                f"shape {list(matrix.shape)}"
            )
        rows, cols = matrix.shape
        padded_rows, padded_cols = self.padded_shape(rows, cols)
        if self.encode_matrix is not None:
            whole = self._piece(matrix, 0, padded_rows, padded_cols)
            return self.encode_matrix(whole, rows, cols)
        assert self.encode_rows is not None
        out = np.empty(self.storage_bytes(rows, cols), dtype=np.uint8)
        unit = self.block_shape[0]
        unit_bytes = out.size // (padded_rows // unit)  # of a row of blocks
        for start, stop in self._chunks(padded_rows, padded_cols):
            piece = self._piece(matrix, start, stop, padded_cols)
            where = slice(start // unit * unit_bytes, stop // unit * unit_bytes)
            out[where] = self.encode_rows(piece, cols)
        return out

    def decode(self, data: Any, rows: int, cols: int, *, keep_padding: bool = False) -> F32:
        """The values of a stored matrix, float32 [rows, cols].

        data: bytes, or an int8 or uint8 array of any shape, with exactly `storage_bytes` bytes
        keep_padding: return the padded matrix instead

        UsageError if the shape cannot be stored or the number of bytes is wrong.
        """
        padded_rows, padded_cols = self.padded_shape(rows, cols)
        raw = self._raw_bytes(data, rows, cols)
        if self.decode_matrix is not None:
            whole = self.decode_matrix(raw, padded_rows, padded_cols)
            return whole if keep_padding else np.ascontiguousarray(whole[:rows, :cols])
        assert self.decode_rows is not None
        unit = self.block_shape[0]
        unit_bytes = raw.size // (padded_rows // unit)  # of a row of blocks
        shape = (padded_rows, padded_cols) if keep_padding else (rows, cols)
        out = np.empty(shape, dtype=np.float32)
        for start, stop in self._chunks(padded_rows, padded_cols):
            piece = raw[start // unit * unit_bytes : stop // unit * unit_bytes]
            values = self.decode_rows(piece, stop - start, padded_cols)
            out[start:stop] = values[: shape[0] - start, : shape[1]]
        return out

    def _piece(self, matrix: npt.NDArray[Any], start: int, stop: int, padded_cols: int) -> F32:
        """Rows `start` to `stop` as float32, checked and padded."""
        # A float64 too large for float32 becomes infinite here and is found below.
        with np.errstate(over="ignore"):
            piece = np.ascontiguousarray(matrix[start:stop], dtype=np.float32)
        self._check_values(piece, start)
        if piece.shape != (stop - start, padded_cols):
            piece = _pad(piece, stop - start, padded_cols)
        return piece

    def _raw_bytes(self, data: Any, rows: int, cols: int) -> U8:
        if isinstance(data, bytes | bytearray | memoryview):
            data = np.frombuffer(data, dtype=np.uint8)
        array = np.asarray(data)
        expected = self.storage_bytes(rows, cols)
        what = f"{self.name}: expected {expected} bytes (int8 or uint8) for {rows}x{cols} values"
        if array.dtype not in (np.uint8, np.int8):
            raise UsageError(f"{what}, but got {array.dtype} of shape {list(array.shape)}")
        if array.size != expected:
            raise UsageError(f"{what}, but got {array.size} bytes")
        return np.ascontiguousarray(array).view(np.uint8).reshape(-1)

    def _chunks(self, rows: int, cols: int) -> list[tuple[int, int]]:
        """Row ranges of whole blocks, each of about `_CHUNK` elements."""
        unit = self.block_shape[0]
        size = max(_CHUNK // (cols * unit), 1) * unit
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def _check_values(self, piece: F32, first_row: int) -> None:
        # Written so that NaN fails too; without a copy, as a piece may be the whole matrix.
        if np.max(piece, initial=0) <= self.largest and np.min(piece, initial=0) >= -self.largest:
            return
        row, col = np.argwhere(~(np.abs(piece) <= self.largest))[0]
        raise UsageError(
            f"{self.name}: cannot encode {piece[row, col]} at row {first_row + row}, column {col}; "
            f"allowed: finite values of magnitude up to {self.largest:g}"
        )


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"  # the latter is of kind V


def _pad(piece: F32, rows: int, cols: int) -> F32:
    padded = np.zeros((rows, cols), dtype=np.float32)
    padded[: piece.shape[0], : piece.shape[1]] = piece
    return padded


def half_bits(values: F32) -> U8:
    """float32 [...] rounded to little-endian IEEE half, as bytes [..., 2]."""
    return values.astype("<f2")[..., None].view(np.uint8)


def half_values(raw: U8) -> F32:
    """The inverse of `half_bits`."""
    return np.ascontiguousarray(raw).view("<f2")[..., 0].astype(np.float32)


def bf16_bits(values: F32) -> U16:
    """float32 rounded to nearest-even bfloat16, as its 16 bits. Not for NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def bf16_values(bits: U16) -> F32:
    """The inverse of `bf16_bits`."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
