"""The CPU's kernel of qattn.decode on caches of several blocks, and with every number of heads."""

import functools

import numpy as np
import pytest

from headrace import ir
from headrace.check.compiled import Compiled
from headrace.check.operations import decode
from headrace.check.operations.decode import Decode
from headrace.check.operations.running import worst_of
from headrace.modules import parse_text
from headrace.references import attention
from headrace.references.caches import KVCache, Layout

LAYOUTS = {
    "contiguous": Layout("contiguous", 150),
    "ring": Layout("ring", 97),
    "paged": Layout("paged", 160, 16),
}
SHAPES = [
    # heads of queries, of keys, dim, window, softcap, splits
    (8, 2, 64, None, None, None),
    (7, 1, 40, 60, None, 3),
    (3, 3, 129, None, 30.0, 4),
    (12, 2, 16, 33, 20.0, None),
]


@pytest.mark.parametrize("target", ["cpu", "cpu:x86-64-v3"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "fp8_e4m3", "i8"])
def test_decode(dtype, layout, target):
    number = ["f32", "bf16", "f16", "fp8_e4m3", "i8"].index(dtype) + list(LAYOUTS).index(layout)
    heads, groups, dim, window, softcap, splits = SHAPES[number % len(SHAPES)]
    cache = KVCache(LAYOUTS[layout], groups, dim, dtype)
    case = decode.case_of(
        Decode("blocks", cache, heads, window=window, softcap=softcap, splits=splits)
    )
    program = Compiled(parse_text(case.module, ir.Context(), case.title), target)
    found = worst_of(program, list(case.runs(np.random.default_rng(number))))
    assert found.error <= found.bound, found


@functools.cache
def integers(heads, groups, dim, tokens, target="cpu"):
    """A program of one decode over an 8-bit cache, by limbs where the CPU can, and the cache."""
    cache = KVCache(Layout("contiguous", tokens), groups, dim, "i8")
    case = decode.case_of(Decode("one", cache, heads))
    return Compiled(parse_text(case.module, ir.Context(), "test"), target), cache


def drawn(cache, heads, seed):
    """(bytes of a full cache, q)."""
    rng = np.random.default_rng(seed)
    shape = (cache.layout.slots, cache.heads, cache.dim)
    k, v = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
    return data, rng.normal(size=(heads, cache.dim)).astype(np.float32)


def scales(cache, data):
    """The scales in the bytes of a cache: [token][keys, values][head]."""
    tail = data[cache.storage_bytes - 8 * cache.layout.slots * cache.heads :]
    return tail.view(np.float32).reshape(cache.layout.slots, 2, cache.heads)


def run(program, cache, q, data, length):
    outs = [np.zeros(q.shape, np.float32), np.zeros(len(q), np.float32)]
    return program(q, data.view(np.int8), np.array([length], np.int32), *outs)


@pytest.mark.parametrize("change", ["none", "tiny", "huge", "negative", "nan", "inf", "zero"])
def test_integers_take_any_scale(change):
    """By limbs and by floats, within a block and in all: the same as of another CPU."""
    heads, tokens = 6, 200
    program, cache = integers(heads, 2, 72, tokens)
    other, _ = integers(heads, 2, 72, tokens, "cpu:x86-64-v3")
    data, q = drawn(cache, heads, 1)
    kept = scales(cache, data)
    values = {"tiny": 1e-36, "huge": 1e34, "negative": -0.01, "nan": np.nan, "inf": np.inf}
    kept[70:75, 1, 0] = values.get(change, 0.0 if change == "zero" else 0.01)
    if change in ("tiny", "huge", "zero"):
        kept[:, 1, 1] = values.get(change, 0.0)
    for length in (1, 70, 71, 200):
        got = run(program, cache, q, data, length)
        want = run(other, cache, q, data, length)
        for result, expected in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
            for row, wanted in zip(result, expected, strict=True):
                some = np.isfinite(wanted)
                size = np.abs(wanted[some]).max(initial=0.0)
                np.testing.assert_allclose(row[some], wanted[some], rtol=1e-5, atol=1e-5 * size)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-37, 1e36, 0.0])
def test_integers_take_any_query(value):
    """One head's query does not change what others get."""
    heads, tokens = 8, 100
    program, cache = integers(heads, 2, 128, tokens)
    other, _ = integers(heads, 2, 128, tokens, "cpu:x86-64-v3")
    data, q = drawn(cache, heads, 2)
    q[5] *= np.float32(value) if np.isfinite(value) else np.float32(1)
    if not np.isfinite(value):
        q[5, 17] = value
    with np.errstate(invalid="ignore"):
        got, want = run(program, cache, q, data, 100), run(other, cache, q, data, 100)
    for result, expected in zip(got, want, strict=True):
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        np.testing.assert_allclose(np.delete(result, 5, 0), np.delete(expected, 5, 0), atol=1e-5)
    if value != 1e36:  # there one token has all the weight, or two that are equal but for rounding
        np.testing.assert_allclose(got[0][5], want[0][5], atol=1e-5)


def test_integers_read_no_other_token():
    """Lengths around tiles and blocks; what lies behind is NaN, and of codes anything."""
    program, cache = integers(4, 1, 64, 140)
    data, q = drawn(cache, 4, 3)
    for length in (1, 3, 15, 16, 17, 63, 64, 65, 127, 129, 140):
        poisoned = data.copy()
        scales(cache, poisoned)[length:] = np.nan
        poisoned[length * 128 : 140 * 128] = 0x80
        keys, values = cache.values(data)
        want = attention.decode(q, keys[:length], values[:length], 64**-0.5)
        for result, expected in zip(run(program, cache, q, poisoned, length), want, strict=True):
            np.testing.assert_allclose(result, expected, atol=1e-5)
