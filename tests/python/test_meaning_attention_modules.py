"""Rotary positions, attention and caches together, against attention modules of transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import headrace

TOKENS, HEADS, GROUPS, DIM = 23, 6, 2, 16
WINDOW = 7


def llama():
    from transformers import masking_utils
    from transformers.models.llama import modeling_llama as code

    config = code.LlamaConfig(
        hidden_size=48,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        head_dim=DIM,
        attn_implementation="eager",
    )
    rotary = code.LlamaRotaryEmbedding(config)
    module = code.LlamaAttention(config, layer_idx=0)
    return module, rotary.inv_freq, rotary, masking_utils.create_causal_mask


def gemma3():
    from transformers import masking_utils
    from transformers.models.gemma3 import modeling_gemma3 as code

    config = code.Gemma3TextConfig(
        hidden_size=48,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        head_dim=DIM,
        num_hidden_layers=2,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
        query_pre_attn_scalar=10,
        attn_implementation="eager",
    )
    embedding = code.Gemma3RotaryEmbedding(config)
    module = code.Gemma3Attention(config, layer_idx=0)
    assert module.is_sliding

    def rotary(x, positions):
        return embedding(x, positions, "sliding_attention")

    mask = masking_utils.create_sliding_window_causal_mask
    return module, embedding.sliding_attention_inv_freq, rotary, mask


def states(module, x: torch.Tensor) -> list[np.ndarray]:
    """q, k and v before they are turned, [L, heads, D]."""
    split = [
        part(x).view(TOKENS, -1, DIM) for part in (module.q_proj, module.k_proj, module.v_proj)
    ]
    if hasattr(module, "q_norm"):
        split[0], split[1] = module.q_norm(split[0]), module.k_norm(split[1])
    return [part.numpy() for part in split]


PROGRAM = f"""
!q = tensor<{TOKENS}x{HEADS}x{DIM}xf32>
!k = tensor<{TOKENS}x{GROUPS}x{DIM}xf32>
!one = tensor<{HEADS}x{DIM}xf32>
!cache = CACHE
func.func @main(%q: !q, %k: !k, %v: !k, %p: tensor<{TOKENS}xi32>, %f: tensor<{DIM // 2}xf32>,
                %c: !cache, %start: tensor<1xi32>, %length: tensor<1xi32>) -> (!q, !one) {{
  %qe = tensor.empty() : !q
  %ke = tensor.empty() : !k
  %qr = qattn.rope ins(%q, %p, %f : !q, tensor<{TOKENS}xi32>, tensor<{DIM // 2}xf32>)
      outs(%qe : !q) -> !q
  %kr = qattn.rope ins(%k, %p, %f : !k, tensor<{TOKENS}xi32>, tensor<{DIM // 2}xf32>)
      outs(%ke : !k) -> !k
  %all = qattn.prefill causal ins(%qr, %kr, %v : !q, !k, !k) outs(%qe : !q)
      {{scale = SCALE : f32WINDOW}} -> !q
  %new = qattn.append_kv %kr, %v into %c at %start : !k, !k, !cache, tensor<1xi32> -> !cache
  %slice = tensor.extract_slice %qr[{TOKENS - 1}, 0, 0] [1, {HEADS}, {DIM}] [1, 1, 1]
      : !q to !one
  %oe = tensor.empty() : !one
  %le = tensor.empty() : tensor<{HEADS}xf32>
  %last:2 = qattn.decode ins(%slice, %new, %length : !one, !cache, tensor<1xi32>)
      outs(%oe, %le : !one, tensor<{HEADS}xf32>)
      {{scale = SCALE : f32WINDOW}} -> !one, tensor<{HEADS}xf32>
  return %all, %last#0 : !q, !one
}}
"""


@pytest.mark.parametrize("passes", ["", "split-kv{splits=3},chunk-prefill{queries=8 keys=8}"])
@pytest.mark.parametrize("model", [llama, gemma3])
def test_attention_module(model, passes):
    """All tokens by prefill, and the last one by decode from a cache; Gemma3's is a ring."""
    from headrace import ir
    from headrace.modules import parse_text
    from headrace.passmanager import PassManager

    torch.manual_seed(1)
    with torch.no_grad():
        module, frequencies, rotary, make_mask = model()
        x = torch.randn(1, TOKENS, 48)
        positions = torch.arange(TOKENS)
        mask = make_mask(
            config=module.config,
            inputs_embeds=x,
            attention_mask=None,
            past_key_values=None,
            position_ids=positions[None],
        )
        want, _ = module(x, rotary(x, positions[None]), mask)
        q, k, v = states(module, x[0])

    window = getattr(module, "sliding_window", None)
    slots = TOKENS + 4 if window is None else window
    layout = "" if window is None else ", layout = ring"
    shape = f"{slots}x{GROUPS}x{DIM}"
    text = PROGRAM.replace("CACHE", f"!qattn.kv_cache<{shape}, f32{layout}>")
    text = text.replace("SCALE", f"{np.float32(module.scaling):e}")
    text = text.replace("WINDOW", "" if window is None else f", window = {window} : i64")
    program = parse_text(text, ir.Context())
    with program.context:
        PassManager.parse(f"builtin.module({passes})").run(program.operation)
    cache = np.full(slots * 2 * GROUPS * DIM, np.nan, np.float32).view(np.int8)
    everything, last = headrace.run_reference(
        program,
        [
            q,
            k,
            v,
            positions.numpy().astype(np.int32),
            frequencies.numpy(),
            cache,
            np.array([0], np.int32),
            np.array([TOKENS], np.int32),
        ],
    )
    for got, expected in ((everything, want[0]), (last[None], want[0, -1:])):
        with torch.no_grad():
            projected = module.o_proj(torch.tensor(got).reshape(len(got), -1))
        np.testing.assert_allclose(projected, expected, rtol=1e-5, atol=1e-5)
