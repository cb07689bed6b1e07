"""Gate and up projections: fuse-gated-matvec and merge-shared-input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.check.operations.text import main, packed, tensor
from headrace.check.rewrites import inputs
from headrace.check.rewrites.rewrite import Rewrite

__all__ = ["cases"]

Generator = np.random.Generator

# %a is an element of the gate projection, %b of the up projection.
_SILU = """
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %d = arith.addf %e, %one : f32
    %s = arith.divf %one, %d : f32
    %v = arith.mulf %a, %s : f32
    %r = arith.mulf %v, %b : f32"""
_GELU = """
    %p2 = arith.mulf %a, %a : f32
    %p3 = arith.mulf %p2, %a : f32
    %c3 = arith.mulf %cubic, %p3 : f32
    %i = arith.addf %a, %c3 : f32
    %sc = arith.mulf %root, %i : f32
    %t = math.tanh %sc : f32
    %t1 = arith.addf %one, %t : f32
    %h = arith.mulf %half, %a : f32
    %v = arith.mulf %h, %t1 : f32
    %r = arith.mulf %b, %v : f32"""
_GELU_SQUARE = """
    %p2 = arith.mulf %a, %a : f32
    %c2 = arith.mulf %cubic, %p2 : f32
    %i = arith.addf %c2, %one : f32
    %ra = arith.mulf %root, %a : f32
    %sc = arith.mulf %ra, %i : f32
    %t = math.tanh %sc : f32
    %t1 = arith.addf %one, %t : f32
    %ab = arith.mulf %a, %b : f32
    %h = arith.mulf %half, %ab : f32
    %r = arith.mulf %h, %t1 : f32"""
# Near to it.
_NO_GELU = _GELU.replace("arith.addf %one, %t", "arith.subf %one, %t")


def cases(draw: Generator) -> Iterator[Rewrite]:
    """Activations as one operation and as arithmetic; products of one x that are none of them."""
    rows, cols = int(draw.integers(2, 20)), 32 * int(draw.integers(1, 4))
    for act in ("silu", "gelu_tanh"):
        op = f"qlinear.gated_activation {act} ins(%g, %u : ROWS, ROWS) outs(%o : ROWS) -> ROWS"
        yield _gated(act, f"%y = {op}", "q8_0", rows, cols)
    for what, body in {"silu": _SILU, "gelu": _GELU, "gelu by squares": _GELU_SQUARE}.items():
        yield _gated(f"{what} as arithmetic", _generic(body), "q4nx", rows, cols + 5)
    yield _gated("two formats", _generic(_SILU), "q5_0", rows, cols, up="q8_0")
    yield _gated("no gelu", _generic(_NO_GELU), "q8_0", rows, cols, unchanged=True)

    some = [int(draw.integers(1, 9)) for _ in range(3)]
    yield _merged("queries, keys, values", "q6_k", some, 256, ())
    yield _merged("tokens, bf16", "q4_k", some, 256, (3,), dtype="bf16")
    yield _merged("packed activations", "q4_0", some, cols, (), dtype="act_i8")
    yield _merged("layouts", "q8_0:rows4", [4, 8, some[0]], cols, (2,))
    yield _merged("a partial block last", "q4nx", [some[0], 32, 64], cols, ())
    yield _merged("one partial block of two", "q4nx", [some[0], some[1], 32], cols, (), left=1)
    yield _merged("headers", "nvfp4", some, cols, (), left=3)


def _generic(body: str) -> str:
    same = "affine_map<(m) -> (m)>"
    return f"""%one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %cubic = arith.constant 4.471500e-02 : f32
  %root = arith.constant 0.797884583 : f32
  %y = linalg.generic {{indexing_maps = [{same}, {same}, {same}], iterator_types = ["parallel"]}}
      ins(%u, %g : ROWS, ROWS) outs(%o : ROWS) {{
  ^bb0(%b: f32, %a: f32, %c: f32):{body}
    linalg.yield %r : f32
  }} -> ROWS"""


def _gated(
    what: str,
    act: str,
    name: str,
    rows: int,
    cols: int,
    *,
    up: str = "",
    unchanged: bool = False,
) -> Rewrite:
    """`up`: the format of the up projection, if it is another one."""
    names = (name, up or name)
    weights = [packed(each, rows, cols) for each in names]
    x, y = tensor("f32", cols), tensor("f32", rows)
    products = [
        f"%{out} = qlinear.matvec ins(%arg{index}, %arg2 : {weight}, {x}) outs(%o : {y}) -> {y}"
        for index, (out, weight) in enumerate(zip("gu", weights, strict=True))
    ]
    fused = {"qlinear.gated_matvec": 1, "qlinear.matvec": 0}
    formed = {"qlinear.gated_activation": 1, "math.exp": 0}
    body = [f"%o = tensor.empty() : {y}", *products, act.replace("ROWS", y), f"return %y : {y}"]
    return Rewrite(
        "fuse-gated-matvec",
        what,
        main([*weights, x], [y], "\n  ".join(body)),
        lambda draw: [
            *(inputs.packed(draw, each, rows, cols) for each in names),
            inputs.normal(draw, cols),
        ],
        after={} if unchanged else formed if up else fused,
        unchanged=unchanged,
    )


def _merged(
    what: str,
    name: str,
    rows: Sequence[int],
    cols: int,
    tokens: tuple[int, ...],
    *,
    dtype: str = "f32",
    left: int = 0,
) -> Rewrite:
    """`left`: how many products stay as they are."""
    op = "matmul" if tokens else "matvec"
    weights = [packed(name, size, cols) for size in rows]
    outs = [tensor("f32", *tokens, size) for size in rows]
    count = len(rows)
    x = packed(dtype, 1, cols) if dtype == "act_i8" else tensor(dtype, *tokens, cols)
    lines = []
    for index, (weight, out) in enumerate(zip(weights, outs, strict=True)):
        lines += [
            f"%o{index} = tensor.empty() : {out}",
            f"%y{index} = qlinear.{op} ins(%arg{index}, %arg{count} : {weight}, {x}) "
            f"outs(%o{index} : {out}) -> {out}",
        ]
    results = ", ".join(f"%y{index}" for index in range(count))
    lines.append(f"return {results} : {', '.join(outs)}")

    def drawn(draw: Generator) -> Sequence[npt.NDArray[Any]]:
        data = [inputs.packed(draw, name, size, cols) for size in rows]
        if dtype == "act_i8":
            return [*data, inputs.packed(draw, "act_i8", 1, cols)]
        numbers = inputs.normal(draw, *tokens, cols)
        return [*data, numbers.astype(ml_dtypes.bfloat16) if dtype == "bf16" else numbers]

    unchanged = left == count
    after: Mapping[str, int] = {"qlinear.concat": 1, f"qlinear.{op}": 1 + left}
    return Rewrite(
        "merge-shared-input",
        what,
        main([*weights, x], outs, "\n  ".join(lines)),
        drawn,
        after={} if unchanged else after,
        unchanged=unchanged,
        bound=0.0,  # each row is summed as before
    )
