"""Products with strips of 16 rows: from stored weights, odd sizes, hard numbers, instructions."""

import re

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference
from headrace.check import storage
from headrace.check.data import condition

V3 = "cpu:x86-64-v3"
# Whole pieces, and columns and rows that end within one.
CASES = [
    ("q4_k", 67, 1312, "matvec", "i8", "cpu"),
    ("q4_k", 17, 96, "matmul", "bf16", "cpu"),
    ("q4_k", 49, 800, "matmul", "i8", "cpu"),
    ("q4_k", 35, 544, "matvec", "i8", V3),
    ("q4_0", 33, 416, "matmul", "i8", "cpu"),
    ("q4_0", 40, 96, "gated_matvec", "i8", V3),
    ("q4_1", 33, 352, "matvec", "i8", "cpu"),
    ("q4_1", 20, 96, "matvec", "bf16", V3),
    ("q5_0", 35, 480, "matvec", "i8", "cpu"),
    ("q5_0", 17, 96, "gated_matvec", "bf16", V3),
    ("q5_0", 21, 160, "matmul", "i8", "cpu"),
    ("q5_1", 19, 224, "matvec", "i8", V3),
    ("q5_1", 33, 96, "matvec", "f32", "cpu"),
    ("q5_k", 37, 928, "matvec", "i8", "cpu"),
    ("q5_k", 17, 288, "matvec", "f32", V3),
    ("q8_0", 31, 64, "matmul", "bf16", V3),
    ("q8_0", 70, 96, "matmul", "i8", V3),
    ("q6_k", 65, 928, "matvec", "i8", "cpu"),
    ("q6_k", 18, 160, "matmul", "i8", "cpu"),
    ("q5_k", 37, 352, "matmul", "i8", V3),
    ("iq4_nl", 35, 736, "matvec", "i8", "cpu"),
    ("iq4_nl", 33, 160, "gated_matvec", "bf16", "cpu"),
    ("iq4_nl", 18, 96, "matvec", "f32", "cpu"),
    ("iq4_nl", 49, 352, "matmul", "i8", V3),
    ("iq4_nl", 20, 96, "matmul", "bf16", V3),
]


def spec_of(name, rows, columns, op, activations):
    # Not a multiple of what the kernel for many tokens takes at once, or a few.
    tokens = 103 if activations == "i8" else 3
    sizes = (rows, columns, tokens) if op == "matmul" else (rows, columns)
    return getattr(hr.ops, op)(*sizes, format=f"{name}:strips16", activations=activations)


def any_weights(spec, draw, magnitude=0.01):
    form = formats.get(spec.format)
    return tuple(storage.near(form, spec.m, spec.k, draw, magnitude) for _ in spec.weights)


def error(spec, y, x, weights):
    """Relative to the product with the activations that the kernel sees."""
    seen = reference.quantized_activations(x) if spec.activations == "i8" else x
    return reference.relative_l2(y, reference.evaluate(spec, seen, weights))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products(case):
    *sizes, target = case
    spec = spec_of(*sizes)
    draw = np.random.default_rng(spec.k)
    weights = any_weights(spec, draw)
    x = condition(spec, draw.normal(size=spec.x_shape), weights)
    x = x.astype(ml_dtypes.bfloat16 if spec.activations == "bf16" else np.float32)
    artifact = hr.compile(spec, target=target)
    y = np.asarray(artifact(x, *weights, threads=2, poison=True))
    assert error(spec, y, x, weights) < reference.BOUNDS["f32"]
    if spec.activations == "i8":
        for threads in (1, 5):
            again = np.asarray(artifact(x, *weights, threads=threads, poison=True))
            np.testing.assert_array_equal(again, y)


@pytest.mark.parametrize("name", ["q4_0", "q4_k", "iq4_nl"])
def test_stored_weights_are_laid_out_once_and_multiplied(name):
    rows, columns = 37, 768
    draw = np.random.default_rng(len(name))
    stored = formats.get(name).encode(draw.normal(size=(rows, columns)).astype(np.float32))
    strips = formats.convert(stored, rows, columns, name, f"{name}:strips16")
    assert strips.exact
    x = draw.normal(size=columns).astype(np.float32)
    want = formats.get(name).decode(stored, rows, columns).astype(np.float64) @ x
    spec = spec_of(name, rows, columns, "matvec", "f32")
    y = np.asarray(hr.compile(spec)(x, strips.data))
    assert np.linalg.norm(y - want) < 1e-6 * np.linalg.norm(want)


@pytest.mark.parametrize(
    ("name", "rows", "columns", "target"),
    [
        ("q4_0", 17, 96, "cpu"),
        ("q4_1", 33, 128, V3),
        ("q5_0", 1, 160, "cpu"),
        ("q5_1", 18, 32, V3),
        ("q8_0", 31, 96, "cpu"),
        ("q4_k", 49, 288, "cpu"),
        ("q5_k", 16, 544, V3),
        ("q6_k", 35, 416, "cpu"),
        ("iq4_nl", 33, 224, "cpu"),
        ("iq4_nl", 17, 96, V3),
    ],
)
def test_decoding(name, rows, columns, target):
    spec = hr.ops.dequantize(rows, columns, format=f"{name}:strips16")
    form = formats.get(spec.format)
    (weight,) = any_weights(spec, np.random.default_rng(columns))
    artifact = hr.compile(spec, target=target)
    y = np.asarray(artifact(weight, threads=2, poison=True))
    np.testing.assert_array_equal(y, form.decode(weight, rows, columns))


def test_bytes_may_start_anywhere():
    spec = spec_of("q6_k", 32, 512, "matvec", "i8")
    (weight,) = any_weights(spec, np.random.default_rng(5))
    x = np.random.default_rng(6).normal(size=512).astype(np.float32)
    artifact = hr.compile(spec)
    y = np.asarray(artifact(x, weight))
    for offset in (0, 1, 32):
        room = np.empty(weight.size + 128, np.uint8)
        start = -room.ctypes.data % 64 + offset
        moved = room[start : start + weight.size]
        moved[:] = weight
        np.testing.assert_array_equal(np.asarray(artifact(x, moved)), y)


@pytest.mark.parametrize("activations", ["f32", "bf16", "i8"])
def test_what_padding_holds_is_not_seen(activations):
    """Rows behind the last and columns behind the last: NaN scales and any codes."""
    spec = spec_of("q4_0", 18, 96, "matvec", activations)
    form, draw = formats.get(spec.format), np.random.default_rng(3)
    (weight,) = any_weights(spec, draw)
    x = draw.normal(size=96).astype(ml_dtypes.bfloat16 if activations == "bf16" else np.float32)
    artifact = hr.compile(spec)
    y = np.asarray(artifact(x, weight))
    pieces = weight.copy()
    d = form.scales(pieces, 32, 128)[1].reshape(2, 2, 16)  # second blocks: [strip, piece, row]
    d[:, 1] = np.nan  # columns 96 to 127
    for view in form.scales(pieces, 32, 128):
        view.reshape(2, 2, 16)[1, :, 2:] = np.nan  # rows 18 to 31
    np.testing.assert_array_equal(np.asarray(artifact(x, pieces)), y)


def test_zeros_and_huge_scales():
    spec = spec_of("q4_k", 20, 512, "matvec", "i8")
    (weight,) = any_weights(spec, np.random.default_rng(1), 1e4)
    artifact = hr.compile(spec)
    assert not np.asarray(artifact(np.zeros(512, np.float32), weight)).any()
    x = np.random.default_rng(2).normal(size=512).astype(np.float32)
    y = np.asarray(artifact(x, weight))
    assert error(spec, y, x, (weight,)) < reference.BOUNDS["f32"]
    weight[:] = 0
    assert not np.asarray(artifact(x, weight)).any()


@pytest.mark.parametrize("name", ["q4_0", "q8_0", "q4_k"])
def test_instructions(name):
    """A dot product reads the activations that all rows share; nothing is spilled."""
    spec = spec_of(name, 64, 1024, "matvec", "i8")
    source = hr.compile(spec, target="cpu:sapphirerapids").sources["kernels.s"]
    text = source[source.index("matvec_") :]
    assert re.search(r"vpdpbusd\s+-?\d*\(.*\)\{1to16\}, %zmm\d+, %zmm\d+", text)
    assert "prefetcht1" in text and "prefetcht0" in text
    assert not re.findall(r"%zmm\d+, -?\d*\(%r(sp|bp)", text)
