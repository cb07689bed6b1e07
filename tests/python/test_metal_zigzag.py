"""Dense products of zigzag weights for Metal in the simulator: one token, several, in parts."""

import numpy as np
import pytest

import headrace
from headrace import formats, ir
from headrace.check.operations.text import packed
from headrace.modules import parse_text
from headrace.reference import relative_l2
from headrace.references import linear
from headrace.targets.metal import simulate

INNER = ["q4_0", "q8_0", "q4_k", "q6_k"]


def compiled(op, rows, columns, name, *, tokens=None, chip="m2-max", act=""):
    """A product as tensors: `tokens` rows of x, or a vector."""
    w = packed(name, rows, columns)
    sizes = (
        (f"{columns}", f"{rows}") if tokens is None else (f"{tokens}x{columns}", f"{tokens}x{rows}")
    )
    x, y = (f"tensor<{size}xf32>" for size in sizes)
    weights = ["w", "u"] if op == "gated_matvec" else ["w"]
    arguments = ", ".join(f"%{weight}: {w}" for weight in weights)
    inputs = ", ".join(f"%{weight}" for weight in weights)
    kinds = ", ".join([w] * len(weights))
    text = f"""
    func.func @main({arguments}, %x: {x}) -> {y} {{
      %o = tensor.empty() : {y}
      %y = qlinear.{op} {act} ins({inputs}, %x : {kinds}, {x}) outs(%o : {y}) -> {y}
      return %y : {y}
    }}"""
    module = parse_text(text, ir.Context(), op)
    return headrace.compile(module, target=f"metal:{chip}", cache=False)


def drawn(rows, columns, name, seed=0):
    values = np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32)
    data = np.asarray(formats.get(name).encode(values)).reshape(-1)
    return data, linear.weights(name, data, rows, columns)


def inputs(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def in_each_order(artifact, *data):
    """The result, which is the same whatever the order of threads."""
    results = [simulate.run_plan(artifact, data, order)[-1] for order in range(3)]
    assert all(results[0].tobytes() == other.tobytes() for other in results[1:])
    return results[0]


@pytest.mark.parametrize("columns", [1, 101])
@pytest.mark.parametrize("name", [f"{inner}:zigzag" for inner in INNER] + ["q4_0:zigzag128"])
def test_one_token(name, columns):
    rows = 300
    data, weights = drawn(rows, columns, name)
    x = inputs(columns)
    y = in_each_order(compiled("matvec", rows, columns, name), data, x)
    assert relative_l2(y, weights @ x.astype(np.float64)) < 1e-6


@pytest.mark.parametrize("act", ["silu", "gelu_tanh"])
def test_gate_and_up(act):
    rows, columns, name = 257, 64, "q4_k:zigzag"
    gate, up = (drawn(rows, columns, name, seed) for seed in (2, 3))
    x = inputs(columns)
    artifact = compiled("gated_matvec", rows, columns, name, act=act)
    y = in_each_order(artifact, gate[0], up[0], x)
    assert relative_l2(y, linear.gated_matvec(gate[1], up[1], x, act)) < 1e-6


@pytest.mark.parametrize(
    ("op", "act"), [("matvec", ""), ("gated_matvec", "silu"), ("gated_matvec", "gelu_tanh")]
)
def test_columns_of_several_workgroups(op, act):
    """Few rows on 38 cores: parts of sums, and a second kernel that adds them up."""
    rows, columns, name = 65, 40000, "q8_0:zigzag"
    data = [drawn(rows, columns, name, seed) for seed in (4, 5)][: 1 if op == "matvec" else 2]
    x = inputs(columns)
    artifact = compiled(op, rows, columns, name, act=act)
    parts, total = artifact.manifest["plan"]
    assert parts["grid"][1] > 1 and total["kernel"] == f"{parts['kernel']}_sum"
    (transient,) = artifact.manifest["transients"]
    assert transient["bytes"] == 4 * rows * len(data) * parts["grid"][1]
    y = in_each_order(artifact, *(bytes_ for bytes_, _ in data), x)
    values = [weights for _, weights in data]
    want = linear.matvec(values[0], x) if op == "matvec" else linear.gated_matvec(*values, x, act)
    assert relative_l2(y, want) < 1e-6


@pytest.mark.parametrize("rows", [1, 300])
@pytest.mark.parametrize("tokens", [1, 7, 32, 37])
@pytest.mark.parametrize("name", ["q4_k:zigzag", "q8_0:zigzag128"])
def test_tokens(name, tokens, rows):
    columns = 40 if rows == 1 else 35
    data, weights = drawn(rows, columns, name)
    x = inputs(tokens, columns)
    y = in_each_order(compiled("matmul", rows, columns, name, tokens=tokens), data, x)
    assert relative_l2(y, x.astype(np.float64) @ weights.T) < 1e-6


@pytest.mark.parametrize("inner", INNER)
def test_tokens_of_wide_bands(inner):
    rows, columns, tokens, name = 600, 48, 9, f"{inner}:zigzag1024"
    data, weights = drawn(rows, columns, name)
    x = inputs(tokens, columns)
    y = in_each_order(compiled("matmul", rows, columns, name, tokens=tokens), data, x)
    assert relative_l2(y, x.astype(np.float64) @ weights.T) < 1e-6


def test_tokens_do_not_touch_each_other():
    """A token of NaN and infinity, and zeros: the others are what they are alone."""
    rows, columns, name = 256, 24, "q6_k:zigzag"
    data, _ = drawn(rows, columns, name)
    x = inputs(5, columns)
    artifact = compiled("matmul", rows, columns, name, tokens=5)
    alone = in_each_order(artifact, data, x)
    x[1], x[3], x[2, 0] = np.nan, 0, np.inf
    y = in_each_order(artifact, data, x)
    assert np.isnan(y[1]).all() and not y[3].any() and not np.isfinite(y[2]).any()
    assert np.array_equal(y[[0, 4]], alone[[0, 4]])


def test_weights_are_read_once_for_32_tokens():
    rows, columns, tokens, name = 512, 96, 32, "q4_k:zigzag"
    data, _ = drawn(rows, columns, name)
    artifact = compiled("matmul", rows, columns, name, tokens=tokens)
    (traffic,) = simulate.traffic_of(artifact, [data, inputs(tokens, columns)])
    assert 64 * traffic[0].distinct_loaded_64 == data.nbytes
    # A header of 16 bytes is read by all lanes, which is 32 loads of what one would be.
    assert traffic[0].loaded_64 <= 1.5 * traffic[0].distinct_loaded_64 * 144 / 64
    assert traffic[2].stored == 4 * rows * tokens and traffic[2].loaded == 0
