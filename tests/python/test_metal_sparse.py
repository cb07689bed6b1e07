"""Sparse products for Metal in the simulator: lists of large activations, products with them."""

import ml_dtypes
import numpy as np
import pytest

import headrace
from headrace import formats, ir
from headrace.check.operations.text import packed
from headrace.modules import parse_text
from headrace.reference import relative_l2
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


INNER = ["q4_0", "q8_0", "q4_k", "q6_k"]


def matvec(rows, columns, inner, band=256, chip="m2-max"):
    """The product with a list that has room for all columns."""
    w = packed(f"{inner}:zigzag" + ("" if band == 256 else str(band)), rows, columns)
    x, indices = f"tensor<{columns}xf32>", f"tensor<{columns}xi32>"
    text = f"""
    func.func @main(%w: {w}, %x: {x}, %i: {indices}, %c: tensor<1xi32>) -> tensor<{rows}xf32> {{
      %o = tensor.empty() : tensor<{rows}xf32>
      %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : {w}, {x}, {indices}, tensor<1xi32>)
          outs(%o : tensor<{rows}xf32>) -> tensor<{rows}xf32>
      return %y : tensor<{rows}xf32>
    }}"""
    module = parse_text(text, ir.Context(), "sparse")
    return headrace.compile(module, target=f"metal:{chip}", cache=False)


def encoded(rows, columns, name):
    values = np.random.default_rng(3).standard_normal((rows, columns), dtype=np.float32)
    data = np.asarray(formats.get(name).encode(values)).reshape(-1)
    return data, formats.get(name).decode(data, rows, columns)


@pytest.mark.parametrize("density", [0, 1e-9, 0.25, 0.5, 1])
@pytest.mark.parametrize("inner", INNER)
def test_products_at_densities(inner, density):
    """More rows than a band has; 1e-9 is one column. What is not listed is NaN."""
    rows, columns = 300, 101
    data, weights = encoded(rows, columns, f"{inner}:zigzag")
    x = with_density(columns, density)
    indices, count = sparse.select_columns(x, 0.5)
    want = sparse.sparse_matvec(weights, x, indices, count[0])
    x = np.where(np.abs(x) > 0.5, x, np.nan).astype(np.float32)
    artifact = matvec(rows, columns, inner)
    results = [
        simulate.run_plan(artifact, [data, x, indices, count], schedule)[-1]
        for schedule in range(3)
    ]
    assert relative_l2(results[0], want) < 1e-6 if density else not results[0].any()
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_a_list_in_any_order_is_the_same_product():
    """Columns in order, and the same ones backwards, twice and with others that are not there."""
    rows, columns = 256, 96
    data, weights = encoded(rows, columns, "q4_k:zigzag")
    x = with_density(columns, 1)
    some = np.arange(1, columns, 3, dtype=np.int32)
    lists = [some, some[::-1], np.repeat(some, 2), np.append(some, [-1, columns, 2**31 - 1])]
    artifact = matvec(rows, columns, "q4_k")
    want = sparse.sparse_matvec(weights, x, some, len(some))
    for entries in lists:
        indices = np.zeros(columns, np.int32)
        indices[: len(entries)] = entries
        count = np.array([len(entries)], np.int32)
        *_, y = simulate.run_plan(artifact, [data, x, indices, count], 1)
        assert relative_l2(y, want) < 1e-6


@pytest.mark.parametrize(
    ("name", "band", "limit"), [("q4_k", 1024, 0.52), ("q4_k", 256, 0.60), ("q8_0", 1024, 0.53)]
)
def test_half_of_the_columns_are_half_of_what_moves(name, band, limit):
    """In sectors, list and activations included, against the weights of all columns. On a chip of
    few cores, where workgroups have columns whole."""
    rows, columns = 2048, 1024
    x = with_density(columns, 0.5)
    indices, count = sparse.select_columns(x, 0.5)
    artifact = matvec(rows, columns, name, band, chip="m1")
    suffix = "" if band == 256 else str(band)
    nbytes = formats.get(f"{name}:zigzag{suffix}").storage_bytes(rows, columns)
    data = np.zeros(nbytes, np.uint8)
    (traffic,) = simulate.traffic_of(artifact, [data, x, indices, count])
    sectors = sum(part.distinct_loaded_64 + part.distinct_stored_64 for part in traffic)
    assert 0.5 < 64 * sectors / nbytes < limit
    assert traffic[0].stored == traffic[2].stored == 0 and traffic[4].stored == 4 * rows


def test_a_list_is_shared_out_to_more_cores():
    """Eight threadgroups of 64 rows would leave 30 of 38 cores idle. Further ones have parts of the
    list; their sums go through memory once."""
    rows, columns, inner = 512, 8000, "q4_k"
    x = with_density(columns, 0.5)
    indices, count = sparse.select_columns(x, 0.5)
    artifact = matvec(rows, columns, inner)
    data, weights = encoded(rows, columns, f"{inner}:zigzag")
    parts, _ = artifact.manifest["plan"]
    splits = parts["grid"][1]
    assert parts["grid"] == [8, splits, 1] and 8 * splits >= 38
    first, second = simulate.traffic_of(artifact, [data, x, indices, count])
    assert first[4].stored == 4 * rows * splits == second[0].loaded
    assert second[1].stored == 4 * rows
    assert first[4].loaded == second[1].loaded == 0
    assert 64 * first[0].distinct_loaded_64 <= 0.60 * data.nbytes
    want = sparse.sparse_matvec(weights, x, indices, count[0])
    *_, y = simulate.run_plan(artifact, [data, x, indices, count], 2)
    assert relative_l2(y, want) < 1e-6


@pytest.mark.parametrize(
    ("inner", "groups"), [("q4_0", 16), ("q8_0", 16), ("q4_k", 16), ("q6_k", 8)]
)
def test_parts_of_slices(inner, groups):
    """Fewer slices than cores: threadgroups have half of one, or a quarter, of the same pieces."""
    rows, columns = 1000, 64
    data, weights = encoded(rows, columns, f"{inner}:zigzag")
    x = with_density(columns, 0.5)
    indices, count = sparse.select_columns(x, 0.5)
    traffic = {}
    for chip in ("m1", "m2-max"):
        artifact = matvec(rows, columns, inner, chip=chip)
        (step,) = artifact.manifest["plan"]
        assert step["grid"] == [8 if chip == "m1" else groups, 1, 1]
        (found,) = simulate.traffic_of(artifact, [data, x, indices, count])
        traffic[chip] = found[0].distinct_loaded_64
        results = [
            simulate.run_plan(artifact, [data, x, indices, count], order)[-1] for order in range(3)
        ]
        want = sparse.sparse_matvec(weights, x, indices, count[0])
        assert relative_l2(results[0], want) < 1e-6
        assert all(np.array_equal(results[0], other) for other in results[1:])
    assert traffic["m1"] == traffic["m2-max"], "no sector more of memory"


@pytest.mark.parametrize("inner", ["q4_0", "q8_0"])
def test_narrow_bands(inner):
    """Of 128 rows: half as much is skipped at a time, and twice as many workgroups."""
    rows, columns = 200, 77
    data, weights = encoded(rows, columns, f"{inner}:zigzag128")
    x = with_density(columns, 0.4)
    indices, count = sparse.select_columns(x, 0.5)
    want = sparse.sparse_matvec(weights, x, indices, count[0])
    x = np.where(np.abs(x) > 0.5, x, np.nan).astype(np.float32)
    artifact = matvec(rows, columns, inner, 128)
    results = [
        simulate.run_plan(artifact, [data, x, indices, count], order)[-1] for order in range(3)
    ]
    assert relative_l2(results[0], want) < 1e-6
    assert all(np.array_equal(results[0], other) for other in results[1:])
