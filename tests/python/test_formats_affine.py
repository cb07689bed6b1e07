"""Affine integers against a decoder written value by value from the layout, and torchao."""

from __future__ import annotations

import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from headrace import formats
from headrace.check import independent
from headrace.errors import UsageError
from headrace.formats.affine import Affine, Parts, encode_ordered, parameters

NAMES = [form.name for form in formats.affine.FORMATS]
OTHERS = ["int2:g8", "int4:g8:zp", "int8:g16:fz", "int2:channel:zp:f32", "int4:channel:fz:bf16"]
OTHERS += ["int4:g40:f32:act_order", "int8:channel:zp:bf16:act_order", "int2:g24:fz:f32:act_order"]
ALL = [*NAMES, *OTHERS]

AFFINES = st.builds(
    Affine,
    bits=st.sampled_from([2, 4, 8]),
    group=st.sampled_from([0, 8, 24, 32, 64]),
    zero=st.sampled_from(["none", "integer", "float"]),
    scale=st.sampled_from(["f16", "bf16", "f32"]),
    act_order=st.booleans(),
)


def cols_of(form: formats.Format, least: int = 100) -> int:
    return -(-least // form.k_multiple) * form.k_multiple if form.block_shape[1] > 8 else 120


def floats(raw: bytes, kind: str) -> np.float32:
    if kind == "bf16":
        return np.float32(np.frombuffer(raw, ml_dtypes.bfloat16)[0])
    return np.float32(struct.unpack("<e" if kind == "f16" else "<f", raw)[0])


def scalar_value(name: str, raw: bytes, rows: int, cols: int, row: int, col: int) -> np.float32:
    """One value, straight from the drawing."""
    head, group_text, *options = name.split(":")
    bits = int(head[3:])
    group = cols if group_text == "channel" else int(group_text[1:])
    kind = next((k for k in ("bf16", "f32") if k in options), "f16")
    width = 4 if kind == "f32" else 2
    groups = cols // group
    if "act_order" in options:
        (col,) = struct.unpack_from("<i", raw, 4 * col)
        raw = raw[4 * cols :]
    line = raw[len(raw) // rows * row : len(raw) // rows * (row + 1)]
    per_byte = 8 // bits
    code = line[col // per_byte] >> (col % per_byte * bits) & (1 << bits) - 1
    at = cols // per_byte + col // group * width
    scale = floats(line[at : at + width], kind)
    zeros = cols // per_byte + groups * width
    if "zp" in options:
        return scale * np.float32(code - line[zeros + col // group])
    value = np.float32(code - (1 << (bits - 1))) * scale
    if "fz" in options:
        at = zeros + col // group * width
        value = np.float32(value + floats(line[at : at + width], kind))
    return value


def random_storage(form: formats.Format, rows: int, cols: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, form.storage_bytes(rows, cols), dtype=np.uint8)
    if "act_order" in form.name:
        raw[: 4 * cols] = rng.permutation(cols).astype("<i4").view(np.uint8)
    for view in form.scales(raw, rows, cols):
        view[...] = rng.standard_normal(view.shape).astype(view.dtype)
    return raw


@pytest.mark.parametrize("name", ALL)
def test_decode_on_random_bytes(name: str) -> None:
    form = formats.get(name)
    rows, cols = 5, cols_of(form, 300)
    raw = random_storage(form, rows, cols, 1)
    got = form.decode(raw, rows, cols)
    data = raw.tobytes()
    rng = np.random.default_rng(2)
    for row, col in zip(rng.integers(0, rows, 300), rng.integers(0, cols, 300), strict=True):
        assert got[row, col] == scalar_value(name, data, rows, cols, int(row), int(col))
    assert_array_equal(independent.decode(form, raw, rows, cols), got)


@settings(max_examples=60, deadline=None)
@given(
    affine=AFFINES,
    rows=st.integers(1, 5),
    groups=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
@example(affine=Affine(4, 8, "integer", "f16"), rows=3, groups=1, seed=0)  # odd rows
def test_any_parameters(affine: Affine, rows: int, groups: int, seed: int) -> None:
    """torchao agrees on random bytes; parts are found and put together again."""
    form = formats.get(affine.name)
    assert form is affine.format
    assert parameters(form.name) == affine
    cols = groups * (affine.group or 8)
    raw = random_storage(form, rows, cols, seed)
    assert_array_equal(form.decode(raw, rows, cols), independent.decode(form, raw, rows, cols))
    assert_array_equal(affine.pack(affine.unpack(raw, rows, cols)), raw)


@settings(max_examples=150, deadline=None)
@given(affine=AFFINES, data=st.data())
def test_anything_allowed_stays_finite(affine: Affine, data: st.DataObject) -> None:
    form = affine.format
    largest = float(np.float32(form.largest))
    special = st.sampled_from([0.0, -0.0, 1e-45, -1e-40, 6e-8, largest, -largest])
    shape = (2, (affine.group or 8) * 2)
    values = data.draw(
        arrays(
            np.float32,
            shape,
            elements=st.floats(-largest, largest, width=32) | special,
            fill=st.floats(-1, 1, width=32),
        )
    )
    packed = form.encode(values)
    form.check_scales(packed, *shape)
    got = form.decode(packed, *shape)
    assert np.isfinite(got).all()
    size = np.abs(values).max()
    assert (np.abs(got - values) <= 1.01 * size + 2e-5).all()
    assert not form.decode(form.encode(np.zeros(shape)), *shape).any()


@pytest.mark.parametrize("name", ALL)
def test_codes_are_the_nearest_for_what_is_stored(name: str) -> None:
    """No other code of the same scale and zero point is closer."""
    form, affine = formats.get(name), parameters(name)
    assert affine is not None
    rows, cols = 6, cols_of(form, 256)
    w = np.random.default_rng(3).standard_t(3, (rows, cols)).astype(np.float32)
    packed = form.encode(w)
    error = np.abs(form.decode(packed, rows, cols).astype(np.float64) - w)
    parts = affine.unpack(packed, rows, cols)
    for code in range(1 << affine.bits):
        codes = np.full_like(parts.codes, code)
        other = affine.pack(Parts(codes, parts.scales, parts.zeros, parts.position))
        off = np.abs(form.decode(other, rows, cols).astype(np.float64) - w)
        assert (error <= off * (1 + 1e-6) + 1e-7).all()


@pytest.mark.parametrize("name", ALL)
def test_recovers_what_it_can_represent(name: str) -> None:
    """Codes of the whole range, and scales that are powers of two, are found again."""
    form, affine = formats.get(name), parameters(name)
    assert affine is not None
    rng = np.random.default_rng(4)
    levels = 1 << affine.bits
    # One group, so that it stays one in any order.
    codes = rng.integers(0, levels, (8, affine.group or 64))
    codes[:, 0], codes[:, -1] = 0, levels - 1
    scale = 2.0 ** rng.integers(-6, 3, (8, 1))
    zero = rng.integers(0, levels, (8, 1)) if affine.zero == "integer" else affine.middle
    offset = scale * 4 if affine.zero == "float" else 0
    w = ((codes - zero) * scale + offset).astype(np.float32)
    got = form.decode(form.encode(w), *w.shape)
    if affine.scale == "f32":  # their last bits are those of sums in float32
        assert_allclose(got, w, rtol=1e-6, atol=1e-6)
    else:
        assert_array_equal(got, w)


def nearest_by_range(w: np.ndarray, bits: int, group: int) -> np.ndarray:
    """Plain rounding: the largest magnitude of a group is the largest code."""
    groups = w.reshape(-1, group)
    most = (1 << (bits - 1)) - 1
    scale = np.abs(groups).max(axis=1, keepdims=True) / most
    return (np.clip(np.rint(groups / scale), -most - 1, most) * scale).reshape(w.shape)


@pytest.mark.parametrize(
    ("name", "bits", "group", "gaussian", "heavy"),
    [
        ("int2:g64", 2, 64, 0.65, 0.75),
        ("int4:g128", 4, 128, 0.9, 0.9),
        ("int4:g128:zp", 4, 128, 0.9, 0.75),
        ("int4:channel", 4, 4096, 0.85, 0.85),
        ("int8:g128", 8, 128, 1.0, 1.0),
    ],
)
def test_error_is_less_than_of_plain_rounding(
    name: str, bits: int, group: int, gaussian: float, heavy: float
) -> None:
    rng = np.random.default_rng(5)
    form = formats.get(name)
    for w, bound in (
        (rng.standard_normal((32, 4096)), gaussian),
        (rng.standard_t(4, (32, 4096)), heavy),
    ):
        error = np.sqrt(np.mean((form.decode(form.encode(w), *w.shape) - w) ** 2))
        plain = np.sqrt(np.mean((nearest_by_range(w, bits, group) - w) ** 2))
        assert error < bound * plain


@pytest.mark.parametrize("center", [1.0, -100.0, 1e6])
def test_float_zero_points_far_from_zero(center: float) -> None:
    """Where bf16 zero points are coarse, errors stay within what the spacing costs."""
    form = formats.get("int4:g32:fz:bf16")
    w = (center + np.random.default_rng(6).uniform(-1, 1, (32, 256))).astype(np.float32)
    error = np.abs(form.decode(form.encode(w), *w.shape) - w).max()
    assert error <= (2 + abs(center) / 128) / 7


# -- columns in another order --------------------------------------------------------------------


def test_act_order_shares_scales_between_columns_alike() -> None:
    rng = np.random.default_rng(7)
    sizes = 10.0 ** rng.uniform(-2, 1, 512)
    w = rng.standard_normal((64, 512)) * sizes
    plain, ordered = (formats.get(f"int4:g32:zp{order}") for order in ("", ":act_order"))
    packed = ordered.encode(w)
    error = np.mean((ordered.decode(packed, *w.shape) - w) ** 2, axis=0) / sizes**2
    plain_error = np.mean((plain.decode(plain.encode(w), *w.shape) - w) ** 2, axis=0) / sizes**2
    assert np.median(error) < 0.1 * np.median(plain_error)
    norms = np.square(w.astype(np.float32).astype(np.float64)).sum(axis=0)
    position = packed[: 4 * 512].view("<i4")
    assert_array_equal(norms[np.argsort(position)], np.sort(norms)[::-1])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 9), groups=st.integers(1, 4))
def test_importance_orders_columns(seed: int, rows: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    affine = Affine(4, 16, "integer", "f16", act_order=True)
    cols = 16 * groups
    w = rng.standard_normal((rows, cols)).astype(np.float32)
    importance = rng.permutation(cols).astype(np.float32)
    packed = encode_ordered(affine, w, importance)
    parts = affine.unpack(packed, rows, cols)
    assert parts.position is not None
    assert_array_equal(parts.position, cols - 1 - importance)
    order = np.argsort(parts.position)
    plain = formats.get("int4:g16:zp")
    assert_array_equal(packed[4 * cols :], plain.encode(w[:, order]))
    got = affine.format.decode(packed, rows, cols)
    assert_array_equal(got[:, order], plain.decode(packed[4 * cols :], rows, cols))
    with pytest.raises(UsageError, match=f"expected {cols} finite importances"):
        encode_ordered(affine, w, importance[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({3: -1}, "column 3 is at -1"),
        ({5: 32}, "column 5 is at 32"),
        ({0: 2**31 - 1}, "column 0 is at 2147483647"),
        ({7: 9}, "column 7 is at 9"),
    ],
)
def test_positions_that_are_no_permutation(change: dict[int, int], message: str) -> None:
    form = formats.get("int4:g16:act_order")
    packed = form.encode(np.ones((2, 32), np.float32))
    position = np.arange(32, dtype="<i4")
    for at, value in change.items():
        position[at] = value
    packed[:128] = position.view(np.uint8)
    for use in (form.decode, form.check_scales):
        with pytest.raises(UsageError, match=f"permutation of 0 to 31, but {message}"):
            use(packed, 2, 32)


# -- names, sizes, errors -------------------------------------------------------------------------


def test_names_and_attributes() -> None:
    for name, attribute in {
        "int4:g128": "bits = 4, group = 128, scale = f16",
        "int4:g128:zp:act_order": (
            "bits = 4, group = 128, scale = f16, zero_point = integer, act_order"
        ),
        "int8:channel:f32": "bits = 8, group = channel, scale = f32",
        "int4:g32:fz:bf16": "bits = 4, group = 32, scale = bf16, zero_point = float",
    }.items():
        form = formats.get(name)
        assert form.name == name
        assert form.attribute == f"#qlinear.affine<{attribute}>"
        assert formats.affine.parse(name) == form
    assert formats.affine.parse("q4_k") is None
    assert formats.affine.parse("interleaved") is None


@pytest.mark.parametrize(
    "name",
    [
        *("int3:g128", "int4", "int4:", "int4:g0", "int4:g12", "int4:128", "int4:g128:f16"),
        *("int16:g32", "int4:g128:act_order:zp", "int4:g128:zp:fz", "int4:g0128", "int4:channel:"),
        *("int4:g1073741824", "int4:g128:bf16:zp", "int4:g" + "9" * 100, "int4:channel:zp:"),
    ],
)
def test_wrong_names(name: str) -> None:
    with pytest.raises(UsageError, match=r"^int\d.*: expected "):
        formats.get(name)


def test_sizes() -> None:
    form = formats.get("int4:g128:zp")
    assert form.bits_per_weight == 4 + 24 / 128
    assert form.storage_bytes(3, 256) == 3 * (128 + 2 * 2 + 2)
    ordered = formats.get("int4:g128:zp:act_order")
    assert ordered.storage_bytes(3, 256) == 4 * 256 + form.storage_bytes(3, 256)
    channel = formats.get("int2:channel:fz:f32")
    assert channel.bits_per_weight == 2
    assert channel.storage_bytes(5, 12) == 5 * (3 + 8)
    with pytest.raises(UsageError, match="multiple of 4, but got 5x10"):
        channel.storage_bytes(5, 10)


def test_nan_scales_and_zero_points_are_named() -> None:
    form = formats.get("int4:g32:fz:bf16")
    for which in (0, 1):
        packed = form.encode(np.ones((3, 64), np.float32))
        form.scales(packed, 3, 64)[which][2, 1] = np.nan
        with pytest.raises(UsageError, match=r"expected finite scales .* \[2, 1\]"):
            form.check_scales(packed, 3, 64)


def test_parts_that_do_not_fit() -> None:
    affine = Affine(4, 16, "integer")
    codes = np.zeros((2, 32), np.uint8)
    scales = np.ones((2, 2), np.float16)
    zeros = np.full((2, 2), 8, np.uint8)
    affine.pack(Parts(codes, scales, zeros))
    for parts, message in (
        (Parts(codes, scales[:, :1], zeros), r"\[2, 2\] of type float16"),
        (Parts(codes, scales.astype(np.float32), zeros), "but got float32"),
        (Parts(codes, scales), "but got nothing"),
        (Parts(codes + np.uint8(16), scales, zeros), "expected codes below 16"),
        (Parts(codes[:, :24], scales, zeros), "multiple of 16"),
    ):
        with pytest.raises(UsageError, match=message):
            affine.pack(parts)
