"""Lists of large activations for Metal in the simulator: any length and density, what they move."""

import ml_dtypes
import numpy as np
import pytest

import headrace
from headrace import ir
from headrace.modules import parse_text
from headrace.references import sparse
from headrace.targets.metal import simulate


def select(columns, dtype="f32", threshold=0.5):
    kind = f"tensor<{columns}x{dtype}>, tensor<{columns}xi32>, tensor<1xi32>"
    x, indices, count = kind.split(", ")
    text = f"""
    func.func @main(%x: {x}) -> ({indices}, {count}) {{
      %i = tensor.empty() : {indices}
      %c = tensor.empty() : {count}
      %list, %n = qlinear.select_columns threshold = {threshold:e} ins(%x : {x})
          outs(%i, %c : {indices}, {count}) -> {indices}, {count}
      return %list, %n : {indices}, {count}
    }}"""
    module = parse_text(text, ir.Context(), "select")
    return headrace.compile(module, target="metal:m2-max", cache=False)


def with_density(columns, density, seed=0):
    """A vector of which `density` is large; 0 < density < 1 / columns is one column."""
    draw = np.random.default_rng(seed)
    count = int(np.ceil(density * columns))
    x = draw.uniform(-0.5, 0.5, columns).astype(np.float32)
    x[draw.permutation(columns)[:count]] = 1 - 2 * draw.integers(0, 2, count)
    return x


@pytest.mark.parametrize("density", [0, 1e-9, 0.25, 0.5, 1])
@pytest.mark.parametrize("columns", [1024, 14336])
def test_the_list_is_the_same_in_each_order(columns, density):
    artifact, x = select(columns), with_density(columns, density)
    wants = sparse.select_columns(x, 0.5)
    assert wants[1][0] == np.ceil(density * columns)
    for schedule in range(3):
        _, indices, count = simulate.run_plan(artifact, [x], schedule)
        assert np.array_equal(indices, wants[0]) and np.array_equal(count, wants[1])


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 1023, 1025, 1056, 2049])
def test_lengths_that_fill_no_subgroup(columns):
    x = with_density(columns, 0.5).astype(ml_dtypes.bfloat16)
    _, indices, count = simulate.run_plan(select(columns, "bf16"), [x], 2)
    wants = sparse.select_columns(x, 0.5)
    assert np.array_equal(indices, wants[0]) and np.array_equal(count, wants[1])


def test_numbers_at_both_ends():
    """Denormal numbers are above zero, NaN above everything, a zero is not above itself."""
    x = np.array([-0.0, 1e-45, -1e-45, np.nan, -np.nan, np.inf, 0.0], np.float32)
    _, indices, count = simulate.run_plan(select(7, threshold=0), [x], 0)
    assert count[0] == 5 and indices.tolist() == [1, 2, 3, 4, 5, 0, 0]


def test_activations_come_from_memory_once():
    columns = 14336
    (traffic,) = simulate.traffic_of(select(columns), [with_density(columns, 0.5)])
    assert 64 * traffic[0].distinct_loaded_64 == 4 * columns
    assert traffic[0].loaded == 2 * 4 * columns, "once to count and once to write"
    assert traffic[1].stored == 4 * columns and traffic[2].stored == 4
    assert traffic[1].loaded == traffic[2].loaded == 0
