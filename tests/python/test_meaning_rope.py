"""What rope means, against the rotary functions of models in transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_programs import f32, function
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace

POSITIONS = [0, 1, 2, 77, 1000, 4095, 131071]


def rope(
    x: np.ndarray,
    positions: list[int],
    frequencies: np.ndarray,
    *,
    interleaved: bool = False,
    magnitude: float | None = None,
    engine: str = "jit",
) -> np.ndarray:
    shape = f32(*x.shape)
    arguments = {
        "%x": shape,
        "%p": f"tensor<{len(positions)}xi32>",
        "%f": f32(len(frequencies)),
        "%o": shape,
    }
    factor = "" if magnitude is None else f"{{magnitude = {np.float32(magnitude):.9e} : f32}}"
    operation = (
        f"qattn.rope {'interleaved ' if interleaved else ''}"
        f"ins(%x, %p, %f : {', '.join(list(arguments.values())[:3])}) outs(%o : {shape}) {factor}"
    )
    inputs = [
        x,
        np.array(positions, np.int32),
        np.asarray(frequencies, np.float32),
        np.full(x.shape, np.nan, np.float32),
    ]
    text = function(arguments, operation, [shape])
    return headrace.run_reference(text, inputs, engine=engine)[0]


def draw(heads: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(dim)
    return rng.normal(size=(len(POSITIONS), heads, dim)).astype(np.float32)


def batched(x: np.ndarray) -> torch.Tensor:
    """[N, H, D] as the models have it, [1, H, N, D]."""
    return torch.tensor(x).transpose(0, 1)[None]


def flat(x: torch.Tensor) -> np.ndarray:
    return x[0].transpose(0, 1).numpy()


YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 40.0,
    "beta_fast": 32,
    "beta_slow": 1,
    "original_max_position_embeddings": 4096,
}


@pytest.mark.parametrize(
    "parameters",
    [
        {"rope_type": "default", "rope_theta": 500000.0},
        {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        YARN,
    ],
    ids=lambda parameters: parameters["rope_type"],
)
def test_rope_is_that_of_llama(parameters):
    from transformers.models.llama import modeling_llama as llama

    config = llama.LlamaConfig(
        hidden_size=96, num_attention_heads=4, head_dim=24, rope_parameters=dict(parameters)
    )
    rotary = llama.LlamaRotaryEmbedding(config)
    x = draw(4, 24)
    cosines, sines = rotary(batched(x), torch.tensor([POSITIONS]))
    want, _ = llama.apply_rotary_pos_emb(batched(x), batched(x), cosines, sines)
    y = rope(x, POSITIONS, rotary.inv_freq.numpy(), magnitude=rotary.attention_scaling)
    np.testing.assert_allclose(y, flat(want), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", ["full_attention", "sliding_attention"])
def test_rope_is_that_of_gemma3(layer):
    from transformers.models.gemma3 import modeling_gemma3 as gemma3

    config = gemma3.Gemma3TextConfig(
        hidden_size=64,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        num_hidden_layers=6,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    )
    rotary = gemma3.Gemma3RotaryEmbedding(config)
    x = draw(2, 32)
    cosines, sines = rotary(batched(x), torch.tensor([POSITIONS]), layer)
    want, _ = gemma3.apply_rotary_pos_emb(batched(x), batched(x), cosines, sines)
    y = rope(x, POSITIONS, getattr(rotary, f"{layer}_inv_freq").numpy())
    np.testing.assert_allclose(y, flat(want), rtol=1e-6, atol=1e-6)


def deepseek(module: str, parameters: dict[str, object]):
    """(the module, its rotary embedding of 16 values a head)"""
    import importlib

    found = importlib.import_module(f"transformers.models.{module}.modeling_{module}")
    name = {"deepseek_v2": "DeepseekV2", "deepseek_v3": "DeepseekV3"}[module]
    config = getattr(found, f"{name}Config")(qk_rope_head_dim=16, rope_parameters=parameters)
    config.head_dim = 16
    return found, getattr(found, f"{name}RotaryEmbedding")(config)


def test_rope_is_that_of_deepseek_v2():
    """YaRN with a magnitude that is not 1, as complex numbers."""
    module, rotary = deepseek("deepseek_v2", dict(YARN))
    assert rotary.attention_scaling > 1.3
    x = draw(3, 16)
    turns = rotary(batched(x), torch.tensor([POSITIONS]))
    want, _ = module.apply_rotary_emb(batched(x), batched(x), turns)
    y = rope(
        x,
        POSITIONS,
        rotary.inv_freq.numpy(),
        interleaved=True,
        magnitude=rotary.attention_scaling,
    )
    np.testing.assert_allclose(y, flat(want), rtol=1e-6, atol=1e-6)


def test_rope_is_that_of_deepseek_v3():
    """Its function takes interleaved pairs too, but puts all first values before all second."""
    parameters = dict(YARN, mscale=1.0, mscale_all_dim=0.7)
    module, rotary = deepseek("deepseek_v3", parameters)
    assert rotary.attention_scaling > 1.05
    x = draw(3, 16)
    cosines, sines = rotary(batched(x), torch.tensor([POSITIONS]))
    want, _ = module.apply_rotary_pos_emb_interleave(batched(x), batched(x), cosines, sines)
    y = rope(
        x,
        POSITIONS,
        rotary.inv_freq.numpy(),
        interleaved=True,
        magnitude=rotary.attention_scaling,
    )
    y = np.concatenate([y[..., 0::2], y[..., 1::2]], axis=-1)
    np.testing.assert_allclose(y, flat(want), rtol=1e-6, atol=1e-6)


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(2, 9), st.booleans(), st.data())
def test_rope(tokens, heads, dim, interleaved, data):
    """Odd dimensions, values behind the pairs, negative positions."""
    pairs = data.draw(st.integers(1, dim // 2))
    positions = data.draw(st.lists(st.integers(-50, 50), min_size=tokens, max_size=tokens))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(tokens, heads, dim)).astype(np.float32)
    frequencies = rng.uniform(0, 1, pairs).astype(np.float32)
    y = rope(x, positions, frequencies, interleaved=interleaved)
    angles = (np.array(positions, np.float32)[:, None] * frequencies).astype(np.float64)
    first = 2 * np.arange(pairs) if interleaved else np.arange(pairs)
    second = first + (1 if interleaved else pairs)
    number = x[..., first] + 1j * x[..., second].astype(np.float64)
    number *= np.exp(1j * angles)[:, None]
    want = x.astype(np.float64)
    want[..., first], want[..., second] = number.real, number.imag
    np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(y[..., 2 * pairs :], x[..., 2 * pairs :])


def test_angles_of_many_turns():
    """Frequency 1 at positions of long contexts, in both engines."""
    positions = [3, 4095, 131071, 1048575, 3000001]
    x = np.zeros((5, 1, 2), np.float32)
    x[..., 0] = 1
    angles = np.array(positions, np.float64)
    want = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[:, None]
    for engine in ("jit", "iree"):
        y = rope(x, positions, np.ones(1), engine=engine)
        np.testing.assert_allclose(y, want, atol=2e-6)


def test_rope_leaves_what_is_not_finite_in_its_pair():
    x = np.ones((1, 1, 9), np.float32)
    x[..., 1], x[..., 8] = np.nan, np.inf
    y = rope(x, [3], np.array([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(np.isnan(y[0, 0]), np.isin(np.arange(9), [1, 4]))
    assert y[0, 0, 8] == np.inf
