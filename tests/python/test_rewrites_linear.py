"""Passes over products: the same results before and after; layouts, against the codecs."""

import ml_dtypes
import numpy as np
import pytest

from headrace import formats, ir
from headrace.check.operations.text import main, packed, tensor
from headrace.check.rewrites import gated, kernels, products, running
from headrace.dialects import qlinear
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.reference_jit import Meaning

PASSES = [
    "fuse-dequant-matvec",
    "fuse-gated-matvec",
    "merge-shared-input",
    "sparsify-activations",
    "lower-lut-matvec",
]


def rewritten(text, pipeline):
    module = parse_text(text, ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({pipeline})").run(module.operation)
    return module


@pytest.mark.parametrize("name", PASSES)
def test_computes_the_same(name):
    report = running.run(101, filter=f"{name}/")
    assert len(report.rows) > 4
    bad = [(row.operation, row.error, row.reference) for row in report.rows if not row.ok]
    assert not bad


def test_every_pass_has_a_case_that_stays():
    draw = np.random.default_rng(0)
    cases = [case for module in (products, gated, kernels) for case in module.cases(draw)]
    assert {case.name for case in cases if case.unchanged} == set(PASSES)
    assert {case.name for case in cases if not case.unchanged} == set(PASSES)


# --- what is left out --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("op", ["matvec", "gated_matvec silu"])
def test_sparsify_leaves_out_what_is_small(op, dtype):
    rows, cols = 32, 67
    weight, x, y = packed("q8_0:zigzag32", rows, cols), tensor(dtype, cols), tensor("f32", rows)
    operands = ["%arg0", "%arg0", "%arg1"][op == "matvec" :]
    kinds = [weight, weight, x][op == "matvec" :]
    text = main(
        [weight, x],
        [y],
        f"""%o = tensor.empty() : {y}
        %y = qlinear.{op} ins({", ".join(operands)} : {", ".join(kinds)}) outs(%o : {y})
            {{headrace.threshold = 5.0e-01 : f32}} -> {y}
        return %y : {y}""",
    )
    rng = np.random.default_rng(7)
    stored = formats.get("q8_0:zigzag32").encode(rng.normal(size=(rows, cols)).astype(np.float32))
    values = rng.normal(size=cols).astype(np.float32)
    values[3:6] = 0.5, -0.5, 0.50390625  # the threshold is left out, the next bf16 is not
    values = values.astype(ml_dtypes.bfloat16 if dtype == "bf16" else np.float32)
    kept = np.where(np.abs(values.astype(np.float32)) > 0.5, values, 0).astype(values.dtype)
    before, after = Meaning(parse_text(text, ir.Context())), rewritten(text, "sparsify-activations")
    (dense,), (want,) = before(stored, values), before(stored, kept)
    (got,) = Meaning(after)(stored, values)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert np.abs(got - dense).max() > 0.01


def test_lookup_is_near_to_the_product():
    """With real tables the result is that of centroids, rounded: near, but not the same."""
    form = formats.get("codebook:d2:e16:g512:i8:a64")
    rows, cols = 40, 128
    weight, x, y = packed(form.name, rows, cols), tensor("f32", 3, cols), tensor("f32", 3, rows)
    text = main(
        [weight, x],
        [y],
        f"""%o = tensor.empty() : {y}
        %y = qlinear.matmul ins(%arg0, %arg1 : {weight}, {x}) outs(%o : {y}) -> {y}
        return %y : {y}""",
    )
    rng = np.random.default_rng(8)
    stored = form.encode(rng.normal(size=(rows, cols)).astype(np.float32))
    values = rng.normal(size=(3, cols)).astype(np.float32)
    (want,) = Meaning(parse_text(text, ir.Context()))(stored, values)
    (got,) = Meaning(rewritten(text, "lower-lut-matvec"))(stored, values)
    error = np.linalg.norm(got - want) / np.linalg.norm(want)
    assert 1e-4 < error < 0.3


def test_merged_products_share_a_list_of_columns():
    """merge-shared-input, then sparsify-activations: one list, one product."""
    weight, x, y = packed("q4_0:zigzag32", 64, 40), tensor("f32", 40), tensor("f32", 64)
    lines = [
        f"%y{index} = qlinear.matvec ins(%arg{index}, %arg3 : {weight}, {x}) outs(%o : {y}) "
        f"{{headrace.threshold = 0.0 : f32}} -> {y}"
        for index in range(3)
    ]
    text = main(
        [weight] * 3 + [x],
        [y] * 3,
        "\n".join([f"%o = tensor.empty() : {y}", *lines, f"return %y0, %y1, %y2 : {y}, {y}, {y}"]),
    )
    module = rewritten(text, "merge-shared-input,sparsify-activations")
    assert str(module).count("qlinear.sparse_matvec") == 1
    assert str(module).count("qlinear.select_columns") == 1
    rng = np.random.default_rng(9)
    form = formats.get("q4_0:zigzag32")
    stored = [form.encode(rng.normal(size=(64, 40)).astype(np.float32)) for _ in range(3)]
    values = rng.normal(size=40).astype(np.float32)
    got, want = (
        Meaning(module)(*stored, values),
        Meaning(parse_text(text, ir.Context()))(*stored, values),
    )
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


# --- layouts -----------------------------------------------------------------------------------


def layout(build, *kinds):
    """A module that returns what `build` makes of arguments of these packed types."""
    context = ir.Context()
    with context, ir.Location.unknown():
        types = [
            qlinear.PackedType.get(rows, cols, ir.Attribute.parse(formats.get(name).attribute))
            for name, rows, cols in kinds
        ]
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            from headrace.dialects import func

            entry = func.FuncOp("main", (types, types[:1]))
            block = entry.add_entry_block()
        with ir.InsertionPoint(block):
            result = build(*block.arguments)
            func.ReturnOp([result])
        entry.attributes["function_type"] = ir.TypeAttr.get(
            ir.FunctionType.get(types, [result.type])
        )
        assert module.operation.verify()
    return Meaning(module)


@pytest.mark.parametrize(("rows", "blocks"), [(16, 3), (11, 1), (1, 2)])
@pytest.mark.parametrize(
    ("inner", "old", "new"),
    [
        ("q4_k", "", ":rows8"),
        ("q5_0", ":rows4", ""),
        ("q8_0", ":rows16", ":rows4"),
        ("mxfp4", "", ":rows4"),
        ("int4:g32", "", ":rows8"),
        ("int4:g128:zp", ":rows4", ""),
        ("int8:g64:f32", "", ":rows16"),
        ("bf16", ":rows4", ":rows8"),
    ],
)
def test_repack_is_conversion(inner, old, new, rows, blocks):
    source, target = formats.get(inner + old), formats.get(inner + new)
    # Between layouts that pad, columns may end within a block.
    cols = formats.get(inner).k_multiple * blocks - (3 if old and new and inner != "bf16" else 0)
    rng = np.random.default_rng(rows)
    stored = source.encode(rng.normal(size=(rows, cols)).astype(np.float32))
    to = target.attribute
    moved = layout(lambda w: qlinear.repack(w, ir.Attribute.parse(to)), (source.name, rows, cols))
    (got,) = moved(stored)
    want = formats.convert(stored, rows, cols, source.name, target.name).data
    np.testing.assert_array_equal(
        target.decode(got, rows, cols).view(np.uint32),
        target.decode(want, rows, cols).view(np.uint32),
    )
    # Where there is no padding, every byte is the same.
    if target.padded_shape(rows, cols) == (rows, cols):
        np.testing.assert_array_equal(got.view(np.uint8), want)


@pytest.mark.parametrize(
    ("name", "cols", "parts"),
    [
        ("q6_k", 512, [3, 1, 5]),
        ("q4nx", 300, [32, 64, 7]),
        ("q4_0:rows8", 32, [8, 16, 3]),
        ("fp8_e5m2:per_token", 9, [1, 2]),
        ("act_i8", 64, [2, 1]),
    ],
)
def test_concat_is_encoding_at_once(name, cols, parts):
    form = formats.get(name)
    whole = np.random.default_rng(len(parts)).normal(size=(sum(parts), cols)).astype(np.float32)
    pieces = np.split(whole, np.cumsum(parts)[:-1])
    joined = layout(lambda *w: qlinear.concat(w), *((name, rows, cols) for rows in parts))
    (got,) = joined(*(form.encode(piece) for piece in pieces))
    np.testing.assert_array_equal(got.view(np.uint8), form.encode(whole))
