"""Attention of PyTorch, decomposed or kept whole, is raised and computes the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headrace import ir
from headrace.interop.torch_linalg import import_layer
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.reference_jit import Meaning

PASSES = "raise-torch-ops,raise-attention,canonicalize,cse"
L, T, D = 6, 9, 8


class Attention(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.function(*tensors)


def distance(queries: int, keys: int, offset: int = 0) -> torch.Tensor:
    return torch.arange(queries)[:, None] + offset - torch.arange(keys)[None, :]


def windowed(q, k, v):
    d = distance(L, L)
    mask = (d >= 0) & (d < 3)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


def causal(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3)


def prefix(q, k, v):
    """More keys than queries, as with tokens from before; a mask that is added."""
    mask = torch.where(distance(L, T, T - L) >= 0, 0.0, torch.finfo(torch.float32).min)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def eager(q, k, v):
    """As in transformers: heads repeated, a soft cap, scores scaled."""
    keys, values = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    scores = torch.matmul(q, keys.transpose(2, 3)) * 0.25
    scores = torch.tanh(scores / 5.0) * 5.0
    scores = scores.masked_fill(distance(L, L) < 0, -torch.inf)
    return torch.matmul(torch.softmax(scores, -1), values)


def tokens_first(q, k, v):
    """From and to [batch, tokens, heads, dimension]; no mask, and a batch of two."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)


CASES: dict[Callable[..., torch.Tensor], tuple[tuple[int, ...], tuple[int, ...]]] = {
    windowed: ((1, 4, L, D), (1, 2, L, D)),
    causal: ((1, 3, L, D), (1, 3, L, D)),
    prefix: ((1, 2, L, D), (1, 2, T, D)),
    eager: ((1, 4, L, D), (1, 2, L, D)),
    tokens_first: ((2, L, 2, D), (2, T, 2, D)),
}


def raised(text: str) -> ir.Module:
    module = parse_text(text, ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({PASSES})").run(module.operation)
    return module


@pytest.mark.parametrize("keep", [False, True], ids=["decomposed", "kept"])
@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_torch(function, keep) -> None:
    torch.manual_seed(0)
    q_shape, kv_shape = CASES[function]
    shapes = (q_shape, kv_shape, kv_shape)
    example = [torch.randn(shape) for shape in shapes]
    module = raised(import_layer(Attention(function), example, keep_attention=keep).text)
    text = str(module)
    assert text.count("qattn.prefill") == 1
    assert "batch_matmul" not in text and "call @" not in text
    inputs = [torch.randn(shape) for shape in shapes]
    (got,) = Meaning(module)(*[value.numpy() for value in inputs])
    np.testing.assert_allclose(got, function(*inputs).numpy(), rtol=0, atol=2e-6)


# --- Masks: what is said of them must be what they are ------------------------------------------

HEADS, DIM = 2, 4
TEMPLATE = """
func.func @f(%q: tensor<{h}x{l}x{d}xf32>, %kt: tensor<{h}x{d}x{t}xf32>, %v: tensor<{h}x{t}x{d}xf32>)
    -> tensor<{h}x{l}x{d}xf32> {{
  %mask = arith.constant dense<{mask}> : tensor<{l}x{t}xi1>
  %hidden = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{h}x{l}x{t}xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<{h}x{l}x{t}xf32>) -> tensor<{h}x{l}x{t}xf32>
  %s = linalg.batch_matmul ins(%q, %kt : tensor<{h}x{l}x{d}xf32>, tensor<{h}x{d}x{t}xf32>)
      outs(%z : tensor<{h}x{l}x{t}xf32>) -> tensor<{h}x{l}x{t}xf32>
  %m = linalg.generic {{indexing_maps = [affine_map<(h, l, t) -> (h, l, t)>,
        affine_map<(h, l, t) -> (l, t)>, affine_map<(h, l, t) -> (h, l, t)>],
        iterator_types = ["parallel", "parallel", "parallel"]}}
      ins(%s, %mask : tensor<{h}x{l}x{t}xf32>, tensor<{l}x{t}xi1>)
      outs(%e : tensor<{h}x{l}x{t}xf32>) {{
  ^bb0(%score: f32, %seen: i1, %out: f32):
    %r = arith.select %seen, %score, %hidden : f32
    linalg.yield %r : f32
  }} -> tensor<{h}x{l}x{t}xf32>
  %p = linalg.softmax dimension(2) ins(%m : tensor<{h}x{l}x{t}xf32>)
      outs(%e : tensor<{h}x{l}x{t}xf32>) -> tensor<{h}x{l}x{t}xf32>
  %oe = tensor.empty() : tensor<{h}x{l}x{d}xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%oe : tensor<{h}x{l}x{d}xf32>) -> tensor<{h}x{l}x{d}xf32>
  %o = linalg.batch_matmul ins(%p, %v : tensor<{h}x{l}x{t}xf32>, tensor<{h}x{t}x{d}xf32>)
      outs(%oz : tensor<{h}x{l}x{d}xf32>) -> tensor<{h}x{l}x{d}xf32>
  return %o : tensor<{h}x{l}x{d}xf32>
}}
"""


def seen_by(text: str, queries: int, keys: int) -> np.ndarray | None:
    """What the prefill of a module sees, by its attributes; None if there is none."""
    if "qattn.prefill" not in text:
        return None
    offset = re.search(r"dense<(-?\d+)> : tensor<1xi32>", text)
    window = re.search(r"window = (\d+)", text)
    d = distance(queries, keys, int(offset[1]) if offset else 0).numpy()
    seen = np.ones_like(d, dtype=bool)
    if "prefill causal" in text:
        seen &= d >= 0
    if window:
        seen &= abs(d) < int(window[1])
    return seen


def draw_mask(rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A mask, and whether it must be understood."""
    queries, keys = (int(n) for n in rng.integers(1, 9, 2))
    d = distance(queries, keys, int(rng.integers(-4, 9))).numpy()
    window = int(rng.integers(1, 6))
    kind = rng.integers(4)
    mask = [np.ones_like(d, bool), d >= 0, (d >= 0) & (d < window), abs(d) < window][kind]
    if rng.integers(3) == 0:
        mask[rng.integers(queries), rng.integers(keys)] ^= True
        return mask, False
    return mask, bool(mask.any(1).all())


def test_masks_are_what_is_said_of_them() -> None:
    rng = np.random.default_rng(5)
    context = ir.Context()
    understood = 0
    for _ in range(300):
        mask, expected = draw_mask(rng)
        queries, keys = mask.shape
        shape = {"h": HEADS, "d": DIM, "l": queries, "t": keys}
        text = TEMPLATE.format(mask=str(mask.astype(int).tolist()), **shape)
        module = parse_text(text, context)
        with context:
            PassManager.parse("builtin.module(raise-attention)").run(module.operation)
        seen = seen_by(str(module), queries, keys)
        if seen is not None:
            understood += 1
            np.testing.assert_array_equal(seen, mask)
        else:
            assert not expected, mask
    assert 100 < understood < 300
