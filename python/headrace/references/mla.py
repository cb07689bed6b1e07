"""Latent attention of one query: as models define it, absorbed, and by SnapMLA's recurrence.

Written from DeepSeek-V2 (arXiv 2405.04434, section 2.1) and SnapMLA (arXiv 2602.10718), in float64.
Tokens are the ones that are seen, in order: content [T, C], rotated keys [T, R]. Heads of the
query: q_rope [H, R], and q [H, N] before absorption, [H, C] after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

__all__ = [
    "Quantized",
    "absorb",
    "attention",
    "decode",
    "quantize",
    "recurrence",
    "round_e4m3",
]

F64 = npt.NDArray[np.float64]

PAGE = 64
E4M3_MAX = 448.0
_ROPE_MAX = 2.0**56  # of the rotated part over the scale
_LEAST = 1e-26  # of a page's largest weight


def attention(
    q: F64, q_rope: F64, w_k: F64, w_v: F64, content: F64, rope: F64, scale: float
) -> F64:
    """[H, V]: head h has keys `w_k[h] content` and values `w_v[h] content` of each token."""
    if not len(content):
        return np.zeros(w_v.shape[:2])
    keys = np.einsum("hnc,tc->htn", w_k, content)
    values = np.einsum("hvc,tc->htv", w_v, content)
    scores = scale * (np.einsum("hn,htn->ht", q, keys) + q_rope @ rope.T)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("ht,htv->hv", weights, values))


def absorb(q: F64, w_k: F64) -> F64:
    """[H, C]: q taken to the content, so that no key is formed."""
    return np.asarray(np.einsum("hn,hnc->hc", q, w_k))


def decode(q: F64, q_rope: F64, content: F64, rope: F64, scale: float) -> tuple[F64, F64]:
    """`softmax(scores) content` [H, C] and the logarithm of the sum of exponentials [H]."""
    if not len(content):
        return np.zeros(q.shape), np.full(len(q), -np.inf)
    scores = scale * (q @ content.T + q_rope @ rope.T)
    largest = scores.max(axis=1)
    weights = np.exp(scores - largest[:, None])
    total = weights.sum(axis=1)
    return weights @ content / total[:, None], largest + np.log(total)


# --- FP8 ---------------------------------------------------------------------------------------


def round_e4m3(values: F64) -> F64:
    """To the nearest of e4m3, ties to even, saturating; NaN stays."""
    magnitude = np.minimum(np.abs(values), E4M3_MAX)
    _, exponent = np.frexp(magnitude)
    # Four significant bits above 2^-6; below it, steps of 2^-9.
    step = np.ldexp(1.0, np.maximum(exponent - 4, -9))
    return np.asarray(np.copysign(np.round(magnitude / step) * step, values))


@dataclass(frozen=True)
class Quantized:
    """Tokens, or heads of a query: what codes stand for [N, C], scale [N], rope / scale [N, R]."""

    codes: F64
    scale: F64
    rope: F64

    def __getitem__(self, rows: Any) -> Quantized:
        return Quantized(self.codes[rows], self.scale[rows], self.rope[rows])

    @property
    def content(self) -> F64:
        return self.codes * self.scale[:, None]

    @property
    def rotated(self) -> F64:
        return self.rope * self.scale[:, None]


def quantize(content: F64, rope: F64, *, rounded: bool = True) -> Quantized:
    """One scale for each row of content [N, C] and rope [N, R]; `rounded` to e4m3 and bf16."""
    scale = np.abs(content).max(axis=1, initial=0.0) / E4M3_MAX
    scale = np.where(scale > 0, scale, 1.0)
    scale = np.maximum(scale, np.abs(rope).max(axis=1, initial=0.0) / _ROPE_MAX)
    codes, scaled = content / scale[:, None], rope / scale[:, None]
    if rounded:
        codes = round_e4m3(codes)
        scaled = scaled.astype(ml_dtypes.bfloat16).astype(np.float64)
    return Quantized(codes, scale, scaled)


def recurrence(
    q: Quantized,
    tokens: Quantized,
    scale: float,
    *,
    rounded: bool = True,
    seen: npt.NDArray[np.bool_] | None = None,
) -> tuple[F64, F64]:
    """SnapMLA: `decode` page by page; weights take the tokens' scales, `rounded` to e4m3.

    seen: which tokens are (all without it); the others count in pages only.
    """
    seen = np.ones(len(tokens.codes), dtype=bool) if seen is None else seen
    heads = len(q.codes)
    m, s, total = np.full(heads, -np.inf), np.ones(heads), np.zeros(heads)
    result = np.zeros(q.codes.shape)
    for start in range(0, len(tokens.codes), PAGE):
        at = start + np.flatnonzero(seen[start : start + PAGE])
        if not len(at):
            continue
        page = tokens[at]
        x = q.codes @ page.codes.T + q.rope @ page.rope.T
        x *= q.scale[:, None] * page.scale * scale * np.log2(np.e)
        new_m = np.maximum(m, x.max(axis=1))
        e = np.exp2(x - new_m[:, None])
        f = e * page.scale
        largest = f.max(axis=1)
        new_s = np.where(largest > 0, np.maximum(largest, _LEAST) / E4M3_MAX, 1.0)
        p = f / new_s[:, None]
        if rounded:
            p = round_e4m3(p)
        beta = np.exp2(m - new_m) * s / new_s
        total = total * beta + e.sum(axis=1) / new_s
        result = result * beta[:, None] + p @ page.codes
        m, s = new_m, new_s
    with np.errstate(divide="ignore"):
        lse = (m + np.log2(total * s)) / np.log2(np.e)
    return result / np.where(total > 0, total, 1.0)[:, None], lse
