"""A feed-forward layer that skips columns on Metal: what the passes make of it runs as it is."""

import numpy as np
import pytest

import headrace
from headrace import formats, ir, pipeline
from headrace.check.operations.text import packed
from headrace.modules import parse_text
from headrace.reference import relative_l2
from headrace.references import linear, rows, sparse
from headrace.targets.metal import simulate

WIDTH, HIDDEN, FORMAT = 96, 300, "q4_k:zigzag"
EPS = float(np.float32(1e-6))


def layer(threshold=None):
    """down(silu(gate x) * (up x)) of x after a norm; with thresholds its products skip columns."""
    wide, narrow = packed(FORMAT, HIDDEN, WIDTH), packed(FORMAT, WIDTH, HIDDEN)
    x, h = f"tensor<{WIDTH}xf32>", f"tensor<{HIDDEN}xf32>"
    skip = "" if threshold is None else f"{{headrace.threshold = {threshold:e} : f32}}"
    text = f"""
    func.func @main(%x: {x}, %w: {x}, %g: {wide}, %u: {wide}, %d: {narrow}) -> {x} {{
      %0 = tensor.empty() : {x}
      %1 = tensor.empty() : {h}
      %n = qlinear.rms_norm eps = {EPS:e} ins(%x, %w : {x}, {x}) outs(%0 : {x}) -> {x}
      %h = qlinear.gated_matvec silu ins(%g, %u, %n : {wide}, {wide}, {x}) outs(%1 : {h})
          {skip} -> {h}
      %y = qlinear.matvec ins(%d, %h : {narrow}, {h}) outs(%0 : {x}) {skip} -> {x}
      return %y : {x}
    }}"""
    return parse_text(text, ir.Context(), "layer")


def compiled(module):
    return headrace.compile(module, target="metal:m2-max", cache=False)


def sparsified(threshold):
    module = layer(threshold)
    pipeline.run_pipeline(module, "sparsify-activations")
    return compiled(module)


def drawn():
    draw = np.random.default_rng(7)
    sizes = [(HIDDEN, WIDTH), (HIDDEN, WIDTH), (WIDTH, HIDDEN)]
    data = [
        np.asarray(formats.get(FORMAT).encode(draw.normal(size=size).astype(np.float32)))
        for size in sizes
    ]
    vectors = [draw.normal(size=WIDTH).astype(np.float32) for _ in range(2)]
    weights = [linear.weights(FORMAT, d, *size) for d, size in zip(data, sizes, strict=True)]
    return vectors, [d.reshape(-1) for d in data], weights


def run(artifact):
    vectors, data, _ = drawn()
    results = [simulate.run_plan(artifact, [*vectors, *data], order)[-1] for order in range(3)]
    assert all(np.array_equal(results[0], other) for other in results[1:])
    return results[0]


def test_all_columns():
    (x, w), _, (gate, up, down) = drawn()
    hidden = linear.gated_matvec(gate, up, rows.rms_norm(x, w, EPS), "silu")
    assert relative_l2(run(compiled(layer())), down @ hidden) < 1e-5


@pytest.mark.parametrize("threshold", [0.25, 1.5])
def test_large_columns(threshold):
    artifact = sparsified(threshold)
    names = [step["kernel"].partition("_zigzag")[0] for step in artifact.manifest["plan"]]
    assert names == [
        f"rms_norm_{WIDTH}_select",
        "sparse_matvec_q4_k",
        "sparse_matvec_q4_k",
        f"gated_activation_{HIDDEN}_silu_select",
        "sparse_matvec_q4_k",
    ]
    (x, w), _, (gate, up, down) = drawn()

    def product(weights, values):
        indices, count = sparse.select_columns(values.astype(np.float32), threshold)
        assert 0 < count[0] < len(values)
        return sparse.sparse_matvec(weights, values, indices, count[0])

    normed = rows.rms_norm(x, w, EPS)
    hidden = rows.gated_activation(product(gate, normed), product(up, normed), "silu")
    assert relative_l2(run(artifact), product(down, hidden)) < 1e-5


def test_nothing_looks_at_a_selected_list_again():
    artifact = sparsified(0.25)
    (vectors, data, _) = drawn()
    traffic = simulate.traffic_of(artifact, [*vectors, *data])
    products = [traffic[1], traffic[2], traffic[4]]
    for launch in products:
        assert launch[2].loaded > 0
        assert launch[2].loaded == launch[1].loaded, "an index for each activation that counts"
