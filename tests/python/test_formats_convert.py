"""Conversions between formats: exact where they say so, refused or reported where not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import formats
from headrace.errors import UsageError

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
]
INEXACT = [
    ("q4_k", "q4_k:zigzag", "groups lie along the columns in one, along the rows in the other"),
    ("q4_0:zigzag", "q4_0", "groups lie along"),
    ("q8_0", "q4_0", "their codes and scales are not the same"),
    ("bf16", "q4nx", "their codes"),
    ("q4_k", "int4:g32", "their codes"),
    ("nvfp4", "fp8_e4m3:per_block", "their codes"),
    ("q8_0", "codebook:d2:e16:g512", "their codes"),
]


def random_bytes(name: str, rows: int, cols: int, seed: int) -> np.ndarray:
    form, draw = formats.get(name), np.random.default_rng(seed)
    data = draw.integers(0, 256, form.storage_bytes(rows, cols), dtype=np.uint8)
    for view in form.scales(data, *form.padded_shape(rows, cols)):
        view[...] = draw.uniform(-0.02, 0.02, view.shape).astype(view.dtype)
    return data


@pytest.mark.parametrize(("source", "target"), EXACT + [pair[::-1] for pair in EXACT])
@settings(max_examples=8, deadline=None)
@given(rows=st.integers(1, 40), blocks=st.integers(1, 2), seed=st.integers(0, 1 << 30))
def test_exact(source, target, rows, blocks, seed):
    cols = 256 * blocks
    data = random_bytes(source, rows, cols, seed)
    result = formats.convert(data, rows, cols, source, target)
    assert result.exact and result.relative_rmse == result.max_error == 0.0
    old = formats.get(source).decode(data, rows, cols)
    new = formats.get(target).decode(result.data, rows, cols, keep_padding=True)
    np.testing.assert_array_equal(new[:rows, :cols], old)
    assert not new[rows:].any()
    back = formats.convert(result.data, rows, cols, target, source)
    assert back.exact
    np.testing.assert_array_equal(formats.get(source).decode(back.data, rows, cols), old)
    if formats.get(source).padded_shape(rows, cols) == (rows, cols):
        np.testing.assert_array_equal(back.data, data)


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
    with pytest.raises(UsageError, match="q4_0: cannot encode nan at row 0, column 0"):
        formats.convert(data, 4, 96, "q8_0", "q4_0", requantize=True)
