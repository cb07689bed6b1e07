"""The Python builders of qlinear: results from destinations, attributes from numbers."""

from __future__ import annotations

import pytest

from headrace import ir
from headrace.dialects import func, qlinear

LUT = "codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>"


def build(arguments: list[str], body) -> str:
    """A verified function with these argument types; `body` gets its arguments."""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        kinds = [ir.Type.parse(text) for text in arguments]
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("f", (kinds, []))
            with ir.InsertionPoint(function.add_entry_block()):
                body(*function.arguments)
                func.ReturnOp([])
        assert module.operation.verify()
        return str(module)


@pytest.mark.parametrize("world", ["tensor", "memref"])
def test_rows(world):
    rows, row = f"{world}<4x64xf32>", f"{world}<64xf32>"

    def body(x, w, b, y):
        got = qlinear.rms_norm(x, w, y, eps=1e-6, add_unit=True)
        qlinear.layer_norm(x, w, b, y, eps=ir.FloatAttr.get_f32(0.5))
        qlinear.gated_activation(qlinear.Activation.SiLU, x, x, y)
        assert isinstance(got, ir.Value) == (world == "tensor")

    text = build([rows, row, row, rows], body)
    assert "qlinear.rms_norm eps = 9.99999997E-7 add_unit" in text
    assert "qlinear.layer_norm eps = 5.000000e-01" in text
    assert "qlinear.gated_activation silu" in text
    assert ("->" in text) == (world == "tensor")


@pytest.mark.parametrize("world", ["tensor", "memref"])
def test_selected_columns(world):
    arguments = [
        "!qlinear.packed<512x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>",
        f"{world}<64xf32>",
        f"{world}<64xi32>",
        f"{world}<1xi32>",
        f"{world}<512xf32>",
    ]

    def body(w, x, indices, count, y):
        found = qlinear.select_columns(x, indices, count, threshold=0.25)
        if world == "tensor":
            indices, count = found
        qlinear.sparse_matvec(w, x, indices, count, y)

    text = build(arguments, body)
    assert "qlinear.select_columns threshold = 2.500000e-01" in text
    assert "qlinear.sparse_matvec" in text


def test_table_lookup():
    arguments = [
        f"!qlinear.packed<512x6, #qlinear.{LUT}>",
        "tensor<5x6xf32>",
        "tensor<5x3xi32>",
        "tensor<5x512xf32>",
    ]

    def body(w, x, assignment, y):
        assigned = qlinear.assign_centroids(w, x, assignment)
        assert qlinear.lut_matvec(w, assigned, y).type == y.type

    text = build(arguments, body)
    assert "qlinear.assign_centroids" in text and "qlinear.lut_matvec" in text


def test_a_wrong_operand_is_refused_by_the_verifier():
    with pytest.raises(ir.MLIRError, match="expected a size of weight of 64"):
        build(
            ["tensor<4x64xf32>", "tensor<32xf32>", "tensor<4x64xf32>"],
            lambda x, w, y: qlinear.rms_norm(x, w, y, eps=0.0),
        )


def test_slices():
    def body(w, i):
        assert qlinear.slice_rows(w, 32, 16).type.rows == 16
        qlinear.slice_rows(w, i, 32)

    text = build(["!qlinear.packed<48x256, #qlinear.q4nx, padded = 64x256>", "index"], body)
    assert "rows[32, 16]" in text
    assert "rows[%arg1, 32]" in text
