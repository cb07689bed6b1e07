"""What selected columns, table lookup, norms and gated activations mean, against other code."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch

from headrace import formats, ir
from headrace.modules import parse_text
from headrace.reference_jit import Meaning


def run(arguments: str, results: str, body: str, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    text = f"func.func @main({arguments}) -> ({results}) {{\n{body}\n}}"
    return Meaning(parse_text(text, ir.Context()))(*inputs)


def select(x: np.ndarray, threshold: float) -> tuple[np.ndarray, int]:
    k = len(x)
    kind = "bf16" if x.dtype == ml_dtypes.bfloat16 else "f32"
    vector, indices = f"tensor<{k}x{kind}>", f"tensor<{k}xi32>"
    found, count = run(
        f"%x: {vector}, %i: {indices}, %c: tensor<1xi32>",
        f"{indices}, tensor<1xi32>",
        f"""
        %0, %1 = qlinear.select_columns threshold = {threshold:e} ins(%x : {vector})
            outs(%i, %c : {indices}, tensor<1xi32>) -> {indices}, tensor<1xi32>
        return %0, %1 : {indices}, tensor<1xi32>""",
        x,
        np.full(k, 77, np.int32),
        np.full(1, 77, np.int32),
    )
    return found, int(count[0])


@pytest.mark.parametrize("threshold", [0.0, 0.7, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_select_columns(threshold, dtype):
    x = np.random.default_rng(1).normal(size=67).astype(dtype)
    x[::5] = 0
    found, count = select(x, threshold)
    want = np.flatnonzero(np.abs(x.astype(np.float64)) > np.float32(threshold))
    assert count == len(want)
    np.testing.assert_array_equal(found[:count], want)
    assert not found[count:].any()


def test_select_columns_keeps_nan_and_may_take_everything():
    x = np.array([0.0, np.nan, -np.inf, 1e-30], np.float32)
    found, count = select(x, 0.5)
    np.testing.assert_array_equal(found, [1, 2, 0, 0])
    assert count == 2
    assert select(np.ones(3, np.float32), 0.0)[1] == 3
    assert select(np.ones(1, np.float32), 2.0)[1] == 0


@pytest.mark.parametrize("count", [-3, 0, 1, 9, 40])
def test_sparse_matvec(count):
    rng = np.random.default_rng(count + 5)
    m, k, size = 5, 64, 12
    form = formats.get("q8_0")
    weight = form.encode(rng.normal(size=(m, k)).astype(np.float32))
    x = rng.normal(size=k).astype(np.float32)
    # One column twice, two indices that are none.
    indices = rng.permutation(k)[:size].astype(np.int32)
    indices[1], indices[3], indices[4] = indices[0], k, -1
    packed = f"!qlinear.packed<{m}x{k}, {form.attribute}>"
    (y,) = run(
        f"%w: {packed}, %x: tensor<{k}xf32>, %i: tensor<{size}xi32>, %c: tensor<1xi32>",
        f"tensor<{m}xf32>",
        f"""
        %o = tensor.empty() : tensor<{m}xf32>
        %0 = qlinear.sparse_matvec
            ins(%w, %x, %i, %c : {packed}, tensor<{k}xf32>, tensor<{size}xi32>, tensor<1xi32>)
            outs(%o : tensor<{m}xf32>) -> tensor<{m}xf32>
        return %0 : tensor<{m}xf32>""",
        weight.view(np.int8),
        x,
        indices,
        np.array([count], np.int32),
    )
    chosen = {int(i) for i in indices[: max(count, 0)] if 0 <= i < k}
    columns = sorted(chosen)
    want = form.decode(weight, m, k).astype(np.float64)[:, columns] @ x[columns].astype(np.float64)
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)


def test_sparse_matvec_does_not_read_other_columns():
    """Neither an infinite activation nor an infinite weight reaches the result."""
    form = formats.get("q8_0")
    weight = form.encode(np.ones((2, 64), np.float32))
    weight.reshape(2, 2, 34)[:, 1, :2] = np.array([np.inf], np.float16).view(np.uint8)
    x = np.ones(64, np.float32)
    x[1] = np.nan
    packed = f"!qlinear.packed<2x64, {form.attribute}>"
    (y,) = run(
        f"%w: {packed}, %x: tensor<64xf32>, %i: tensor<2xi32>, %c: tensor<1xi32>",
        "tensor<2xf32>",
        f"""
        %o = tensor.empty() : tensor<2xf32>
        %0 = qlinear.sparse_matvec
            ins(%w, %x, %i, %c : {packed}, tensor<64xf32>, tensor<2xi32>, tensor<1xi32>)
            outs(%o : tensor<2xf32>) -> tensor<2xf32>
        return %0 : tensor<2xf32>""",
        weight.view(np.int8),
        x,
        np.array([0, 2], np.int32),
        np.array([2], np.int32),
    )
    np.testing.assert_allclose(y, [2.0, 2.0], rtol=1e-3)


# --- table lookup ------------------------------------------------------------------------------


def lookup_weight(rng, m, k, dim, entries, group, bits, activations):
    """Random storage, part by part as the format's description has it."""
    bands, pieces = -(-m // group), -(-k // dim)
    scale, offset = np.float32(0.013), np.float32(-0.7)
    centroids = rng.normal(size=(pieces, activations, dim)).astype(np.float32)
    tables = rng.integers(0, 2**bits, (bands, pieces, activations, entries), dtype=np.uint8)
    index_bits = int(np.log2(entries))
    codes = rng.integers(0, entries, (bands, pieces, group), dtype=np.uint8)
    weights = rng.normal(size=(bands, pieces, entries, dim)).astype(np.float32)

    def packed(values, width):
        if width == 8:
            return values
        per = 8 // width
        split = values.reshape(*values.shape[:-1], -1, per)
        return sum(split[..., j] << (width * j) for j in range(per)).astype(np.uint8)

    flat = [
        packed(tables.reshape(bands, pieces, -1), bits),
        packed(codes, index_bits),
        weights.reshape(bands, pieces, -1).view(np.uint8).reshape(bands, pieces, -1),
    ]
    header = np.concatenate([[scale, offset], centroids.reshape(-1)]).astype(np.float32)
    storage = np.concatenate([header.view(np.uint8), np.concatenate(flat, axis=2).reshape(-1)])
    return storage, centroids, tables, codes, scale, offset


@pytest.mark.parametrize(
    ("m", "k", "dim", "entries", "bits", "activations", "n"),
    [
        (16, 6, 2, 16, 8, 64, 1),
        (13, 7, 2, 16, 4, 8, 3),
        (8, 5, 3, 4, 8, 2, 2),
        (9, 8, 1, 256, 8, 4, 1),
    ],
)
def test_table_lookup(m, k, dim, entries, bits, activations, n):
    rng = np.random.default_rng(m * k)
    group = 8
    storage, centroids, tables, codes, scale, offset = lookup_weight(
        rng, m, k, dim, entries, group, bits, activations
    )
    pieces = centroids.shape[0]
    x = rng.normal(size=(n, k)).astype(np.float32)
    padded = (-(-m // group) * group, pieces * dim)
    suffix = f", padded = {padded[0]}x{padded[1]}" if padded != (m, k) else ""
    packed = (
        f"!qlinear.packed<{m}x{k}, #qlinear.codebook<dim = {dim}, entries = {entries}, "
        f"group = {group}, table = i{bits}, activation_entries = {activations}>{suffix}>"
    )
    shape = f"{n}x" if n > 1 else ""
    assigned, y = run(
        f"%w: {packed}, %x: tensor<{shape}{k}xf32>",
        f"tensor<{shape}{pieces}xi32>, tensor<{shape}{m}xf32>",
        f"""
        %i = tensor.empty() : tensor<{shape}{pieces}xi32>
        %o = tensor.empty() : tensor<{shape}{m}xf32>
        %a = qlinear.assign_centroids ins(%w, %x : {packed}, tensor<{shape}{k}xf32>)
            outs(%i : tensor<{shape}{pieces}xi32>) -> tensor<{shape}{pieces}xi32>
        %y = qlinear.lut_matvec ins(%w, %a : {packed}, tensor<{shape}{pieces}xi32>)
            outs(%o : tensor<{shape}{m}xf32>) -> tensor<{shape}{m}xf32>
        return %a, %y : tensor<{shape}{pieces}xi32>, tensor<{shape}{m}xf32>""",
        storage.view(np.int8),
        x if n > 1 else x[0],
    )
    cut = np.zeros((n, pieces * dim), np.float32)
    cut[:, :k] = x
    distances = np.abs(cut.reshape(n, pieces, 1, dim) - centroids[None]).max(axis=3)
    nearest = distances.argmin(axis=2)
    np.testing.assert_array_equal(assigned.reshape(n, pieces), nearest)
    want = np.zeros((n, m))
    for token in range(n):
        for row in range(m):
            for piece in range(pieces):
                code = codes[row // group, piece, row % group]
                want[token, row] += tables[row // group, piece, nearest[token, piece], code]
    want = want * np.float64(scale) + pieces * np.float64(offset)
    np.testing.assert_allclose(y.reshape(n, m), want, rtol=1e-5, atol=1e-5)


# --- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (64,), (1, 33), (7, 96)])
@pytest.mark.parametrize("size", [0.0, 1e-6, 1.0, 1e6])
def test_norms(shape, size):
    rng = np.random.default_rng(3)
    x = (rng.normal(size=shape) * size).astype(np.float32)
    w, b = (rng.normal(size=shape[-1]).astype(np.float32) for _ in range(2))
    rows, cols = "x".join(map(str, shape)), shape[-1]
    got = run(
        f"%x: tensor<{rows}xf32>, %w: tensor<{cols}xf32>, %b: tensor<{cols}xf32>",
        ", ".join([f"tensor<{rows}xf32>"] * 3),
        f"""
        %o = tensor.empty() : tensor<{rows}xf32>
        %0 = qlinear.rms_norm eps = 1.0e-6
            ins(%x, %w : tensor<{rows}xf32>, tensor<{cols}xf32>)
            outs(%o : tensor<{rows}xf32>) -> tensor<{rows}xf32>
        %1 = qlinear.rms_norm eps = 1.0e-6 add_unit
            ins(%x, %w : tensor<{rows}xf32>, tensor<{cols}xf32>)
            outs(%o : tensor<{rows}xf32>) -> tensor<{rows}xf32>
        %2 = qlinear.layer_norm eps = 1.0e-6
            ins(%x, %w, %b : tensor<{rows}xf32>, tensor<{cols}xf32>, tensor<{cols}xf32>)
            outs(%o : tensor<{rows}xf32>) -> tensor<{rows}xf32>
        return %0, %1, %2 : {", ".join([f"tensor<{rows}xf32>"] * 3)}""",
        x,
        w,
        b,
    )
    tx, tw, tb = (torch.from_numpy(a.astype(np.float64)) for a in (x, w, b))
    eps = float(np.float32(1e-6))
    want = [
        torch.nn.functional.rms_norm(tx, (cols,), tw, eps),
        torch.nn.functional.rms_norm(tx, (cols,), tw + 1, eps),
        torch.nn.functional.layer_norm(tx, (cols,), tw, tb, eps),
    ]
    for y, expected in zip(got, want, strict=True):
        scale = max(float(expected.abs().max()), 1e-30)
        np.testing.assert_allclose(y / scale, expected.numpy() / scale, atol=3e-6)


@pytest.mark.parametrize("act", ["silu", "gelu_tanh"])
def test_gated_activation(act):
    rng = np.random.default_rng(4)
    gate, up = (rng.normal(size=(3, 40)).astype(np.float32) * 3 for _ in range(2))
    (y,) = run(
        "%g: tensor<3x40xf32>, %u: tensor<3x40xf32>",
        "tensor<3x40xf32>",
        f"""
        %o = tensor.empty() : tensor<3x40xf32>
        %0 = qlinear.gated_activation {act} ins(%g, %u : tensor<3x40xf32>, tensor<3x40xf32>)
            outs(%o : tensor<3x40xf32>) -> tensor<3x40xf32>
        return %0 : tensor<3x40xf32>""",
        gate,
        up,
    )
    tg, tu = torch.from_numpy(gate).double(), torch.from_numpy(up).double()
    functional = torch.nn.functional
    activated = functional.silu(tg) if act == "silu" else functional.gelu(tg, approximate="tanh")
    np.testing.assert_allclose(y, (activated * tu).numpy(), rtol=1e-4, atol=2e-6)
