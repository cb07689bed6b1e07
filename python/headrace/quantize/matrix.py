"""Quantize one matrix on all cores, and say what it cost: time to every format, with its error.

>>> from headrace.quantize.matrix import quantize_matrix
>>> q = quantize_matrix(w, "q4_k", progress=lambda done, of: print(f"{done / of:.0%}"))
>>> q.data, q.relative_rmse
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.errors import UsageError, one_of
from headrace.formats import native
from headrace.formats.base import F32, U8, Format

__all__ = ["Progress", "QuantizedMatrix", "quantize_matrix"]

Progress = Callable[[int, int], None]

# Values quantized at a time by a thread: with the decoded values and their errors a few MB, which
# stay in a core's cache. The ranges do not depend on the number of threads.
_CHUNK = 1 << 18


@dataclass(frozen=True, eq=False)
class QuantizedMatrix:
    """A stored matrix, and how far its values are from those it was made of.

    data: uint8 [bytes], as `format` lays them out
    rmse: root of the mean squared error over all true values (padding is not counted)
    relative_rmse: the same, divided by the root mean square of the values; 0 for zeros
    max_error: largest absolute error

    Errors are in float64, of the values that `format.decode` gives.
    """

    format: Format
    rows: int
    cols: int
    data: U8 = field(repr=False)
    rmse: float
    relative_rmse: float
    max_error: float


@dataclass(frozen=True)
class _Error:
    """Sums over some rows."""

    squared: float
    values_squared: float
    largest: float


def quantize_matrix(
    values: npt.ArrayLike,
    format: str | Format,
    *,
    threads: int | None = None,
    importance: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> QuantizedMatrix:
    """Quantizes a matrix [rows, cols] of any float dtype, which may be a memory map.

    format: a name of `headrace.formats`, or a format
    threads: how many to use, by default one for each CPU this process may use. The result does not
        depend on it. Formats that are encoded as a whole matrix (those with a header) use one.
    importance: [cols], finite and at least 0: how much the squared error of each column counts
        (the mean squared activation, say). For `native.KINDS` only. `rmse` does not weigh.
    progress: called in this thread with the numbers of values done and of all

    Besides the result, memory use is a few MB for each thread; formats that are encoded as a whole
    need the matrix as float32, and its decoded values, at once.

    UsageError: see `Format.encode`, and for importances and numbers of threads that cannot be.
    """
    form = formats.get(format) if isinstance(format, str) else format
    matrix = np.asarray(values)
    if matrix.ndim != 2 or not (matrix.dtype.kind == "f" or matrix.dtype.name == "bfloat16"):
        raise UsageError(
            f"{form.name}: expected a matrix of floats to quantize, but got {matrix.dtype} of "
            f"shape {list(matrix.shape)}"
        )
    rows, cols = matrix.shape
    form.padded_shape(rows, cols)  # refuses shapes that cannot be stored
    threads = _checked_threads(threads)
    weights = None if importance is None else _checked_importance(form, importance, cols)
    report = progress or (lambda done, of: None)

    data = np.empty(form.storage_bytes(rows, cols), dtype=np.uint8)
    if form.encode_rows is None:
        errors = _encode_whole(matrix, form, data)
        report(matrix.size, matrix.size)
    else:
        errors = []
        done = 0
        for count, error in _encode_ranges(matrix, form, data, weights, threads):
            errors.append(error)
            done += count
            report(done * cols, matrix.size)

    rmse = math.sqrt(math.fsum(e.squared for e in errors) / matrix.size)
    size = math.sqrt(math.fsum(e.values_squared for e in errors) / matrix.size)
    return QuantizedMatrix(
        format=form,
        rows=rows,
        cols=cols,
        data=data,
        rmse=rmse,
        relative_rmse=rmse / size if size else (math.inf if rmse else 0.0),
        max_error=max(e.largest for e in errors),
    )


def _encode_ranges(
    matrix: npt.NDArray[Any], form: Format, data: U8, importance: F32 | None, threads: int
) -> Iterator[tuple[int, _Error]]:
    """Encodes row ranges into `data`; yields their row counts and errors, in order."""
    rows, cols = matrix.shape
    unit = form.block_shape[0]
    step = max(_CHUNK // (cols * unit), 1) * unit
    unit_bytes = data.size // -(-rows // unit)

    def encode(start: int) -> tuple[int, _Error]:
        stop = min(start + step, rows)
        piece = _float32(matrix[start:stop])
        _check_values(form, piece, start)
        if importance is None:
            packed = form.encode(piece)
        else:
            packed = native.encode_blocks(form.name, piece, importance)
        at = start // unit * unit_bytes
        data[at : at + packed.size] = packed
        return stop - start, _error(piece, form.decode(packed, *piece.shape))

    starts = range(0, rows, step)
    if threads == 1 or len(starts) == 1:
        yield from map(encode, starts)
        return
    pool = ThreadPoolExecutor(min(threads, len(starts)), thread_name_prefix="headrace-quantize")
    try:
        yield from pool.map(encode, starts)
    finally:  # after an error in one range the others need not begin
        pool.shutdown(cancel_futures=True)


def _encode_whole(matrix: npt.NDArray[Any], form: Format, data: U8) -> list[_Error]:
    rows, cols = matrix.shape
    data[:] = form.encode(matrix)
    decoded = form.decode(data, rows, cols)
    step = max(_CHUNK // cols, 1)
    ranges = [slice(start, start + step) for start in range(0, rows, step)]
    return [_error(_float32(matrix[at]), decoded[at]) for at in ranges]


def _error(values: F32, decoded: F32) -> _Error:
    exact = values.astype(np.float64)
    off = decoded - exact
    largest = max(float(off.max()), -float(off.min()))
    off *= off
    exact *= exact
    return _Error(float(np.sum(off)), float(np.sum(exact)), largest)


def _float32(piece: npt.NDArray[Any]) -> F32:
    # A float64 too large for float32 becomes infinite here, and is refused after.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(piece, dtype=np.float32)


def _check_values(form: Format, piece: F32, first_row: int) -> None:
    """As `Format.encode`, which cannot know where in the matrix a piece is."""
    # Written so that NaN fails too.
    if max(float(piece.max()), -float(piece.min())) <= form.largest:
        return
    row, col = np.argwhere(~(np.abs(piece) <= form.largest))[0]
    raise UsageError(
        f"{form.name}: cannot encode {piece[row, col]} at row {first_row + row}, column {col}; "
        f"allowed: finite values of magnitude up to {form.largest:g}"
    )


def _checked_threads(threads: int | None) -> int:
    if threads is None:
        has_affinity = hasattr(os, "sched_getaffinity")
        return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    if threads < 1:
        raise UsageError(f"quantize: expected at least one thread, but got {threads}")
    return threads


def _checked_importance(form: Format, importance: npt.ArrayLike, cols: int) -> F32:
    if form.name not in native.KINDS:
        raise UsageError(
            f"{form.name}: expected no importance of columns, but got one; allowed for: "
            f"{one_of(native.KINDS)}"
        )
    weights = np.asarray(importance)
    if weights.shape != (cols,) or not np.issubdtype(weights.dtype, np.number):
        raise UsageError(
            f"{form.name}: expected the importance of {cols} columns, but got {weights.dtype} of "
            f"shape {list(weights.shape)}"
        )
    with np.errstate(over="ignore"):
        return weights.astype(np.float32)
