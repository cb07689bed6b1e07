"""The CPU's products with whole zigzag weights: of one token, gated, and of several."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference
from headrace.ops import OpSpec
from headrace.references import linear

TARGETS = ["cpu", "cpu:x86-64-v3"]
# bf16 has two limbs of 8 bits where products are sums of integers
BOUNDS = {"bf16": 5e-4}
DTYPES = {"f32": np.float32, "bf16": ml_dtypes.bfloat16}


def encoded(name, rows, cols, rng):
    return formats.get(name).encode(rng.normal(size=(rows, cols)).astype(np.float32))


def exact(x, activations):
    """What a kernel multiplies with, float64."""
    if activations != "i8":
        return x.astype(np.float64)
    rows = np.atleast_2d(x)
    return linear.weights("act_i8", linear.quantize_i8(rows), *rows.shape).reshape(x.shape)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "rows", "cols", "tokens", "activations"),
    [
        ("q4_k:zigzag", 1, 160, None, "f32"),
        ("q6_k:zigzag1024", 1500, 96, None, "bf16"),
        ("q8_0:zigzag", 300, 64, None, "i8"),
        ("q4_0:zigzag2048", 2100, 64, None, "f32"),
        ("q4_k:zigzag1024", 2050, 160, 13, "f32"),
        ("q6_k:zigzag", 256, 32, 6, "i8"),
        ("q4_0:zigzag", 511, 192, 7, "bf16"),
        ("q8_0:zigzag1024", 257, 96, 1, "f32"),
        ("q4_k:zigzag2048", 2049, 64, 3, "f32"),
    ],
)
def test_products(name, rows, cols, tokens, activations, target):
    """Vectors, whole tiles of six tokens, and those that are left."""
    rng = np.random.default_rng(rows)
    op = "matmul" if tokens else "matvec"
    spec = OpSpec(op, rows, cols, tokens or 1, name, activations=activations)
    data = encoded(name, rows, cols, rng)
    x = rng.normal(size=(tokens, cols) if tokens else cols)
    x = x.astype(DTYPES.get(activations, np.float32))
    want = exact(x, activations) @ linear.weights(name, data, rows, cols).T
    bound = BOUNDS.get(activations, 1e-6)
    for got in results(spec, [x, data.view(np.int8)], target):
        assert np.linalg.norm(got - want) < bound * np.linalg.norm(want)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "rows", "cols", "activations", "act"),
    [
        ("q4_k:zigzag", 300, 96, "f32", "silu"),
        ("q4_k:zigzag2048", 4097, 64, "bf16", "gelu_tanh"),
        ("q6_k:zigzag1024", 1025, 160, "i8", "silu"),
        ("q8_0:zigzag", 200, 32, "bf16", "silu"),
        ("q4_0:zigzag1024", 700, 224, "i8", "gelu_tanh"),
    ],
)
def test_gated_products(name, rows, cols, activations, act, target):
    """One token; the rows of both weights share a workgroup."""
    rng = np.random.default_rng(rows)
    spec = OpSpec("gated_matvec", rows, cols, format=name, activations=activations, act=act)
    data = [encoded(name, rows, cols, rng) for _ in range(2)]
    x = rng.normal(size=cols).astype(DTYPES.get(activations, np.float32))
    weights = [linear.weights(name, one, rows, cols) for one in data]
    want = linear.gated_matvec(*weights, exact(x, activations), act)
    bound = BOUNDS.get(activations, 1e-6)
    for got in results(spec, [x, *(one.view(np.int8) for one in data)], target):
        assert np.linalg.norm(got - want) < bound * np.linalg.norm(want)


def results(spec, inputs, target):
    """The same for 1, 2 and 5 threads."""
    artifact = hr.compile(spec, target=target, keep_ir=False)
    found = []
    for threads in (1, 2, 5):
        call = artifact.bind(*inputs, threads=threads, poison=True)
        call.run()
        (got,) = call.outputs
        found.append(got.copy())
    for one, other in itertools.pairwise(found):
        assert one.tobytes() == other.tobytes()
    return found


def test_a_whole_product_with_8_bit_activations_is_as_good_as_f32():
    spec = OpSpec.parse("matvec:m=64,k=512,format=q4_k:zigzag,activations=i8")
    kernel = hr.compile(spec, target="cpu")
    draw = np.random.default_rng(5)
    values = draw.standard_normal((64, 512)).astype(np.float32)
    weights = formats.get(spec.format).encode(values)
    x = draw.standard_normal(512).astype(np.float32)
    want = reference.evaluate(spec, reference.quantized_activations(x), [weights])
    assert reference.relative_l2(kernel(x, weights), want) <= reference.BOUNDS["f32"]
