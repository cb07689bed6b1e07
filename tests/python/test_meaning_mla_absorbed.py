"""Latent attention absorbed and in FP8, against unabsorbed attention in float64 and of torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from latent_caches import CONTENT, FP8_BOUND, HEADS, LAYOUTS, ROPE, SCALE, TABLE, Filled

from headrace import ir, run_reference
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.reference import relative_l2
from headrace.references import mla
from headrace.references.caches import Layout, MlaCache

WIDE_SCALE = float(np.float32(192**-0.5))


def attention_text(kept: MlaCache, heads: int, keys: int, values: int, scale: float = SCALE) -> str:
    c, r = kept.content, kept.rope
    kinds = [
        f"tensor<{heads}x{keys}xf32>",
        f"tensor<{heads}x{r}xf32>",
        f"tensor<{heads}x{keys}x{c}xf32>",
        f"tensor<{heads}x{values}x{c}xf32>",
        kept.type,
        "tensor<1xi32>",
    ]
    names = ["%q", "%r", "%wk", "%wv", "%b", "%l"]
    table = ""
    if kept.layout.kind == "paged":
        kinds.append(f"tensor<{TABLE}xi32>")
        names.append("%t")
        table = " table %t"
    arguments = ", ".join(f"{n}: {k}" for n, k in zip(names, kinds, strict=True))
    out = f"tensor<{heads}x{values}xf32>"
    return f"""
        func.func @main({arguments}) -> {out} {{
          %o = tensor.empty() : {out}
          %0 = qattn.mla_attention ins({", ".join(names[:6])}{table} : {", ".join(kinds)})
              outs(%o : {out}) {{scale = {scale:.9e} : f32}} -> {out}
          return %0 : {out}
        }}"""


def after(text: str, *passes: str) -> ir.Module:
    module = parse_text(text, ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({','.join(passes)})").run(module.operation)
    return module


@pytest.mark.parametrize(
    ("layout", "length"), [("contiguous", 0), ("contiguous", 150), ("paged", 130), ("ring", 300)]
)
def test_absorbed_is_unabsorbed(layout, length):
    """Before the pass, after it, in float64, and with both passes within the fp8 bound."""
    kept = MlaCache(LAYOUTS[layout], CONTENT, ROPE, "fp8_e4m3")
    filled = Filled(kept, length, length)
    draw = np.random.default_rng(length)
    q, w_k, w_v = (
        draw.standard_normal(shape).astype(np.float32)
        for shape in [(HEADS, 12), (HEADS, 12, CONTENT), (HEADS, 7, CONTENT)]
    )
    q *= np.float32(0.2)
    text = attention_text(kept, HEADS, 12, 7)
    inputs = [q, filled.q_rope, w_k, w_v, *filled.tail]
    inputs += [] if filled.table is None else [filled.table]
    slots = [slot for slot in filled.tokens() if slot is not None]
    content, rope = (a[slots].astype(np.float64) for a in kept.values(filled.data))
    q64, r64, k64, v64 = (a.astype(np.float64) for a in (q, filled.q_rope, w_k, w_v))
    want = mla.attention(q64, r64, k64, v64, content, rope, SCALE)
    (unabsorbed,) = run_reference(text, inputs)
    (absorbed,) = run_reference(after(text, "absorb-mla-projections"), inputs)
    assert relative_l2(unabsorbed, want) <= 1e-5
    assert relative_l2(absorbed, want) <= 1e-5
    both = after(text, "absorb-mla-projections", "quantize-kv-pipeline")
    assert "qattn.quantize_kv" in str(both) and "q_scale" in str(both)
    (rounded,) = run_reference(both, inputs)
    assert relative_l2(rounded, want) <= FP8_BOUND
    assert length == 0 or relative_l2(rounded, want) > 1e-5


def torch_unabsorbed(q, q_rope, w_k, w_v, content, rope, scale):
    """[H, V] by torch's own attention on keys and values of each head, float64."""
    q, q_rope, w_k, w_v, content, rope = (
        torch.from_numpy(a.astype(np.float64)) for a in (q, q_rope, w_k, w_v, content, rope)
    )
    keys = torch.cat([content @ w_k.mT, rope.expand(len(q), *rope.shape)], dim=2)
    whole = torch.cat([q, q_rope], dim=1)[:, None]
    out = torch.nn.functional.scaled_dot_product_attention(
        whole, keys, content @ w_v.mT, scale=scale
    )
    return out[:, 0].numpy()


class Drawn(NamedTuple):
    """Normal queries, latents and matrices of DeepSeek-V3's sizes: keys and values of 128."""

    q: np.ndarray
    q_rope: np.ndarray
    w_k: np.ndarray
    w_v: np.ndarray
    content: np.ndarray
    rope: np.ndarray


def drawn(length: int, rope_size: float, seed: int, heads: int = 16) -> Drawn:
    draw = np.random.default_rng(seed)
    w_k, w_v = (draw.standard_normal((heads, 128, 512)) / 512**0.5 for _ in range(2))
    q, q_rope = draw.standard_normal((heads, 128)), draw.standard_normal((heads, 64))
    content, rope = draw.standard_normal((length, 512)), draw.standard_normal((length, 64))
    return Drawn(q, q_rope, w_k, w_v, content, rope * rope_size)


def recurrence(given: Drawn, *, rounded: bool) -> np.ndarray:
    """Absorbed, quantized if `rounded`, page by page: the reference, [H, V]."""
    queries = mla.quantize(mla.absorb(given.q, given.w_k), given.q_rope, rounded=rounded)
    tokens = mla.quantize(given.content, given.rope, rounded=rounded)
    latent, _ = mla.recurrence(queries, tokens, WIDE_SCALE, rounded=rounded)
    return np.einsum("hvc,hc->hv", given.w_v, latent)


@pytest.mark.parametrize("rope_size", [1.0, 4.0])  # in real models the rotated part is larger
@pytest.mark.parametrize("length", [1, 64, 333])
def test_acceptance_against_torch(length, rope_size, capsys):
    """The error in FP8 is that of rounding queries and latents to three bits behind the first one.

    It grows with the scores, as weights are exponentials of them: queries of twice the size, whose
    scores differ by 1.6, are at 4.9e-2 in the mean and 6.4e-2 at most.
    """
    errors = []
    for seed in range(4):
        given = drawn(length, rope_size, seed)
        want = torch_unabsorbed(*given, WIDE_SCALE)
        # Nothing rounded: the recurrence is softmax attention.
        exact = relative_l2(recurrence(given, rounded=False), want)
        assert exact <= 1e-6
        errors.append(relative_l2(recurrence(given, rounded=True), want))

    # The last one by the operations.
    kept = MlaCache(Layout("contiguous", 384), 512, 64, "fp8_e4m3")
    data = np.full(kept.storage_bytes, 0xFF, np.uint8)
    *query, content, rope = (a.astype(np.float32) for a in given)
    data = kept.append(data, content, rope, 0)
    text = attention_text(kept, len(given.q), 128, 128, WIDE_SCALE)
    module = after(text, "absorb-mla-projections", "quantize-kv-pipeline")
    (got,) = run_reference(module, [*query, data, np.array([length], np.int32)])
    ours = relative_l2(got, want)
    with capsys.disabled():
        print(
            f"\nmla, {length} tokens, rope * {rope_size:g}: float64 {exact:.1e}, "
            f"fp8 {ours:.2e} by operations, {max(errors):.2e} at most",
            end="",
        )
    assert abs(ours - errors[-1]) <= 1e-3
    assert min(errors) > 1e-4 and max(errors) <= FP8_BOUND
