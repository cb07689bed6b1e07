"""References of attention and positions, against torch and transformers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.cohere.modeling_cohere import apply_rotary_pos_emb as interleaved_rope
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as llama_rope

from headrace.references import attention
from headrace.references.rope import rope


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def sdpa(q, k, v, scale, mask=None):
    """torch's attention, heads behind tokens as ours has them; float64."""
    heads_first = [torch.from_numpy(a).transpose(0, 1) for a in (q, k, v)]
    out = torch.nn.functional.scaled_dot_product_attention(
        *heads_first, attn_mask=mask, scale=scale, enable_gqa=True
    )
    return out.transpose(0, 1).numpy()


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    queries=st.integers(1, 6),
    tokens=st.integers(1, 9),
    groups=st.integers(1, 3),
    repeats=st.integers(1, 3),
    offset=st.integers(0, 9),
    causal=st.booleans(),
    window=st.one_of(st.none(), st.integers(1, 6)),
)
def test_prefill_is_torch_attention(seed, queries, tokens, groups, repeats, offset, causal, window):
    q, k, v = drawn(seed, (queries, groups * repeats, 5), (tokens, groups, 5), (tokens, groups, 3))
    distance = offset + torch.arange(queries)[:, None] - torch.arange(tokens)[None, :]
    mask = distance >= 0 if causal else distance > -tokens - 1
    if window is not None:
        mask &= distance.abs() < window
    got, lse = attention.prefill(q, k, v, 0.3, causal=causal, offset=offset, window=window)
    sees = mask.any(dim=1).numpy()
    want = sdpa(q, k, v, 0.3, mask)
    np.testing.assert_allclose(got[sees], want[sees], rtol=1e-12, atol=1e-14)
    assert not got[~sees].any() and np.isneginf(lse[~sees]).all()
    scores = 0.3 * np.einsum("lhd,thd->lht", q, k.repeat(repeats, axis=1))
    scores[~np.broadcast_to(mask.numpy()[:, None], scores.shape)] = -np.inf
    logs = torch.from_numpy(scores).logsumexp(dim=2).numpy()
    np.testing.assert_allclose(lse, logs, rtol=1e-12, atol=1e-12)


def test_softcap_is_gemmas():
    q, k, v = drawn(3, (4, 2, 5), (4, 1, 5), (4, 1, 5))
    scores = torch.from_numpy(np.einsum("lhd,tgd->hlt", q * 3, k))
    capped = 2.0 * torch.tanh(scores / 2.0)
    weights = capped.masked_fill(torch.ones(4, 4).triu(1).bool(), -torch.inf).softmax(dim=2)
    want = np.einsum("hlt,tgd->lhd", weights.numpy(), v)
    got, _ = attention.prefill(q * 3, k, v, 1.0, softcap=2.0)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_decode_is_the_last_row_of_prefill():
    q, k, v = drawn(4, (7, 6, 8), (7, 2, 8), (7, 2, 8))
    whole, logs = attention.prefill(q, k, v, 0.2, window=4)
    out, lse = attention.decode(q[-1], k[3:], v[3:], 0.2)
    np.testing.assert_allclose(out, whole[-1], rtol=1e-13)
    np.testing.assert_allclose(lse, logs[-1], rtol=1e-13)
    nothing, lse = attention.decode(q[0], k[:0], v[:0], 0.2)
    assert not nothing.any() and np.isneginf(lse).all()


@settings(max_examples=30)
@given(st.integers(0, 2**20), st.lists(st.integers(0, 9), max_size=4))
def test_parts_merge_to_the_whole(seed, cuts):
    q, k, v = drawn(seed, (4, 5), (9, 2, 5), (9, 2, 5))
    ends = [0, *sorted(cuts), 9]
    parts = [attention.decode(q, k[a:b], v[a:b], 1.7) for a, b in itertools.pairwise(ends)]
    outs, lses = (np.stack(items) for items in zip(*parts, strict=True))
    outs[np.isneginf(lses)] = np.nan
    got, lse = attention.merge_partials(outs, lses)
    want, whole = attention.decode(q, k, v, 1.7)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(lse, whole, rtol=1e-12, atol=1e-12)


def test_merge_of_nothing():
    got, lse = attention.merge_partials(np.full((2, 3, 4), np.nan), np.full((2, 3), -np.inf))
    assert not got.any() and np.isneginf(lse).all()


def test_a_nan_reaches_what_sees_it_only():
    q, k, v = drawn(5, (4, 2, 3), (4, 2, 3), (4, 2, 3))
    k[2, 0] = np.nan
    out, lse = attention.prefill(q, k, v, 1.0)
    assert np.isfinite(out[:2]).all() and np.isnan(out[2:, 0]).all()
    assert np.isfinite(out[2:, 1]).all() and np.isnan(lse[2:, 0]).all()


@pytest.mark.parametrize("interleaved", [False, True])
def test_rope_is_transformers(interleaved):
    """Llama's halves and Cohere's neighbours."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(5, 3, 8)).astype(np.float32)
    positions = np.array([0, 1, 17, 4000, 100_000], np.int32)
    frequencies = (1e4 ** (-np.arange(4) / 4)).astype(np.float32)
    angles = torch.from_numpy(positions.astype(np.float32))[:, None] * torch.from_numpy(frequencies)
    full = angles.repeat_interleave(2, dim=1) if interleaved else torch.cat([angles, angles], dim=1)
    full = full.double()
    # [batch, heads, tokens, dimension]
    heads = torch.from_numpy(x).double().transpose(0, 1)[None]
    turn = interleaved_rope if interleaved else llama_rope
    want, _ = turn(heads, heads, full.cos()[None], full.sin()[None])
    want = want.double()[0].transpose(0, 1).numpy()
    got = rope(x, positions, frequencies, interleaved=interleaved)
    np.testing.assert_allclose(got, want, atol=1e-6 if interleaved else 1e-14)
    # A magnitude scales what is turned; the rest stays.
    wide = np.concatenate([x, x[..., :2]], axis=2)
    got = rope(wide, positions, frequencies, interleaved=interleaved, magnitude=1.5)
    np.testing.assert_allclose(got[..., :8], 1.5 * want, atol=2e-6 if interleaved else 1e-13)
    np.testing.assert_array_equal(got[..., 8:], x[..., :2])
