"""matvec, matmul, gated_matvec, dequantize and quantize: as targets are checked, on other code.

The shapes and data are those of `headrace check` (`data`), hard ones included. Activations in 8
bits stand for what `headrace.check.independent` decodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import reference
from headrace.check import data
from headrace.check.operations.case import EXACT, Case, Run, Want
from headrace.ops import OpSpec
from headrace.references import linear

__all__ = ["cases"]

Generator = np.random.Generator

# Of each family of formats one, and layouts that are of some other format.
_MATVEC = [
    ("q4_k", "f32"),
    ("q6_k", "i8"),
    ("q4nx", "bf16"),
    ("int4:g32:fz:bf16", "f32"),
    ("fp8_e4m3:per_block", "f32"),
    ("mxfp4", "i8"),
    ("nvfp4", "bf16"),
    ("codebook:d2:e16:g512:i8:a64", "f32"),
    ("q8_0:rows4", "f32"),
    ("codebook:d2:e16:g512:i8:a64:split", "f32"),
]
# A sparse model holds its weights once: in zigzag, for prefill too.
_MATMUL = [("q4_k:zigzag", "f32"), ("q8_0:zigzag", "i8"), ("q5_0", "bf16"), ("f16", "f32")]
_GATED = [
    ("q4nx", "f32", "gelu_tanh"),
    ("q8_0", "i8", "silu"),
    ("iq4_nl", "bf16", "silu"),
    ("q4_k:zigzag", "f32", "silu"),
]
_DEQUANTIZE = ["q5_k", "int4:g128:zp:act_order", "fp8_e5m2:per_token", "q6_k:zigzag"]


def cases(draw: Generator) -> Iterator[Case]:
    """Products in formats of each family, by precision of the activations."""
    for index, (name, activations) in enumerate(_MATVEC):
        rows = (1, _odd(draw), 48)[index % 3]
        yield _case(OpSpec("matvec", rows, _cols(draw, name), format=name, activations=activations))
    for index, (name, activations) in enumerate(_MATMUL):
        tokens = (3, 1, 5, 7)[index]
        yield _case(
            OpSpec("matmul", _odd(draw), _cols(draw, name), tokens, name, activations=activations)
        )
    for name, activations, act in _GATED:
        yield _case(
            OpSpec(
                "gated_matvec",
                _odd(draw),
                _cols(draw, name),
                format=name,
                activations=activations,
                act=act,
            )
        )
    for name in _DEQUANTIZE:
        yield _case(OpSpec("dequantize", _odd(draw), _cols(draw, name), format=name))
    for tokens in (1, 3):
        yield _case(OpSpec("quantize", k=32 * int(draw.integers(1, 9)), n=tokens, format="act_i8"))


def _odd(draw: Generator) -> int:
    return 2 * int(draw.integers(1, 20)) + 1


def _cols(draw: Generator, name: str) -> int:
    """Some blocks of columns."""
    from headrace import formats

    unit = int(np.lcm(32, formats.get(name).k_multiple))
    return unit * int(draw.integers(1, max(2, 400 // unit)))


def _case(spec: OpSpec) -> Case:
    who = "headrace.references" if spec.op == "quantize" else reference.decoder(spec.format)
    what = [spec.format]
    if spec.op in ("matvec", "matmul", "gated_matvec"):
        what.append(spec.activations)
    if spec.op == "quantize" and spec.n > 1:
        what.append("tokens")
    sizes = {"matmul": (spec.m, spec.k, spec.n), "quantize": (spec.n, spec.k)}
    return Case(
        op=f"qlinear.{spec.op}",
        what="/".join(what),
        shape="x".join(map(str, sizes.get(spec.op, (spec.m, spec.k)))),
        module=spec.text(),
        runs=lambda draw: _runs(spec, draw),
        format=spec.format,
        reference=f"float64, weights by {who}" if spec.op != "quantize" else who,
    )


def _runs(spec: OpSpec, draw: Generator) -> Iterator[Run]:
    for drawn in data.draw(spec, draw):
        yield Run(drawn.name, drawn.inputs, [_want(spec, drawn.x, drawn.weights)])


def _want(
    spec: OpSpec, x: npt.NDArray[Any] | None, packed: tuple[npt.NDArray[np.uint8], ...]
) -> Want:
    if spec.op == "quantize":
        assert x is not None
        return Want(linear.quantize_i8(np.atleast_2d(x)).view(np.int8), EXACT)
    weights = [linear.weights(spec.format, item, spec.m, spec.k) for item in packed]
    if spec.op == "dequantize":
        return Want(weights[0].astype(np.float32), EXACT)
    assert x is not None
    if spec.activations == "i8":
        rows = np.atleast_2d(x)
        x = linear.weights("act_i8", linear.quantize_i8(rows), *rows.shape).reshape(x.shape)
    if spec.op == "gated_matvec":
        return Want(linear.gated_matvec(weights[0], weights[1], x, spec.act))
    return Want((linear.matvec if spec.op == "matvec" else linear.matmul)(weights[0], x))
