"""What holds for every storage format: shapes, edges, errors, memory, no native code."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

import headrace_runtime
from headrace import formats
from headrace.check import independent
from headrace.errors import UsageError

NAMES = formats.names()

# One format of each family, for what is slow or does not depend on parameters.
FAMILIES = list({re.sub(r"<.*", "", formats.get(name).attribute): name for name in NAMES}.values())

# Largest error of a value, in units of the largest magnitude of what shares its scale: half a step,
# and for those whose range is fitted, or whose scales are coarse, what the extremes may lose. The
# name is that of the format, or all before its parameters. A new format needs an entry.
WORST = {
    "q4_0": 0.13,
    "q4_1": 0.07,
    "q5_0": 0.07,
    "q5_1": 0.04,
    "q8_0": 0.005,
    "q2_k": 0.6,
    "q3_k": 0.4,
    "q4_k": 0.2,
    "q5_k": 0.1,
    "q6_k": 0.05,
    "iq4_nl": 0.16,
    "q4nx": 0.2,
    "bf16": 0.004,
    "f16": 0.0005,
    "fp8_e4m3": 0.04,
    "fp8_e5m2": 0.072,
    "mxfp4": 0.26,
    "mxfp8_e4m3": 0.13,
    "mxfp8_e5m2": 0.13,
    "nvfp4": 0.18,
    "int2": 0.7,
    "int4": 0.6,
    "int8": 0.25,
    "codebook": 0.6,
    "act_i8": 0.004,
}


def worst(name: str) -> float:
    """The entry of a format; that of zigzag and repacked is the inner format's."""
    return WORST[name.partition(":")[0]]


def scope(name: str, magnitudes: np.ndarray) -> np.ndarray:
    """The largest magnitude of what shares a scale with each value, at most the whole matrix."""
    form = formats.get(name)
    rows, cols = magnitudes.shape
    if form.header_bytes(*form.padded_shape(rows, cols)) or form.block_shape[0] > 1:
        return np.full((rows, cols), magnitudes.max())
    width = cols if form.row_extra else form.block_shape[1]
    most = magnitudes.reshape(rows, cols // width, width).max(axis=2)
    return most.repeat(width, axis=1)


def round_trip(name: str, values: np.ndarray) -> np.ndarray:
    form = formats.get(name)
    return form.decode(form.encode(values), *values.shape)


def test_names() -> None:
    assert len(NAMES) >= 22 and len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert formats.get(name).name == name
    with pytest.raises(UsageError, match="unknown format 'q4_K', did you mean 'q4_k'; allowed: q4"):
        formats.get("q4_K")
    assert issubclass(UsageError, ValueError)


def test_attributes_are_distinct() -> None:
    assert len({formats.get(name).attribute for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_list_says(name: str) -> None:
    form = formats.get(name)
    assert form.summary and form.summary[0] not in " #" and not form.summary.endswith(".")
    assert independent.who(form).startswith(form.checked_by)
    assert 1 < form.bits_per_weight <= 16
    assert form.largest > 1e4


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(
    rows=st.integers(1, 40),
    blocks=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    magnitude=st.sampled_from([0.02, 1.0, 1e3]),
)
def test_round_trip(name: str, rows: int, blocks: int, seed: int, magnitude: float) -> None:
    form = formats.get(name)
    cols = blocks * form.block_shape[1]
    w = np.random.default_rng(seed).standard_normal((rows, cols)) * magnitude
    packed = form.encode(w)
    assert packed.dtype == np.uint8
    assert packed.shape == (form.storage_bytes(rows, cols),)
    form.check_scales(packed, rows, cols)
    got = form.decode(packed, rows, cols)
    # Half-precision scales of tiny blocks round to zero: an absolute error.
    assert (np.abs(got - w) <= worst(name) * scope(name, np.abs(w)) + 4e-6).all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_anything_allowed_stays_finite(name: str, data: st.DataObject) -> None:
    form = formats.get(name)
    largest = float(np.float32(form.largest))
    values = data.draw(
        arrays(
            np.float32,
            (2, form.block_shape[1]),
            elements=st.floats(-largest, largest, width=32) | st.sampled_from([0.0, largest]),
            fill=st.nothing() if name == "act_i8" else st.floats(-1, 1, width=32),
        )
    )
    packed = form.encode(values)
    form.check_scales(packed, *values.shape)
    got = form.decode(packed, *values.shape)
    assert np.isfinite(got).all()
    # Half-precision scales of tiny blocks round to zero: an absolute error.
    size = scope(name, np.abs(values)).astype(np.float64)
    assert (np.abs(got.astype(np.float64) - values) <= 2 * worst(name) * size + 2e-5).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 7, 33])
def test_zeros(name: str, rows: int) -> None:
    zeros = np.zeros((rows, 256), np.float32)
    zeros[0, ::3] = -0.0
    assert_array_equal(round_trip(name, zeros), np.zeros((rows, 256)))


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_value_and_the_next(name: str) -> None:
    form = formats.get(name)
    largest = np.float32(form.largest)
    for sign in (1, -1):
        w = np.full((2, 256), sign * largest, np.float32)
        w[1, ::2] *= -1
        got = round_trip(name, w)
        assert np.isfinite(got).all()
        assert (np.abs(got - w) <= worst(name) * largest).all()
    w[1, 77] = np.nextafter(largest, np.float32(np.inf))
    with pytest.raises(
        UsageError, match=rf"^{name}: cannot encode .* at row 1, column 77; allowed"
    ):
        form.encode(w)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("magnitude", [1e-8, 1e-38, 1e-44])
def test_tiny_values_do_not_become_nan(name: str, magnitude: float) -> None:
    w = np.random.default_rng(20).uniform(-1, 1, (3, 256)) * magnitude
    got = round_trip(name, w)
    assert np.isfinite(got).all()
    assert (np.abs(got) <= 2 * magnitude).all()


@pytest.mark.parametrize("name", [name for name in NAMES if formats.get(name).encode_rows])
def test_rows_are_independent_of_what_is_encoded_with_them(name: str) -> None:
    """More rows than one chunk, and a last chunk that is not full."""
    unit = formats.get(name).block_shape[0]
    rows = max(99 // unit * unit, unit)
    w = np.random.default_rng(21).standard_normal((rows, 4096)).astype(np.float32)
    whole = round_trip(name, w)
    for start in (0, rows // 2 // unit * unit, 64 // unit * unit, rows - unit):
        stop = start + unit
        assert_array_equal(round_trip(name, w[start:stop]), whole[start:stop])


@pytest.mark.parametrize("name", NAMES)
def test_float_dtypes_and_layouts(name: str) -> None:
    form = formats.get(name)
    w = np.random.default_rng(22).standard_normal((5, 512)).astype(ml_dtypes.bfloat16)
    w[np.abs(w) < 0.01] = 0  # so that float16 holds all values too
    expected = form.encode(w.astype(np.float32))
    assert_array_equal(form.encode(w), expected)
    assert_array_equal(form.encode(w.astype(np.float64)), expected)
    assert_array_equal(form.encode(w.astype(np.float16)), expected)
    assert_array_equal(form.encode(np.asfortranarray(w.astype(np.float32))), expected)
    assert_array_equal(form.encode(w.astype(np.float32).tolist()), expected)


@pytest.mark.parametrize("name", NAMES)
def test_what_decode_takes(name: str) -> None:
    form = formats.get(name)
    packed = form.encode(np.random.default_rng(23).standard_normal((4, 256)))
    expected = form.decode(packed, 4, 256)
    for data in (
        packed.tobytes(),
        bytearray(packed),
        memoryview(packed),
        packed.view(np.int8),
        packed.reshape(4, -1),
        np.stack([packed, packed], axis=1)[:, 0],
    ):
        assert_array_equal(form.decode(data, 4, 256), expected)
    form.decode(packed, 4, 256)[:] = 0  # a new, writeable array


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "col"), [(0, 0), (200, 4095), (77, 1000)])
def test_values_that_are_no_numbers_are_named(name: str, bad: float, row: int, col: int) -> None:
    w = np.ones((201, 4096), np.float32)
    w[row, col] = bad
    with pytest.raises(
        UsageError, match=f"cannot encode {bad} at row {row}, column {col}; allowed"
    ):
        formats.get(name).encode(w)


def test_double_precision_that_overflows_is_named() -> None:
    w = np.ones((1, 32))
    w[0, 3] = 1e300
    with pytest.raises(UsageError, match="q8_0: cannot encode inf at row 0, column 3"):
        formats.get("q8_0").encode(w)


@pytest.mark.parametrize("name", [name for name in NAMES if formats.get(name).k_multiple > 1])
def test_columns_must_fill_blocks(name: str) -> None:
    form = formats.get(name)
    multiple = form.k_multiple
    message = f"{name}: expected the number of columns to be a multiple of {multiple}, but got 3x"
    for cols in {1, multiple - 1, multiple + 1, 2 * multiple + 1}:
        with pytest.raises(UsageError, match=message):
            form.storage_bytes(3, cols)
        with pytest.raises(UsageError, match=message):
            form.encode(np.ones((3, cols), np.float32))
        with pytest.raises(UsageError, match=message):
            form.decode(b"", 3, cols)


@pytest.mark.parametrize("name", NAMES)
def test_empty_matrices_and_other_shapes(name: str) -> None:
    form = formats.get(name)
    for rows, cols in [(0, 256), (4, 0), (-1, 256)]:
        with pytest.raises(UsageError, match="at least one row and column"):
            form.storage_bytes(rows, cols)
    for bad in (np.ones(256), np.ones((1, 1, 256)), np.ones((1, 256), int), [["a"]]):
        with pytest.raises(UsageError, match=f"{name}: expected a matrix of floats"):
            form.encode(bad)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_number_or_kind_of_bytes(name: str) -> None:
    form = formats.get(name)
    size = form.storage_bytes(2, 256)
    for count in (0, size - 1, size + 1, 2 * size):
        message = rf"{name}: expected {size} bytes .* for 2x256 values, but got {count} bytes"
        with pytest.raises(UsageError, match=message):
            form.decode(np.zeros(count, np.uint8), 2, 256)
    with pytest.raises(UsageError, match="but got float32"):
        form.decode(np.zeros(size, np.float32), 2, 256)


# -- cost -----------------------------------------------------------------------------------------


# Clustering needs several copies of what it clusters.
@pytest.mark.parametrize("name", [name for name in FAMILIES if not name.startswith("codebook")])
def test_memory_is_bounded(name: str) -> None:
    """Beyond input and result, a codec takes some megabytes whatever the matrix."""
    form = formats.get(name)
    w = np.random.default_rng(24).standard_normal((1024, 4096), dtype=np.float32)
    tracemalloc.start()
    try:
        packed = form.encode(w)
        encoding = tracemalloc.get_traced_memory()[1] - packed.nbytes
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        values = form.decode(packed, *w.shape)
        decoding = tracemalloc.get_traced_memory()[1] - before - values.nbytes
    finally:
        tracemalloc.stop()
    assert encoding < w.nbytes
    assert decoding < w.nbytes


IMPORT = """
import sys
from headrace import formats
assert len(formats.names()) >= 22
mapped = open("/proc/self/maps").read()
for library in ("libMLIR", "libLLVM", "_mlir", "libHeadrace", "_headrace.", "libtorch", "quantize"):
    assert library not in mapped, library
assert not {"torch", "torchao", "gguf", "headrace.check"} & set(sys.modules)
assert "headrace._mlir_libs" not in sys.modules
"""


def test_no_native_code_is_loaded() -> None:
    where = str(Path(headrace_runtime.__file__).parents[1])
    subprocess.run([sys.executable, "-c", IMPORT], env={"PYTHONPATH": where}, check=True)
