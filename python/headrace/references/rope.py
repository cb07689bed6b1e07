"""Rotary positions (RoFormer, arXiv 2104.09864)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["rope"]

F32 = npt.NDArray[np.float32]


def rope(
    x: F32,
    positions: npt.NDArray[np.int32],
    frequencies: F32,
    *,
    interleaved: bool = False,
    magnitude: float = 1.0,
) -> npt.NDArray[np.float64]:
    """x [N, H, D] with pairs of the first 2 P values turned by position * frequency, for P
    frequencies: (i, i + P), or with `interleaved` (2 i, 2 i + 1). The rest stays.

    The angle is a float32 product, as in the models' own code: at position 100000 it has an error
    of some thousandths, which all must have alike.
    """
    pairs = len(frequencies)
    angles = (positions.astype(np.float32)[:, None] * frequencies).astype(np.float64)
    cosines, sines = magnitude * np.cos(angles)[:, None], magnitude * np.sin(angles)[:, None]
    result = x.astype(np.float64)
    first, second = slice(0, pairs), slice(pairs, 2 * pairs)
    if interleaved:
        first, second = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    a, b = result[..., first].copy(), result[..., second].copy()
    result[..., first] = a * cosines - b * sines
    result[..., second] = a * sines + b * cosines
    return result
