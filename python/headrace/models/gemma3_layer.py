"""A decoder layer of Gemma 3 from `transformers`, with quantized weights, as a compiler sees it.

The geometry is small, the structure is the model's own: grouped heads, norms of queries and keys,
rotary positions, a sliding window, norms before and after attention and feed-forward, and a gated
feed-forward with gelu_tanh. `prefill` and `decode_step` are modules for `torch.export`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# Registers torch.ops.headrace.
from headrace.interop import torch_attention

__all__ = ["TOKENS", "WINDOW", "AffineLinear", "DecodeStep", "Prefill", "cache_type", "inputs"]

HIDDEN, FEED_FORWARD, HEADS, GROUPS, DIM = 64, 96, 4, 2, 16
TOKENS, WINDOW, SLOTS = 8, 4, 32


class AffineLinear(nn.Module):
    """A linear layer that dequantizes its weight: two codes in a byte, groups of 32 columns."""

    def __init__(self, rows: int, cols: int, draw: torch.Generator) -> None:
        super().__init__()
        shape, group = (rows, cols // 32), (0, 256)
        packed = torch.randint(*group, (rows, cols // 2), generator=draw, dtype=torch.uint8)
        # Around 1 / sqrt(cols) for codes of up to 8.
        scales = (torch.rand(shape, generator=draw) + 0.5) / (8 * cols**0.5)
        zeros = torch.randint(6, 11, shape, generator=draw, dtype=torch.uint8)
        for name, value in (("packed", packed), ("scales", scales), ("zeros", zeros)):
            setattr(self, name, nn.Parameter(value, requires_grad=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, groups = self.scales.shape
        codes = torch.stack([self.packed & 15, self.packed >> 4], dim=-1)
        codes = codes.reshape(rows, groups, 32).to(torch.float32)
        weight = (codes - self.zeros.to(torch.float32)[..., None]) * self.scales[..., None]
        return F.linear(x, weight.reshape(rows, groups * 32))


def _quantize(module: nn.Module, draw: torch.Generator) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, AffineLinear(child.out_features, child.in_features, draw))
        else:
            _quantize(child, draw)


def _layer(attention: str, draw: torch.Generator) -> nn.Module:
    from transformers import Gemma3TextConfig
    from transformers.models.gemma3.modeling_gemma3 import Gemma3DecoderLayer

    config = Gemma3TextConfig(
        vocab_size=64,
        hidden_size=HIDDEN,
        intermediate_size=FEED_FORWARD,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        head_dim=DIM,
        query_pre_attn_scalar=DIM,
        sliding_window=WINDOW,
        layer_types=["sliding_attention"],
    )
    config._attn_implementation = attention
    layer = Gemma3DecoderLayer(config, 0).eval()
    _quantize(layer, draw)
    for value in layer.parameters():
        if value.is_floating_point() and value.ndim == 1:  # of norms
            value.data = torch.randn(value.shape, generator=draw) * 0.1
            value.requires_grad_(False)
    return layer


class Prefill(nn.Module):
    """The layer for TOKENS tokens, with PyTorch's scaled_dot_product_attention."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.layer = _layer("sdpa", torch.Generator().manual_seed(seed))

    def forward(self, hidden: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        token = torch.arange(hidden.shape[1])
        distance = token[:, None] - token[None, :]
        mask = ((distance >= 0) & (distance < WINDOW))[None, None]
        result: torch.Tensor = self.layer(
            hidden, position_embeddings=(cos, sin), attention_mask=mask
        )
        return result


def cache_type(dtype: str = "f32") -> str:
    """The type of the cache of `DecodeStep`."""
    scale = ", scale = per_token" if dtype in ("fp8_e4m3", "i8") else ""
    return f"!qattn.kv_cache<{SLOTS}x{GROUPS}x{DIM}, {dtype}{scale}>"


class DecodeStep(nn.Module):
    """The layer for one token, with a cache: `torch.ops.headrace` in the place of attention."""

    def __init__(self, dtype: str = "f32", seed: int = 0) -> None:
        super().__init__()
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        ALL_ATTENTION_FUNCTIONS.register("headrace", self._attend)
        self.cache_type = cache_type(dtype)
        self.state: list[torch.Tensor] = []
        self.layer = _layer("headrace", torch.Generator().manual_seed(seed))

    def forward(
        self,
        hidden: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        cache: torch.Tensor,
        position: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        # The layer finds its attention by name.
        ALL_ATTENTION_FUNCTIONS.register("headrace", self._attend)
        self.state = [cache, position]
        out = self.layer(hidden, position_embeddings=(cos, sin))
        return out, self.state.pop(0)

    def _attend(
        self,
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        *,
        scaling: float,
        sliding_window: int,
        **others: Any,
    ) -> tuple[torch.Tensor, None]:
        cache, position = self.state
        # [1, heads, 1, dimension] to [1, heads, dimension]
        k, v = (x.reshape(1, GROUPS, DIM) for x in (key, value))
        cache = torch.ops.headrace.append_kv(k, v, cache, position, self.cache_type)
        self.state[0] = cache
        out = torch.ops.headrace.decode(
            query.reshape(HEADS, DIM),
            cache,
            position + 1,
            self.cache_type,
            sliding_window,
            scaling,
            0.0,
        )
        return out.reshape(1, 1, HEADS, DIM), None


def inputs(tokens: int, first: int, draw: torch.Generator) -> list[torch.Tensor]:
    """Hidden states, cosines and sines of `tokens` tokens from position `first` on."""
    hidden = torch.randn((1, tokens, HIDDEN), generator=draw)
    frequencies = 10000.0 ** (-torch.arange(0, DIM, 2) / DIM)
    angles = torch.arange(first, first + tokens)[:, None] * frequencies
    both = torch.cat([angles, angles], -1)[None]
    return [hidden, both.cos(), both.sin()]


def empty_cache(dtype: str = "f32") -> torch.Tensor:
    """A cache without tokens."""
    kind = torch_attention.parse_cache(cache_type(dtype))
    return torch.zeros(kind.storage_bytes, dtype=torch.int8)
