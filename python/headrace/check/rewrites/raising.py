"""raise-dequantize, raise-attention, raise-torch-ops, outline-weights: what frameworks write.

Modules from torch itself are raised in the tests of these passes; here are the least that they
raise, at drawn shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.check.operations.text import main, packed, tensor
from headrace.check.rewrites.inputs import normal
from headrace.check.rewrites.inputs import packed as encoded
from headrace.check.rewrites.rewrite import Rewrite

__all__ = ["cases"]

Generator = np.random.Generator

_GROUP = 32
_FLOOR = 0.05  # the result of one row and token may cancel


def cases(draw: Generator) -> Iterator[Rewrite]:
    """Codes with a scale for each group; attention with masks; calls of operators."""
    rows, groups, tokens = (int(draw.integers(1, 6)) for _ in range(3))
    yield _dequantize(rows, groups, tokens)
    yield _outline(rows, groups)
    heads, length, dim = (
        int(draw.integers(2, 4)),
        int(draw.integers(3, 8)),
        int(draw.integers(2, 9)),
    )
    for what, window in (("causal", None), ("window", 2), ("bidirectional", 0)):
        yield _attention(what, heads, length, dim, window)
    yield _linear(rows + 1, 64, tokens)


def _generic(value: str, ins: list[tuple[str, str, str]], out: str, dims: str, body: str) -> str:
    """linalg.generic over all of `out`; ins: value, type, its indices (of `dims`)."""
    maps = [f"affine_map<({dims}) -> ({at})>" for _, _, at in ins] + [
        f"affine_map<({dims}) -> ({dims})>"
    ]
    kinds = ", ".join(['"parallel"'] * len(dims.split(",")))
    taken = ""
    if ins:
        values, types = (", ".join(item[index] for item in ins) for index in (0, 1))
        taken = f"ins({values} : {types})"
    arguments = ", ".join(
        f"%b{index}: {kind.removesuffix('>').rpartition('x')[2]}"
        for index, kind in enumerate([*(kind for _, kind, _ in ins), out])
    )
    return (
        f"{value}e = tensor.empty() : {out}\n"
        f"{value} = linalg.generic {{indexing_maps = [{', '.join(maps)}], "
        f"iterator_types = [{kinds}]}} {taken} outs({value}e : {out}) {{\n"
        f"^bb0({arguments}):\n{body}\n}} -> {out}"
    )


# --- weights -----------------------------------------------------------------------------------


def _values(rows: int, groups: int) -> list[str]:
    """Lines that make %d of %codes and %scales, as torchao's modules are imported."""
    split = tensor("i8", rows, groups, _GROUP)
    scaled = tensor("f32", rows, groups, _GROUP)
    shape = f"[{rows}, {groups}, "
    return [
        f"%c = tensor.expand_shape %codes [[0], [1, 2]] output_shape {shape}{_GROUP}] : "
        f"{tensor('i8', rows, groups * _GROUP)} into {split}",
        _generic(
            "%f",
            [("%c", split, "a, b, c"), ("%scales", tensor("f32", rows, groups), "a, b")],
            scaled,
            "a, b, c",
            "%v = arith.sitofp %b0 : i8 to f32\n%p = arith.mulf %v, %b1 : f32\n"
            "linalg.yield %p : f32",
        ),
        f"%d = tensor.collapse_shape %f [[0], [1, 2]] : {scaled} into "
        f"{tensor('f32', rows, groups * _GROUP)}",
    ]


def _codes(draw: Generator, rows: int, groups: int) -> list[npt.NDArray[Any]]:
    codes = draw.integers(-128, 128, (rows, groups * _GROUP)).astype(np.int8)
    return [codes, np.abs(normal(draw, rows, groups)) * np.float32(0.01)]


def _dequantize(rows: int, groups: int, tokens: int) -> Rewrite:
    cols = groups * _GROUP
    x, w, y = tensor("f32", tokens, cols), tensor("f32", cols, rows), tensor("f32", tokens, rows)
    weights = f"%codes: {tensor('i8', rows, cols)}, %scales: {tensor('f32', rows, groups)}"
    lines = [
        f"func.func @main(%x: {x}, {weights}) -> {y} {{",
        *_values(rows, groups),
        f"%te = tensor.empty() : {w}",
        f"%t = linalg.transpose ins(%d : {tensor('f32', rows, cols)}) outs(%te : {w}) "
        "permutation = [1, 0]",
        "%zero = arith.constant 0.0 : f32",
        f"%ye = tensor.empty() : {y}",
        f"%z = linalg.fill ins(%zero : f32) outs(%ye : {y}) -> {y}",
        f"%y = linalg.matmul ins(%x, %t : {x}, {w}) outs(%z : {y}) -> {y}",
        f"return %y : {y}\n}}",
    ]
    return Rewrite(
        "raise-dequantize",
        "scales of groups",
        "\n".join(lines),
        lambda draw: [normal(draw, tokens, cols), *_codes(draw, rows, groups)],
        after={"qlinear.dequantize": 1},
        floor=_FLOOR,
    )


def _outline(rows: int, groups: int) -> Rewrite:
    """After raise-dequantize and fusion, what computes bytes from codes moves out of @main."""
    cols = groups * _GROUP
    kinds = [tensor("f32", cols), tensor("i8", rows, cols), tensor("f32", rows, groups)]
    y, w = tensor("f32", rows), tensor("f32", rows, cols)
    taken = f"%x: {kinds[0]}, %codes: {kinds[1]}, %scales: {kinds[2]}"
    lines = [
        f"func.func @main({taken}) -> {y} {{",
        *_values(rows, groups),
        "%zero = arith.constant 0.0 : f32",
        f"%ye = tensor.empty() : {y}",
        f"%z = linalg.fill ins(%zero : f32) outs(%ye : {y}) -> {y}",
        f"%y = linalg.matvec ins(%d, %x : {w}, {kinds[0]}) outs(%z : {y}) -> {y}",
        f"return %y : {y}\n}}",
    ]
    stored = tensor("i8", rows * (cols + 4 * groups))
    whole = (
        f"func.func @whole({taken}) -> {y} {{\n"
        f"%b = call @main_weights(%codes, %scales) : ({', '.join(kinds[1:])}) -> {stored}\n"
        f"%y = call @main(%x, %b) : ({kinds[0]}, {stored}) -> {y}\n"
        f"return %y : {y}\n}}\n"
    )
    return Rewrite(
        "outline-weights",
        "codes and scales",
        "\n".join(lines),
        lambda draw: [normal(draw, cols), *_codes(draw, rows, groups)],
        after={"func.func": 2, "qlinear.from_bytes": 1},
        pipeline="raise-dequantize,canonicalize,cse,outline-weights",
        whole=whole,
        floor=_FLOOR,
    )


# --- attention ---------------------------------------------------------------------------------


def _attention(what: str, heads: int, length: int, dim: int, window: int | None) -> Rewrite:
    """softmax(q k^T / 2 + mask) v for each head; window 0: no mask at all."""
    q, kt = tensor("f32", heads, length, dim), tensor("f32", heads, dim, length)
    s, row = tensor("f32", heads, length, length), tensor("f32", heads, length)
    near = "" if window is None else f"%w = arith.constant {window} : index\n"
    mask = (
        "%i = linalg.index 1 : index\n%j = linalg.index 2 : index\n"
        "%gap = arith.subi %i, %j : index\n%c0 = arith.constant 0 : index\n"
        "%past = arith.cmpi sge, %gap, %c0 : index\n" + near
    )
    if window is None:
        seen = "%past"
    else:
        mask += "%in = arith.cmpi slt, %gap, %w : index\n%seen = arith.andi %past, %in : i1\n"
        seen = "%seen"
    chosen = (
        "linalg.yield %h : f32"
        if window == 0
        else mask
        + f"%inf = arith.constant 0xFF800000 : f32\n%m = arith.select {seen}, %h, %inf : f32\n"
        "linalg.yield %m : f32"
    )
    three = "a, b, c"
    lines = [
        "%zero = arith.constant 0.0 : f32\n%low = arith.constant 0xFF800000 : f32",
        f"%ke = tensor.empty() : {kt}",
        f"%kt = linalg.transpose ins(%arg1 : {q}) outs(%ke : {kt}) permutation = [0, 2, 1]",
        f"%se = tensor.empty() : {s}",
        f"%sz = linalg.fill ins(%zero : f32) outs(%se : {s}) -> {s}",
        f"%s = linalg.batch_matmul ins(%arg0, %kt : {q}, {kt}) outs(%sz : {s}) -> {s}",
        _generic(
            "%scores",
            [("%s", s, three)],
            s,
            three,
            "%half = arith.constant 0.5 : f32\n%h = arith.mulf %b0, %half : f32\n" + chosen,
        ),
        _reduced("%max", "%scores", "%low", "arith.maximumf", s, row),
        _generic(
            "%ex",
            [("%scores", s, three), ("%max", row, "a, b")],
            s,
            three,
            "%d = arith.subf %b0, %b1 : f32\n%x = math.exp %d : f32\nlinalg.yield %x : f32",
        ),
        _reduced("%sum", "%ex", "%zero", "arith.addf", s, row),
        _generic(
            "%p",
            [("%ex", s, three), ("%sum", row, "a, b")],
            s,
            three,
            "%x = arith.divf %b0, %b1 : f32\nlinalg.yield %x : f32",
        ),
        f"%oe = tensor.empty() : {q}",
        f"%oz = linalg.fill ins(%zero : f32) outs(%oe : {q}) -> {q}",
        f"%o = linalg.batch_matmul ins(%p, %arg2 : {s}, {q}) outs(%oz : {q}) -> {q}",
        f"return %o : {q}",
    ]
    return Rewrite(
        "raise-attention",
        what,
        main([q, q, q], [q], "\n".join(lines)),
        lambda draw: [normal(draw, heads, length, dim) for _ in range(3)],
        after={"qattn.prefill": 1, "math.exp": 0},
        mentions=(f"window = {window}",) if window else (),
        pipeline="raise-attention,canonicalize,cse",
        floor=_FLOOR,
    )


def _reduced(value: str, of: str, start: str, function: str, s: str, row: str) -> str:
    """The last dimension of `of`, by `function`."""
    maps = "affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b)>"
    return (
        f"{value}e = tensor.empty() : {row}\n"
        f"{value}z = linalg.fill ins({start} : f32) outs({value}e : {row}) -> {row}\n"
        f"{value} = linalg.generic {{indexing_maps = [{maps}], "
        f'iterator_types = ["parallel", "parallel", "reduction"]}} ins({of} : {s}) '
        f"outs({value}z : {row}) {{\n^bb0(%b0: f32, %b1: f32):\n"
        f"%x = {function} %b1, %b0 : f32\nlinalg.yield %x : f32\n}} -> {row}"
    )


# --- operators ---------------------------------------------------------------------------------


def _linear(rows: int, cols: int, tokens: int) -> Rewrite:
    """A call that stands for headrace.linear."""
    form = formats.get("q8_0")
    kinds = [tensor("f32", tokens, cols), tensor("i8", form.storage_bytes(rows, cols))]
    y = tensor("f32", tokens, rows)
    call = (
        f"func.func private @linear({', '.join(kinds)}) -> {y} attributes {{headrace.operator = "
        f'"headrace.linear", headrace.arguments = [{rows}, {cols}, "{form.attribute}", "f32"]}}\n'
    )
    body = f"%y = call @linear(%arg0, %arg1) : ({', '.join(kinds)}) -> {y}\nreturn %y : {y}"
    weight = packed("q8_0", rows, cols)
    meaning = main(
        kinds,
        [y],
        f"%w = qlinear.from_bytes %arg1 : {kinds[1]} to {weight}\n%e = tensor.empty() : {y}\n"
        f"%y = qlinear.matmul ins(%w, %arg0 : {weight}, {kinds[0]}) outs(%e : {y}) -> {y}\n"
        f"return %y : {y}",
    )
    return Rewrite(
        "raise-torch-ops",
        "linear",
        call + main(kinds, [y], body),
        lambda draw: [normal(draw, tokens, cols), encoded(draw, "q8_0", rows, cols)],
        after={"func.call": 0, "qlinear.matmul": 1},
        meaning=meaning,
    )
