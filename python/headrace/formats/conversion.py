"""From one storage format to another: exactly where the codes can stay, else only on request.

>>> formats.convert(data, 4096, 4096, "q4_0", "q4_0:rows8").exact
True
>>> formats.convert(data, 4096, 4096, "q4_k", "q4_k:zigzag")                  # UsageError: says why
>>> formats.convert(data, 4096, 4096, "q4_k", "q4_k:zigzag", requantize=True).relative_rmse
0.07
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.errors import UsageError

from . import get, relayout
from .base import F32, U8, Format

__all__ = ["Converted", "convert"]

_CHUNK = 1 << 22  # values at a time where both codecs take rows


@dataclass(frozen=True)
class Converted:
    """The bytes in the new format, and what the change of format cost.

    exact: every value is as it was
    relative_rmse: root mean square of the errors by that of the values (0 for zeros)
    max_error: largest magnitude of an error
    """

    data: U8
    exact: bool
    relative_rmse: float
    max_error: float


def convert(
    data: Any, rows: int, cols: int, source: str, target: str, *, requantize: bool = False
) -> Converted:
    """The matrix that `data` stores in format `source`, in format `target`.

    data: bytes, or an int8 or uint8 array, with the size that `source` needs
    requantize: allow values to change, where the codes of one format are not those of the other

    UsageError where that is not allowed but needed, for bytes of the wrong size, for a shape that
    `target` cannot hold, and for values that it cannot (NaN among them).
    """
    old, new = get(source), get(target)
    new.storage_bytes(rows, cols)  # refuses the shape before any work
    raw = _bytes(old, data, rows, cols)
    exact = relayout.find(old, new)
    if exact is not None:
        same = exact(raw, rows, cols)
        # Where nothing has to move the bytes may still be the caller's.
        same = same.copy() if np.may_share_memory(same, raw) else same
        return Converted(same, True, 0.0, 0.0)
    if not requantize:
        raise UsageError(
            f"convert: {old.name} to {new.name} needs requantizing ({_why(old, new)}), which "
            "changes values; expected `requantize=True` to allow it"
        )
    return _requantized(old, new, raw, rows, cols)


def _bytes(form: Format, data: Any, rows: int, cols: int) -> U8:
    if isinstance(data, bytes | bytearray | memoryview):
        data = np.frombuffer(data, dtype=np.uint8)
    raw = np.asarray(data)
    expected = form.storage_bytes(rows, cols)
    if raw.dtype not in (np.uint8, np.int8) or raw.size != expected:
        raise UsageError(
            f"convert: expected {expected} bytes (int8 or uint8) for {rows}x{cols} values in "
            f"{form.name}, but got {raw.dtype} of shape {list(raw.shape)}"
        )
    return np.ascontiguousarray(raw).view(np.uint8).reshape(-1)


def _why(old: Format, new: Format) -> str:
    layouts = [relayout.split_name(form.name) for form in (old, new)]
    grouped = not any(relayout.is_plain(get(inner)) for inner, _, _ in layouts)
    if grouped and (layouts[0][1] == "zigzag") != (layouts[1][1] == "zigzag"):
        return "groups lie along the columns in one, along the rows in the other"
    return "their codes and scales are not the same"


# --- requantizing ---------------------------------------------------------------------------


def _requantized(old: Format, new: Format, raw: U8, rows: int, cols: int) -> Converted:
    out = np.empty(new.storage_bytes(rows, cols), dtype=np.uint8)
    size = rows
    # A codec of a whole matrix (a header, a column order) needs all rows at once.
    if old.decode_rows is not None and new.encode_rows is not None:
        unit = math.lcm(old.block_shape[0], new.block_shape[0])
        size = max(_CHUNK // (cols * unit), 1) * unit
    errors, read, written = [], 0, 0
    for start in range(0, rows, size):
        count = min(size, rows - start)
        length = old.storage_bytes(count, cols)
        values = old.decode(raw[read : read + length], count, cols)
        read += length
        _check(new, values, start)
        piece = new.encode(values)
        out[written : written + piece.size] = piece
        written += piece.size
        errors.append(_errors(values, new.decode(piece, count, cols)))
    return Converted(out, False, *_summary(errors))


def _check(form: Format, values: F32, first_row: int) -> None:
    """`encode` would refuse these too, but does not know the row of the whole matrix."""
    if np.max(np.abs(values)) <= form.largest:  # false for NaN
        return
    row, col = np.argwhere(~(np.abs(values) <= form.largest))[0]
    raise UsageError(
        f"convert: {form.name} cannot hold {values[row, col]} at row {first_row + row}, column "
        f"{col}; allowed: finite values of magnitude up to {form.largest:g}"
    )


def _errors(values: F32, now: F32) -> tuple[float, float, float]:
    """Sums of squares of errors and of values, and the largest error."""
    wrong, right, largest = [], [], 0.0
    step = max((1 << 18) // values.shape[1], 1)
    for start in range(0, len(values), step):
        old = values[start : start + step].astype(np.float64)
        difference = now[start : start + step] - old
        wrong.append(float(np.sum(difference**2)))
        right.append(float(np.sum(old**2)))
        largest = max(largest, float(np.max(np.abs(difference))))
    return math.fsum(wrong), math.fsum(right), largest


def _summary(parts: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Relative RMSE and largest error."""
    wrong, right = (math.fsum(part[i] for part in parts) for i in (0, 1))
    return math.sqrt(wrong / right) if right > 0 else 0.0, max(part[2] for part in parts)
