"""The CPU's products and decoding in each weight format: odd sizes, ends of rows, hard numbers."""

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference
from headrace.check import storage
from headrace.check.data import condition
from headrace.errors import HeadraceError

V3 = "cpu:x86-64-v3"
# A format, columns (whole pieces of 256, and rows that end within one), what to compute and where;
# `headrace check` has every format in every operation.
CASES = [
    ("q4_1", 800, "matvec", "i8", "cpu"),
    ("q4_1", 800, "matmul", "i8", V3),
    ("q5_1", 288, "matmul", "i8", "cpu"),
    ("q2_k", 768, "matvec", "i8", "cpu"),
    ("q3_k", 512, "matvec", "i8", V3),
    ("q5_k", 1280, "matvec", "i8", "cpu"),
    ("q5_k", 256, "matmul", "i8", V3),
    ("q2_k", 512, "matmul", "i8", "cpu"),
    ("q3_k", 512, "matmul", "i8", V3),
    ("q6_k", 768, "matmul", "i8", "cpu"),
    ("iq4_nl", 160, "matmul", "i8", "cpu"),
    ("int8:channel:f32", 544, "matmul", "i8", "cpu"),
    ("iq4_nl", 416, "matvec", "i8", "cpu"),
    ("int4:g32", 544, "matvec", "i8", V3),
    ("int4:g32:fz:bf16", 352, "matmul", "i8", "cpu"),
    ("int4:g128", 896, "matvec", "i8", "cpu"),
    ("int4:g128:zp", 1152, "matmul", "i8", "cpu"),
    ("int4:g128:zp", 1152, "gated_matvec", "f32", "cpu"),
    ("int4:channel", 96, "matvec", "i8", "cpu"),
    ("int8:g32", 416, "gated_matvec", "bf16", V3),
    ("int8:g128:zp", 384, "matvec", "i8", "cpu"),
    ("int8:channel:f32", 1056, "matvec", "i8", "cpu"),
    ("int2:g64:zp", 704, "matvec", "i8", "cpu"),
    ("bf16", 1184, "matvec", "bf16", "cpu"),
    ("bf16", 544, "matmul", "bf16", "cpu"),
    ("bf16", 800, "matmul", "bf16", V3),
    ("f16", 96, "matmul", "f32", "cpu"),
]


def run(spec, x, weights, target, threads=2):
    artifact = hr.compile(spec, target=target)
    inputs = [x, *weights] if x is not None else list(weights)
    return np.asarray(artifact(*inputs, threads=threads, poison=True))


def any_weights(spec, draw, magnitude=0.01):
    form = formats.get(spec.format)
    return tuple(storage.near(form, spec.m, spec.k, draw, magnitude) for _ in spec.weights)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products(case):
    name, columns, op, activations, target = case
    rows = (36 if "f16" in name else 35, columns, 9) if op == "matmul" else (67, columns)
    spec = getattr(hr.ops, op)(*rows, format=name, activations=activations)
    draw = np.random.default_rng(columns)
    weights = any_weights(spec, draw)
    x = condition(spec, draw.normal(size=spec.x_shape), weights)
    x = x.astype(ml_dtypes.bfloat16 if activations == "bf16" else np.float32)
    got = run(spec, x, weights, target)
    seen = reference.quantized_activations(x) if activations == "i8" else x
    want = reference.evaluate(spec, seen, weights)
    assert reference.relative_l2(got, want) < reference.BOUNDS["f32"]


@pytest.mark.parametrize(
    ("name", "columns"), [("iq4_nl", 160), ("q3_k", 512), ("int4:g32:fz:bf16", 96), ("f16", 96)]
)
def test_any_bytes_decode_as_the_format_says(name, columns):
    # Any code, any finite scale, denormal ones included.
    draw = np.random.default_rng(7)
    spec = hr.ops.dequantize(37, columns, format=name)
    form = formats.get(name)
    data = storage.with_finite_floats(form, spec.m, spec.k, draw)
    got = run(spec, None, (data,), "cpu")
    np.testing.assert_array_equal(got, form.decode(data, spec.m, spec.k))


@pytest.mark.parametrize("name", ["int8:g128:zp", "int8:g128"])
def test_activations_of_one_sign(name):
    # Codes times activations are a hundred times their difference: what zero points take off must
    # not be rounded.
    spec = hr.ops.matvec(64, 4096, format=name, activations="f32")
    draw = np.random.default_rng(3)
    weights = (formats.get(name).encode(draw.normal(size=(64, 4096)).astype(np.float32)),)
    x = np.abs(draw.normal(size=4096)).astype(np.float32) + 1
    got = run(spec, x, weights, "cpu")
    assert reference.relative_l2(got, reference.evaluate(spec, x, weights)) < 2e-6


def test_zeros_and_one_row():
    spec = hr.ops.matvec(1, 256, format="int4:g128:zp", activations="i8")
    (weight,) = any_weights(spec, np.random.default_rng(0))
    assert not run(spec, np.zeros(256, np.float32), (weight,), "cpu").any()
    one = np.zeros(256, np.float32)
    one[200] = 127.0
    want = reference.evaluate(spec, one, (weight,))
    np.testing.assert_allclose(run(spec, one, (weight,), "cpu"), want, rtol=1e-6)


@pytest.mark.parametrize("target", ["cpu", V3])
@pytest.mark.parametrize(("name", "byte"), [("q8_0", 0x80), ("int8:g32", 0xFF), ("q5_1", 0xFF)])
def test_largest_products(name, byte, target):
    # Sums of two products of 8 bits do not fit 16 bits.
    spec = hr.ops.matvec(2, 256, format=name, activations="i8")
    form = formats.get(name)
    weight = np.full(form.storage_bytes(2, 256), byte, np.uint8)
    for view in form.scales(weight, 2, 256):
        view[...] = 1.0
    for sign in (1.0, -1.0):
        x = np.full(256, sign * 127.0, np.float32)
        want = reference.evaluate(spec, x, (weight,))
        np.testing.assert_allclose(run(spec, x, (weight,), target), want, rtol=1e-6)


def test_infinite_and_undefined_weights_stay_so():
    spec = hr.ops.matvec(3, 64, format="f16", activations="f32")
    weight = np.ones((3, 64), np.float16)
    weight[1, 5], weight[2, 6] = np.inf, np.nan
    got = run(spec, np.ones(64, np.float32), (weight.view(np.uint8).reshape(-1),), "cpu")
    np.testing.assert_array_equal(got, [64, np.inf, np.nan])


def test_groups_without_a_kernel_are_refused():
    spec = hr.ops.matvec(8, 96, format="int4:g24", activations="f32")
    with pytest.raises(HeadraceError, match=r"int4:g24"):
        hr.compile(spec, target="cpu")
