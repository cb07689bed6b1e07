"""Products with strips of affine integers: from stored weights, odd sizes, hard numbers."""

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference
from headrace.check import storage
from headrace.check.data import condition
from headrace.formats import affine

V3 = "cpu:x86-64-v3"
# Whole pieces, and columns and rows that end within one; 103 tokens are decoded into tiles.
CASES = [
    ("int4:g32", 67, 1312, 1, "i8", "cpu"),
    ("int4:g32:fz:bf16", 37, 800, 1, "i8", "cpu"),
    ("int4:g32:fz:bf16", 33, 352, 103, "i8", "cpu"),
    ("int4:g64:zp", 35, 576, 1, "i8", V3),
    ("int4:g64:zp", 17, 320, 1, "f32", V3),
    ("int4:g128", 49, 1152, 103, "i8", "cpu"),
    ("int4:g128:zp", 33, 640, 1, "bf16", "cpu"),
    ("int4:g128:zp", 65, 896, 103, "i8", V3),
    ("int4:g128:zp", 18, 768, 3, "bf16", V3),
    ("int8:g32", 31, 96, 1, "i8", "cpu"),
    ("int8:g64:zp", 70, 448, 103, "i8", "cpu"),
    ("int8:g128:zp", 20, 1408, 1, "i8", "cpu"),
    ("int8:g128", 40, 384, 3, "f32", "cpu"),
    ("int8:g32:zp", 19, 224, 103, "i8", V3),
]


def spec_of(name, rows, columns, tokens, activations):
    sizes = (rows, columns, tokens) if tokens > 1 else (rows, columns)
    op = hr.ops.matmul if tokens > 1 else hr.ops.matvec
    return op(*sizes, format=f"{name}:strips16", activations=activations)


def any_weight(spec, draw, magnitude=0.01):
    return storage.near(formats.get(spec.format), spec.m, spec.k, draw, magnitude)


def error(spec, y, x, weight):
    """Relative to the product with the activations that the kernel sees."""
    seen = reference.quantized_activations(x) if spec.activations == "i8" else x
    return reference.relative_l2(y, reference.evaluate(spec, seen, (weight,)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products(case):
    *sizes, target = case
    spec = spec_of(*sizes)
    draw = np.random.default_rng(spec.k)
    weight = any_weight(spec, draw)
    x = condition(spec, draw.normal(size=spec.x_shape), (weight,))
    x = x.astype(ml_dtypes.bfloat16 if spec.activations == "bf16" else np.float32)
    artifact = hr.compile(spec, target=target)
    y = np.asarray(artifact(x, weight, threads=2, poison=True))
    assert error(spec, y, x, weight) < reference.BOUNDS["f32"]
    if spec.activations == "i8":
        for threads in (1, 5):
            again = np.asarray(artifact(x, weight, threads=threads, poison=True))
            np.testing.assert_array_equal(again, y)


@pytest.mark.parametrize("name", ["int4:g32", "int4:g128:zp", "int8:g64:zp"])
def test_stored_weights_are_laid_out_once_and_multiplied(name):
    rows, columns = 37, 768
    draw = np.random.default_rng(len(name))
    stored = formats.get(name).encode(draw.normal(size=(rows, columns)).astype(np.float32))
    strips = formats.convert(stored, rows, columns, name, f"{name}:strips16")
    assert strips.exact
    back = formats.convert(strips.data, rows, columns, f"{name}:strips16", name)
    np.testing.assert_array_equal(back.data, stored)
    x = draw.normal(size=columns).astype(np.float32)
    want = formats.get(name).decode(stored, rows, columns).astype(np.float64) @ x
    y = np.asarray(hr.compile(spec_of(name, rows, columns, 1, "f32"))(x, strips.data))
    assert np.linalg.norm(y - want) < 1e-6 * np.linalg.norm(want)


@pytest.mark.parametrize(
    ("name", "rows", "columns", "target"),
    [
        ("int4:g32", 17, 96, "cpu"),
        ("int4:g64:zp", 33, 320, V3),
        ("int4:g32:fz:bf16", 1, 288, "cpu"),
        ("int8:g32:zp", 18, 32, V3),
        ("int8:g128", 31, 640, "cpu"),
        ("int8:g64:zp", 16, 256, V3),
    ],
)
def test_decoding(name, rows, columns, target):
    """Any bytes, scales that are not finite included: zero points are taken off integers."""
    spec = hr.ops.dequantize(rows, columns, format=f"{name}:strips16")
    form = formats.get(spec.format)
    weight = storage.any_bytes(form, rows, columns, np.random.default_rng(columns))
    artifact = hr.compile(spec, target=target)
    y = np.asarray(artifact(weight, threads=2, poison=True))
    np.testing.assert_array_equal(y, form.decode(weight, rows, columns))


@pytest.mark.parametrize("activations", ["f32", "i8"])
def test_zero_points_beyond_the_codes(activations):
    """Files of GPTQ have 16; here each is any byte, as far from the codes as can be."""
    spec = spec_of("int4:g128:zp", 48, 512, 1, activations)
    draw = np.random.default_rng(8)
    weight = any_weight(spec, draw)
    pieces = weight.reshape(3, 2, -1)
    pieces[:, :, 64:96] = draw.choice([0, 16, 255], size=(3, 2, 32))
    x = draw.normal(size=512).astype(np.float32)
    y = np.asarray(hr.compile(spec)(x, weight))
    assert error(spec, y, x, weight) < reference.BOUNDS["f32"]


@pytest.mark.parametrize("activations", ["f32", "bf16", "i8"])
def test_what_padding_holds_is_not_seen(activations):
    """Rows behind the last and groups behind the last: NaN scales, any codes and zero points."""
    spec = spec_of("int4:g32:zp", 18, 96, 1, activations)
    form, draw = formats.get(spec.format), np.random.default_rng(3)
    weight = any_weight(spec, draw)
    x = draw.normal(size=96).astype(ml_dtypes.bfloat16 if activations == "bf16" else np.float32)
    artifact = hr.compile(spec)
    y = np.asarray(artifact(x, weight))
    pieces = weight.copy()
    views = form.scales(pieces, 32, 256)  # one for each group: [strip, row]
    assert len(views) == 8 and views[0].shape == (2, 16)
    for group, view in enumerate(views):
        view[1, 2:] = np.nan  # rows 18 to 31
        if group >= 3:
            view[...] = np.nan
    np.testing.assert_array_equal(np.asarray(artifact(x, pieces)), y)


def test_zeros_and_huge_scales():
    spec = spec_of("int4:g32:fz:bf16", 20, 512, 1, "i8")
    weight = any_weight(spec, np.random.default_rng(1), 1e30)
    artifact = hr.compile(spec)
    assert not np.asarray(artifact(np.zeros(512, np.float32), weight)).any()
    x = np.random.default_rng(2).normal(size=512).astype(np.float32)
    y = np.asarray(artifact(x, weight))
    assert error(spec, y, x, weight) < reference.BOUNDS["f32"]
    weight[:] = 0
    assert not np.asarray(artifact(x, weight)).any()


def test_storage_grows_by_padding_only():
    for name in ("int4:g32", "int4:g128:zp", "int8:g64", "int8:g128:zp", "int4:g32:fz:bf16"):
        stored, strips = formats.get(name), formats.get(f"{name}:strips16")
        assert strips.storage_bytes(4096, 14336) == stored.storage_bytes(4096, 14336)
        assert affine.parameters(name) is not None
