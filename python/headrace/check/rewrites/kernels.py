"""Other kernels for a product: sparsify-activations and lower-lut-matvec.

Both leave something out on purpose, so they are run on what loses nothing by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.check.operations.tables import Shape, draw_tables
from headrace.check.operations.text import main, packed, tensor
from headrace.check.rewrites import inputs
from headrace.check.rewrites.rewrite import Rewrite
from headrace.references import tables

__all__ = ["cases"]

Generator = np.random.Generator
Array = npt.NDArray[Any]

_THRESHOLD = 0.5


def cases(draw: Generator) -> Iterator[Rewrite]:
    """Lists of columns shared and not; table lookup of one token, of several, and gated."""
    cols = 2 * int(draw.integers(8, 40))
    yield _sparse("shared list", "q4_k:zigzag", 256 + int(draw.integers(1, 9)), cols)
    yield _sparse("bf16", "q8_0:zigzag", 64, cols, dtype="bf16")
    yield _sparse("no zigzag", "q4nx", 33, cols)
    yield _sparse("gated", "q4_0:zigzag", 64, cols, gated=True)
    yield _sparse("dense by choice", "q8_0:zigzag", 32, cols, kernel="dense")

    some = int(draw.integers(2, 12))
    paper = Shape(17, 2 * some, 2, 16, 512, 8, 64, 0)
    yield _lookup("paper", paper)
    yield _lookup("several tokens, padded", Shape(13, 2 * some - 1, 2, 16, 8, 4, 8, 3))
    yield _lookup("bf16", Shape(9, 3 * some, 3, 4, 8, 8, 16, 0), dtype="bf16")
    yield _lookup("gated", paper, gated=True)
    yield _lookup("dense by choice", paper, kernel="dense")


def _numbers(values: npt.NDArray[np.float32], dtype: str) -> Array:
    return values.astype(ml_dtypes.bfloat16 if dtype == "bf16" else np.float32)


# --- sparsify-activations ----------------------------------------------------------------------


def _sparse(
    what: str,
    name: str,
    rows: int,
    cols: int,
    *,
    dtype: str = "f32",
    gated: bool = False,
    kernel: str = "",
) -> Rewrite:
    weight, x, y = packed(name, rows, cols), tensor(dtype, cols), tensor("f32", rows)
    chosen = f', headrace.kernel = "{kernel}"' if kernel else ""
    marks = f"{{headrace.threshold = {_THRESHOLD:e} : f32{chosen}}}"
    lines = [f"%o = tensor.empty() : {y}"]
    if gated:
        lines += [
            f"%y0 = qlinear.gated_matvec silu ins(%arg0, %arg1, %arg2 : {weight}, {weight}, {x}) "
            f"outs(%o : {y}) {marks} -> {y}",
            f"return %y0 : {y}",
        ]
    else:
        lines += [
            f"%y{index} = qlinear.matvec ins(%arg{index}, %arg2 : {weight}, {x}) outs(%o : {y}) "
            f"{marks} -> {y}"
            for index in range(2)
        ]
        lines.append(f"return %y0, %y1 : {y}, {y}")

    def drawn(draw: Generator) -> list[Array]:
        # Zeros, and what is above the threshold: what is left out is nothing.
        values = inputs.normal(draw, cols)
        values += np.sign(values) * np.float32(0.6)
        values[draw.random(cols) < draw.choice([0.0, 0.5, 1.0])] = 0
        data = [inputs.packed(draw, name, rows, cols) for _ in range(2)]
        return [*data, _numbers(values, dtype)]

    return Rewrite(
        "sparsify-activations",
        what,
        main([weight, weight, x], [y] if gated else [y, y], "\n  ".join(lines)),
        drawn,
        after={} if kernel else {"qlinear.select_columns": 1, "qlinear.sparse_matvec": 2},
        unchanged=bool(kernel),
        runs=4,
    )


# --- lower-lut-matvec --------------------------------------------------------------------------


def _lookup(
    what: str, shape: Shape, *, dtype: str = "f32", gated: bool = False, kernel: str = ""
) -> Rewrite:
    some = (shape.tokens,) if shape.tokens else ()
    x, y = tensor(dtype, *some, shape.cols), tensor("f32", *some, shape.rows)
    marks = f'{{headrace.kernel = "{kernel}"}}' if kernel else ""
    op = "gated_matvec gelu_tanh" if gated else "matmul" if some else "matvec"
    weights = 2 if gated else 1
    values = ", ".join(f"%arg{index}" for index in range(weights + 1))
    kinds = ", ".join([shape.type] * weights + [x])
    body = (
        f"%o = tensor.empty() : {y}\n"
        f"  %y = qlinear.{op} ins({values} : {kinds}) outs(%o : {y}) {marks} -> {y}\n"
        f"  return %y : {y}"
    )

    def drawn(draw: Generator) -> list[Array]:
        activations = _centroids(draw, shape)
        parts = [_exact(draw, shape, activations) for _ in range(weights)]
        picked = draw.integers(0, shape.activations, (max(shape.tokens, 1), shape.pieces))
        tokens = activations[np.arange(shape.pieces), picked].reshape(len(picked), -1)
        x = tokens[:, : shape.cols].reshape(*some, shape.cols)
        return [*(part.storage(shape.bits).view(np.int8) for part in parts), _numbers(x, dtype)]

    return Rewrite(
        "lower-lut-matvec",
        what,
        main([*[shape.type] * weights, x], [y], body),
        drawn,
        after={}
        if kernel
        else {"qlinear.lut_matvec": weights, "qlinear.assign_centroids": weights},
        unchanged=bool(kernel),
    )


def _centroids(draw: Generator, shape: Shape) -> npt.NDArray[np.float32]:
    """Different vectors of small halves [pieces, A, dim], zeros behind the last column."""
    found = np.zeros((shape.pieces, shape.activations, shape.dim), np.float32)
    for piece, centroids in enumerate(found):
        width = min(shape.dim, shape.cols - piece * shape.dim)
        side = np.arange(-_reach(shape, width), _reach(shape, width) + 1)
        grid = np.stack(np.meshgrid(*[side] * width), axis=-1).reshape(-1, width)
        centroids[:, :width] = draw.permutation(grid)[: shape.activations] / 2
    return found


def _reach(shape: Shape, width: int) -> int:
    """The least r for which there are enough vectors of -r .. r."""
    return next(r for r in range(1, 257) if (2 * r + 1) ** width >= shape.activations)


def _exact(draw: Generator, shape: Shape, activations: npt.NDArray[np.float32]) -> tables.Tables:
    """A weight whose product tables hold the products of centroids without rounding."""
    most = 2 ** (shape.bits - 1) - 1
    parts = draw_tables(draw, shape)
    centroids = np.zeros_like(parts.centroids)
    for piece in range(shape.pieces):
        width = min(shape.dim, shape.cols - piece * shape.dim)
        largest = most // (_reach(shape, width) * width)
        some = draw.integers(-largest, largest + 1, centroids[:, piece].shape)
        centroids[:, piece] = some / 4
    # Activations are halves and weights quarters: products are eighths.
    products = np.einsum("pad,gped->gpae", activations, centroids) * 8 + most + 1
    codes = products.astype(np.uint8)
    assert (codes == products).all()
    return dataclasses.replace(
        parts,
        activations=activations,
        products=codes,
        centroids=centroids,
        scale=np.float32(1 / 8),
        offset=np.float32(-(most + 1) / 8),
    )
