"""A prefill in bf16 and in 8 bits: its meaning, its error against exact attention, and NaN."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from attention_programs import prefill_numbers

from headrace import ir
from headrace.check.operations.attention import Prefill, module_of, outs_of
from headrace.check.operations.text import poison
from headrace.modules import parse_text
from headrace.reference_jit import Meaning
from headrace.references import attention, rounded_attention
from headrace.references.caches import KVCache, Layout

# What dialects/QAttn/QAttnAttentionOps.td and docs/attention.md say, for 4096 tokens.
ERRORS = {"bf16": 3.4e-3, "i8": 1.3e-2}


def meaning(shape):
    program = Meaning(parse_text(module_of(shape), ir.Context(), shape.what))
    return lambda *inputs: program(*inputs, *poison(outs_of(shape)))


def distance(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


@pytest.mark.parametrize("precision", rounded_attention.PRECISIONS)
def test_error_against_exact_attention(precision):
    """The last queries of a long prompt, of which every row has the documented error."""
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(n, 1, 128)).astype(np.float32) for n in (24, 4096, 4096))
    offset, scale = 4096 - 24, 128**-0.5
    want, logs = attention.prefill(q, k, v, scale, offset=offset)
    got, lse = rounded_attention.prefill(q, k, v, scale, precision, offset=offset)
    error = distance(got, want)
    assert ERRORS[precision] / 1.5 < error < ERRORS[precision] * 1.5
    assert np.abs(lse - logs).max() < 5e-3


@pytest.mark.parametrize("precision", rounded_attention.PRECISIONS)
@pytest.mark.parametrize("size", [1e-25, 1e-3, 1e3, 1e15])
def test_meaning_of_any_magnitude(precision, size):
    shape = Prefill("sizes", 5, 260, 4, 2, 8, 6, offset=True, precision=precision)
    q, k, v = prefill_numbers(shape, np.random.default_rng(2))
    q, k, v = q * np.float32(size), k / np.float32(size), v * np.float32(size)
    offset = np.array([255], np.int32)
    got = meaning(shape)(q, k, v, offset)
    want = rounded_attention.prefill(q, k, v, shape.scale, precision, offset=255)
    for one, other in zip(got, want, strict=True):
        assert distance(one, other) < 2e-3
    exact = attention.prefill(q, k, v, shape.scale, offset=255)
    assert distance(got[0], exact[0]) < 3 * ERRORS[precision]


@pytest.mark.parametrize("precision", rounded_attention.PRECISIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_what_sees_it_only(precision, bad):
    """Of a key and of a value in the middle of a block, and of a query."""
    shape = Prefill("bad", 6, 6, 4, 2, 5, 5, precision=precision)
    program = meaning(shape)
    inputs = prefill_numbers(shape, np.random.default_rng(3))
    clean = program(*inputs)
    for part in (1, 2):
        spoiled = [array.copy() for array in inputs]
        spoiled[part][3, 1, 2] = bad
        for got, want in zip(program(*spoiled), clean, strict=True):
            assert np.isnan(got[3:, 2:]).all()
            np.testing.assert_array_equal(got[:3], want[:3])
            np.testing.assert_array_equal(got[:, :2], want[:, :2])
    spoiled = [array.copy() for array in inputs]
    spoiled[0][2, 1, 0] = bad
    for got, want in zip(program(*spoiled), clean, strict=True):
        assert np.isnan(got[2, 1]).all()
        got[2, 1] = want[2, 1]
        np.testing.assert_array_equal(got, want)


def test_one_large_weight_does_not_hide_other_blocks():
    """A token that takes most of the weight, as the first of a prompt often does, and has small
    values: weights are relative to the largest product with the scale of values, of a block."""
    rng = np.random.default_rng(4)
    q = rng.choice([-1, 1], size=(1, 1, 64)).astype(np.float32)  # exact in 8 bits
    k, v = (rng.normal(size=(2048, 1, 64)).astype(np.float32) for _ in range(2))
    k[[0, 300]] = q[0] * 1.5
    v[0] *= 1e-5
    v[300] = 0
    want, _ = attention.prefill(q, k, v, 1 / 8, causal=False)
    got, _ = rounded_attention.prefill(q, k, v, 1 / 8, "i8", causal=False)
    assert distance(got, want) < 0.05


def test_what_a_cache_of_i8_holds_is_exact():
    """Its keys and values are the operands; only the query and the weights are rounded."""
    rng = np.random.default_rng(5)
    k, v = (rng.normal(size=(9, 2, 16)).astype(np.float32) for _ in range(2))
    cache = KVCache(Layout("contiguous", 9), 2, 16, "i8")
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
    for stored in cache.fetch(data, 9, 0):
        operands = rounded_attention.rounded(stored, "i8")
        back = operands.numbers * operands.factors[..., None]
        np.testing.assert_allclose(back, stored, rtol=3e-7)


def test_operands_of_bf16_are_rounded_to_nearest():
    x = np.random.default_rng(6).normal(size=(4, 3, 7)).astype(np.float32)
    operands = rounded_attention.rounded(x, "bf16")
    np.testing.assert_array_equal(operands.numbers, x.astype(ml_dtypes.bfloat16).astype(float))
    assert (operands.factors == 1).all()
