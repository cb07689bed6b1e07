"""Conversions between formats: exact where they say so, refused or reported where not."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import formats, ops
from headrace.errors import UsageError
from headrace.reference_jit import Meaning

EXACT = [
    ("q4_0", "q4_0"),
    ("q4_0", "q4_0:rows8"),
    ("q4_k", "q4_k:rows4"),
    ("q8_0:rows4", "q8_0:rows16"),
    ("bf16", "bf16:zigzag"),
    ("f16:zigzag512", "f16:rows4"),
    ("q4_0", "int4:g32"),
    ("q8_0", "int8:g32"),
    ("q4_0:rows8", "int4:g32:rows4"),
    ("q8_0:rows4", "int8:g32"),
    ("int4:g32", "int4:g32:rows8"),
    ("int4:g16:zp:bf16:rows4", "int4:g16:zp:bf16:rows16"),
    ("int8:g64:fz", "int8:g64:fz:rows4"),
    ("q4_0:zigzag", "q4_0:zigzag64"),
    ("int4:g32:zigzag96", "q4_0:zigzag32"),
    ("q5_k:zigzag512", "q5_k:zigzag"),
    ("q6_k", "q6_k:strips16"),
    ("q5_1:rows8", "q5_1:strips16"),
    ("q4_0:strips16", "int4:g32"),
]
# The target has more codes than the source, so not back.
WIDER = [
    ("q4_0", "q8_0"),
    ("q5_0", "int8:g32"),
    ("iq4_nl", "q8_0:rows4"),
    ("int4:g32:rows16", "int8:g32"),
    ("q4_0:zigzag32", "int8:g32:zigzag"),
]
INEXACT = [
    ("q4_k", "q4_k:zigzag", "groups lie along the columns in one, along the rows in the other"),
    ("q4_0:zigzag", "q4_0", "groups lie along"),
    ("q8_0", "q4_0", "their codes and scales are not the same"),
    ("bf16", "q4nx", "their codes"),
    ("q4_k", "int4:g32", "their codes"),
    ("nvfp4", "fp8_e4m3:per_block", "their codes"),
    ("q8_0", "codebook:d2:e16:g512", "their codes"),
    ("q8_0:zigzag", "q4_k:zigzag", "their codes and scales"),
    ("bf16", "q8_0:zigzag", "their codes and scales"),
    ("q8_0", "iq4_nl", "their codes"),
]


def random_bytes(name: str, rows: int, cols: int, seed: int) -> np.ndarray:
    form, draw = formats.get(name), np.random.default_rng(seed)
    data = draw.integers(0, 256, form.storage_bytes(rows, cols), dtype=np.uint8)
    for view in form.scales(data, *form.padded_shape(rows, cols)):
        view[...] = draw.uniform(-0.02, 0.02, view.shape).astype(view.dtype)
    return data


@pytest.mark.parametrize(("source", "target"), EXACT + [pair[::-1] for pair in EXACT])
@settings(max_examples=5, deadline=None)
@given(rows=st.integers(1, 40), cols=st.sampled_from([256, 512]), seed=st.integers(0, 1 << 30))
def test_exact(source, target, rows, cols, seed):
    data = random_bytes(source, rows, cols, seed)
    result = formats.convert(data, rows, cols, source, target)
    assert result.exact and result.relative_rmse == result.max_error == 0.0
    old = formats.get(source).decode(data, rows, cols)
    new = formats.get(target).decode(result.data, rows, cols, keep_padding=True)
    np.testing.assert_array_equal(new[:rows, :cols], old)
    # A block of a band that holds true rows stays as it is, whatever its other rows are.
    inner = formats.get(target.split(":zigzag")[0])
    together = inner.block_shape[1] if "zigzag" in target else 1
    assert not new[-(-rows // together) * together :].any()
    back = formats.convert(result.data, rows, cols, target, source)
    assert back.exact
    np.testing.assert_array_equal(formats.get(source).decode(back.data, rows, cols), old)
    if formats.get(source).padded_shape(rows, cols) == (rows, cols):
        np.testing.assert_array_equal(back.data, data)


@pytest.mark.parametrize(("source", "target"), WIDER)
@pytest.mark.parametrize("rows", [1, 45])
def test_codes_fit_into_wider_ones(source, target, rows):
    data = random_bytes(source, rows, 96, rows)
    result = formats.convert(data, rows, 96, source, target)
    assert result.exact
    old = formats.get(source).decode(data, rows, 96)
    new = formats.get(target).decode(result.data, rows, 96)
    np.testing.assert_array_equal(new.view(np.uint32), old.view(np.uint32))
    with pytest.raises(UsageError, match="their codes and scales are not the same"):
        formats.convert(result.data, rows, 96, target, source)


@pytest.mark.parametrize(("source", "target"), [*EXACT, *WIDER])
def test_the_compiler_reads_the_same_values(source, target):
    """By `qlinear.dequantize` on MLIR's JIT, so that no codec of ours takes part."""
    rows, cols = 9, 256
    data = random_bytes(source, rows, cols, 3)
    new = formats.convert(data, rows, cols, source, target).data
    before, after = (
        Meaning(ops.dequantize(rows, cols, format=name).build())(raw.view(np.int8))[0]
        for name, raw in ((source, data), (target, new))
    )
    np.testing.assert_array_equal(before, after)
    assert before.any()


@pytest.mark.parametrize("target", ["q4_0:rows4", "int4:g32:rows16", "q8_0:rows8"])
def test_columns_that_the_layout_pads(target):
    data = random_bytes("q4_0:rows8", 11, 41, 2)
    result = formats.convert(data, 11, 41, "q4_0:rows8", target)
    assert result.exact
    old, new = formats.get("q4_0:rows8"), formats.get(target)
    np.testing.assert_array_equal(new.decode(result.data, 11, 41), old.decode(data, 11, 41))


def test_the_result_is_memory_of_its_own():
    for source, target in (("q4_0", "q4_0"), ("q4_0:rows4", "q4_0"), ("q4_0", "q4_0:rows4")):
        data = random_bytes(source, 4, 32, 0)
        result = formats.convert(data, 4, 32, source, target).data
        assert not np.may_share_memory(result, data)
    assert formats.convert(data.tobytes(), 4, 32, "q4_0", "q4_0").data.flags.writeable


def test_the_row_of_a_value_that_cannot_be_held_is_that_of_the_matrix():
    data = random_bytes("q8_0", 2300, 2048, 1).reshape(2300, -1)
    data[2200, 34:36] = np.array([np.inf], np.float16).view(np.uint8)
    data[2200, 36] = 1
    with pytest.raises(UsageError, match="q4_0 cannot hold inf at row 2200, column 32; allowed"):
        formats.convert(data, 2300, 2048, "q8_0", "q4_0", requantize=True)


@pytest.mark.parametrize(
    ("source", "target"), [("q8_0", "q4_0"), ("q8_0", "q8_0:rows4"), ("q4_0", "int8:g32")]
)
def test_memory_is_bounded(source, target):
    """Beyond input and result: a fixed number of values, and a copy of the bytes."""
    rows, cols = 8192, 2048
    data = np.tile(random_bytes(source, 1, cols, 0), rows)
    tracemalloc.start()
    try:
        result = formats.convert(data, rows, cols, source, target, requantize=True)
        peak = tracemalloc.get_traced_memory()[1] - result.data.nbytes
    finally:
        tracemalloc.stop()
    assert peak < 64e6 + data.nbytes  # the values alone are 67e6 bytes as float32


@pytest.mark.parametrize(("source", "target", "why"), INEXACT)
def test_requantizing_is_refused_or_reported(source, target, why):
    rows, cols = 300, 256
    data = random_bytes(source, rows, cols, 5)
    with pytest.raises(UsageError, match=why) as refused:
        formats.convert(data, rows, cols, source, target)
    assert f"{source} to {target} needs requantizing" in str(refused.value)
    assert "requantize=True" in str(refused.value)
    result = formats.convert(data, rows, cols, source, target, requantize=True)
    old = formats.get(source).decode(data, rows, cols).astype(np.float64)
    np.testing.assert_array_equal(result.data, formats.get(target).encode(old.astype(np.float32)))
    error = formats.get(target).decode(result.data, rows, cols) - old
    assert not result.exact
    assert result.max_error == pytest.approx(np.abs(error).max())
    assert result.relative_rmse == pytest.approx(np.sqrt(np.mean(error**2) / np.mean(old**2)))
    assert result.relative_rmse < 0.3


def test_large_matrices_are_converted_in_pieces():
    rows, cols = 2300, 2048  # more than one piece, the last partial
    data = random_bytes("q8_0", rows, cols, 1)
    result = formats.convert(data, rows, cols, "q8_0", "q4_0", requantize=True)
    values = formats.get("q8_0").decode(data, rows, cols)
    np.testing.assert_array_equal(result.data, formats.get("q4_0").encode(values))


def test_zeros_have_no_relative_error():
    zeros = formats.get("q8_0").encode(np.zeros((4, 256), np.float32))
    result = formats.convert(zeros, 4, 256, "q8_0", "q4_k", requantize=True)
    assert result.relative_rmse == result.max_error == 0.0


def test_refused():
    data = random_bytes("q8_0", 4, 96, 0)
    with pytest.raises(UsageError, match="expected 408 bytes .* in q8_0, but got uint8 of shape"):
        formats.convert(data[:-1], 4, 96, "q8_0", "int8:g32")
    with pytest.raises(UsageError, match="q4_k: expected the number of columns to be a multiple"):
        formats.convert(data, 4, 96, "q8_0", "q4_k", requantize=True)
    with pytest.raises(UsageError, match="unknown format 'q9_0'"):
        formats.convert(data, 4, 96, "q8_0", "q9_0")
    data[:2] = np.array([np.nan], np.float16).view(np.uint8)
    with pytest.raises(UsageError, match="q4_0 cannot hold nan at row 0, column 0; allowed"):
        formats.convert(data, 4, 96, "q8_0", "q4_0", requantize=True)
