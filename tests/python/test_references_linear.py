"""References of products and rows, against torch and direct computation."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch

from headrace import formats
from headrace.references import linear, rows, sparse, tables

functional = torch.nn.functional


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def test_products():
    w, up, x, xs = drawn(1, (6, 32), (6, 32), (32,), (3, 32))
    tw, tup, tx = (torch.from_numpy(a) for a in (w, up, x))
    np.testing.assert_allclose(linear.matvec(w, x), functional.linear(tx, tw).numpy())
    want = functional.linear(torch.from_numpy(xs), tw).numpy()
    np.testing.assert_allclose(linear.matmul(w, xs), want)
    for name, act in (("silu", functional.silu), ("gelu_tanh", gelu)):
        want = (act(tw @ tx) * (tup @ tx)).numpy()
        np.testing.assert_allclose(
            linear.gated_matvec(w, up, x, name), want, rtol=1e-12, atol=1e-14
        )


def gelu(values: torch.Tensor) -> torch.Tensor:
    return functional.gelu(values, approximate="tanh")


def test_gates_keep_their_digits():
    v = np.array([-1000.0, -30.0, -5.0, -1e-30, 0.0, 3.0, 1000.0])
    want = v * torch.from_numpy(v).sigmoid().numpy()
    np.testing.assert_allclose(rows.silu(v), want, rtol=1e-14)
    assert np.all(np.isfinite(rows.gelu_tanh(v)))
    np.testing.assert_allclose(rows.gelu_tanh(v[3:]), gelu(torch.from_numpy(v[3:])).numpy())


@pytest.mark.parametrize("shape", [(7,), (3, 7), (1, 1)])
def test_norms(shape):
    x, w, b = drawn(2, shape, shape[-1:], shape[-1:])
    tx, tw, tb = (torch.from_numpy(a) for a in (x, w, b))
    kind, eps = shape[-1:], 1e-5
    np.testing.assert_allclose(
        rows.rms_norm(x, w, eps), functional.rms_norm(tx, kind, tw, eps).numpy()
    )
    np.testing.assert_allclose(
        rows.rms_norm(x, w, eps, add_unit=True), functional.rms_norm(tx, kind, tw + 1, eps).numpy()
    )
    want = functional.layer_norm(tx, kind, tw, tb, eps).numpy()
    np.testing.assert_allclose(rows.layer_norm(x, w, b, eps), want)


def test_weights_are_what_others_decode():
    rng = np.random.default_rng(3)
    data = formats.get("q6_k").encode(rng.normal(size=(3, 256)).astype(np.float32))
    want = formats.get("q6_k").decode(data, 3, 256)
    np.testing.assert_array_equal(linear.weights("q6_k", data.view(np.int8), 3, 256), want)


@pytest.mark.parametrize("size", [0.0, 1e-40, 1.0, 1e30])
def test_quantized_activations_are_those_of_the_codec(size):
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(3, 96)) * size).astype(np.float32)
    np.testing.assert_array_equal(linear.quantize_i8(x), formats.get("act_i8").encode(x).ravel())


# --- selected columns ----------------------------------------------------------------------------


def test_select_columns():
    x = np.array([0.5, -0.6, 0.0, np.nan, 2.0, -np.inf], np.float32)
    indices, count = sparse.select_columns(x, 0.5)
    np.testing.assert_array_equal(indices, [1, 3, 4, 5, 0, 0])
    assert count == [4] and indices.dtype == count.dtype == np.int32
    indices, count = sparse.select_columns(x.astype(ml_dtypes.bfloat16)[:3], 1.0)
    assert count == [0] and not indices.any()


def test_all_selected_columns_are_the_dense_product():
    w, x = drawn(5, (4, 9), (9,))
    x[::2] = 0
    indices, count = sparse.select_columns(x, 0.0)
    got = sparse.sparse_matvec(w, x, indices, int(count[0]))
    np.testing.assert_allclose(got, w @ x)
    got = sparse.sparse_matvec(w, x, np.array([3, 3, -1, 9, 1], np.int32), 4)
    np.testing.assert_allclose(got, w[:, 3] * x[3])
    assert not sparse.sparse_matvec(w, x, indices, -1).any()


# --- table lookup --------------------------------------------------------------------------------


def exact_tables(rng: np.random.Generator) -> tables.Tables:
    """Tables whose products are exact: of whole numbers."""
    groups, pieces, dim, activations, entries = 2, 3, 2, 4, 4
    centroids = rng.integers(-3, 4, (groups, pieces, entries, dim)).astype(np.float32)
    x = rng.integers(-3, 4, (pieces, activations, dim)).astype(np.float32)
    products = np.einsum("gped,pad->gpae", centroids, x)
    return tables.Tables(
        activations=x,
        products=(products + 64).astype(np.uint8),
        indices=rng.integers(0, entries, (groups, pieces, 8)).astype(np.uint8),
        centroids=centroids,
        scale=np.float32(1),
        offset=np.float32(-64),
    )


def test_table_lookup_is_the_product_of_centroids():
    """The bytes, decoded by somebody else's code, times the assigned centroids."""
    rng = np.random.default_rng(6)
    parts = exact_tables(rng)
    form = formats.get("codebook:d2:e4:g8:i8:a4")
    w = linear.weights(form.name, parts.storage(8), 13, 6)
    x = rng.normal(size=(2, 6)) * 3
    assigned = tables.assign_centroids(parts.activations, x)
    near = parts.activations[np.arange(3), assigned].reshape(2, 6)
    np.testing.assert_allclose(tables.lut_matvec(parts, assigned, 13), near @ w.T)
    # Outside counts as the nearest.
    np.testing.assert_array_equal(
        tables.lut_matvec(parts, assigned * 0 + 99, 13),
        tables.lut_matvec(parts, assigned * 0 + 3, 13),
    )


def test_assignment_is_the_nearest_by_the_largest_difference():
    centroids = np.array([[[0, 0], [1, 1], [1, 1], [3, 0]]], np.float32)
    x = np.array([[0.4, 0.4], [0.9, 0.2], [2.1, 0.9], [np.nan, 3]], np.float32)
    # The second is 0.9 from the first and 0.8 from the second, though nearer to the first in sum.
    np.testing.assert_array_equal(tables.assign_centroids(centroids, x)[:, 0], [0, 1, 3, 0])
    # A column behind the end counts as 0.
    np.testing.assert_array_equal(tables.assign_centroids(centroids, x[2:3, :1]), [[3]])
