"""8-bit keys and values: against torch's float8, and scores against float64."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import UsageError
from headrace.quantize.mla_kv import MlaTokens, quantize_mla, quantize_per_token, token_bytes


def tokens(count: int, seed: int, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Content, and a rotated part that is larger, as in real models."""
    draw = np.random.default_rng(seed)
    content = draw.standard_normal((count, 512)) * size
    return content.astype(np.float32), (draw.standard_normal((count, 64)) * 8 * size).astype(
        np.float32
    )


def test_bytes_of_a_token():
    assert token_bytes() == 644
    content, rope = tokens(3, 0)
    packed = quantize_mla(content, rope).pack()
    assert packed.shape == (3, 644) and packed.dtype == np.uint8
    again = MlaTokens.unpack(packed)
    np.testing.assert_array_equal(again.pack(), packed)
    scale = np.abs(content[1]).max() / np.float32(448)
    assert packed[1, 512:516].view("<f4")[0] == scale
    wanted = (rope[1] / scale).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(packed[1, 516:].view(ml_dtypes.bfloat16), wanted)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.sampled_from([(1,), (7,), (5, 96), (2, 3, 33)]),
    size=st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e37]),
    seed=st.integers(0, 1 << 30),
)
def test_per_token_is_what_torch_rounds_to(shape, size, seed):
    values = (np.random.default_rng(seed).standard_normal(shape) * size).astype(np.float32)
    codes, scale = quantize_per_token(values)
    t = torch.from_numpy(values)
    amax = t.abs().amax(dim=-1)
    expected = torch.where(amax > 0, amax / 448, torch.ones_like(amax))
    np.testing.assert_array_equal(scale, expected.numpy())
    rounded = (t / expected[..., None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    np.testing.assert_array_equal(codes, rounded.view(torch.uint8).numpy())


def test_scores_are_those_of_the_quantized_vectors():
    """(q^ . k^) s_q s_k is the score of what is stored, and near that of what was."""
    content, rope = tokens(200, 1)
    q_content, q_rope = tokens(16, 2)
    keys, queries = quantize_mla(content, rope), quantize_mla(q_content, q_rope)
    scores = queries.scores(keys, 0.07)
    stored = [
        np.concatenate([t.content_values(), t.rope_values()], axis=1).astype(np.float64)
        for t in (queries, keys)
    ]
    np.testing.assert_allclose(scores, stored[0] @ stored[1].T * 0.07, rtol=1e-4, atol=1e-4)
    exact = (
        np.hstack([q_content, q_rope]).astype(np.float64)
        @ np.hstack([content, rope]).astype(np.float64).T
        * 0.07
    )
    assert np.linalg.norm(scores - exact) / np.linalg.norm(exact) < 5e-2


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-30, 1e-20, 1e-10, 1.0, 1e10])
def test_scores_add_up_in_float32(size):
    """However small the content is beside the rotated part: one chain, then both scales."""
    content, rope = tokens(6, 6)
    content *= np.float32(size)
    kept = quantize_mla(content, rope)
    whole = np.concatenate(
        [
            kept.codes.view(ml_dtypes.float8_e4m3fn).astype(np.float32),
            kept.rope.astype(np.float32),
        ],
        axis=1,
    )
    scores = (whole @ whole.T) * kept.scale[:, None] * kept.scale
    exact = np.hstack([content, rope]).astype(np.float64)
    exact = exact @ exact.T
    assert np.abs(scores - exact).max() <= 1e-2 * np.abs(exact).max()


def test_the_rotated_part_keeps_the_digits_of_bf16():
    content, rope = tokens(50, 3)
    kept = quantize_mla(content, rope).rope_values()
    np.testing.assert_allclose(kept, rope, rtol=2.0**-8)


def test_zero_and_extreme_tokens():
    content, rope = tokens(5, 4)
    content[0] = 0
    rope[1] = 0
    content[2] *= 1e-38
    content[3] *= 1e30
    rope[4] *= 1e35
    kept = quantize_mla(content, rope)
    assert kept.scale[0] == 1 and not kept.content_values()[0].any()
    for values in (kept.content_values(), kept.rope_values(), kept.scale):
        assert np.isfinite(values).all()
    for row in (0, 1, 3, 4):
        np.testing.assert_allclose(kept.rope_values()[row], rope[row], rtol=1e-2)
    zeros = quantize_mla(np.zeros((2, 512), np.float32), np.zeros((2, 64), np.float32))
    assert not zeros.content_values().any() and not zeros.rope_values().any()
    np.testing.assert_array_equal(quantize_per_token(np.zeros((3, 8), np.float32))[1], np.ones(3))


def test_bad_input():
    content, rope = tokens(3, 5)
    with pytest.raises(UsageError, match=r"same tokens, but got \[3, 512\] and \[2, 64\]"):
        quantize_mla(content, rope[:2])
    content[1, 7] = np.nan
    with pytest.raises(UsageError, match=r"mla content: expected finite values, but got nan at"):
        quantize_mla(content, rope)
    rope[2, 3] = np.inf
    with pytest.raises(UsageError, match=r"mla rope: .* got inf at \[2, 3\]"):
        quantize_mla(tokens(3, 5)[0], rope)
    with pytest.raises(UsageError, match="expected an array of floats, but got int64"):
        quantize_per_token(np.arange(4))
    with pytest.raises(UsageError, match="mla cache: expected uint8"):
        MlaTokens.unpack(np.zeros((2, 500), np.uint8))
