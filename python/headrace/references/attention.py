"""Attention of one sequence, and partial results of it (FlashAttention-2, arXiv 2307.08691).

Tokens first, then heads, then the dimension of a head. H heads of queries share G heads of keys
and values, H / G each (arXiv 2305.13245). What sees nothing gives zeros and minus infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["decode", "merge_partials", "prefill", "sees"]

F64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


def sees(query: int, key: int, *, causal: bool, window: int | None = None) -> bool:
    """Whether the token `query` sees the token `key`."""
    if causal and key > query:
        return False
    return window is None or abs(query - key) < window


def prefill(
    q: Array,
    k: Array,
    v: Array,
    scale: float,
    *,
    causal: bool = True,
    offset: int = 0,
    window: int | None = None,
    softcap: float | None = None,
) -> tuple[F64, F64]:
    """Results [L, H, E] and logarithms of sums of exponentials [L, H].

    q: [L, H, D], of which query i is token offset + i; k: [T, G, D]; v: [T, G, E]
    """
    out = np.zeros((*q.shape[:2], v.shape[2]))
    lse = np.full(q.shape[:2], -np.inf)
    for i in range(len(q)):
        seen = [j for j in range(len(k)) if sees(offset + i, j, causal=causal, window=window)]
        out[i], lse[i] = decode(q[i], k[seen], v[seen], scale, softcap=softcap)
    return out, lse


def decode(
    q: Array, k: Array, v: Array, scale: float, *, softcap: float | None = None
) -> tuple[F64, F64]:
    """One query [H, D] over the tokens that it sees, k [T, G, D] and v [T, G, E]: [H, E], [H]."""
    q, k, v = (a.astype(np.float64) for a in (q, k, v))
    out, lse = np.zeros((len(q), v.shape[2])), np.full(len(q), -np.inf)
    if not len(k):
        return out, lse
    for h in range(len(q)):
        g = h * k.shape[1] // len(q)
        scores = scale * (k[:, g] @ q[h])
        if softcap is not None:
            scores = softcap * np.tanh(scores / softcap)
        largest = scores.max()
        exponentials = np.exp(scores - largest)
        total = exponentials.sum()
        out[h] = exponentials @ v[:, g] / total
        lse[h] = largest + np.log(total)
    return out, lse


def merge_partials(partials: Array, lses: Array) -> tuple[F64, F64]:
    """One result from those over S parts of the tokens: partials [S, ..., D], lses [S, ...]."""
    partials, lses = partials.astype(np.float64), lses.astype(np.float64)
    out = np.zeros(partials.shape[1:])
    lse = np.full(lses.shape[1:], -np.inf)
    for at in np.ndindex(lse.shape):
        parts = [s for s in range(len(lses)) if lses[(s, *at)] != -np.inf]
        if not parts:
            continue
        logs = np.array([lses[(s, *at)] for s in parts])
        lse[at] = logs.max() + np.log(np.exp(logs - logs.max()).sum())
        out[at] = sum(np.exp(lses[(s, *at)] - lse[at]) * partials[(s, *at)] for s in parts)
    return out, lse
