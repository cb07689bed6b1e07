"""Attention whose products take operands in bf16 or 8 bits (SageAttention, arXiv 2410.02367).

Operands are rounded in float32, as `qattn.prefill` defines it; everything else is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.references.attention import sees

__all__ = ["BLOCK", "PRECISIONS", "Operands", "prefill", "rounded"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

PRECISIONS = ("bf16", "i8")
BLOCK = 128  # tokens whose weights have one scale
_LEAST = np.float32(2.0**-100)
_LEAST_WEIGHT = 2.0**-118


@dataclass(frozen=True)
class Operands:
    """Numbers [N, H, D], and what they stand for is these times a factor [N, H]; NaN where a
    number was not finite."""

    numbers: F64
    factors: F64


def rounded(x: F32, precision: str) -> Operands:
    """x in `precision`, which is one of `PRECISIONS`."""
    if precision == "bf16":
        x = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    largest = np.abs(x).max(-1, initial=np.float32(0))
    finite = np.isfinite(largest)
    numbers, factors = np.where(finite[..., None], x, 0), np.ones_like(largest)
    if precision == "i8":
        counts = finite & (largest >= _LEAST)
        known = np.where(counts, largest, 1)
        inverse = np.where(counts, np.float32(127) / known, 0)
        numbers = np.rint(numbers * inverse[..., None].astype(np.float32))
        factors = np.where(counts, known / np.float32(127), 0)
    return Operands(
        numbers.astype(np.float64), np.where(finite, factors, np.nan).astype(np.float64)
    )


def prefill(
    q: Array,
    k: Array,
    v: Array,
    scale: float,
    precision: str,
    *,
    causal: bool = True,
    offset: int = 0,
    window: int | None = None,
    softcap: float | None = None,
) -> tuple[F64, F64]:
    """`references.attention.prefill` in `precision`: results [L, H, E] and logarithms [L, H]."""
    query = rounded(q.astype(np.float32) * np.float32(scale), precision)
    key = rounded(k.astype(np.float32), precision)
    value = rounded(v.astype(np.float32), precision)
    heads = q.shape[1]
    out = np.zeros((*q.shape[:2], v.shape[2]))
    lse = np.full(q.shape[:2], -np.inf)
    for i in range(len(q)):
        seen = [j for j in range(len(k)) if sees(offset + i, j, causal=causal, window=window)]
        tokens = np.array(seen, np.int64)
        for h in range(heads if seen else 0):
            g = h * k.shape[1] // heads
            factors = query.factors[i, h] * key.factors[tokens, g]
            scores = (key.numbers[tokens, g] @ query.numbers[i, h]) * factors
            if softcap is not None:
                scores = softcap * np.tanh(scores / softcap)
            if np.isnan(scores).any() or np.isnan(value.factors[tokens, g]).any():
                out[i, h], lse[i, h] = np.nan, np.nan
                continue
            weights = np.exp(scores - scores.max())
            lse[i, h] = scores.max() + np.log(weights.sum())
            if precision == "bf16":
                total = weights.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)
            else:
                total = _in_blocks(weights * value.factors[tokens, g], tokens)
            out[i, h] = total @ value.numbers[tokens, g] / weights.sum()
    return out, lse


def _in_blocks(weights: F64, tokens: npt.NDArray[np.int64]) -> F64:
    """Weights as integers up to 255 relative to the largest of a block, times what one is."""
    result = np.zeros_like(weights)
    for block in np.unique(tokens // BLOCK):
        inside = tokens // BLOCK == block
        most = weights[inside].max()
        if most >= _LEAST_WEIGHT:
            result[inside] = np.rint(weights[inside] * (255 / most)) * (most / 255)
    return result
