"""Selected columns (arXiv 2511.04477): a mask |x| > t, its scan, and the compacted index list."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["select_columns", "sparse_matvec"]

I32 = npt.NDArray[np.int32]


def select_columns(x: npt.NDArray[Any], threshold: float) -> tuple[I32, I32]:
    """Indices [K] of the values of x [K] above the threshold, then zeros; and how many [1].

    A NaN is selected, so that it is not lost.
    """
    values = x.astype(np.float64)
    chosen = [k for k, v in enumerate(values) if np.isnan(v) or abs(v) > np.float32(threshold)]
    indices = np.zeros(len(values), np.int32)
    indices[: len(chosen)] = chosen
    return indices, np.array([len(chosen)], np.int32)


def sparse_matvec(
    w: npt.NDArray[np.float64], x: npt.NDArray[Any], indices: I32, count: int
) -> npt.NDArray[np.float64]:
    """[M]: the sum of w[m, k] x[k] over the set of the first `count` indices within [0, K)."""
    listed = indices[: max(count, 0)]
    columns = sorted({int(k) for k in listed if 0 <= k < w.shape[1]})
    return np.asarray(w[:, columns] @ x.astype(np.float64)[columns])
