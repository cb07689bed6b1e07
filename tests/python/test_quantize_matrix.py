"""Whole matrices: the same bytes as `Format.encode` for any number of threads, and true errors."""

from __future__ import annotations

import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from headrace import formats
from headrace.errors import UsageError
from headrace.formats import native
from headrace.quantize import matrix as matrix_module
from headrace.quantize.matrix import quantize_matrix

# Of each kind of codec: native, of single rows, of blocks of rows that pad.
ROW_WISE = ["q4_k", "q6_k", "q8_0", "q4nx"]


def normal(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, cols), dtype=np.float32)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_module, "_CHUNK", 4096)


@pytest.mark.parametrize("name", ROW_WISE)
@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.usefixtures("small_chunks")
def test_bytes_and_errors_do_not_depend_on_threads(name: str, threads: int) -> None:
    values = normal(75, 1024)  # not whole blocks of q4nx, nor whole chunks
    form = formats.get(name)
    result = quantize_matrix(values, name, threads=threads)
    assert (result.format, result.rows, result.cols) == (form, 75, 1024)
    assert np.array_equal(result.data, form.encode(values))
    error = form.decode(result.data, 75, 1024).astype(np.float64) - values
    assert result.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
    assert result.relative_rmse == pytest.approx(result.rmse / np.sqrt(np.mean(values**2.0)))
    assert result.max_error == np.max(np.abs(error))
    again = quantize_matrix(values, form)
    assert (again.rmse, again.max_error) == (result.rmse, result.max_error)


def whole_matrix_format() -> formats.Format:
    """q8_0 with a header of one byte: encoded as a whole."""
    inner = formats.get("q8_0")

    def encode(values: np.ndarray, rows: int, cols: int) -> np.ndarray:
        packed = inner.encode(values)
        return np.concatenate([np.full(1, 7, dtype=np.uint8), packed])

    return formats.Format(
        name="test",
        attribute="#test",
        summary="",
        checked_by="",
        block_shape=inner.block_shape,
        block_bytes=inner.block_bytes,
        largest=inner.largest,
        header_bytes=lambda rows, cols: 1,
        scales=lambda raw, rows, cols: [],
        encode_matrix=encode,
        decode_matrix=lambda raw, rows, cols: inner.decode(raw[1:], rows, cols),
    )


@pytest.mark.usefixtures("small_chunks")
def test_formats_of_whole_matrices_are_encoded_at_once() -> None:
    values = normal(9, 1024)
    calls: list[tuple[int, int]] = []
    result = quantize_matrix(
        values, whole_matrix_format(), progress=lambda done, of: calls.append((done, of))
    )
    rows = quantize_matrix(values, "q8_0")
    assert np.array_equal(result.data[1:], rows.data)
    assert result.data[0] == 7
    assert result.rmse == pytest.approx(rows.rmse, rel=1e-12)
    assert result.max_error == rows.max_error
    assert calls == [(9216, 9216)]


@pytest.mark.usefixtures("small_chunks")
def test_progress_counts_values_in_the_calling_thread() -> None:
    calls: list[tuple[int, int, int]] = []

    def progress(done: int, of: int) -> None:
        calls.append((done, of, threading.get_ident()))

    quantize_matrix(normal(10, 2048), "q4_k", threads=3, progress=progress)
    assert [done for done, _, _ in calls] == [4096, 8192, 12288, 16384, 20480]
    assert {(of, thread) for _, of, thread in calls} == {(20480, threading.get_ident())}


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_float_types_are_taken(dtype: type) -> None:
    values = normal(6, 512).astype(dtype)
    expected = quantize_matrix(values.astype(np.float32), "q4_k")
    assert np.array_equal(quantize_matrix(values, "q4_k").data, expected.data)


def test_memory_maps_and_strided_arrays_are_taken(tmp_path: Path) -> None:
    values = normal(12, 512)
    values.tofile(tmp_path / "weights")
    mapped = np.memmap(tmp_path / "weights", dtype=np.float32, mode="r", shape=(12, 512))
    expected = quantize_matrix(values, "q6_k")
    assert np.array_equal(quantize_matrix(mapped, "q6_k").data, expected.data)
    turned = np.ascontiguousarray(values.T).T
    assert np.array_equal(quantize_matrix(turned, "q6_k").data, expected.data)


@pytest.mark.usefixtures("small_chunks")
def test_importance_reaches_the_search() -> None:
    values = normal(40, 512)
    importance = np.where(np.arange(512) < 100, 50.0, 1.0)
    result = quantize_matrix(values, "q4_k", importance=importance)
    expected = native.encode_blocks("q4_k", values, importance.astype(np.float32))
    assert np.array_equal(result.data, expected)
    assert not np.array_equal(result.data, native.encode_blocks("q4_k", values))


def test_zeros_have_no_error() -> None:
    result = quantize_matrix(np.zeros((2, 256), dtype=np.float32), "q4_k")
    assert (result.rmse, result.relative_rmse, result.max_error) == (0, 0, 0)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_bad_values_are_named_by_their_place_in_the_matrix(bad: float) -> None:
    values = normal(90, 512)
    values[83, 17] = bad
    values[60, 5] = bad
    with pytest.raises(UsageError, match="q4_k: cannot encode .* at row 60, column 5; allowed"):
        quantize_matrix(values, "q4_k", threads=2)


def test_bad_requests_are_refused() -> None:
    values = normal(4, 512)
    with pytest.raises(UsageError, match="unknown format 'q4_x', did you mean"):
        quantize_matrix(values, "q4_x")
    with pytest.raises(UsageError, match="expected a matrix of floats to quantize, but got int32"):
        quantize_matrix(values.astype(np.int32), "q4_k")
    with pytest.raises(UsageError, match=r"of shape \[512\]"):
        quantize_matrix(values[0], "q4_k")
    with pytest.raises(UsageError, match="multiple of 256, but got 4x500"):
        quantize_matrix(values[:, :500], "q4_k")
    with pytest.raises(UsageError, match="at least one row and column, but got 0x512"):
        quantize_matrix(values[:0], "q4_k")
    with pytest.raises(UsageError, match="expected at least one thread, but got 0"):
        quantize_matrix(values, "q4_k", threads=0)
    with pytest.raises(UsageError, match="q8_0: expected no importance of columns"):
        quantize_matrix(values, "q8_0", importance=np.ones(512))
    with pytest.raises(UsageError, match="importance of 512 columns, but got float64"):
        quantize_matrix(values, "q4_k", importance=np.ones(511))
    with pytest.raises(UsageError, match="importance of 512 columns"):
        quantize_matrix(values, "q4_k", importance=["a"] * 512)
    with pytest.raises(UsageError, match="finite importances of at least 0"):
        quantize_matrix(values, "q4_k", importance=np.full(512, -1.0))


@pytest.mark.parametrize("name", [n for n in formats.names() if not n.startswith("act_")])
def test_every_format_is_split_into_its_own_rows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = normal(512, 1024)
    form = formats.get(name)
    monkeypatch.setattr(matrix_module, "_CHUNK", 256 * 1024)
    assert np.array_equal(quantize_matrix(values, form, threads=2).data, form.encode(values))
