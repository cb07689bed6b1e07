"""Caches that compiled programs write to: the bytes, and a step of decoding in one program."""

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import ir
from headrace.check.compiled import Compiled
from headrace.modules import parse_text
from headrace.references import attention
from headrace.references.caches import KVCache, Layout
from headrace_runtime.errors import ArgumentError

LAYOUTS = {
    "contiguous": Layout("contiguous", 40),
    "ring": Layout("ring", 37),
    "paged": Layout("paged", 48, 16),
}
TABLE = np.array([2, -1, 0], np.int32)


def f32(*shape):
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def operands(cache, *types):
    """(arguments, types, ` table %table` or nothing) behind `types`."""
    table = cache.layout.kind == "paged"
    return [*types, *(["tensor<3xi32>"] if table else [])], " table %table" if table else ""


def table_of(cache):
    return TABLE if cache.layout.kind == "paged" else None


def random_bytes(cache, rng):
    return rng.integers(0, 256, cache.storage_bytes, dtype=np.uint8)


@pytest.mark.parametrize("target", ["cpu", "cpu:x86-64-v3"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "fp8_e4m3", "i8"])
def test_append_and_fetch(dtype, layout, target):
    """Several vectors of columns and a rest of one; tokens behind the end and before the start."""
    rng = np.random.default_rng(len(dtype) + len(layout))
    tokens, heads, dim = 9, 3, 49 if dtype != "f16" else 64
    cache = KVCache(LAYOUTS[layout], heads, dim, dtype)
    kind, table = f32(tokens, heads, dim), table_of(cache)
    types, keyword = operands(cache, kind, kind, cache.type, "tensor<1xi32>")
    fetched, _ = operands(cache, cache.type, "tensor<1xi32>")
    names = ["%k", "%v", "%c", "%at", "%table"]
    arguments = ", ".join(f"{name}: {type}" for name, type in zip(names, types, strict=False))
    append = parse_text(
        f"""func.func @main({arguments}) -> {cache.type} {{
          %0 = qattn.append_kv %k, %v into %c at %at{keyword} : {", ".join(types)} -> {cache.type}
          return %0 : {cache.type}
        }}""",
        ir.Context(),
        "append",
    )
    fetch = parse_text(
        f"""func.func @main({arguments.partition("%c")[1]}{arguments.partition("%c")[2]})
            -> ({kind}, {kind}) {{
          %e = tensor.empty() : {kind}
          %0:2 = qattn.fetch_kv ins(%c, %at{keyword} : {", ".join(fetched)})
            outs(%e, %e : {kind}, {kind}) -> {kind}, {kind}
          return %0#0, %0#1 : {kind}, {kind}
        }}""",
        ir.Context(),
        "fetch",
    )
    append, fetch = Compiled(append, target), Compiled(fetch, target)
    tables = [] if table is None else [table]
    for start in (0, cache.layout.slots - tokens + 4, -3):
        k, v = rng.normal(size=(2, tokens, heads, dim)).astype(np.float32)
        k[0, 0], v[1] = 0.0, v[1] * 1e20 if dtype != "f16" else 0.0
        old = random_bytes(cache, rng)
        at = np.array([start], np.int32)
        (got,) = append(k, v, old.view(np.int8), at, *tables)
        new = cache.append(old, k, v, start, table)
        np.testing.assert_array_equal(got.view(np.uint8), new)
        want = cache.fetch(new, start, tokens, table)
        for result, expected in zip(fetch(new.view(np.int8), at, *tables), want, strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_fetch_of_every_number(dtype):
    """All finite bf16 and f16 come out as they are."""
    cache = KVCache(Layout("contiguous", 64), 4, 128, dtype)
    kind = f32(64, 4, 128)
    program = Compiled(
        parse_text(
            f"""func.func @main(%c: {cache.type}, %at: tensor<1xi32>) -> ({kind}, {kind}) {{
              %e = tensor.empty() : {kind}
              %0:2 = qattn.fetch_kv ins(%c, %at : {cache.type}, tensor<1xi32>)
                outs(%e, %e : {kind}, {kind}) -> {kind}, {kind}
              return %0#0, %0#1 : {kind}, {kind}
            }}""",
            ir.Context(),
            "fetch",
        ),
        "cpu",
    )
    numbers = np.arange(2**16, dtype=np.uint16)
    stored = numbers.view({"bf16": ml_dtypes.bfloat16, "f16": np.float16}.get(dtype, np.uint16))
    stored = stored.astype(np.float32) if dtype == "f32" else stored
    want = stored.astype(np.float32).reshape(64, 2, 4, 128)
    k, v = program(stored.view(np.int8), np.zeros(1, np.int32))
    np.testing.assert_array_equal(k, want[:, 0])
    np.testing.assert_array_equal(v, want[:, 1])


STEP = """
!cache = {cache}
func.func @main(%q: tensor<8x32xf32>, %k: tensor<1x2x32xf32>, %v: tensor<1x2x32xf32>, %c: !cache,
                %at: tensor<1xi32>, %length: tensor<1xi32>)
    -> (!cache, tensor<8x32xf32>, tensor<8xf32>) {{
  %new = qattn.append_kv %k, %v into %c at %at
    : tensor<1x2x32xf32>, tensor<1x2x32xf32>, !cache, tensor<1xi32> -> !cache
  %po = tensor.empty() : tensor<4x8x32xf32>
  %pl = tensor.empty() : tensor<4x8xf32>
  %parts, %lses = qattn.decode ins(%q, %new, %length : tensor<8x32xf32>, !cache, tensor<1xi32>)
    outs(%po, %pl : tensor<4x8x32xf32>, tensor<4x8xf32>) {{scale = 0.25 : f32, splits = 4 : i64}}
    -> tensor<4x8x32xf32>, tensor<4x8xf32>
  %oi = tensor.empty() : tensor<8x32xf32>
  %li = tensor.empty() : tensor<8xf32>
  %o, %lse = qattn.merge_partials ins(%parts, %lses : tensor<4x8x32xf32>, tensor<4x8xf32>)
    outs(%oi, %li : tensor<8x32xf32>, tensor<8xf32>) -> tensor<8x32xf32>, tensor<8xf32>
  return %new, %o, %lse : !cache, tensor<8x32xf32>, tensor<8xf32>
}}
"""


def step(cache):
    return hr.compile(parse_text(STEP.format(cache=cache.type), ir.Context(), "step"), target="cpu")


@pytest.mark.parametrize("dtype", ["bf16", "fp8_e4m3"])
def test_steps_of_decoding(dtype):
    """The array that is passed is the cache; each step sees what the steps before it appended."""
    rng = np.random.default_rng(4)
    cache = KVCache(Layout("contiguous", 64), 2, 32, dtype)
    art = step(cache)
    data = random_bytes(cache, rng)
    want = data.copy()
    for token in range(7):
        q, k, v = (
            rng.normal(size=shape).astype(np.float32) for shape in [(8, 32), (1, 2, 32), (1, 2, 32)]
        )
        at, length = np.array([token], np.int32), np.array([token + 1], np.int32)
        out, lse = art(q, k, v, data, at, length)
        want = cache.append(want, k, v, token)
        np.testing.assert_array_equal(data, want)
        keys, values = cache.fetch(want, 0, token + 1)
        expected = attention.decode(q, keys, values, 0.25)
        np.testing.assert_allclose(out, expected[0], atol=1e-5)
        np.testing.assert_allclose(lse, expected[1], atol=1e-5)


def test_a_cache_that_cannot_be_written():
    cache = KVCache(Layout("contiguous", 64), 2, 32, "f32")
    art = step(cache)
    data = np.zeros(cache.storage_bytes, np.uint8)
    data.flags.writeable = False
    new = np.zeros((1, 2, 32), np.float32)
    number = np.zeros(1, np.int32)
    with pytest.raises(ArgumentError, match="may be written, but got a read-only array"):
        art(np.zeros((8, 32), np.float32), new, new, data, number, number + 1)
