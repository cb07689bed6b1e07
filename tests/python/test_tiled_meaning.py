"""Operations cut into tiles compute what they computed whole, to the last bit.

Tiles are made by MLIR's transform dialect through the operations' TilingInterface. Sizes that do
not divide a loop make the last tile overlap the one before it.
"""

import ml_dtypes
import numpy as np
import pytest

from headrace import formats, ir
from headrace.dialects import qlinear
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.quantize.mla_kv import quantize_mla
from headrace.reference_jit import Meaning

SEQUENCE = """
transform.named_sequence @__transform_main(%m: !transform.any_op) {{
  %op = transform.structured.match ops{{["{op}"]}} in %m : (!transform.any_op) -> !transform.any_op
  {tile} : (!transform.any_op) -> ({results})
  transform.yield
}}
"""
INTERPRETER = "builtin.module(transform-interpreter,canonicalize,cse)"


def tiled(function, op, sizes, *, threads=False):
    """The module of `function` with `op` in tiles; the loops must be there."""
    loops = 1 if threads else sum(size != 0 for size in sizes)
    how = "tile_using_forall %op num_threads" if threads else "tile_using_for %op tile_sizes"
    sequence = SEQUENCE.format(
        op=op,
        tile=f"%t, %l:{loops} = transform.structured.{how} [{', '.join(map(str, sizes))}]",
        results=", ".join(["!transform.any_op"] * (loops + 1)),
    )
    module = parse_text(
        f"module attributes {{transform.with_named_sequence}} {{\n{function}\n{sequence}\n}}",
        ir.Context(),
    )
    with module.context:
        PassManager.parse(INTERPRETER).run(module.operation)
        for item in list(module.body.operations):
            if item.operation.name == "transform.named_sequence":
                item.operation.erase()
    text = str(module)
    assert text.count("scf.forall (" if threads else "scf.for ") == loops, text
    return module


def check(function, op, sizes, inputs, **how):
    whole = Meaning(parse_text(function, ir.Context()))(*inputs)
    tiles = Meaning(tiled(function, op, sizes, **how))(*inputs)
    for want, got in zip(whole, tiles, strict=True):
        assert np.isfinite(want.astype(np.float64)).all()
        np.testing.assert_array_equal(got, want)


def program(arguments, operation, outs):
    """A function of one operation, which has `{outs}` and `{results}` in its text."""
    names = [f"%o{i}" for i in range(len(outs))]
    listed = f"{', '.join(names)} : {', '.join(outs)}"
    body = operation.format(outs=f"outs({listed})", results=", ".join(outs))
    values = ", ".join(f"%result#{i}" for i in range(len(outs))) if len(outs) > 1 else "%result"
    inputs = ", ".join(f"{name}: {kind}" for name, kind in arguments.items())
    empties = "\n".join(
        f"  {name} = tensor.empty() : {kind}" for name, kind in zip(names, outs, strict=True)
    )
    bound = f"%result:{len(outs)}" if len(outs) > 1 else "%result"
    return (
        f"func.func @main({inputs}) -> ({', '.join(outs)}) {{\n{empties}\n  {bound} = {body}\n"
        f"  return {values} : {', '.join(outs)}\n}}"
    )


def f32(*shape):
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def i32(*shape):
    return f32(*shape).replace("f32", "i32")


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def packed(name, rows, cols, rng):
    """The type of a matrix and its bytes."""
    form = formats.get(name)
    with ir.Context(), ir.Location.unknown():
        kind = qlinear.PackedType.get(rows, cols, ir.Attribute.parse(form.attribute))
    return str(kind), form.encode(normal(rng, rows, cols)).reshape(-1).view(np.int8)


# Formats of rows, of blocks of rows, of columns in bands of rows, with a header that all share.
@pytest.mark.parametrize(
    ("name", "rows", "tile"),
    [
        ("q4_k", 37, 8),
        ("q8_0", 16, 8),
        ("q4nx", 100, 32),
        ("q4nx", 100, 64),
        ("q8_0:zigzag32", 80, 32),
        ("q4_k:rows4", 22, 12),
        ("int4:g128", 29, 7),
        ("nvfp4", 21, 5),
        ("fp8_e4m3:per_token", 21, 6),
        ("int4:g128:zp:act_order", 21, 4),
        ("codebook:d2:e16:g32", 96, 64),
    ],
)
def test_products(name, rows, tile):
    rng = np.random.default_rng([rows, tile])
    cols = 512
    kind, data = packed(name, rows, cols, rng)
    weight = {"%w": kind}
    x, xs = normal(rng, cols), normal(rng, 5, cols)
    text = program(
        {**weight, "%x": f32(cols)},
        f"qlinear.matvec ins(%w, %x : {kind}, {f32(cols)}) {{outs}} -> {{results}}",
        [f32(rows)],
    )
    check(text, "qlinear.matvec", [tile], [data, x])
    text = program(
        {**weight, "%x": f32(5, cols)},
        f"qlinear.matmul ins(%w, %x : {kind}, {f32(5, cols)}) {{outs}} -> {{results}}",
        [f32(5, rows)],
    )
    check(text, "qlinear.matmul", [2, tile], [data, xs])
    text = program(
        weight, f"qlinear.dequantize ins(%w : {kind}) {{outs}} -> {{results}}", [f32(rows, cols)]
    )
    check(text, "qlinear.dequantize", [tile], [data])


def test_gated_and_sparse_products():
    rng = np.random.default_rng(1)
    rows, cols = 100, 256
    kind, gate = packed("q4nx", rows, cols, rng)
    other, up = packed("q4nx", rows, cols, rng)
    text = program(
        {"%g": kind, "%u": other, "%x": f32(cols)},
        f"qlinear.gated_matvec silu ins(%g, %u, %x : {kind}, {other}, {f32(cols)})"
        " {outs} -> {results}",
        [f32(rows)],
    )
    x = normal(rng, cols)
    check(text, "qlinear.gated_matvec", [64], [gate, up, x])

    kind, weight = packed("q8_0:zigzag32", 80, cols, rng)
    text = program(
        {"%w": kind, "%x": f32(cols), "%i": i32(cols), "%n": i32(1)},
        f"qlinear.sparse_matvec ins(%w, %x, %i, %n : {kind}, {f32(cols)}, {i32(cols)}, {i32(1)})"
        " {outs} -> {results}",
        [f32(80)],
    )
    indices = rng.permutation(cols).astype(np.int32)
    check(text, "qlinear.sparse_matvec", [64], [weight, x, indices, np.int32([100])])


def test_packed_activations():
    rng = np.random.default_rng(2)
    kind, weight = packed("q6_k", 20, 256, rng)
    xs, data = packed("act_i8", 7, 256, rng)
    text = program(
        {"%w": kind, "%x": xs},
        f"qlinear.matmul ins(%w, %x : {kind}, {xs}) {{outs}} -> {{results}}",
        [f32(7, 20)],
    )
    check(text, "qlinear.matmul", [3, 6], [weight, data])


def test_threads():
    rng = np.random.default_rng(3)
    kind, weight = packed("q4_k", 30, 256, rng)
    text = program(
        {"%w": kind, "%x": f32(256)},
        f"qlinear.matvec ins(%w, %x : {kind}, {f32(256)}) {{outs}} -> {{results}}",
        [f32(30)],
    )
    check(text, "qlinear.matvec", [4], [weight, normal(rng, 256)], threads=True)


def test_tables():
    rng = np.random.default_rng(4)
    kind, weight = packed("codebook:d2:e16:g32:i8:a16", 96, 12, rng)
    text = program(
        {"%w": kind, "%x": f32(5, 12)},
        f"qlinear.assign_centroids ins(%w, %x : {kind}, {f32(5, 12)}) {{outs}} -> {{results}}",
        [i32(5, 6)],
    )
    check(text, "qlinear.assign_centroids", [2], [weight, normal(rng, 5, 12)])
    text = program(
        {"%w": kind, "%a": i32(5, 6)},
        f"qlinear.lut_matvec ins(%w, %a : {kind}, {i32(5, 6)}) {{outs}} -> {{results}}",
        [f32(5, 96)],
    )
    assignment = rng.integers(0, 16, (5, 6)).astype(np.int32)
    check(text, "qlinear.lut_matvec", [2, 64], [weight, assignment])


def test_rows():
    rng = np.random.default_rng(5)
    x, w, b = normal(rng, 7, 10), normal(rng, 10), normal(rng, 10)
    rows = f32(7, 10)
    text = program(
        {"%x": rows, "%w": f32(10)},
        f"qlinear.rms_norm eps = 1.0e-6 add_unit ins(%x, %w : {rows}, {f32(10)})"
        " {outs} -> {results}",
        [rows],
    )
    check(text, "qlinear.rms_norm", [3], [x, w])
    text = program(
        {"%x": rows, "%w": f32(10), "%b": f32(10)},
        f"qlinear.layer_norm eps = 1.0e-6 ins(%x, %w, %b : {rows}, {f32(10)}, {f32(10)})"
        " {outs} -> {results}",
        [rows],
    )
    check(text, "qlinear.layer_norm", [4], [x, w, b])
    text = program(
        {"%x": rows, "%y": rows},
        f"qlinear.gated_activation gelu_tanh ins(%x, %y : {rows}, {rows}) {{outs}} -> {{results}}",
        [rows],
    )
    check(text, "qlinear.gated_activation", [3, 4], [x, normal(rng, 7, 10)])


@pytest.mark.parametrize("mask", ["causal", "bidirectional"])
@pytest.mark.parametrize("offset", [None, 4])
def test_prefill(mask, offset):
    rng = np.random.default_rng(6)
    q, k, v = normal(rng, 7, 8, 4), normal(rng, 11, 2, 4), normal(rng, 11, 2, 6)
    arguments = {"%q": f32(7, 8, 4), "%k": f32(11, 2, 4), "%v": f32(11, 2, 6)}
    inputs = [q, k, v]
    if offset is not None:
        arguments["%offset"] = i32(1)
        inputs.append(np.int32([offset]))
    text = program(
        arguments,
        f"qattn.prefill {mask} ins(%q, %k, %v{'' if offset is None else ' offset %offset'} : "
        + ", ".join(arguments.values())
        + ") {outs} {{scale = 0.5 : f32, window = 5 : i64, softcap = 3.0 : f32}} -> {results}",
        [f32(7, 8, 6), f32(7, 8)],
    )
    check(text, "qattn.prefill", [3, 4], inputs)


def test_decode():
    rng = np.random.default_rng(7)
    cache = "!qattn.kv_cache<16x1x4, bf16>"
    data = rng.normal(size=16 * 2 * 4).astype(ml_dtypes.bfloat16).view(np.int8)
    text = program(
        {"%q": f32(5, 4), "%c": cache, "%n": i32(1)},
        f"qattn.decode ins(%q, %c, %n : {f32(5, 4)}, {cache}, {i32(1)})"
        " {outs} {{scale = 0.5 : f32, splits = 3 : i64}} -> {results}",
        [f32(3, 5, 4), f32(3, 5)],
    )
    check(text, "qattn.decode", [2], [normal(rng, 5, 4), data, np.int32([13])])
    text = program(
        {"%p": f32(3, 7, 4, 6), "%l": f32(3, 7, 4)},
        f"qattn.merge_partials ins(%p, %l : {f32(3, 7, 4, 6)}, {f32(3, 7, 4)})"
        " {outs} -> {results}",
        [f32(7, 4, 6), f32(7, 4)],
    )
    check(text, "qattn.merge_partials", [2, 3], [normal(rng, 3, 7, 4, 6), normal(rng, 3, 7, 4)])
    cache = "!qattn.kv_cache<16x2x4, f32>"
    data = normal(rng, 16 * 2 * 2 * 4).view(np.int8)
    text = program(
        {"%c": cache, "%s": i32(1)},
        f"qattn.fetch_kv ins(%c, %s : {cache}, {i32(1)}) {{outs}} -> {{results}}",
        [f32(7, 2, 4), f32(7, 2, 4)],
    )
    check(text, "qattn.fetch_kv", [3], [data, np.int32([5])])


def test_latent_attention():
    rng = np.random.default_rng(8)
    content, rope = normal(rng, 9, 16), normal(rng, 9, 4)
    cache = "!qattn.mla_cache<9x16+4, f32>"
    data = np.concatenate([content, rope], axis=1).reshape(-1).view(np.int8)
    q, q_rope = normal(rng, 5, 16), normal(rng, 5, 4)
    text = program(
        {"%q": f32(5, 16), "%r": f32(5, 4), "%c": cache, "%n": i32(1)},
        f"qattn.mla_decode ins(%q, %r, %c, %n : {f32(5, 16)}, {f32(5, 4)}, {cache}, {i32(1)})"
        " {outs} {{scale = 0.5 : f32}} -> {results}",
        [f32(5, 16), f32(5)],
    )
    check(text, "qattn.mla_decode", [2], [q, q_rope, data, np.int32([8])])
    text = program(
        {
            "%q": f32(5, 3),
            "%r": f32(5, 4),
            "%k": f32(5, 3, 16),
            "%v": f32(5, 6, 16),
            "%c": cache,
            "%n": i32(1),
        },
        f"qattn.mla_attention ins(%q, %r, %k, %v, %c, %n : {f32(5, 3)}, {f32(5, 4)},"
        f" {f32(5, 3, 16)}, {f32(5, 6, 16)}, {cache}, {i32(1)})"
        " {outs} {{scale = 0.5 : f32}} -> {results}",
        [f32(5, 6)],
    )
    weights = normal(rng, 5, 3, 16), normal(rng, 5, 6, 16)
    check(
        text,
        "qattn.mla_attention",
        [2],
        [normal(rng, 5, 3), q_rope, *weights, data, np.int32([8])],
    )
    text = program(
        {"%c": f32(9, 16), "%r": f32(9, 4)},
        f"qattn.quantize_kv ins(%c, %r : {f32(9, 16)}, {f32(9, 4)}) {{outs}} -> {{results}}",
        ["tensor<9x16xi8>", f32(9), f32(9, 4)],
    )
    check(text, "qattn.quantize_kv", [4], [content, rope])


def test_quantized_latent_attention():
    rng = np.random.default_rng(9)
    tokens = quantize_mla(normal(rng, 70, 16), normal(rng, 70, 4))
    cache = "!qattn.mla_cache<70x16+4, fp8_e4m3>"
    query = quantize_mla(normal(rng, 5, 16), normal(rng, 5, 4))
    text = program(
        {
            "%q": "tensor<5x16xi8>",
            "%r": f32(5, 4),
            "%c": cache,
            "%n": i32(1),
            "%s": f32(5),
        },
        f"qattn.mla_decode ins(%q, %r, %c, %n q_scale %s : tensor<5x16xi8>, {f32(5, 4)}, {cache},"
        f" {i32(1)} q_scale {f32(5)}) {{outs}} {{{{scale = 0.5 : f32}}}} -> {{results}}",
        [f32(5, 16), f32(5)],
    )
    data = tokens.pack().reshape(-1).view(np.int8)
    inputs = [query.codes.view(np.int8), query.rope.astype(np.float32), data, np.int32([67])]
    check(text, "qattn.mla_decode", [2], [*inputs, query.scale])


def test_rope():
    rng = np.random.default_rng(10)
    text = program(
        {"%x": f32(7, 5, 8), "%p": i32(7), "%f": f32(3)},
        f"qattn.rope interleaved ins(%x, %p, %f : {f32(7, 5, 8)}, {i32(7)}, {f32(3)})"
        " {outs} -> {results}",
        [f32(7, 5, 8)],
    )
    inputs = [normal(rng, 7, 5, 8), np.arange(7, dtype=np.int32) + 3, normal(rng, 3)]
    check(text, "qattn.rope", [2, 3], inputs)
