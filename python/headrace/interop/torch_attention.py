"""`torch.ops.headrace.*` of attention: kept whole by the importers, as the operations of qattn.

The eager implementations are for comparison, and slow: caches are decoded at every call. Shapes:
L queries, T tokens, H heads of queries, G heads of keys and values; a cache is a tensor of int8
bytes, and `cache_type` the text of its type, as in "!qattn.kv_cache<64x2x16, bf16>".
"""

from __future__ import annotations

import re

import numpy as np
import torch

from headrace.errors import UsageError
from headrace.references.caches import KVCache, Layout

_TYPE = re.compile(
    r"!qattn\.kv_cache<(\d+)x(\d+)x(\d+), (\w+)(?:, scale = per_token)?(?:, layout = (ring))?>"
)


def parse_cache(text: str) -> KVCache:
    """The cache that the text of a type describes; contiguous and ring only."""
    match = _TYPE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"headrace attention: expected the type of a cache, but got {text!r}. Allowed: "
            '"!qattn.kv_cache<SLOTSxHEADSxDIM, DTYPE>", also with "layout = ring"'
        )
    slots, heads, dim = (int(match[i]) for i in (1, 2, 3))
    return KVCache(Layout(match[5] or "contiguous", slots), heads, dim, match[4])


def _attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor, scale: float, cap: float
) -> torch.Tensor:
    """softmax(scale * q k^T) v for q [L, H, D]; `seen` is [L, T]. Zeros where nothing is seen."""
    ratio = q.shape[1] // k.shape[1]
    keys, values = k.repeat_interleave(ratio, 1), v.repeat_interleave(ratio, 1)
    scores = torch.einsum("lhd,thd->hlt", q, keys) * scale
    if cap:
        scores = torch.tanh(scores / cap) * cap
    weights = torch.softmax(scores.masked_fill(~seen, -torch.inf), -1)
    weights = weights.masked_fill(~seen, 0.0)  # of nothing, a softmax is NaN
    return torch.einsum("hlt,the->lhe", weights, values)


@torch.library.custom_op("headrace::attention", mutates_args=())
def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    window: int,
    scale: float,
    softcap: float,
) -> torch.Tensor:
    """`qattn.prefill`: q [L, H, D], k [T, G, D], v [T, G, E] -> [L, H, E].

    causal: no query sees later keys. window: those less than that many tokens away, 0: all.
    softcap: scores s become softcap * tanh(s / softcap), 0: as they are.
    """
    distance = torch.arange(q.shape[0])[:, None] - torch.arange(k.shape[0])[None, :]
    seen = torch.ones_like(distance, dtype=torch.bool)
    if causal:
        seen &= distance >= 0
    if window:
        seen &= distance.abs() < window
    return _attend(q, k, v, seen, scale, softcap)


@attention.register_fake
def _(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    window: int,
    scale: float,
    softcap: float,
) -> torch.Tensor:
    return q.new_empty((q.shape[0], q.shape[1], v.shape[2]))


@torch.library.custom_op("headrace::append_kv", mutates_args=())
def append_kv(
    k: torch.Tensor, v: torch.Tensor, cache: torch.Tensor, position: torch.Tensor, cache_type: str
) -> torch.Tensor:
    """`qattn.append_kv`: the bytes of `cache` with k and v ([N, G, D]) from `position` on.

    The cache that was given stays as it is.
    """
    kind = parse_cache(cache_type)
    data = cache.numpy().view(np.uint8)
    data = kind.append(data, k.numpy(), v.numpy(), int(position[0]))
    return torch.from_numpy(data.view(np.int8))


@append_kv.register_fake
def _(
    k: torch.Tensor, v: torch.Tensor, cache: torch.Tensor, position: torch.Tensor, cache_type: str
) -> torch.Tensor:
    return torch.empty_like(cache)


@torch.library.custom_op("headrace::decode", mutates_args=())
def decode(
    q: torch.Tensor,
    cache: torch.Tensor,
    length: torch.Tensor,
    cache_type: str,
    window: int,
    scale: float,
    softcap: float,
) -> torch.Tensor:
    """`qattn.decode`: q [H, D], the last of `length` tokens ([1] i32) of the cache -> [H, D]."""
    kind = parse_cache(cache_type)
    tokens = kind.layout.tokens(int(length[0]), None, window or None)
    data = cache.numpy().view(np.uint8)
    k, v = (torch.from_numpy(part) for part in kind.fetch(data, tokens.start, len(tokens)))
    seen = torch.ones((1, len(tokens)), dtype=torch.bool)
    return _attend(q[None], k, v, seen, scale, softcap)[0]


@decode.register_fake
def _(
    q: torch.Tensor,
    cache: torch.Tensor,
    length: torch.Tensor,
    cache_type: str,
    window: int,
    scale: float,
    softcap: float,
) -> torch.Tensor:
    return torch.empty_like(q)
