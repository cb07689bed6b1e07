"""Least-squares fits of a few codes to groups of values; for encoders.

All work on [groups, values] at once. Groups are normalised to magnitude 1 by the callers, so
that sums of squares neither overflow nor vanish.
"""

from __future__ import annotations

import numpy as np

from .base import F32

__all__ = ["fit_affine", "inverse", "normalised", "quantize_to"]

# How far the range of codes is stretched over the range of values. Above 0 the extreme values
# are clipped a little and all others get finer steps. The best differs from group to group.
_STRETCHES = (-0.6, -0.2, 0.2, 0.6, 1.1, 1.7)

_SMALL = np.float32(2.0**-100)


def inverse(values: F32) -> F32:
    """1 / values, and 0 where that is not finite."""
    with np.errstate(divide="ignore", over="ignore"):
        result = np.float32(1) / values
    return np.where(np.isfinite(result), result, np.float32(0))


def normalised(groups: F32) -> tuple[F32, F32]:
    """Each group divided by its largest magnitude, and those magnitudes [n, 1] (1 for zeros)."""
    size = np.max(np.abs(groups), axis=1, keepdims=True)
    size[size == 0] = 1
    return groups / size, size


def quantize_to(groups: F32, scale: F32, offset: F32, low: int, high: int) -> F32:
    """The codes (as float32) nearest to (groups - offset) / scale; 0 or `low` where scale is 0."""
    # The reciprocal of a subnormal scale may be infinite: lift both sides.
    small = (scale != 0) & (np.abs(scale) < _SMALL)
    lift = np.where(small, np.float32(2.0**64), np.float32(1))
    with np.errstate(over="ignore"):
        codes: F32 = (groups - offset) * lift
        codes *= inverse(scale * lift)
    np.rint(codes, out=codes)
    np.clip(codes, low, high, out=codes)
    return codes


def _dot(a: F32, b: F32) -> F32:
    return np.einsum("ng,ng->n", a, b)[:, None]


def fit_affine(groups: F32, levels: int) -> tuple[F32, F32]:
    """Scale >= 0 and offset, each [n, 1], of least squared error of scale q + offset.

    q runs over 0 .. levels. The groups [n, g] must be normalised.
    """
    n, g = groups.shape
    low = np.min(groups, axis=1, keepdims=True)
    span = np.max(groups, axis=1, keepdims=True) - low
    best_scale = span / np.float32(levels)
    best_offset = low.copy()
    best_error = np.full((n, 1), np.inf, dtype=np.float32)
    total = np.sum(groups, axis=1, keepdims=True)
    per_span = inverse(span)
    for stretch in _STRETCHES:
        # Stretching about the middle of the range.
        step_up = np.float32(levels + stretch) * per_span
        q = groups - low
        q *= step_up
        q -= np.float32(stretch / 2)
        np.rint(q, out=q)
        np.clip(q, 0, levels, out=q)
        q_sum = np.sum(q, axis=1, keepdims=True)
        qq, xq = _dot(q, q), _dot(groups, q)
        det = g * qq - q_sum * q_sum
        scale = (g * xq - q_sum * total) * inverse(det)
        offset = (total - scale * q_sum) / np.float32(g)
        # Squared error less the constant sum of squares.
        error = scale * (scale * qq + 2 * (offset * q_sum - xq)) + offset * (g * offset - 2 * total)
        better = (error < best_error) & (scale > 0)
        best_error = np.where(better, error, best_error)
        best_scale = np.where(better, scale, best_scale)
        best_offset = np.where(better, offset, best_offset)
    return best_scale, best_offset
