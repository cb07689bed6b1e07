"""Caches of keys and values for Metal in the simulator: whole heads, and a step of decoding."""

import numpy as np
import pytest

import headrace
from headrace import ir
from headrace.modules import parse_text
from headrace.references import attention
from headrace.references.caches import KVCache, Layout
from headrace.targets.metal import simulate

HEADS, GROUPS, DIM = 4, 2, 72


def appending(cache, count):
    new = f"tensor<{count}x{cache.heads}x{cache.dim}xf32>"
    pages = cache.layout.kind == "paged"
    table = ", tensor<3xi32>" if pages else ""
    text = f"""
    func.func @main(%k: {new}, %v: {new}, %cache: {cache.type}, %at: tensor<1xi32>
                    {", %table: tensor<3xi32>" if pages else ""}) -> {cache.type} {{
      %new = qattn.append_kv %k, %v into %cache at %at {"table %table" if pages else ""}
          : {new}, {new}, {cache.type}, tensor<1xi32>{table} -> {cache.type}
      return %new : {cache.type}
    }}"""
    return headrace.compile(parse_text(text, ir.Context(), "append"), target="metal:m2-max")


def drawn(cache, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, count, cache.heads, cache.dim)).astype(np.float32)


@pytest.mark.parametrize(
    ("layout", "dtype", "count", "start"),
    [
        (Layout("contiguous", 9), "i8", 3, 4),
        (Layout("ring", 5), "f16", 12, 3),
        (Layout("ring", 7), "i8", 2, 2**31 - 2),
        (Layout("paged", 8, 2), "bf16", 6, 0),
    ],
)
def test_append(layout, dtype, count, start):
    """The bytes of the reference, in three orders; the table names a page twice."""
    cache = KVCache(layout, GROUPS, DIM, dtype)
    k, v = drawn(cache, count)
    old = np.arange(cache.storage_bytes).astype(np.uint8)
    table = np.array([2, 0, 2], np.int32) if layout.kind == "paged" else None
    want = cache.append(old, k, v, start, table)
    program = appending(cache, count)
    given = [k, v, old.view(np.int8), np.array([start], np.int32)]
    for order in range(3):
        found = simulate.run_plan(program, given if table is None else [*given, table], order)
        assert np.array_equal(found[2].view(np.uint8).reshape(-1), want)


def test_append_writes_one_token_only():
    cache = KVCache(Layout("contiguous", 64), GROUPS, DIM, "f16")
    k, v = drawn(cache, 1)
    data = np.zeros(cache.storage_bytes, np.int8)
    given = [k, v, data, np.array([17], np.int32)]
    (traffic,) = simulate.traffic_of(appending(cache, 1), given)
    assert traffic[2].stored == data.nbytes // 64 and traffic[2].loaded == 0


@pytest.mark.parametrize("dtype", ["f16", "i8"])
def test_a_step_of_decoding(dtype):
    """A token is appended, and its query attends to it and to those before, in one plan."""
    cache = KVCache(Layout("ring", 40), GROUPS, DIM, dtype)
    new, q = f"tensor<1x{GROUPS}x{DIM}xf32>", f"tensor<{HEADS}x{DIM}xf32>"
    one, lse = "tensor<1xi32>", f"tensor<{HEADS}xf32>"
    text = f"""
    func.func @main(%q: {q}, %k: {new}, %v: {new}, %cache: {cache.type}, %at: {one}, %n: {one})
        -> ({q}, {cache.type}) {{
      %new = qattn.append_kv %k, %v into %cache at %at
          : {new}, {new}, {cache.type}, {one} -> {cache.type}
      %o = tensor.empty() : {q}
      %l = tensor.empty() : {lse}
      %y, %z = qattn.decode ins(%q, %new, %n : {q}, {cache.type}, {one}) outs(%o, %l : {q}, {lse})
          {{scale = 0.125 : f32, window = 30 : i64}} -> {q}, {lse}
      return %y, %new : {q}, {cache.type}
    }}"""
    program = headrace.compile(parse_text(text, ir.Context(), "step"), target="metal:m2-max")
    keys, values = drawn(cache, 50)
    data = np.zeros(cache.storage_bytes, np.uint8)
    data = cache.append(data, keys[:49], values[:49], 0)
    query = np.random.default_rng(5).normal(size=(HEADS, DIM)).astype(np.float32)
    given = [query, keys[49:], values[49:], data.view(np.int8)]
    given += [np.array([number], np.int32) for number in (49, 50)]
    found = simulate.run_plan(program, given, 2)
    want = cache.append(data, keys[49:], values[49:], 49)
    assert np.array_equal(found[3].view(np.uint8).reshape(-1), want)
    slots = [token % 40 for token in range(20, 50)]
    kept, seen = (part[slots] for part in cache.values(want))
    expected, _ = attention.decode(query, kept, seen, 0.125)
    np.testing.assert_allclose(found[-1], expected, rtol=1e-5, atol=1e-5)
