"""Products of dequantized weights: fuse-dequant-matvec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.check.operations.text import main, packed, tensor
from headrace.check.rewrites import inputs
from headrace.check.rewrites.rewrite import Rewrite

__all__ = ["cases"]

Generator = np.random.Generator

# Blocks of a row and of several, with and without a header, other layouts, other kinds of numbers.
_FORMATS = (
    "q8_0",
    "q4_k",
    "q4nx",
    "nvfp4",
    "mxfp4",
    "fp8_e4m3:per_token",
    "int4:g32",
    "q4_0:rows4",
    "codebook:d2:e16:g512",
    "bf16",
)
_MATRIX = "affine_map<(n, m, k) -> (n, k)>"
_WEIGHT = "affine_map<(n, m, k) -> (m, k)>"
_RESULT = "affine_map<(n, m, k) -> (n, m)>"
_MATMUL = f"linalg.matmul indexing_maps = [{_MATRIX}, {_WEIGHT}, {_RESULT}]"


def cases(draw: Generator) -> Iterator[Rewrite]:
    """Every way to write the product, each with a format of its own."""
    names = iter(draw.permutation(_FORMATS))
    rows, tokens = int(draw.integers(2, 20)), int(draw.integers(2, 6))

    def shape(name: str) -> tuple[str, int, int]:
        form = formats.get(name)
        cols = max(form.k_multiple, 16) * int(draw.integers(1, 3))
        return name, rows, cols + (2 * int(draw.integers(1, 9)) if form.pads else 0)

    yield _product("matvec", shape(next(names)), (), "linalg.matvec", first="weight")
    yield _product("vecmat", shape(next(names)), (), "linalg.vecmat", transposed=True)
    yield _product("matmul", shape(next(names)), (tokens,), "linalg.matmul", transposed=True)
    yield _product("maps, output not zero", shape(next(names)), (tokens,), _MATMUL, zero=False)
    yield _product("weight first", shape(next(names)), (tokens,), "linalg.matmul", first="weight")
    yield _product("bf16", shape(next(names)), (tokens,), _MATMUL, dtype="bf16")
    yield _product("one row", ("q5_1", 1, 64), (tokens,), _MATMUL)
    batch = "linalg.batch_matmul"
    yield _product("one token", shape(next(names)), (1, 1), batch, transposed=True)
    yield _product("several sequences", shape(next(names)), (3, tokens), batch, transposed=True)
    yield _product("along the rows", ("q8_0", 32, 32), (tokens,), "linalg.matmul", unchanged=True)
    yield _packed_activations(tokens, rows)
    yield _matmul_of_one_token(rows)


def _lines(name: str, rows: int, cols: int) -> list[str]:
    weight, values = packed(name, rows, cols), tensor("f32", rows, cols)
    return [
        f"%e = tensor.empty() : {values}",
        f"%d = qlinear.dequantize ins(%arg0 : {weight}) outs(%e : {values}) -> {values}",
    ]


def _product(
    what: str,
    shape: tuple[str, int, int],
    tokens: tuple[int, ...],
    op: str,
    *,
    first: str = "activations",
    transposed: bool = False,
    zero: bool = True,
    dtype: str = "f32",
    unchanged: bool = False,
) -> Rewrite:
    name, rows, cols = shape
    lines, weight = _lines(name, rows, cols), ("%d", tensor("f32", rows, cols))
    if transposed:
        lines += [
            f"%te = tensor.empty() : {tensor('f32', cols, rows)}",
            f"%t = linalg.transpose ins(%d : {weight[1]}) outs(%te : {tensor('f32', cols, rows)}) "
            "permutation = [1, 0]",
        ]
        weight = ("%t", tensor("f32", cols, rows))
    if len(tokens) == 2:
        batched = tensor("f32", tokens[0], cols, rows)
        lines += [
            f"%be = tensor.empty() : {batched}",
            f"%b = linalg.broadcast ins(%t : {weight[1]}) outs(%be : {batched}) dimensions = [0]",
        ]
        weight = ("%b", batched)
    backwards = first == "weight" and bool(tokens)
    given = (cols, *tokens) if backwards else (*tokens, cols)
    made = (rows, *tokens) if backwards else (*tokens, rows)
    x, y = tensor(dtype, *given), tensor("f32", *made)
    if zero:
        lines.append(f"%z = arith.constant dense<0.0> : {y}")
    values, kinds = _ordered(("%arg1", x), weight, first)
    lines += [
        f"%y = {op} ins({values} : {kinds}) outs({'%z' if zero else '%arg2'} : {y}) -> {y}",
        f"return %y : {y}",
    ]
    arguments = [packed(name, rows, cols), x, *([] if zero else [y])]

    def drawn(draw: Generator) -> Sequence[npt.NDArray[Any]]:
        numbers = inputs.normal(draw, *given)
        other = numbers.astype(ml_dtypes.bfloat16) if dtype == "bf16" else numbers
        data = inputs.packed(draw, name, rows, cols)
        return [data, other, *([] if zero else [inputs.normal(draw, *made)])]

    single = all(size == 1 for size in tokens)
    after: Mapping[str, int] = {
        "qlinear.dequantize": 0,
        "qlinear.matvec": int(single),
        "qlinear.matmul": int(not single),
    }
    return Rewrite(
        "fuse-dequant-matvec",
        f"{what}, {name}",
        main(arguments, [y], "\n".join(lines)),
        drawn,
        after={} if unchanged else after,
        unchanged=unchanged,
    )


def _ordered(x: tuple[str, str], weight: tuple[str, str], first: str) -> tuple[str, str]:
    both = [weight, x] if first == "weight" else [x, weight]
    return ", ".join(value for value, _ in both), ", ".join(kind for _, kind in both)


def _packed_activations(tokens: int, rows: int) -> Rewrite:
    weight, x = packed("q4_1", rows, 64), packed("act_i8", tokens, 64)
    values, y = tensor("f32", tokens, 64), tensor("f32", tokens, rows)
    lines = [
        *_lines("q4_1", rows, 64),
        f"%q = tensor.empty() : {values}",
        f"%x = qlinear.dequantize ins(%arg1 : {x}) outs(%q : {values}) -> {values}",
        f"%z = arith.constant dense<0.0> : {y}",
        f"%y = {_MATMUL} ins(%x, %d : {values}, {tensor('f32', rows, 64)}) outs(%z : {y}) -> {y}",
        f"return %y : {y}",
    ]
    return Rewrite(
        "fuse-dequant-matvec",
        "packed activations",
        main([weight, x], [y], "\n".join(lines)),
        lambda draw: [
            inputs.packed(draw, "q4_1", rows, 64),
            inputs.packed(draw, "act_i8", tokens, 64),
        ],
        after={"qlinear.dequantize": 0, "qlinear.matmul": 1},
    )


def _matmul_of_one_token(rows: int) -> Rewrite:
    weight, x, y = packed("q5_k", rows, 256), tensor("f32", 1, 256), tensor("f32", 1, rows)
    lines = [
        f"%e = tensor.empty() : {y}",
        f"%y = qlinear.matmul ins(%arg0, %arg1 : {weight}, {x}) outs(%e : {y}) -> {y}",
        f"return %y : {y}",
    ]
    return Rewrite(
        "fuse-dequant-matvec",
        "matmul of one token",
        main([weight, x], [y], "\n".join(lines)),
        lambda draw: [inputs.packed(draw, "q5_k", rows, 256), inputs.normal(draw, 1, 256)],
        after={"qlinear.matmul": 0, "qlinear.matvec": 1},
    )
