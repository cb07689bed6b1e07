"""What prefill, decode and merge_partials mean, against torch and float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attention_programs import Decode, Prefill, compile_text, f32, function
from hypothesis import given, settings
from hypothesis import strategies as st

TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


def check_close(got, want):
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)


# --- prefill -----------------------------------------------------------------------------------


def torch_attention(case: Prefill, inputs: list[np.ndarray], offset: int = 0) -> np.ndarray:
    q, k, v = (torch.tensor(array).double().transpose(0, 1)[None] for array in inputs[:3])
    # An explicit mask unless torch has the same one itself.
    own = case.mask == "causal" and case.window is None and offset == 0
    own &= case.queries == case.keys
    result = torch.nn.functional.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=None if own else torch.tensor(case.seen(offset)),
        is_causal=own,
        scale=float(np.float32(case.scale)),
        enable_gqa=True,
    )
    return result[0].transpose(0, 1).numpy()


@pytest.mark.parametrize(
    "case",
    [
        Prefill(queries=33, keys=33),
        Prefill(queries=17, keys=17, heads=6, groups=3, dim=5, values=7),
        Prefill(queries=9, keys=9, heads=3, groups=1, window=1),
        Prefill(queries=21, keys=21, window=4),
        Prefill(queries=9, keys=9, window=100),
        Prefill(queries=7, keys=19, mask="bidirectional"),
        Prefill(queries=19, keys=19, mask="bidirectional", window=3),
        Prefill(queries=1, keys=1, heads=1, groups=1, dim=1, values=1, lse=False),
    ],
    ids=str,
)
def test_prefill_is_torch_attention(case):
    inputs = case.draw(np.random.default_rng(case.queries))
    result = compile_text(case.text)(*inputs)[0]
    np.testing.assert_allclose(result, torch_attention(case, inputs), **TOLERANCE)


def test_prefill_of_a_chunk_is_torch_attention():
    """The last queries of many keys, and queries of which some are before all keys."""
    case = Prefill(queries=6, keys=20, window=9, offset=True)
    meaning = compile_text(case.text)
    for offset in (14, 0, 40, -3):
        inputs = case.draw(np.random.default_rng(1), offset)
        result, lse = meaning(*inputs)
        sees = case.seen(offset).any(axis=1)
        want = torch_attention(case, inputs, offset)
        np.testing.assert_allclose(result[sees], want[sees], **TOLERANCE)
        assert not result[~sees].any()
        assert np.isneginf(lse[~sees]).all()


prefills = st.builds(
    lambda queries, keys, groups, ratio, dim, values, mask, window, softcap: Prefill(
        queries=queries,
        keys=keys,
        heads=groups * ratio,
        groups=groups,
        dim=dim,
        values=values,
        mask=mask,
        window=window,
        softcap=softcap,
        offset=True,
    ),
    st.integers(1, 12),
    st.integers(1, 14),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["causal", "bidirectional"]),
    st.none() | st.integers(1, 20),
    st.none() | st.sampled_from([0.5, 50.0]),
)


@settings(max_examples=20)
@given(prefills, st.integers(-16, 30), st.randoms(use_true_random=False))
def test_prefill(case, middle, random):
    meaning = compile_text(case.text)
    rng = np.random.default_rng(random.randrange(2**32))
    for offset in (0, middle, -(2**31), 2**31 - 1):
        inputs = case.draw(rng, offset)
        check_close(meaning(*inputs), case.want(inputs, offset))


def test_prefill_with_huge_scores():
    """Differences of scores beyond what exp can hold: one token takes all."""
    case = Prefill(mask="bidirectional", scale=1.0)
    inputs = case.draw(np.random.default_rng(2))
    inputs[0] *= 1e4
    inputs[1] *= 1e4
    result, lse = compile_text(case.text)(*inputs)
    assert np.isfinite(result).all()
    want, logarithms = case.want(inputs)
    np.testing.assert_allclose(result, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(lse, logarithms, rtol=1e-5)


def test_softcap_bounds_infinite_scores():
    case = Prefill(queries=1, keys=3, mask="bidirectional", softcap=2.0, scale=1.0)
    inputs = case.draw(np.random.default_rng(3))
    inputs[0][:] = 1e30
    inputs[1][:] = 1e30
    result, lse = compile_text(case.text)(*inputs)
    np.testing.assert_allclose(lse, 2.0 + np.log(3.0), rtol=1e-6)
    np.testing.assert_allclose(result[0, ::2], inputs[2].mean(axis=0), rtol=1e-5)


def test_prefill_ignores_what_is_not_seen():
    case = Prefill(queries=6, keys=6, window=2)
    meaning = compile_text(case.text)
    inputs = case.draw(np.random.default_rng(4))
    want = meaning(*inputs)
    for poison in (np.nan, np.inf, -np.inf):
        for token in range(6):
            for part in (1, 2):
                poisoned = [array.copy() for array in inputs]
                poisoned[part][token] = poison
                got = meaning(*poisoned)
                sees = case.seen()[:, token]
                np.testing.assert_array_equal(got[0][~sees], want[0][~sees])
                np.testing.assert_array_equal(got[1][~sees], want[1][~sees])
                if np.isnan(poison):
                    assert np.isnan(got[0][sees]).all()
                    # Values have no part in the logarithms.
                    assert np.isnan(got[1][sees]).all() == (part == 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_as_in_torch(bad):
    case = Prefill(queries=3, keys=4, mask="bidirectional", lse=False)
    meaning = compile_text(case.text)
    for part in (0, 1, 2):
        inputs = case.draw(np.random.default_rng(5))
        inputs[part][1] = np.abs(inputs[part][1]) * bad
        want = torch_attention(case, inputs)
        (got,) = meaning(*inputs)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        np.testing.assert_array_equal(np.isposinf(got), np.isposinf(want))


# --- decode ------------------------------------------------------------------------------------


def draw_table(case: Decode, rng: np.random.Generator) -> np.ndarray | None:
    """Pages in any order, some that the cache does not have."""
    if case.page <= 0:
        return None
    have = case.slots // case.page
    table = rng.permutation(max(case.pages, have) + 1)[: case.pages] - 1
    table[table >= have] = rng.choice([-1, have, 2**31 - 1, -(2**31)])
    return table.astype(np.int32)


def check_decode(case: Decode, lengths: list[int], seed: int) -> None:
    meaning = compile_text(case.text)
    rng = np.random.default_rng(seed)
    for length in lengths:
        table = draw_table(case, rng)
        inputs, numbers = case.draw(rng, length, table)
        check_close(meaning(*inputs), case.want(inputs[0], numbers, length, table))


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "fp8_e4m3", "i8"])
@pytest.mark.parametrize(("page", "pages"), [(0, 0), (3, 5), (-1, 0)])
def test_decode(dtype, page, pages):
    case = Decode(dtype=dtype, page=page, pages=pages)
    check_decode(case, [0, 1, 7, 12, 15, 40, -1, -(2**31), 2**31 - 1], seed=1)


decodes = st.builds(
    lambda pages, page, kind, groups, ratio, dim, table, window, softcap, splits: Decode(
        slots=pages * page,
        heads=groups * ratio,
        groups=groups,
        dim=dim,
        page={"contiguous": 0, "paged": page, "ring": -1}[kind],
        pages=table if kind == "paged" else 0,
        window=window,
        softcap=softcap,
        splits=splits,
    ),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from(["contiguous", "paged", "ring"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 7),
    st.integers(1, 7),
    st.none() | st.integers(1, 24),
    st.none() | st.just(1.5),
    st.none() | st.integers(1, 7),
)


@settings(max_examples=30)
@given(decodes, st.integers(2, 70), st.integers(0, 2**32 - 1))
def test_decode_of_any_shape(case, length, seed):
    full = case.pages * case.page if case.page > 0 else case.slots
    check_decode(case, [0, 1, length, full], seed)


def test_decode_is_the_last_row_of_torch_attention():
    case = Decode(slots=16, heads=6, groups=3, window=5)
    inputs, numbers = case.draw(np.random.default_rng(6), 11)
    result, _ = compile_text(case.text)(*inputs)
    q = torch.tensor(inputs[0]).double()[None, :, None]
    keys, values = (torch.tensor(numbers[:11, part]).transpose(0, 1)[None] for part in (0, 1))
    mask = torch.arange(11)[None] >= 6
    want = torch.nn.functional.scaled_dot_product_attention(
        q, keys, values, attn_mask=mask, scale=float(np.float32(0.3)), enable_gqa=True
    )
    np.testing.assert_allclose(result, want[0, :, 0], **TOLERANCE)


def test_a_seen_nan_reaches_every_result():
    case = Decode(slots=4, groups=1, heads=2, dim=2)
    meaning = compile_text(case.text)
    for part, lse_is_nan in ((0, True), (1, False)):
        inputs, _ = case.draw(np.random.default_rng(7), 4)
        inputs[1].view(np.float32).reshape(4, 2, 1, 2)[2, part] = np.nan
        result, lse = meaning(*inputs)
        assert np.isnan(result).all()
        assert np.isnan(lse).all() == lse_is_nan


# --- merge_partials ----------------------------------------------------------------------------


def merge_text(parts: int, *rows: int, dim: int = 3) -> str:
    shapes = {"%p": f32(parts, *rows, dim), "%s": f32(parts, *rows)}
    outs = {"%o": f32(*rows, dim), "%l": f32(*rows)}
    operation = (
        f"qattn.merge_partials ins(%p, %s : {', '.join(shapes.values())}) "
        f"outs(%o, %l : {', '.join(outs.values())})"
    )
    return function({**shapes, **outs}, operation, list(outs.values()))


@pytest.mark.parametrize("rows", [(4,), (3, 2)])
def test_merging_makes_the_whole(rows):
    """Attention over parts merges to attention over all; a part that saw nothing is left out."""
    rng = np.random.default_rng(8)
    scores, values = rng.normal(size=(5, 6, *rows)) * 9, rng.normal(size=(5, 6, *rows, 3))
    weights = np.exp(scores)
    partials = (weights[..., None] * values).sum(axis=1) / weights.sum(axis=1)[..., None]
    lses = np.log(weights.sum(axis=1))
    partials[2], lses[2], weights[2] = np.nan, -np.inf, 0.0
    total = weights.sum(axis=(0, 1))
    want = (weights[..., None] * values).sum(axis=(0, 1)) / total[..., None]
    out, lse = np.full((*rows, 3), np.nan, np.float32), np.full(rows, np.nan, np.float32)
    got = compile_text(merge_text(5, *rows))(
        partials.astype(np.float32), lses.astype(np.float32), out, lse
    )
    check_close(got, (want, np.log(total)))


def test_merging_nothing_and_much():
    meaning = compile_text(merge_text(2, 1))
    out, lse = np.zeros((1, 3), np.float32), np.zeros(1, np.float32)
    partials = np.arange(6, dtype=np.float32).reshape(2, 1, 3)

    def merged(first, second):
        return meaning(partials, np.array([[first], [second]], np.float32), out, lse)

    result, total = merged(-np.inf, -np.inf)
    assert not result.any()
    assert np.isneginf(total).all()
    # Logarithms whose exponentials f32 does not hold.
    result, total = merged(3e4, 3e4)
    np.testing.assert_allclose(result, [[1.5, 2.5, 3.5]], rtol=1e-6)
    np.testing.assert_allclose(total, 3e4 + np.log(2.0), rtol=1e-6)
    np.testing.assert_array_equal(merged(-3e38, 3e38)[0], [[3, 4, 5]])
    assert all(np.isnan(array).all() for array in merged(np.nan, 0.0))
