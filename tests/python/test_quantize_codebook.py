"""Co-quantization: what is looked up, that calibration helps, and odd inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from headrace import formats, ir
from headrace.errors import UsageError
from headrace.formats.codebook import shape_of, unpack
from headrace.modules import parse_text
from headrace.quantize.activations import collect_inputs
from headrace.quantize.codebook import (
    activation_centroids,
    assign_chebyshev,
    co_quantize,
    lut_matvec,
)
from headrace.reference_jit import Meaning

SMALL = "codebook:d2:e4:g8:i8:a8"


def problem(m: int, k: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A weight, and inputs whose columns differ in size and go together in pairs."""
    draw = np.random.default_rng(seed)
    weight = draw.standard_normal((m, k)).astype(np.float32)
    inputs = draw.standard_normal((n, k))
    inputs[:, 1::2] = 0.9 * inputs[:, 0 : 2 * (k // 2) : 2] + 0.2 * inputs[:, 1::2]
    return weight, (inputs * np.exp(draw.standard_normal(k))).astype(np.float32)


def relative(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


@pytest.mark.parametrize("name", [SMALL, "codebook:d2:e16:g16:i4:a16", "codebook:d3:e4:g8:i8:a4"])
@pytest.mark.parametrize(("m", "k"), [(8, 6), (13, 7)])
def test_the_compiler_looks_up_the_same(name, m, k):
    """`qlinear.assign_centroids` and `lut_matvec` on the same bytes."""
    weight, inputs = problem(m, k, 50)
    found = co_quantize(weight, inputs, name)
    form = formats.get(name)
    padded = form.padded_shape(m, k)
    suffix = f", padded = {padded[0]}x{padded[1]}" if padded != (m, k) else ""
    packed = f"!qlinear.packed<{m}x{k}, {form.attribute}{suffix}>"
    pieces = padded[1] // shape_of(name).dim
    text = f"""
    func.func @main(%w: {packed}, %x: tensor<9x{k}xf32>) -> tensor<9x{m}xf32> {{
      %i = tensor.empty() : tensor<9x{pieces}xi32>
      %o = tensor.empty() : tensor<9x{m}xf32>
      %a = qlinear.assign_centroids ins(%w, %x : {packed}, tensor<9x{k}xf32>)
          outs(%i : tensor<9x{pieces}xi32>) -> tensor<9x{pieces}xi32>
      %y = qlinear.lut_matvec ins(%w, %a : {packed}, tensor<9x{pieces}xi32>)
          outs(%o : tensor<9x{m}xf32>) -> tensor<9x{m}xf32>
      return %y : tensor<9x{m}xf32>
    }}"""
    (got,) = Meaning(parse_text(text, ir.Context()))(found.data.view(np.int8), inputs[:9])
    want = lut_matvec(found.data, inputs[:9], m, k, name)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4 * np.abs(want).max())


def test_the_lookup_is_the_product_of_centroids():
    """Up to the rounding of the tables, for each sample."""
    weight, inputs = problem(16, 8, 200)
    found = co_quantize(weight, inputs, "codebook:d2:e16:g16:i8:a64")
    parts = unpack(shape_of(found.format), found.data, 16, 8)
    pieces = inputs.reshape(200, 4, 2).transpose(1, 0, 2)
    which = assign_chebyshev(pieces, parts.activation_centroids)
    rounded = np.take_along_axis(parts.activation_centroids, which[:, :, None], axis=1)
    decoded = formats.get(found.format).decode(found.data, 16, 8)
    want = rounded.transpose(1, 0, 2).reshape(200, 8).astype(np.float64) @ decoded.T
    got = lut_matvec(found.data, inputs, 16, 8, found.format)
    assert np.abs(got - want).max() <= 4 * parts.scale * 1.01  # clipped entries are rare
    assert relative(got, want) < 0.02


def test_calibration_helps_the_outputs():
    weight, both = problem(64, 64, 900)
    inputs, held_out = both[:600], both[600:]
    name = "codebook:d2:e16:g64:i8:a64"
    want = held_out.astype(np.float64) @ weight.T
    found = co_quantize(weight, inputs, name)
    plain = formats.get(name).encode(weight)
    assert relative(lut_matvec(found.data, held_out, 64, 64, name), want) < 0.7 * relative(
        lut_matvec(plain, held_out, 64, 64, name), want
    )
    decoded = formats.get(name).decode(plain, 64, 64)
    assert found.weight_error < relative(inputs.astype(np.float64) @ decoded.T, inputs @ weight.T)
    assert 0 < found.activation_error < found.output_error < 0.5


def test_more_bits_and_entries_are_better():
    weight, inputs = problem(32, 32, 500)
    names = [f"codebook:d2:e{e}:g32:i{b}:a{a}" for e, b, a in ((4, 4, 8), (16, 4, 64), (16, 8, 64))]
    errors = [co_quantize(weight, inputs, name).output_error for name in names]
    assert errors == sorted(errors, reverse=True)


def test_few_different_pieces_are_exact():
    """Up to as many pieces as centroids lose nothing but the tables' rounding."""
    draw = np.random.default_rng(2)
    levels = draw.standard_normal((4, 8)).astype(np.float32)
    inputs = levels[draw.integers(0, 4, 100)]
    found = co_quantize(draw.standard_normal((8, 8)).astype(np.float32), inputs, SMALL)
    assert found.activation_error < 1e-6


def test_assignment_is_by_the_largest_difference():
    centroids = np.array([[[0, 0], [3, 3], [0, 4]]], np.float32)
    pieces = np.array([[[2, 2.1], [0, 1.9], [0, 2], [1.5, 1.5]]], np.float32)
    # (0, 2) is as far from the first as from the last: the first counts.
    np.testing.assert_array_equal(assign_chebyshev(pieces, centroids), [[1, 0, 0, 0]])


def test_refinement_does_not_lose():
    _, inputs = problem(8, 16, 400)
    pieces = inputs.reshape(400, 8, 2).transpose(1, 0, 2)
    errors = []
    for rounds in (0, 4):
        centroids = activation_centroids(inputs, 2, 16, iterations=rounds)
        which = assign_chebyshev(pieces, centroids)
        chosen = np.take_along_axis(centroids, which[:, :, None], axis=1)
        errors.append(np.sum((pieces - chosen) ** 2))
    assert errors[1] <= errors[0]


@pytest.mark.parametrize("what", ["zero weight", "zero inputs", "one input", "huge"])
def test_odd_problems(what):
    weight, inputs = problem(9, 6, 40)
    if what == "zero weight":
        weight[:] = 0
    if what == "zero inputs":
        inputs[:] = 0
    if what == "one input":
        inputs = inputs[:1]
    if what == "huge":
        weight *= np.float32(1e15)
    found = co_quantize(weight, inputs, SMALL)
    got = lut_matvec(found.data, inputs, 9, 6, SMALL)
    assert np.isfinite(got).all() and got.shape == (len(inputs), 9)
    if "zero" in what:
        assert not got.any()


def test_the_same_seed_gives_the_same_bytes():
    weight, inputs = problem(16, 8, 100)
    first, second = (co_quantize(weight, inputs, SMALL, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.data, second.data)


def test_progress():
    calls = []
    co_quantize(*problem(8, 4, 30), SMALL, progress=lambda *c: calls.append(c))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_bad_input():
    weight, inputs = problem(8, 4, 30)
    with pytest.raises(UsageError, match="expected a format with tables, but got 'codebook:d2"):
        co_quantize(weight, inputs, "codebook:d2:e16:g512")
    with pytest.raises(UsageError, match="expected a codebook format, but got 'q4_k'"):
        co_quantize(weight, inputs, "q4_k")
    with pytest.raises(UsageError, match=r"inputs \[N, K\], but got \[8, 4\] and \[30, 3\]"):
        co_quantize(weight, inputs[:, :3], SMALL)
    inputs[3, 1] = np.nan
    with pytest.raises(UsageError, match="expected finite weights and inputs"):
        co_quantize(weight, inputs, SMALL)


# --- collecting --------------------------------------------------------------------------------


def test_inputs_are_collected():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    batches = [torch.randn(5, 2, 6) for _ in range(3)]
    done = []
    found = collect_inputs(model, batches, ["0", "2"], tokens=100, progress=done.append)
    np.testing.assert_array_equal(found["0"], torch.cat(batches).reshape(-1, 6).numpy())
    hidden = torch.relu(model[0](torch.cat(batches).reshape(-1, 6))).detach().numpy()
    np.testing.assert_allclose(found["2"], hidden, rtol=1e-5, atol=1e-6)
    assert done == [1, 2, 3]
    assert not model[0]._forward_pre_hooks


def test_a_sample_is_bounded_and_from_everywhere():
    model = nn.Linear(1, 1)
    batches = [torch.full((50, 1), float(i)) for i in range(20)]
    found = collect_inputs(model, [(b,) for b in batches], [""], tokens=64)[""]
    assert found.shape == (64, 1) and len(np.unique(found)) > 10


def test_layers_that_are_not_there():
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model.forward = lambda x: model["a"](x)
    with pytest.raises(UsageError, match="got 'c'; allowed: a, b"):
        collect_inputs(model, [torch.ones(1, 2)], ["c"])
    with pytest.raises(UsageError, match="expected the model to use the layer 'b'"):
        collect_inputs(model, [torch.ones(1, 2)], ["a", "b"])


@pytest.mark.parametrize(
    ("weights", "inputs"), [(1e37, 1.0), (1.0, 1e37), (1e-30, 1.0), (1.0, 1e-38), (1e-30, 1e25)]
)
def test_errors_do_not_depend_on_units(weights, inputs):
    """Up to where float32 ends, neither the search nor the tables lose or overflow anything."""
    weight, x = problem(16, 8, 60)
    plain = co_quantize(weight, x, SMALL)
    scaled = co_quantize(weight * np.float32(weights), x * np.float32(inputs / 100), SMALL)
    assert scaled.output_error == pytest.approx(plain.output_error, rel=0.02)
    formats.get(SMALL).check_scales(scaled.data, 16, 8)


def test_weight_centroids_survive_products_that_do_not():
    weight, x = problem(16, 8, 60)
    found = co_quantize(
        weight * np.float32(1e-30), x * np.float32(1e-30), "codebook:d2:e16:g8:i8:a8"
    )
    assert found.weight_error < 1e-5  # 16 centroids for 8 rows
    assert found.output_error == 1.0  # 1e-60 is 0 in the tables
    with pytest.raises(UsageError, match="expected products that float32 holds, but got weights"):
        co_quantize(weight * np.float32(1e25), x * np.float32(1e25), SMALL)


def test_what_is_looked_up_must_fit():
    weight, x = problem(16, 8, 60)
    data = co_quantize(weight, x, SMALL).data
    same = lut_matvec(data.view(np.int8), x[:3], 16, 8, SMALL)
    np.testing.assert_array_equal(same, lut_matvec(data, x[:3], 16, 8, SMALL))
    with pytest.raises(
        UsageError, match=r"expected finite inputs \[N, 8\], but got shape \[60, 5\]"
    ):
        lut_matvec(data, x[:, :5], 16, 8, SMALL)
    with pytest.raises(UsageError, match="with NaN or infinite ones"):
        lut_matvec(data, x * np.float32(np.nan), 16, 8, SMALL)
    with pytest.raises(UsageError, match="expected .* bytes .* for 16x8 values, but got"):
        lut_matvec(data[:-1], x, 16, 8, SMALL)
    broken = data.copy()
    broken[:4] = 0xFF
    with pytest.raises(UsageError, match="expected finite scales"):
        lut_matvec(broken, x, 16, 8, SMALL)


def test_inputs_that_are_given_by_name_are_collected():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x):
            return self.linear(input=x)

    x = torch.arange(8.0).reshape(2, 4)
    found = collect_inputs(Named(), [x], ["linear"])
    np.testing.assert_array_equal(found["linear"], x.numpy())
