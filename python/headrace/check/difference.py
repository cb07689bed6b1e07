"""How far a result is from what it should be, NaN and infinity included."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.reference import NOT_FINITE, count_differences

__all__ = ["difference"]

Array = npt.NDArray[Any]

_LEAST_NORMAL = float(np.finfo(np.float32).smallest_normal)


def difference(got: Array, want: Array, bound: float, floor: float = 0.0) -> float:
    """Relative L2 error of `got`, or the number of differing elements where `bound` is 0.

    NaN and infinities must be where they are in `want`; then the error is that of the rest.
    floor: the least root mean square of `want` that errors are relative to. For results that may
        cancel, or of which the absolute error counts, as of logarithms; else 0, and where `want`
        is all zero, `got` must be.
    Arrays of another shape or kind of number differ by more than any bound.
    """
    if got.shape != want.shape or (got.dtype.kind in "iub") != (want.dtype.kind in "iub"):
        return NOT_FINITE
    if bound == 0.0:
        return count_differences(got, want)
    actual, expected = (np.asarray(a).astype(np.float64).reshape(-1) for a in (got, want))
    finite = np.isfinite(expected)
    if not np.array_equal(actual[~finite], expected[~finite], equal_nan=True):
        return NOT_FINITE
    actual, expected = actual[finite], expected[finite]
    largest = max(float(np.max(np.abs(expected), initial=0.0)), floor)
    if largest == 0.0:
        return 0.0 if not np.any(actual) else NOT_FINITE
    # Scaled by the largest value, so squares neither overflow nor vanish.
    scale = max(largest, _LEAST_NORMAL)
    error = float(np.linalg.norm((actual - expected) / scale))
    norm = float(np.linalg.norm(expected / scale))
    least = max(floor * float(np.sqrt(expected.size)), _LEAST_NORMAL) / scale
    result = error / max(norm, least)
    return float(result) if np.isfinite(result) else NOT_FINITE
