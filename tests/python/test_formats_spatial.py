"""q4nx and act_i8 against decoders written value by value from their layouts."""

from __future__ import annotations

import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from headrace import formats
from headrace.check import independent
from headrace.errors import UsageError

Q4NX = formats.get("q4nx")
ACT = formats.get("act_i8")


def q4nx_value(raw: bytes, padded_cols: int, row: int, col: int) -> np.float32:
    """One value, straight from the published byte offsets."""
    block = (row // 32) * (padded_cols // 256) + col // 256
    data = raw[block * 5120 : (block + 1) * 5120]
    r, k = row % 32, col % 256
    index = k // 32 * 32 + r
    scale, low = (
        np.frombuffer(data[at + 2 * index : at + 2 * index + 2], ml_dtypes.bfloat16)[0]
        for at in (0, 512)
    )
    byte = data[1024 + r // 16 * 2048 + k * 8 + r % 16 // 2]
    q = byte >> 4 if r % 2 else byte & 15
    return np.float32(scale) * np.float32(q) + np.float32(low)


@pytest.mark.parametrize("shape", [(32, 256), (64, 768), (5, 300), (33, 257)])
def test_q4nx_decode(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    rows, cols = Q4NX.padded_shape(*shape)
    raw = rng.integers(0, 256, (rows * cols // 8192, 5120), dtype=np.uint8)
    tables = rng.standard_normal((len(raw), 512)).astype(ml_dtypes.bfloat16)
    raw[:, :1024] = tables.view(np.uint8)
    got = Q4NX.decode(raw, *shape, keep_padding=True)
    data = raw.tobytes()
    for row, col in zip(rng.integers(0, rows, 500), rng.integers(0, cols, 500), strict=True):
        assert got[row, col] == q4nx_value(data, cols, row, col)
    assert_array_equal(Q4NX.decode(raw, *shape), got[: shape[0], : shape[1]])


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 70), cols=st.integers(1, 600), seed=st.integers(0, 2**31))
def test_q4nx_any_bytes_are_what_the_independent_formula_says(
    rows: int, cols: int, seed: int
) -> None:
    """Scales that are subnormal, infinite and NaN too (whose bits are not compared)."""
    raw = np.random.default_rng(seed).integers(
        0, 256, Q4NX.storage_bytes(rows, cols), dtype=np.uint8
    )
    with np.errstate(all="ignore"):
        got = Q4NX.decode(raw, rows, cols)
        want = independent.decode(Q4NX, raw, rows, cols)
    assert ((got.view(np.uint32) == want.view(np.uint32)) | (np.isnan(got) & np.isnan(want))).all()


def test_the_independent_formula_is_that_of_single_values() -> None:
    """So that the two references of this file do not drift apart."""
    raw = Q4NX.encode(np.random.default_rng(14).standard_normal((40, 300)))
    want = independent.decode(Q4NX, raw, 40, 300)
    for row in range(0, 40, 3):
        for col in range(0, 300, 7):
            assert want[row, col] == q4nx_value(raw.tobytes(), 512, row, col)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 40),
    cols=st.integers(1, 300),
    exponent=st.integers(-140, 120),
    center=st.sampled_from([0.0, 0.0, 3.0, -3.0]),
    seed=st.integers(0, 2**31),
)
def test_q4nx_errors_are_bounded_whatever_the_size(
    rows: int, cols: int, exponent: int, center: float, seed: int
) -> None:
    """Down to subnormal values and scales; nothing becomes NaN or infinite."""
    w = np.random.default_rng(seed).uniform(center - 1, center + 1, (rows, cols))
    w = np.ldexp(w, exponent).astype(np.float32)
    packed = Q4NX.encode(w)
    Q4NX.check_scales(packed, rows, cols)
    got = Q4NX.decode(packed, rows, cols, keep_padding=True)
    padding = got.copy()
    padding[:rows, :cols] = 0
    assert not padding.any()
    # Least squares may clip the extremes of a group, which costs them up to a step and a half of
    # its range (that reaches 0 where there is padding); besides, bfloat16 has steps of 2^-133 near
    # zero, and codes go up to 15.
    size = float(np.abs(w).max())
    assert np.abs(got[:rows, :cols] - w).max() <= 0.2 * size + 16 * 2.0**-133


@pytest.mark.parametrize("shape", [(1, 1), (32, 256), (33, 270)])
def test_q4nx_extremes(shape: tuple[int, int]) -> None:
    assert not Q4NX.decode(Q4NX.encode(np.zeros(shape, np.float32)), *shape).any()
    w = np.full(shape, Q4NX.largest, np.float32)
    w[:, ::2] *= -1
    got = Q4NX.decode(Q4NX.encode(w), *shape)
    assert np.abs(got / w - 1).max() <= 0.1
    w[-1, -1] = np.nextafter(np.float32(Q4NX.largest), np.float32(np.inf))
    with pytest.raises(UsageError, match=f"q4nx: cannot encode .* at row {shape[0] - 1}, column"):
        Q4NX.encode(w)


def test_q4nx_scales_are_views() -> None:
    packed = Q4NX.encode(np.ones((33, 300), np.float32))
    (view,) = Q4NX.scales(packed, 64, 512)
    assert view.shape == (4, 512) and view.dtype == ml_dtypes.bfloat16
    for at in ((0, 0), (3, 511)):
        changed = packed.copy()
        Q4NX.scales(changed, 64, 512)[0][at] = np.nan
        with pytest.raises(UsageError, match="q4nx: expected finite scales for 33x300"):
            Q4NX.check_scales(changed, 33, 300)


def test_q4nx_sizes() -> None:
    assert Q4NX.bits_per_weight == 5.0
    assert Q4NX.k_multiple == 1
    assert Q4NX.padded_shape(384, 384) == (384, 512)
    assert Q4NX.padded_shape(1, 1) == (32, 256)
    assert Q4NX.storage_bytes(6912, 1152) == 6912 // 32 * (1280 // 256) * 5120


def test_q4nx_recovers_what_it_can_represent() -> None:
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 16, (40, 512, 32))
    codes[:, :, 0], codes[:, :, 31] = 0, 15
    scale = rng.uniform(0.01, 1, (40, 512, 1)).astype(ml_dtypes.bfloat16).astype(np.float32)
    low = (scale * rng.uniform(-20, -1, scale.shape)).astype(ml_dtypes.bfloat16).astype(np.float32)
    w = (codes.astype(np.float32) * scale + low).reshape(40, -1)
    assert_array_equal(Q4NX.decode(Q4NX.encode(w), *w.shape), w)


def test_q4nx_error_on_gaussian_weights() -> None:
    w = np.random.default_rng(9).standard_normal((64, 4096)).astype(np.float32)
    error = np.sqrt(np.mean((Q4NX.decode(Q4NX.encode(w), *w.shape) - w) ** 2))
    assert 0.065 < error < 0.0732


@pytest.mark.parametrize("center", [0.0, 1.0, -100.0, 1e6])
def test_q4nx_far_from_zero(center: float) -> None:
    """Where bfloat16 minima are coarse, errors stay within one step of range plus spacing."""
    rng = np.random.default_rng(10)
    w = (center + rng.uniform(-1, 1, (32, 256))).astype(np.float32)
    error = np.abs(Q4NX.decode(Q4NX.encode(w), *w.shape) - w).max()
    assert error <= (2 + abs(center) / 128) / 15


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (31, 255), (32, 257), (65, 1152), (2, 800)])
@pytest.mark.parametrize("center", [0.0, 3.0, -3.0])
def test_q4nx_padding_is_exactly_zero(shape: tuple[int, int], center: float) -> None:
    rng = np.random.default_rng(11)
    w = (rng.standard_normal(shape) + center).astype(np.float32)
    got = Q4NX.decode(Q4NX.encode(w), *shape, keep_padding=True)
    assert got.shape == Q4NX.padded_shape(*shape)
    padding = np.ones(got.shape, bool)
    padding[: shape[0], : shape[1]] = False
    assert not got.view(np.uint32)[padding].any()  # not even -0
    # Half a step of the values' range; groups with padding must also reach 0.
    step = (np.abs(w).max() + np.ptp(w)) / 15
    assert np.abs(got[: shape[0], : shape[1]] - w).max() < step


def scalar_act_i8(x: np.ndarray) -> bytes:
    """One row of activations, group by group, in float32 throughout."""
    codes, scales, sums = [], [], []
    for group in x.reshape(-1, 32):
        amax = np.float32(max(abs(v) for v in group))
        scale = amax / np.float32(127)
        factor = np.float32(127) / amax if amax > 0 else np.float32(0)
        q = [round(float(np.float32(v * factor))) for v in group]  # round: halves to even
        codes += q
        scales.append(scale)
        sums.append(sum(q))
    n = len(scales)
    return struct.pack(f"<{32 * n}b{n}f{n}i", *codes, *scales, *sums)


@pytest.mark.parametrize("shape", [(1, 32), (1, 4096), (7, 96), (300, 1024)])
def test_act_i8_encode_is_exact(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(12).standard_normal(shape).astype(np.float32) * 3
    x[0, :32] = 0
    got = ACT.encode(x).reshape(shape[0], -1)
    for row in range(0, shape[0], 29):
        assert got[row].tobytes() == scalar_act_i8(x[row])


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.sampled_from([32, 96])),
        elements=st.floats(-(2.0**100), 2.0**100, width=32).map(
            lambda v: 0.0 if abs(v) < 1e-30 else v
        ),
    )
)
def test_act_i8_encode_is_exact_on_anything(x: np.ndarray) -> None:
    got = ACT.encode(x)
    assert got.tobytes() == b"".join(scalar_act_i8(row) for row in x)
    back = ACT.decode(got, *x.shape)
    bound = np.abs(x).reshape(x.shape[0], -1, 32).max(axis=2).repeat(32, axis=1) / 253
    assert (np.abs(back - x) <= bound).all()


def test_act_i8_halves_round_to_even() -> None:
    x = np.zeros((1, 32), np.float32)
    x[0, :7] = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5]
    assert_array_equal(ACT.decode(ACT.encode(x), 1, 32)[0, :7], [127, 0, 2, 2, 0, -2, -2])


def test_act_i8_sizes_and_parts() -> None:
    assert ACT.bits_per_weight == 10.0
    assert ACT.k_multiple == 32
    assert ACT.storage_bytes(3, 64) == 3 * (64 + 2 * 8)
    x = np.random.default_rng(13).standard_normal((3, 64)).astype(np.float32)
    lines = ACT.encode(x).reshape(3, 80)
    q = lines[:, :64].view(np.int8).reshape(3, 2, 32)
    scale = np.ascontiguousarray(lines[:, 64:72]).view(np.float32)
    sums = np.ascontiguousarray(lines[:, 72:]).view(np.int32)
    assert_array_equal(ACT.decode(lines, 3, 64).reshape(3, 2, 32), q * scale[:, :, None])
    assert_array_equal(sums, q.sum(axis=2, dtype=np.int32))
    assert_allclose(q * scale[:, :, None], x.reshape(3, 2, 32), atol=np.abs(x).max() / 250)
