"""Plain floats from others, with the error that this makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError
from headrace.files.base import PLAIN
from headrace.formats.base import U8

__all__ = ["check_finite", "to_plain"]

_CHUNK = 1 << 22  # values at a time


def to_plain(values: npt.NDArray[Any], form: str, where: str) -> tuple[U8, dict[str, float]]:
    """Values rounded to f32, f16 or bf16: their bytes, and rmse, relative_rmse and max_error.

    where: the tensor, for messages. UsageError for NaN, infinite and too large values.
    """
    check_finite(values, where)
    flat = values.reshape(-1)
    out = np.empty(flat.size, dtype=PLAIN[form])
    squared = size = largest = 0.0
    for start in range(0, flat.size, _CHUNK):
        exact = flat[start : start + _CHUNK].astype(np.float64)
        with np.errstate(over="ignore"):
            out[start : start + _CHUNK] = exact.astype(out.dtype)
        off = out[start : start + _CHUNK].astype(np.float64) - exact
        if not np.isfinite(off).all():
            raise UsageError(
                f"{where}: cannot be {form}: its largest value is {np.abs(exact).max():g}; "
                f"allowed: {'f32' if form == 'bf16' else 'bf16 or f32'}"
            )
        squared += float(np.sum(np.square(off)))
        size += float(np.sum(np.square(exact)))
        largest = max(largest, float(np.max(np.abs(off), initial=0)))
    return out.view(np.uint8), {
        "rmse": (squared / max(flat.size, 1)) ** 0.5,
        "relative_rmse": (squared / size) ** 0.5 if size else 0.0,
        "max_error": largest,
    }


def check_finite(values: npt.NDArray[Any], where: str) -> None:
    """UsageError for NaN and infinite values; names the first."""
    flat = values.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        good = np.isfinite(flat[start : start + _CHUNK])
        if not good.all():
            place = start + int(np.argmin(good))
            index = [int(i) for i in np.unravel_index(place, values.shape)]
            raise UsageError(f"{where}: expected finite numbers, but got {flat[place]} at {index}")
