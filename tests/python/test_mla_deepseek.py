"""Our latent attention on the weights of `transformers`' DeepSeek-V3, against its own module.

The module forms keys and values of each head; ours absorbs these projections. It runs in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from transformers import DynamicCache
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as deepseek
from transformers.models.deepseek_v3.configuration_deepseek_v3 import DeepseekV3Config

from headrace import ir, run_reference
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.reference import relative_l2
from headrace.references import mla
from headrace.references.caches import Layout, MlaCache

HEADS, KEYS, VALUES, CONTENT, ROPE = 8, 16, 12, 128, 8
ROPES = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "yarn": {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 40.0,
        "mscale": 0.7,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 64,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
    },
}
TOKENS = 77  # with the one that is decoded


class Decoded(NamedTuple):
    """One decoded token: what its module says, and what goes into the attention.

    before rotation: q_rope [H, R], rope [T, R]; after it, as the module has them: `rotated`, `kept`
    """

    want: np.ndarray
    output: torch.nn.Linear
    q: np.ndarray
    q_rope: np.ndarray
    w_k: np.ndarray
    w_v: np.ndarray
    content: np.ndarray
    rope: np.ndarray
    rotated: np.ndarray
    kept: np.ndarray
    frequencies: np.ndarray
    magnitude: float
    scale: float


def decoded(kind: str, interleave: bool) -> Decoded:
    """Feeds a prefix to a module with random weights, then one token."""
    torch.manual_seed(len(kind) + interleave)
    config = DeepseekV3Config(
        hidden_size=48,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        kv_lora_rank=CONTENT,
        q_lora_rank=24,
        qk_rope_head_dim=ROPE,
        qk_nope_head_dim=KEYS,
        v_head_dim=VALUES,
        rope_parameters=ROPES[kind],
        rope_interleave=interleave,
        max_position_embeddings=2560,
        attn_implementation="eager",
    )
    module = deepseek.DeepseekV3Attention(config, 0).double().eval()
    rotary = deepseek.DeepseekV3RotaryEmbedding(config)
    hidden = torch.randn(1, TOKENS, config.hidden_size, dtype=torch.float64) * 2
    positions = torch.arange(TOKENS)[None]
    cos, sin = rotary(hidden, positions)
    prefix = TOKENS - 1
    mask = torch.full((prefix, prefix), -torch.inf, dtype=torch.float64).triu(1)[None, None]
    cache = DynamicCache()
    with torch.no_grad():
        early = (cos[:, :prefix], sin[:, :prefix])
        module(hidden[:, :prefix], early, mask, past_key_values=cache)
        last = (cos[:, prefix:], sin[:, prefix:])
        want, _ = module(hidden[:, prefix:], last, None, past_key_values=cache)
        q = module.q_b_proj(module.q_a_layernorm(module.q_a_proj(hidden[0, -1])))
        q, q_rope = q.view(HEADS, KEYS + ROPE).split([KEYS, ROPE], dim=1)
        content, rope = module.kv_a_proj_with_mqa(hidden[0]).split([CONTENT, ROPE], dim=1)
        content = module.kv_a_layernorm(content)
        weight = module.kv_b_proj.weight.view(HEADS, KEYS + VALUES, CONTENT)
        name = "apply_rotary_pos_emb_interleave" if interleave else "apply_rotary_pos_emb"
        rotated, _ = getattr(deepseek, name)(q_rope[None, :, None], rope[None, None, :1], *last)
    layer = cache.layers[0]
    np.testing.assert_array_equal(layer.keys[0, 0], content)
    arrays = [q, q_rope, weight[:, :KEYS], weight[:, KEYS:], content, rope]
    return Decoded(
        want[0, 0].numpy(),
        module.o_proj,
        *(a.detach().numpy() for a in arrays),
        rotated[0, :, 0].numpy(),
        layer.values[0, 0].numpy(),
        rotary.inv_freq.numpy(),
        rotary.attention_scaling,
        module.scaling,
    )


def projected(token: Decoded, heads: np.ndarray) -> np.ndarray:
    """The module's own projection of the heads' results."""
    with torch.no_grad():
        return token.output(torch.from_numpy(heads.astype(np.float64)).reshape(-1)).numpy()


def module_text(token: Decoded, kept: MlaCache, interleave: bool) -> str:
    """Rotates, fills the cache and attends, unabsorbed."""
    q, qr = f"tensor<1x{HEADS}x{ROPE}xf32>", f"tensor<{HEADS}x{ROPE}xf32>"
    k, kr = f"tensor<{TOKENS}x1x{ROPE}xf32>", f"tensor<{TOKENS}x{ROPE}xf32>"
    content, angles = f"tensor<{TOKENS}x{CONTENT}xf32>", f"tensor<{ROPE // 2}xf32>"
    w_k, w_v = f"tensor<{HEADS}x{KEYS}x{CONTENT}xf32>", f"tensor<{HEADS}x{VALUES}x{CONTENT}xf32>"
    query, out = f"tensor<{HEADS}x{KEYS}xf32>", f"tensor<{HEADS}x{VALUES}xf32>"
    one, positions = "tensor<1xi32>", f"tensor<{TOKENS}xi32>"
    rope = "qattn.rope interleaved" if interleave else "qattn.rope"
    magnitude = f"{{magnitude = {token.magnitude:.9e} : f32}}"
    return f"""
        func.func @main(%q: {query}, %qr: {q}, %wk: {w_k}, %wv: {w_v}, %c: {content}, %kr: {k},
            %f: {angles}, %at: {one}, %all: {positions}, %b: {kept.type}, %start: {one},
            %length: {one}) -> {out} {{
          %0 = tensor.empty() : {q}
          %1 = {rope} ins(%qr, %at, %f : {q}, {one}, {angles}) outs(%0 : {q}) {magnitude} -> {q}
          %2 = tensor.empty() : {k}
          %3 = {rope} ins(%kr, %all, %f : {k}, {positions}, {angles}) outs(%2 : {k})
              {magnitude} -> {k}
          %4 = tensor.collapse_shape %1 [[0, 1], [2]] : {q} into {qr}
          %5 = tensor.collapse_shape %3 [[0], [1, 2]] : {k} into {kr}
          %6 = qattn.append_mla %c, %5 into %b at %start
              : {content}, {kr}, {kept.type}, {one} -> {kept.type}
          %7 = tensor.empty() : {out}
          %8 = qattn.mla_attention ins(%q, %4, %wk, %wv, %6, %length
                  : {query}, {qr}, {w_k}, {w_v}, {kept.type}, {one})
              outs(%7 : {out}) {{scale = {token.scale:.9e} : f32}} -> {out}
          return %8 : {out}
        }}"""


def run(token: Decoded, kept: MlaCache, interleave: bool, *passes: str) -> np.ndarray:
    module = parse_text(module_text(token, kept, interleave), ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({','.join(passes)})").run(module.operation)
    assert ("qattn.mla_attention" in str(module)) == (not passes)
    floats = [
        token.q,
        token.q_rope[None],
        token.w_k,
        token.w_v,
        token.content,
        token.rope[:, None],
        token.frequencies,
    ]
    (heads,) = run_reference(
        module,
        [
            *(np.ascontiguousarray(a, dtype=np.float32) for a in floats),
            np.array([TOKENS - 1], np.int32),
            np.arange(TOKENS, dtype=np.int32),
            np.full(kept.storage_bytes, 0xFF, np.uint8),
            np.array([0], np.int32),
            np.array([TOKENS], np.int32),
        ],
    )
    return projected(token, heads)


@pytest.mark.parametrize("interleave", [True, False], ids=["interleaved", "halves"])
@pytest.mark.parametrize("kind", sorted(ROPES))
def test_decoding_a_token(kind, interleave, capsys):
    token = decoded(kind, interleave)
    exact = MlaCache(Layout("contiguous", 128), CONTENT, ROPE, "f32")
    unabsorbed = relative_l2(run(token, exact, interleave), token.want)
    absorbed = relative_l2(run(token, exact, interleave, "absorb-mla-projections"), token.want)

    rounded = MlaCache(Layout("contiguous", 128), CONTENT, ROPE, "fp8_e4m3")
    passes = ["absorb-mla-projections", "quantize-kv-pipeline"]
    fp8 = relative_l2(run(token, rounded, interleave, *passes), token.want)

    # The recurrence without rounding, on the module's own latents.
    queries = mla.quantize(mla.absorb(token.q, token.w_k), token.rotated, rounded=False)
    tokens = mla.quantize(token.content, token.kept, rounded=False)
    latent, _ = mla.recurrence(queries, tokens, token.scale, rounded=False)
    heads = np.einsum("hvc,hc->hv", token.w_v, latent)
    recurrence = relative_l2(projected(token, heads), token.want)

    with capsys.disabled():
        print(
            f"\ndeepseek-v3, {kind}: unabsorbed {unabsorbed:.1e}, absorbed {absorbed:.1e}, "
            f"fp8 {fp8:.2e}, recurrence in float64 {recurrence:.1e}",
            end="",
        )
    assert recurrence <= 1e-6
    assert unabsorbed <= 1e-5 and absorbed <= 1e-5
    assert 1e-4 < fp8 <= 5e-2
