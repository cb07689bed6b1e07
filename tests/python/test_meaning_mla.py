"""What latent attention means: decompositions against float64, over all kinds of caches."""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latent_caches import CONTENT, FP8_BOUND, LAYOUTS, ROPE, SLOTS, Decode, Filled, check

from headrace import ir, run_reference
from headrace.modules import parse_text
from headrace.quantize.mla_kv import quantize_mla
from headrace.reference import BOUNDS, relative_l2
from headrace.reference_jit import Meaning
from headrace.references import attention
from headrace.references.caches import MlaCache

lengths = st.sampled_from([-5, 0, 1, 2, 31, 63, 64, 65, 129, SLOTS - 1, SLOTS, SLOTS + 40, 700])


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(["f32", "bf16", "fp8_e4m3"]),
    length=lengths,
    size=st.sampled_from([0.0, 1e-18, 1.0, 1e30]),
    seed=st.integers(0, 1 << 30),
)
def test_decode_is_softmax_of_what_is_seen(layout, dtype, length, size, seed):
    """Whatever slots that are not seen hold, and wherever tokens lie."""
    filled = Filled(MlaCache(LAYOUTS[layout], CONTENT, ROPE, dtype), length, seed, size)
    check(filled.run(), filled.exact(), BOUNDS["f32"])


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    length=lengths,
    size=st.sampled_from([0.0, 1e-18, 1e-3, 1.0, 1e30]),
    rope_size=st.sampled_from([0.0, 1.0, 20.0]),
    seed=st.integers(0, 1 << 30),
)
def test_recurrence_is_that_of_the_paper(layout, length, size, rope_size, seed):
    """To the bound of f32 but for a weight that rounds to the other side here and there."""
    kept = MlaCache(LAYOUTS[layout], CONTENT, ROPE, "fp8_e4m3")
    filled = Filled(kept, length, seed, size, rope_size or 1.0)
    if not rope_size:
        filled.q_rope[:] = 0
    got = filled.run(quantized=True)
    want, unrounded = filled.recurrence(), filled.recurrence(rounded=False)
    assert relative_l2(got[0], want[0]) <= 5e-3
    # Only weights are rounded; logarithms, and the recurrence without that, are exact.
    exact = filled.exact(quantized=True)
    check(unrounded, exact, 1e-6)  # what is stored is decoded in f32
    assert relative_l2(got[0], exact[0]) <= FP8_BOUND
    check((exact[0], got[1]), exact, BOUNDS["f32"])


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("layout", ["paged", "ring"])
@pytest.mark.parametrize("length", [0, 1, 2, 64, 65, SLOTS, 500])
def test_parts_are_merged_to_the_whole(layout, length, quantized):
    filled = Filled(MlaCache(LAYOUTS[layout], CONTENT, ROPE, "fp8_e4m3"), length, length + 7)
    splits = 3
    outs, lses, *merged = filled.run(quantized=quantized, splits=splits)
    tokens = filled.tokens()
    size = -(-len(tokens) // splits)
    for part in range(splits):
        mine = tokens[part * size : (part + 1) * size]
        if quantized:
            want = filled.recurrence(mine)
            assert relative_l2(outs[part], want[0]) <= 5e-3
            check((want[0], lses[part]), want, BOUNDS["f32"])
        else:
            check((outs[part], lses[part]), filled.exact(mine), BOUNDS["f32"])
    check(merged, attention.merge_partials(outs, lses), BOUNDS["f32"])
    # Pages begin anew in each part, so weights are rounded with other scales than in one.
    exact = filled.exact(quantized=quantized)
    check(merged, exact, FP8_BOUND if quantized else BOUNDS["f32"])
    check((exact[0], merged[1]), exact, BOUNDS["f32"])


@pytest.mark.parametrize("quantized", [False, True])
def test_nan_reaches_what_sees_it_only(quantized):
    filled = Filled(MlaCache(LAYOUTS["paged"], CONTENT, ROPE, "fp8_e4m3"), 100, 3, holes=False)
    slot = filled.tokens()[70]
    filled.kept.slots(filled.data)["content"][slot, 5] = np.nan
    out, lse = filled.run(quantized=quantized)
    assert np.isnan(out).all() and np.isnan(lse).all()
    # Part 0 of two has 50 tokens.
    out, lse, *_ = filled.run(quantized=quantized, splits=2)
    assert np.isfinite(out[0]).all() and np.isnan(out[1]).all()
    assert np.isfinite(lse[0]).all() and np.isnan(lse[1]).all()
    # Nothing seen is nothing, whatever the query is.
    filled.length = 0
    filled.q[:] = np.inf if not quantized else 1
    filled.q_rope[:] = np.nan if not quantized else 1
    out, lse = filled.run(quantized=quantized)
    assert not out.any() and np.isneginf(lse).all()


# --- quantization ------------------------------------------------------------------------------


@cache
def quantizer(rows: int, content: int, rope: int) -> Meaning:
    kinds = [f"tensor<{rows}x{content}xi8>", f"tensor<{rows}xf32>", f"tensor<{rows}x{rope}xf32>"]
    inputs = f"tensor<{rows}x{content}xf32>, tensor<{rows}x{rope}xf32>"
    return Meaning(
        parse_text(
            f"""
            func.func @main(%c: tensor<{rows}x{content}xf32>, %r: tensor<{rows}x{rope}xf32>)
                -> ({", ".join(kinds)}) {{
              %0 = tensor.empty() : {kinds[0]}
              %1 = tensor.empty() : {kinds[1]}
              %2 = tensor.empty() : {kinds[2]}
              %x:3 = qattn.quantize_kv ins(%c, %r : {inputs}) outs(%0, %1, %2 : {", ".join(kinds)})
                  -> {", ".join(kinds)}
              return %x#0, %x#1, %x#2 : {", ".join(kinds)}
            }}""",
            ir.Context(),
        )
    )


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from([0.0, 1e-44, 1e-38, 1e-30, 1e-10, 1.0, 1e10, 1e35]),
    rope_size=st.sampled_from([0.0, 1e-38, 1.0, 1e4, 1e30]),
    seed=st.integers(0, 1 << 30),
)
def test_quantize_kv_is_the_quantizer_of_caches(size, rope_size, seed):
    """Bit for bit, ties and subnormal numbers too."""
    draw = np.random.default_rng(seed)
    content = (draw.standard_normal((5, 40)) * size).astype(np.float32)
    # Ties of e4m3, whatever the scale is.
    content[1] = np.round(draw.standard_normal(40) * 40) / 8 * np.float32(size)
    content[1, 0] = np.float32(448 * size)
    content[2] = 0
    rope = (draw.standard_normal((5, 6)) * rope_size).astype(np.float32)
    codes, scale, scaled = quantizer(5, 40, 6)(content, rope)
    want = quantize_mla(content, rope)
    np.testing.assert_array_equal(codes.view(np.uint8), want.codes)
    np.testing.assert_array_equal(scale, want.scale)
    np.testing.assert_array_equal(scaled.view(np.int32), want.rope.astype(np.float32).view("i4"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_quantize_kv_makes_nan_of_a_row_that_is_not_finite(bad, where):
    parts = [np.ones((5, 40), np.float32), np.ones((5, 6), np.float32)]
    parts[where][3, 2] = bad
    codes, scale, scaled = quantizer(5, 40, 6)(*parts)
    values = codes.view(ml_dtypes.float8_e4m3fn).astype(np.float32) * scale[:, None]
    for array in (values, scaled * scale[:, None]):
        assert np.isnan(array[3]).all() and np.isfinite(np.delete(array, 3, axis=0)).all()


# --- the other engine --------------------------------------------------------------------------


@pytest.mark.parametrize("quantized", [False, True])
def test_decode_in_iree(quantized):
    filled = Filled(MlaCache(LAYOUTS["paged"], CONTENT, ROPE, "fp8_e4m3"), 150, 5)
    text = Decode(filled.kept, quantized).text
    got = run_reference(text, filled.inputs(quantized), engine="iree")
    check(got, [a.astype(np.float64) for a in filled.run(quantized=quantized)], 1e-4)
