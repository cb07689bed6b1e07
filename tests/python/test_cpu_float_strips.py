"""Products with strips of bf16: odd sizes, instructions, what padding holds, decoding."""

import re

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference
from headrace.check import storage
from headrace.check.compiled import run_with_threads
from headrace.check.data import condition
from headrace.targets.cpu.description import describe

FORMAT = "bf16:strips16"
V3 = "cpu:x86-64-v3"
PAIRS = "cpu:znver4"  # multiplies pairs of bf16 where it has many tokens, too
# Rows that end within a strip; columns that are no multiple of a tile's; few and many tokens.
CASES = [
    ("matvec", 67, 1312, 1, "f32", "cpu"),
    ("matvec", 67, 1312, 1, "bf16", "cpu"),
    ("matvec", 1, 32, 1, "bf16", "cpu"),
    ("matvec", 35, 544, 1, "f32", V3),
    ("matvec", 48, 96, 1, "bf16", V3),
    ("gated_matvec", 33, 224, 1, "bf16", "cpu"),
    ("gated_matvec", 16, 64, 1, "f32", V3),
    ("matmul", 19, 160, 3, "bf16", "cpu"),
    ("matmul", 83, 416, 37, "f32", "cpu"),
    ("matmul", 35, 160, 14, "bf16", "cpu"),
    ("matmul", 35, 160, 14, "bf16", PAIRS),
    ("matmul", 18, 128, 5, "bf16", V3),
]


def spec_of(op, rows, columns, tokens, activations):
    sizes = (rows, columns, tokens) if op == "matmul" else (rows, columns)
    return getattr(hr.ops, op)(*sizes, format=FORMAT, activations=activations)


def any_weights(spec, draw):
    form = formats.get(FORMAT)
    return tuple(storage.near(form, spec.m, spec.k, draw, 0.01) for _ in spec.weights)


def activations_of(spec, draw, weights):
    x = condition(spec, draw.normal(size=spec.x_shape), weights)
    return x.astype(ml_dtypes.bfloat16 if spec.activations == "bf16" else np.float32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products(case):
    *sizes, target = case
    spec = spec_of(*sizes)
    draw = np.random.default_rng(spec.k)
    weights = any_weights(spec, draw)
    x = activations_of(spec, draw, weights)
    artifact = hr.compile(spec, target=target)
    if target == PAIRS and describe(None).bf16 != "avx512":
        assert "vdpbf16ps" in artifact.sources["kernels.s"]
        return  # a machine that cannot run it
    (y,) = run_with_threads(artifact, [x, *weights])
    assert reference.relative_l2(y, reference.evaluate(spec, x, weights)) < 1e-5


@pytest.mark.parametrize("target", ["cpu", V3])
@pytest.mark.parametrize(("rows", "columns"), [(16, 64), (1, 32), (45, 352)])
def test_decoding(rows, columns, target):
    """Any bits, NaN among them."""
    spec = hr.ops.dequantize(rows, columns, format=FORMAT)
    form = formats.get(FORMAT)
    draw = np.random.default_rng(columns)
    weight = draw.integers(0, 256, form.storage_bytes(rows, columns), np.uint8)
    (y,) = run_with_threads(hr.compile(spec, target=target), [weight])
    with np.errstate(invalid="ignore"):
        want = form.decode(weight, rows, columns)
    np.testing.assert_array_equal(y.view(np.uint32), want.view(np.uint32))


@pytest.mark.parametrize("tokens", [1, 5])
def test_what_padding_holds_is_not_seen(tokens):
    spec = spec_of("matmul" if tokens > 1 else "matvec", 18, 96, tokens, "f32")
    draw = np.random.default_rng(3)
    (weight,) = any_weights(spec, draw)
    x = activations_of(spec, draw, (weight,))
    artifact = hr.compile(spec)
    y = np.asarray(artifact(x, weight))
    lines = weight.copy()
    # [strip, pair of columns, row, column]
    lines.view(ml_dtypes.bfloat16).reshape(2, 48, 16, 2)[1, :, 2:] = np.nan
    np.testing.assert_array_equal(np.asarray(artifact(x, lines)), y)


def test_infinity_and_nan_reach_their_row_only():
    spec = spec_of("matvec", 20, 64, 1, "f32")
    (weight,) = any_weights(spec, np.random.default_rng(4))
    values = weight.view(ml_dtypes.bfloat16).reshape(2, 32, 16, 2)
    values[0, 7, 3, 1], values[1, 0, 1, 0] = np.nan, np.inf
    y = np.asarray(hr.compile(spec)(np.ones(64, np.float32), weight))
    assert np.isnan(y[3]) and np.isposinf(y[17])
    assert np.isfinite(np.delete(y, [3, 17])).all()


def test_instructions():
    """A product of pairs reads the two activations that all rows share; nothing is spilled."""
    spec = spec_of("matvec", 64, 1024, 1, "bf16")
    source = hr.compile(spec, target="cpu:sapphirerapids").sources["kernels.s"]
    text = source[source.index("matvec_") :]
    assert re.search(r"vdpbf16ps\s+-?\d*\(.*\)\{1to16\}, %zmm\d+, %zmm\d+", text)
    assert not re.findall(r"%zmm\d+, -?\d*\(%r(sp|bp)", text)
