"""Scales and zero points of least squared error for groups of affine integers; for encoders.

All functions take normalised groups [n, g] (magnitude at most 1), their sizes [n, 1], the number
of bits and the type that scales are stored in. They return codes [n, g] as float32, and scales and
zero points [n, 1] as float32 that the stored type holds exactly. The codes are the nearest ones
for the scales that are really stored.

Each tries a few shares of the values' range: below 1 the extreme values are clipped and all others
get finer steps. The larger the group and the fewer the bits, the more is won. For each share the
scale is the one of least squares for the codes that it gives.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from .base import F32
from .fit import inverse, quantize_to

__all__ = ["fit_float", "fit_integer", "fit_symmetric"]

_SHARES = {
    2: (1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4),
    4: (1.03, 0.97, 0.92, 0.86, 0.8, 0.72, 0.62, 0.5),
    8: (1.0, 0.99, 0.97, 0.94, 0.9, 0.82),
}
# Of the low and of the high end; groups with one long tail are clipped there only.
_ENDS = {
    bits: (*((share, share) for share in shares), (1.0, 0.75), (0.75, 1.0))
    for bits, shares in _SHARES.items()
}

Dtype = np.dtype[Any]


def _rounded(values: F32, dtype: Dtype) -> F32:
    """The nearest finite values that `dtype` holds."""
    most = np.float32(ml_dtypes.finfo(dtype).max)
    return np.clip(values, -most, most).astype(dtype).astype(np.float32)


def _dot(a: F32, b: F32) -> F32:
    return np.einsum("ng,ng->n", a, b)[:, None]


def fit_symmetric(unit: F32, size: F32, bits: int, dtype: Dtype) -> tuple[F32, F32, None]:
    """value = scale (q - 2^(bits - 1)); the scale may be negative, so that the value of largest
    magnitude has the code with the larger reach."""
    half = 1 << (bits - 1)
    at = np.argmax(np.abs(unit), axis=1, keepdims=True)
    extreme = np.take_along_axis(unit, at, axis=1)
    best_scale = extreme / np.float32(-half)
    best_gain = np.full_like(best_scale, -1)
    per_extreme = inverse(extreme)
    for share in _SHARES[bits]:
        q = unit * (np.float32(-half / share) * per_extreme)
        np.rint(q, out=q)
        np.clip(q, -half, half - 1, out=q)
        best_scale, best_gain = _better(_dot(unit, q), _dot(q, q), best_scale, best_gain)
    scale = _rounded(best_scale * size, dtype)
    codes = quantize_to(unit, _per_size(scale, size), np.zeros_like(scale), -half, half - 1)
    return codes + np.float32(half), scale, None


def fit_integer(unit: F32, size: F32, bits: int, dtype: Dtype) -> tuple[F32, F32, F32]:
    """value = scale (q - zero), zero one of 0 .. 2^bits - 1, so that 0 is exact."""
    levels = (1 << bits) - 1
    low = np.minimum(np.min(unit, axis=1, keepdims=True), np.float32(0))
    high = np.maximum(np.max(unit, axis=1, keepdims=True), np.float32(0))
    best_scale = (high - low) / np.float32(levels)
    best_zero = np.rint(-low * inverse(best_scale))
    best_gain = np.full_like(best_scale, -1)
    for low_share, high_share in _ENDS[bits]:
        bottom = low * np.float32(low_share)
        step_up = np.float32(levels) * inverse(high * np.float32(high_share) - bottom)
        zero = np.clip(np.rint(-bottom * step_up), 0, levels)
        q = unit * step_up
        np.rint(q, out=q)
        np.clip(q, -zero, levels - zero, out=q)
        xq, qq = _dot(unit, q), _dot(q, q)
        better = xq * xq * inverse(qq) > best_gain
        best_zero = np.where(better, zero, best_zero)
        best_scale, best_gain = _better(xq, qq, best_scale, best_gain)
    scale = _rounded(best_scale * size, dtype)
    codes = unit * inverse(_per_size(scale, size))
    np.rint(codes, out=codes)
    codes += best_zero
    np.clip(codes, 0, levels, out=codes)
    return codes, scale, best_zero


def fit_float(unit: F32, size: F32, bits: int, dtype: Dtype) -> tuple[F32, F32, F32]:
    """value = (q - 2^(bits - 1)) scale + zero, zero of the same type as the scale."""
    levels = (1 << bits) - 1
    half = np.float32(1 << (bits - 1))
    low = np.min(unit, axis=1, keepdims=True)
    high = np.max(unit, axis=1, keepdims=True)
    mean = np.mean(unit, axis=1, keepdims=True)
    middle = (low + high) / np.float32(2)
    centred = unit - mean
    best_scale = np.zeros_like(mean)
    best_zero = mean.copy()
    best_gain = np.zeros_like(mean)
    for low_share, high_share in _ENDS[bits]:
        bottom = middle + (low - middle) * np.float32(low_share)
        top = middle + (high - middle) * np.float32(high_share)
        q = unit - bottom
        q *= np.float32(levels) * inverse(top - bottom)
        np.rint(q, out=q)
        np.clip(q, 0, levels, out=q)
        q_mean = np.mean(q, axis=1, keepdims=True)
        xq = _dot(centred, q)
        qq = _dot(q, q) - unit.shape[1] * q_mean * q_mean
        better = xq * xq * inverse(qq) > best_gain
        scale = xq * inverse(qq)
        best_zero = np.where(better, mean + (half - q_mean) * scale, best_zero)
        best_scale, best_gain = _better(xq, qq, best_scale, best_gain)

    scale, zero = _rounded(best_scale * size, dtype), _rounded(best_zero * size, dtype)
    codes, error = _float_codes(unit, size, scale, zero, bits)
    # Far from zero the rounded zero point is off by many steps. There it is better to cover the
    # values from where it is.
    off = _per_size(zero, size)
    reach = np.maximum((high - off) / (half - np.float32(1)), (off - low) / half)
    cover = _rounded(np.maximum(reach, np.float32(0)) * size, dtype)
    other, other_error = _float_codes(unit, size, cover, zero, bits)
    use = other_error < error
    return np.where(use, other, codes), np.where(use, cover, scale), zero


def _float_codes(unit: F32, size: F32, scale: F32, zero: F32, bits: int) -> tuple[F32, F32]:
    """Codes for a stored scale and zero point, and their squared errors [n, 1]."""
    half = np.float32(1 << (bits - 1))
    step, off = _per_size(scale, size), _per_size(zero, size)
    codes = quantize_to(unit, step, off, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    left = codes * step
    left += off
    left -= unit
    return codes + half, _dot(left, left)


def _better(xq: F32, qq: F32, best_scale: F32, best_gain: F32) -> tuple[F32, F32]:
    """The least-squares scale where it leaves less error than the best so far."""
    scale = xq * inverse(qq)
    gain = scale * xq
    better = gain > best_gain
    return np.where(better, scale, best_scale), np.where(better, gain, best_gain)


def _per_size(stored: F32, size: F32) -> F32:
    """A stored scale in units of the group's size; 0 where that is not finite."""
    result = stored * inverse(size)
    return np.where(np.isfinite(result), result, np.float32(0))
