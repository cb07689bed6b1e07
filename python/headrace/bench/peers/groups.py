"""Weights in groups of 32 with a scale and an integer zero point, as some peers store them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

GROUP = 32
# our format -> bits of the nearest equivalent
BITS = {"q4_0": 4, "q4_1": 4, "q4_k": 4, "q4nx": 4, "int4:g32": 4, "q8_0": 8, "int8:g32": 8}


class Groups(NamedTuple):
    """Unsigned codes [rows, k], scales [rows, k / 32], zero points likewise, and the values."""

    codes: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray
    values: np.ndarray


def quantize(band: np.ndarray, bits: int) -> Groups:
    """The nearest codes of float32 [rows, k]; scales are rounded to float16 first."""
    groups = band.reshape(len(band), -1, GROUP)
    top = (1 << bits) - 1
    low, high = np.minimum(groups.min(2), 0), np.maximum(groups.max(2), 0)
    scales = np.maximum((high - low) / top, 1e-6).astype(np.float16).astype(np.float32)
    zeros = np.clip(np.rint(-low / scales), 0, top)
    codes = np.clip(np.rint(groups / scales[..., None]) + zeros[..., None], 0, top)
    values = (codes - zeros[..., None]) * scales[..., None]
    return Groups(
        codes.astype(np.uint8).reshape(band.shape),
        scales,
        zeros.astype(np.uint8),
        values.astype(np.float32).reshape(band.shape),
    )


def pairs(codes: np.ndarray) -> np.ndarray:
    """Two 4-bit codes a byte along the last axis, the first one low; an odd one is padded."""
    if codes.shape[-1] % 2:
        codes = np.concatenate([codes, np.zeros((*codes.shape[:-1], 1), codes.dtype)], axis=-1)
    return np.ascontiguousarray(codes[..., 0::2] | (codes[..., 1::2] << 4))
