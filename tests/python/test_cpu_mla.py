"""The CPU's kernels of latent attention: several vectors, blocks and tiles, and whole programs."""

import ml_dtypes
import numpy as np
import pytest
from inner_loops import inner_loops

import headrace as hr
from headrace import ir
from headrace.check.compiled import Compiled
from headrace.check.operations import mla
from headrace.check.operations.mla import Decode
from headrace.check.operations.running import worst_of
from headrace.check.operations.text import destination, tensor
from headrace.modules import parse_text
from headrace.references import mla as reference
from headrace.references.caches import Layout, MlaCache, quantize_latents

LAYOUTS = {
    "contiguous": Layout("contiguous", 150),
    "ring": Layout("ring", 97),
    "paged": Layout("paged", 160, 16),
}
SHAPES = [
    # heads, content, rope, splits: all tiles of heads, of columns, and what is left of them
    (7, 65, 5, None),
    (33, 128, 16, 3),
    (1, 33, 17, None),
    (20, 16, 64, 2),
    (64, 48, 1, None),
]


def run(text, target="cpu"):
    return Compiled(parse_text(text, ir.Context(), "test"), target)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "fp8_e4m3", "recurrence"])
def test_decode(dtype, layout):
    """Every length, from none to more than there are; slots that are not seen hold any bytes."""
    kinds = ["f32", "bf16", "fp8_e4m3", "recurrence"].index(dtype), list(LAYOUTS).index(layout)
    number = kinds[0] + 2 * kinds[1]
    target = "cpu:x86-64-v3" if sum(kinds) % 3 == 2 else "cpu"
    heads, content, rope, splits = SHAPES[number % len(SHAPES)]
    quantized = dtype == "recurrence"
    cache = MlaCache(LAYOUTS[layout], content, rope, "fp8_e4m3" if quantized else dtype)
    case = mla.case_of(Decode("blocks", cache, heads, quantized=quantized, splits=splits))
    found = worst_of(run(case.module, target), list(case.runs(np.random.default_rng(number))))
    assert found.error <= found.bound, found


def decode(heads, cache, quantized, splits=None):
    """A program of one decode over `cache`, with a scale of 1/8."""
    parts = (splits,) if splits else ()
    shape = Decode("one", cache, heads, quantized=quantized, splits=splits, scale=0.125)
    assert parts or splits is None
    return run(mla.case_of(shape).module)


def drawn(cache, rng, heads):
    """(bytes of a full cache, q, q_rope)."""
    slots = cache.layout.slots
    c, r = (rng.normal(size=(slots, n)).astype(np.float32) for n in (cache.content, cache.rope))
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), c, r, 0)
    q, q_rope = (
        rng.normal(size=(heads, n)).astype(np.float32) for n in (cache.content, cache.rope)
    )
    return data, q, q_rope


def outs(heads, cache):
    return [np.zeros((heads, cache.content), np.float32), np.zeros(heads, np.float32)]


@pytest.mark.parametrize(
    ("target", "register", "sums"), [("sapphirerapids", "zmm", 16), ("x86-64-v3", "ymm", 12)]
)
def test_sums_stay_in_registers(target, register, sums):
    """Scores and results: as many fused multiplications as sums, and no memory is written."""
    cache = MlaCache(Layout("contiguous", 256), 512, 64, "fp8_e4m3")
    case = mla.case_of(Decode("one", cache, 48, quantized=True))
    module = parse_text(case.module, ir.Context(), "test")
    source = hr.compile(module, target=f"cpu:{target}").sources["kernels.s"]
    sum_of_products = rf"^vfmadd231ps .*%{register}\d+$"
    loops = inner_loops(source, sum_of_products)
    tiles = [loop for loop in loops if len(loop.having(sum_of_products)) == sums]
    assert len(tiles) == 2
    for loop in tiles:
        assert not loop.having(r"rsp") and not loop.having(r"mov[a-z]+ %.*\(")


@pytest.mark.parametrize("quantized", [False, True])
def test_a_nan_reaches_its_head_only(quantized):
    """In the query; one in a token reaches all heads, one in a slot that is not seen none."""
    heads, cache = 6, MlaCache(Layout("contiguous", 80), 40, 8, "fp8_e4m3")
    program = decode(heads, cache, quantized)
    data, q, q_rope = drawn(cache, np.random.default_rng(2), heads)
    bad = q_rope.copy()
    bad[4, 3] = np.nan

    def results(q_rope, data, length):
        head, tail = [q, q_rope], []
        if quantized:
            codes, scale, rotated = quantize_latents(q, q_rope)
            head, tail = [codes, rotated], [scale]
        number = np.array([length], np.int32)
        return program(*head, data.view(np.int8), number, *tail, *outs(heads, cache))

    good = results(q_rope, data, 70)
    got = results(bad, data, 70)
    for with_nan, without in zip(got, good, strict=True):
        assert np.isnan(with_nan[4]).all()
        np.testing.assert_array_equal(np.delete(with_nan, 4, 0), np.delete(without, 4, 0))
    poisoned = data.copy()
    cache.slots(poisoned)["scale"][70] = np.nan
    for same, want in zip(results(q_rope, poisoned, 70), good, strict=True):
        np.testing.assert_array_equal(same, want)
    for all_nan in results(q_rope, poisoned, 71):
        assert np.isnan(all_nan).all()


@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e20, 1e30])
def test_scales_of_any_size(factor):
    """The recurrence stays finite where contents are tiny or huge; weights take their scales."""
    heads, cache = 5, MlaCache(Layout("contiguous", 130), 24, 4, "fp8_e4m3")
    rng = np.random.default_rng(3)
    size = np.float32(factor)
    c = rng.normal(size=(130, 24)).astype(np.float32) * size
    c[64:100] *= np.float32(1e-3)
    r = np.zeros((130, 4), np.float32)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), c, r, 0)
    q = rng.normal(size=(heads, 24)).astype(np.float32) / size
    codes, scale, rotated = quantize_latents(q, np.zeros((heads, 4), np.float32))
    got, lse = decode(heads, cache, quantized=True)(
        codes, rotated, data.view(np.int8), np.array([130], np.int32), scale, *outs(heads, cache)
    )
    rows = cache.slots(data)
    query = reference.Quantized(
        *(a.astype(np.float64) for a in (codes.view(ml_dtypes.float8_e4m3fn), scale, rotated))
    )
    kept = reference.Quantized(
        *(rows[name].astype(np.float64) for name in ("content", "scale", "rope"))
    )
    want, want_lse = reference.recurrence(query, kept, 0.125)
    # Below 1e-26 / 448 weights have no code.
    assert np.linalg.norm(got / size - want / factor) <= 5e-3 * np.linalg.norm(want / factor)
    np.testing.assert_allclose(lse, want_lse, rtol=1e-5, atol=1e-5)


def test_equal_scores():
    """Zeros everywhere: each seen token has the same weight, and one weight of e4m3 is exact."""
    heads, cache = 17, MlaCache(Layout("contiguous", 100), 32, 8, "fp8_e4m3")
    content = np.ones((100, 32), np.float32)
    zeros = np.zeros((100, 8), np.float32)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), content, zeros, 0)
    codes, scale, rotated = quantize_latents(
        np.zeros((heads, 32), np.float32), np.zeros((heads, 8), np.float32)
    )
    program = decode(heads, cache, quantized=True)
    for length in (1, 63, 64, 65, 100):
        got, lse = program(
            *(codes, rotated, data.view(np.int8), np.array([length], np.int32), scale),
            *outs(heads, cache),
        )
        np.testing.assert_allclose(got, 1.0, rtol=1e-6)
        np.testing.assert_allclose(lse, np.log(length), rtol=1e-6, atol=1e-6)


def test_workgroups_share_heads_and_parts_share_tokens():
    """256 heads in four workgroups, two for each of three parts, and as four queries of 64."""
    cache = MlaCache(Layout("contiguous", 200), 48, 16, "bf16")
    data, q, q_rope = drawn(cache, np.random.default_rng(4), 256)
    number = np.array([190], np.int32)
    whole = decode(256, cache, quantized=False)(
        q, q_rope, data.view(np.int8), number, *outs(256, cache)
    )
    half = decode(64, cache, quantized=False)
    for first in range(0, 256, 64):
        rows = slice(first, first + 64)
        results = half(q[rows], q_rope[rows], data.view(np.int8), number, *outs(64, cache))
        for result, want in zip(results, whole, strict=True):
            np.testing.assert_array_equal(result, want[rows])
    o, lse = decode(256, cache, quantized=False, splits=3)(
        q,
        q_rope,
        data.view(np.int8),
        number,
        np.zeros((3, 256, 48), np.float32),
        np.zeros((3, 256), np.float32),
    )
    weights = np.exp(lse - whole[1])
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-5)
    np.testing.assert_allclose((o * weights[:, :, None]).sum(axis=0), whole[0], atol=1e-5)


@pytest.mark.parametrize("target", ["cpu", "cpu:x86-64-v3"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "fp8_e4m3"])
def test_append_and_fetch(dtype, layout, target):
    """Several vectors and a rest of one; tokens behind the end and before the start."""
    rng = np.random.default_rng(len(dtype) + len(layout))
    tokens, cache = 9, MlaCache(LAYOUTS[layout], 49, 18, dtype)
    kinds = [tensor("f32", tokens, 49), tensor("f32", tokens, 18)]
    table = np.array([2, -1, 0, 5, 9, 1, 3, 10, 4, 6], np.int32) if cache.layout.page else None
    tables = [] if table is None else [table]
    word, kind = (" table %t", ", tensor<10xi32>") if tables else ("", "")
    argument = f", %t: {kind[2:]}" if tables else ""
    append = run(
        f"""func.func @main(%c: {kinds[0]}, %r: {kinds[1]}, %old: {cache.type},
                            %at: tensor<1xi32>{argument}) -> {cache.type} {{
          %0 = qattn.append_mla %c, %r into %old at %at{word}
            : {kinds[0]}, {kinds[1]}, {cache.type}, tensor<1xi32>{kind} -> {cache.type}
          return %0 : {cache.type}
        }}""",
        target,
    )
    fetch = run(
        f"""func.func @main(%c: {cache.type}, %at: tensor<1xi32>{argument})
            -> ({kinds[0]}, {kinds[1]}) {{
          %a = tensor.empty() : {kinds[0]}
          %b = tensor.empty() : {kinds[1]}
          %0:2 = qattn.fetch_mla ins(%c, %at{word} : {cache.type}, tensor<1xi32>{kind})
            outs(%a, %b : {kinds[0]}, {kinds[1]}) -> {kinds[0]}, {kinds[1]}
          return %0#0, %0#1 : {kinds[0]}, {kinds[1]}
        }}""",
        target,
    )
    for start in (0, cache.layout.slots - tokens + 4, -3):
        c, r = (rng.normal(size=(tokens, n)).astype(np.float32) for n in (49, 18))
        c[0], c[1], r[2] = 0.0, c[1] * np.float32(1e20), r[2] * np.float32(1e20)
        old = rng.integers(0, 256, cache.storage_bytes, dtype=np.uint8)
        at = np.array([start], np.int32)
        (got,) = append(c, r, old.view(np.int8), at, *tables)
        new = cache.append(old, c, r, start, table)
        np.testing.assert_array_equal(got.view(np.uint8), new)
        want = cache.fetch(new, start, tokens, table)
        for result, expected in zip(fetch(new.view(np.int8), at, *tables), want, strict=True):
            np.testing.assert_array_equal(result, expected)


def test_append_of_more_tokens_than_slots():
    """16 workgroups share 21 slots; of the tokens of a slot the last one stays."""
    rng = np.random.default_rng(9)
    cache = MlaCache(Layout("ring", 21), 33, 5, "fp8_e4m3")
    c, r = (rng.normal(size=(50, n)).astype(np.float32) for n in (33, 5))
    append = run(
        f"""func.func @main(%c: tensor<50x33xf32>, %r: tensor<50x5xf32>, %old: {cache.type},
                            %at: tensor<1xi32>) -> {cache.type} {{
          %0 = qattn.append_mla %c, %r into %old at %at
            : tensor<50x33xf32>, tensor<50x5xf32>, {cache.type}, tensor<1xi32> -> {cache.type}
          return %0 : {cache.type}
        }}""",
        "cpu",
    )
    old = rng.integers(0, 256, cache.storage_bytes, dtype=np.uint8)
    for _ in range(3):  # each call takes another number of threads
        (got,) = append(c, r, old.view(np.int8), np.array([7], np.int32))
        np.testing.assert_array_equal(got.view(np.uint8), cache.append(old, c, r, 7))


@pytest.mark.parametrize("target", ["cpu", "cpu:x86-64-v3"])
def test_quantize(target):
    """Rows of any size, zeros, what is not finite, and a rotated part that raises the scale."""
    rows, content, rope = 12, 97, 19
    types = [tensor("f32", rows, content), tensor("f32", rows, rope)]
    results = [tensor("i8", rows, content), tensor("f32", rows), tensor("f32", rows, rope)]
    program = run(destination("qattn.quantize_kv", types, results), target)
    rng = np.random.default_rng(5)
    c, r = (rng.normal(size=(rows, n)).astype(np.float32) for n in (content, rope))
    c *= np.float32(10.0) ** np.arange(-20, 28, 4, dtype=np.float32)[:, None]
    c[3], r[4], c[5, 96], r[6, 18], c[7, 0] = 0.0, 0.0, np.inf, np.nan, np.nan
    r[0] *= np.float32(1e20)
    empty = [np.zeros((rows, content), np.int8), np.zeros(rows, np.float32), np.zeros_like(r)]
    got = program(c, r, *empty)
    with np.errstate(invalid="ignore"):
        want = quantize_latents(c, r)
    fine = np.array([0, 1, 2, 3, 4, 8, 9, 10, 11])
    for result, expected in zip(got, want, strict=True):
        np.testing.assert_array_equal(result[fine], expected[fine])
    assert np.isnan(got[1][[5, 6, 7]]).all()


STEP = """
!cache = !qattn.mla_cache<80x32+16, fp8_e4m3>
func.func @main(%q: tensor<8x32xf32>, %qr: tensor<8x16xf32>, %k: tensor<1x32xf32>,
                %kr: tensor<1x16xf32>, %c: !cache, %at: tensor<1xi32>, %n: tensor<1xi32>)
    -> (!cache, tensor<8x32xf32>, tensor<8xf32>) {
  %new = qattn.append_mla %k, %kr into %c at %at
    : tensor<1x32xf32>, tensor<1x16xf32>, !cache, tensor<1xi32> -> !cache
  %ci = tensor.empty() : tensor<8x32xi8>
  %si = tensor.empty() : tensor<8xf32>
  %ri = tensor.empty() : tensor<8x16xf32>
  %codes, %s, %r = qattn.quantize_kv ins(%q, %qr : tensor<8x32xf32>, tensor<8x16xf32>)
    outs(%ci, %si, %ri : tensor<8x32xi8>, tensor<8xf32>, tensor<8x16xf32>)
    -> tensor<8x32xi8>, tensor<8xf32>, tensor<8x16xf32>
  %po = tensor.empty() : tensor<3x8x32xf32>
  %pl = tensor.empty() : tensor<3x8xf32>
  %parts, %lses = qattn.mla_decode ins(%codes, %r, %new, %n q_scale %s
      : tensor<8x32xi8>, tensor<8x16xf32>, !cache, tensor<1xi32> q_scale tensor<8xf32>)
    outs(%po, %pl : tensor<3x8x32xf32>, tensor<3x8xf32>) {scale = 0.125 : f32, splits = 3 : i64}
    -> tensor<3x8x32xf32>, tensor<3x8xf32>
  %oi = tensor.empty() : tensor<8x32xf32>
  %li = tensor.empty() : tensor<8xf32>
  %o, %lse = qattn.merge_partials ins(%parts, %lses : tensor<3x8x32xf32>, tensor<3x8xf32>)
    outs(%oi, %li : tensor<8x32xf32>, tensor<8xf32>) -> tensor<8x32xf32>, tensor<8xf32>
  return %new, %o, %lse : !cache, tensor<8x32xf32>, tensor<8xf32>
}
"""


def test_steps_of_decoding():
    """Append, quantize, decode in parts and merge, in one program over one array."""
    rng = np.random.default_rng(6)
    cache = MlaCache(Layout("contiguous", 80), 32, 16, "fp8_e4m3")
    art = hr.compile(parse_text(STEP, ir.Context(), "step"), target="cpu")
    data = rng.integers(0, 256, cache.storage_bytes, dtype=np.uint8)
    want = data.copy()
    for token in range(6):
        q, q_rope, k, rope = (
            rng.normal(size=shape).astype(np.float32)
            for shape in [(8, 32), (8, 16), (1, 32), (1, 16)]
        )
        at = np.array([token], np.int32)
        out, lse = art(q, q_rope, k, rope, data, at, at + 1)
        want = cache.append(want, k, rope, token)
        np.testing.assert_array_equal(data, want)
        content, rotated = (a.astype(np.float64) for a in cache.fetch(want, 0, token + 1))
        codes, scale, scaled = quantize_latents(q, q_rope)
        q = codes.view(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale[:, None]
        expected = reference.decode(q, scaled * scale[:, None], content, rotated, 0.125)
        # Weights are rounded to e4m3, but not their sum.
        assert np.linalg.norm(out - expected[0]) < 0.05 * np.linalg.norm(expected[0])
        np.testing.assert_allclose(lse, expected[1], atol=1e-5)
