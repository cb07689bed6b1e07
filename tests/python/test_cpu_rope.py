"""The CPU's kernel of qattn.rope at sizes of models and odd ones, against float64."""

import numpy as np
import pytest

import headrace as hr
from headrace.check.difference import difference
from headrace.references.rope import rope

SHAPES = [
    # tokens, heads, dim, pairs, interleaved, magnitude
    (3, 8, 128, 64, False, None),
    (2, 4, 256, 128, False, None),
    (5, 3, 96, 24, False, 1.5),
    (4, 2, 64, 32, True, None),
    (1, 5, 83, 41, True, 0.75),
    (2, 1, 45, 7, False, None),
]


def program(tokens, heads, dim, pairs, interleaved, magnitude, target):
    x, f = f"tensor<{tokens}x{heads}x{dim}xf32>", f"tensor<{pairs}xf32>"
    order = "interleaved" if interleaved else ""
    attributes = "" if magnitude is None else f"{{magnitude = {magnitude:e} : f32}}"
    text = f"""
func.func @main(%x: {x}, %p: tensor<{tokens}xi32>, %f: {f}) -> {x} {{
  %e = tensor.empty() : {x}
  %y = qattn.rope {order} ins(%x, %p, %f : {x}, tensor<{tokens}xi32>, {f})
      outs(%e : {x}) {attributes} -> {x}
  return %y : {x}
}}"""
    return hr.compile(text.encode(), target=target)


@pytest.mark.parametrize("target", ["cpu", "cpu:x86-64-v3"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rope(shape, target):
    tokens, heads, dim, pairs, interleaved, magnitude = shape
    artifact = program(*shape, target)
    rng = np.random.default_rng(sum(shape[:4]))
    frequencies = (10000.0 ** (-np.arange(pairs) / pairs)).astype(np.float32)
    for positions in (
        np.arange(tokens) + 5,
        rng.integers(0, 200000, tokens),
        np.zeros(tokens),
        -np.arange(tokens) - 1,
    ):
        x = rng.normal(size=(tokens, heads, dim)).astype(np.float32)
        at = positions.astype(np.int32)
        got = artifact(x, at, frequencies, poison=True)
        want = rope(
            x,
            at,
            frequencies,
            interleaved=interleaved,
            magnitude=1.0 if magnitude is None else magnitude,
        )
        assert difference(got, want, 1e-5) <= 1e-5
        np.testing.assert_array_equal(got[..., 2 * pairs :], x[..., 2 * pairs :])
