"""References of caches: what appended tokens read as, where they lie, and how they are rounded."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.quantize.mla_kv import quantize_mla
from headrace.references.caches import KVCache, Layout, MlaCache, quantize_latents

ROUNDING = {"f32": 0.0, "bf16": 2**-8, "f16": 2**-11, "fp8_e4m3": 2**-4, "i8": 0.5}
LAYOUTS = [Layout("contiguous", 12), Layout("ring", 12), Layout("paged", 12, 4)]


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.kind)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_what_is_appended_is_fetched(dtype, layout):
    cache = KVCache(layout, 2, 5, dtype)
    table = np.array([2, 0, 1], np.int32) if layout.page else None
    k, v = some(1, 7, 2, 5), some(2, 7, 2, 5) * 100
    data = cache.append(np.full(cache.storage_bytes, 0xFF, np.uint8), k, v, 2, table)
    assert data.dtype == np.uint8 and data.size == cache.storage_bytes
    for got, want in zip(cache.fetch(data, 2, 7, table), (k, v), strict=True):
        largest = np.abs(want).max(axis=2, keepdims=True)
        # Codes of 8 bits without a scale of their own are relative to the largest of a head.
        bound = largest / 127 * 0.5001 if dtype == "i8" else np.abs(want) * ROUNDING[dtype] + 1e-6
        if dtype == "fp8_e4m3":
            bound = np.abs(want) * 2**-4 + largest / 448 * 2**-9
        assert (np.abs(got - want) <= bound).all()
    # In two pieces it is the same.
    pieces = cache.append(np.full(cache.storage_bytes, 0xFF, np.uint8), k[:3], v[:3], 2, table)
    np.testing.assert_array_equal(cache.append(pieces, k[3:], v[3:], 5, table), data)


def test_bytes_are_in_the_described_order():
    """Keys of the heads of a slot, then values; behind all slots scales in the same order."""
    cache = KVCache(Layout("contiguous", 2), 2, 3, "i8")
    k = np.array([[[127, 1, 2], [254, 4, 6]]], np.float32)
    v = np.array([[[-127, 7, 8], [0, 0, 0]]], np.float32)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 1)
    codes = data[12:24].view(np.int8)
    np.testing.assert_array_equal(codes, [127, 1, 2, 127, 2, 3, -127, 7, 8, 0, 0, 0])
    np.testing.assert_array_equal(data[24:].view(np.float32), [0, 0, 0, 0, 1, 2, 1, 1])
    assert cache.type == "!qattn.kv_cache<2x2x3, i8, scale = per_token>"
    wide = KVCache(Layout("paged", 8, 4), 1, 2, "bf16")
    assert wide.type == "!qattn.kv_cache<8x1x2, bf16, layout = paged<4>>"
    assert wide.storage_bytes == 8 * 2 * 2 * 2


def test_latents_are_in_the_described_order():
    """644 bytes a token for 512 + 64: codes, scale, rotated part."""
    cache = MlaCache(Layout("ring", 4), 512, 64, "fp8_e4m3")
    assert cache.storage_bytes == 4 * 644
    assert cache.type == "!qattn.mla_cache<4x512+64, fp8_e4m3, layout = ring>"
    content, rope = some(3, 1, 512), some(4, 1, 64)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), content, rope, 5)
    token = data[644:1288]
    scale = token[512:516].view(np.float32)[0]
    assert scale == np.abs(content).max() / np.float32(448)
    codes = token[:512].view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    np.testing.assert_array_equal(codes, (content[0] / scale).astype(ml_dtypes.float8_e4m3fn))
    np.testing.assert_array_equal(
        token[516:].view(ml_dtypes.bfloat16), (rope[0] / scale).astype(ml_dtypes.bfloat16)
    )
    fetched = cache.fetch(data, 5, 1)
    np.testing.assert_allclose(fetched[0], content, atol=np.abs(content).max() / 28)
    np.testing.assert_allclose(fetched[1], rope, rtol=2**-7)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**20),
    size=st.sampled_from([0.0, 1e-30, 1e-5, 1.0, 1e20]),
    rope_size=st.sampled_from([0.0, 1.0, 1e12]),
)
def test_latents_are_quantized_as_models_are(seed, size, rope_size):
    """By the quantizer of weights and caches, which is other code."""
    content, rope = (
        some(seed, 4, 16) * np.float32(size),
        some(seed + 1, 4, 6) * np.float32(rope_size),
    )
    codes, scale, scaled = quantize_latents(content, rope)
    want = quantize_mla(content, rope)
    np.testing.assert_array_equal(codes.view(np.uint8), want.codes)
    np.testing.assert_array_equal(scale, want.scale)
    np.testing.assert_array_equal(scaled, want.rope.astype(np.float32))


# --- places --------------------------------------------------------------------------------------


def test_slots():
    contiguous, ring, paged = LAYOUTS
    assert [contiguous.slot(t) for t in (-1, 0, 11, 12)] == [None, 0, 11, None]
    assert [ring.slot(t) for t in (-1, 0, 12, 25)] == [None, 0, 0, 1]
    table = np.array([2, -1, 3, 0], np.int32)  # 3 is no page of three
    assert [paged.slot(t, table) for t in (-1, 0, 3, 4, 8, 12, 15, 16)] == [
        None, 8, 11, None, None, 0, 3, None
    ]  # fmt: skip


def test_tokens_that_may_be_seen():
    contiguous, ring, paged = LAYOUTS
    assert contiguous.tokens(5) == range(5)
    assert contiguous.tokens(30) == range(12) and contiguous.tokens(-3) == range(0)
    assert contiguous.tokens(14, window=4) == range(10, 12)
    assert len(contiguous.tokens(50, window=4)) == 0
    assert ring.tokens(30) == range(18, 30) and ring.tokens(30, window=4) == range(26, 30)
    assert ring.tokens(5) == range(5) and len(ring.tokens(-2)) == 0
    table = np.array([1, 0], np.int32)
    assert paged.tokens(30, table) == range(8) and paged.tokens(6, table, 2) == range(4, 6)
    assert paged.seen(range(2, 6), table) == [6, 7, 0, 1]
    assert paged.seen(range(2, 6), np.array([-1, 0], np.int32)) == [0, 1]


def test_what_has_no_slot_is_dropped_and_reads_as_zeros():
    cache = KVCache(Layout("contiguous", 3), 1, 2, "f32")
    k, v = some(5, 4, 1, 2), some(6, 4, 1, 2)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, -2)
    got = cache.fetch(data, -1, 5)[0]
    np.testing.assert_array_equal(got[1:3], k[2:])
    assert not got[0].any() and not got[3:].any()


def test_a_ring_keeps_the_last():
    cache = KVCache(Layout("ring", 3), 1, 2, "f32")
    k, v = some(7, 8, 1, 2), some(8, 8, 1, 2)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
    np.testing.assert_array_equal(cache.fetch(data, 5, 3)[1], v[5:])


@pytest.mark.parametrize("dtype", ["fp8_e4m3", "i8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_makes_its_head_nan(dtype, value):
    cache = KVCache(Layout("contiguous", 2), 2, 3, dtype)
    k = some(9, 2, 2, 3)
    k[1, 0, 1] = value
    got = cache.fetch(cache.append(np.zeros(cache.storage_bytes, np.uint8), k, -k, 0), 0, 2)
    for part in got:
        assert np.isnan(part[1, 0]).all()
        assert np.isfinite(part[0]).all() and np.isfinite(part[1, 1]).all()


def test_zeros_have_scale_one():
    cache = KVCache(Layout("contiguous", 1), 1, 3, "fp8_e4m3")
    zero = np.zeros((1, 1, 3), np.float32)
    data = cache.append(np.full(cache.storage_bytes, 7, np.uint8), zero, zero, 0)
    np.testing.assert_array_equal(data[6:].view(np.float32), [1, 1])
    assert not data[:6].any()
