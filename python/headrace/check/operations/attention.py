"""prefill and merge_partials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.check.operations.case import F32, Case, Run, Want
from headrace.check.operations.layouts import ONE, number
from headrace.check.operations.text import Operand, destination, poison, tensor
from headrace.references import attention, rounded_attention

__all__ = ["Prefill", "cases", "module_of", "of_attention", "outs_of"]

Generator = np.random.Generator
Array = npt.NDArray[Any]

# Where a weight is nearly between two rounded ones, f32 and float64 may take either, and a kernel
# rounds weights relative to the largest score so far.
_ROUNDED = 5e-3


def of_attention(out: Array, lse: Array, bound: float = F32) -> list[Want]:
    """A result and the logarithm of its sum of exponentials, whose absolute error counts.

    Values may cancel in a weighted mean of few, so that errors are relative to a twentieth of what
    they are drawn from.
    """
    return [Want(out, bound, floor=0.05), Want(lse, bound, floor=1.0)]


@dataclass(frozen=True)
class Prefill:
    """L queries of H heads, T keys and values of G heads; D and E values of a head."""

    what: str
    queries: int
    tokens: int
    heads: int
    groups: int
    key: int
    value: int
    causal: bool = True
    offset: bool = False
    window: int | None = None
    softcap: float | None = None
    lse: bool = True
    precision: str = ""  # f32

    @property
    def scale(self) -> float:
        return float(np.float32(self.key**-0.5))


def cases(draw: Generator) -> Iterator[Case]:
    """Every mask, window and option; heads that share keys and values, and that do not."""
    some, group = int(draw.integers(3, 9)), int(draw.integers(1, 4))
    heads, dim, window = 2 * group, int(draw.integers(2, 12)), int(draw.integers(2, 4))
    for shape in (
        Prefill("causal", some, some, heads, group, dim, dim),
        Prefill("causal, offset", some, some + 5, heads, group, dim, dim, offset=True),
        Prefill("window", some, some + 5, 3, 1, dim, dim, offset=True, window=window, lse=False),
        Prefill("bidirectional", some, some + 2, heads, heads, dim, dim + 3, causal=False),
        Prefill(
            "bidirectional window",
            some,
            some + 3,
            heads,
            group,
            dim,
            dim,
            causal=False,
            offset=True,
            window=window,
        ),
        Prefill("softcap", some, some, heads, group, dim, 1, softcap=5.0),
        Prefill("one query", 1, some, 1, 1, 1, 4, offset=True),
    ):
        yield _prefill(shape)
    for precision in rounded_attention.PRECISIONS:
        for shape in (
            Prefill("causal, offset", some, some + 5, heads, group, dim, dim, offset=True),
            Prefill("blocks", 4, 300, 2, 1, dim, dim + 1, offset=True, window=150),
            Prefill("bidirectional", some, some + 2, heads, heads, dim, dim + 3, causal=False),
            Prefill("softcap", some, some, heads, group, dim, 1, softcap=5.0, lse=False),
            Prefill("one query", 1, 1, 1, 1, 1, 4),
        ):
            yield _prefill(replace(shape, what=f"{precision}, {shape.what}", precision=precision))
    yield _merge("decode", (int(draw.integers(2, 5)), heads, dim))
    yield _merge("prefill", (3, some, heads, dim))
    yield _merge("one part", (1, 1, 1))


def outs_of(shape: Prefill) -> list[str]:
    """The types of what it writes."""
    outs = [tensor("f32", shape.queries, shape.heads, shape.value)]
    return [*outs, tensor("f32", shape.queries, shape.heads)] if shape.lse else outs


def module_of(shape: Prefill) -> str:
    """A module that is one prefill."""
    q = tensor("f32", shape.queries, shape.heads, shape.key)
    k = tensor("f32", shape.tokens, shape.groups, shape.key)
    v = tensor("f32", shape.tokens, shape.groups, shape.value)
    attributes = [f"scale = {shape.scale:.9e} : f32"]
    if shape.window is not None:
        attributes.append(f"window = {shape.window} : i64")
    if shape.softcap is not None:
        attributes.append(f"softcap = {shape.softcap:e} : f32")
    return destination(
        "qattn.prefill",
        [q, k, v, *([Operand(ONE, "offset")] if shape.offset else [])],
        outs_of(shape),
        head=("causal" if shape.causal else "bidirectional")
        + (f" precision = {shape.precision}" if shape.precision else ""),
        attributes=f"{{{', '.join(attributes)}}}",
    )


def _prefill(shape: Prefill) -> Case:
    return Case(
        op="qattn.prefill",
        what=shape.what,
        shape=f"{shape.queries}x{shape.tokens}x{shape.heads}x{shape.groups}x{shape.key}",
        module=module_of(shape),
        runs=lambda draw: _prefill_runs(shape, draw, outs_of(shape)),
        format=shape.precision,
    )


def _prefill_runs(shape: Prefill, draw: Generator, outs: list[str]) -> Iterator[Run]:
    end = shape.tokens - shape.queries
    # Queries at the end, at the start, before and behind it, and where they see nothing.
    offsets = [end, 0, -2, shape.tokens + 1, -1000, 2**31 - 1] if shape.offset else [0]
    for offset in offsets:
        for name in ("normal", "unlike sizes", "zeros", "a NaN that is seen"):
            q: Array = draw.normal(size=(shape.queries, shape.heads, shape.key))
            k: Array = draw.normal(size=(shape.tokens, shape.groups, shape.key))
            v: Array = draw.normal(size=(shape.tokens, shape.groups, shape.value))
            if name == "unlike sizes":
                q, k = q * 1e-12, k * 2e12
            if name == "zeros":
                q = q * 0
            unseen = [
                j
                for j in range(shape.tokens)
                if not any(_sees(shape, offset + i, j) for i in range(shape.queries))
            ]
            k[unseen], v[unseen] = np.nan, np.nan
            if name == "a NaN that is seen":
                at = int(draw.integers(0, shape.tokens))
                (k if draw.random() < 0.5 else v)[at, 0, 0] = np.nan
            q, k, v = (a.astype(np.float32) for a in (q, k, v))
            wants = _expected(shape, q, k, v, offset)
            inputs: list[Array] = [q, k, v]
            if shape.offset:
                inputs.append(number(offset))
            yield Run(
                f"{name}, offset {offset}",
                [*inputs, *poison(outs)],
                of_attention(*wants, _ROUNDED if shape.precision else F32)[: len(outs)],
            )


def _expected(shape: Prefill, q: Array, k: Array, v: Array, offset: int) -> tuple[Array, Array]:
    options: dict[str, Any] = {
        "causal": shape.causal,
        "offset": offset,
        "window": shape.window,
        "softcap": shape.softcap,
    }
    if shape.precision:
        return rounded_attention.prefill(q, k, v, shape.scale, shape.precision, **options)
    return attention.prefill(q, k, v, shape.scale, **options)


def _sees(shape: Prefill, query: int, key: int) -> bool:
    return attention.sees(query, key, causal=shape.causal, window=shape.window)


def _merge(what: str, shape: tuple[int, ...]) -> Case:
    """Parts of which some saw nothing; those hold NaN."""
    parts, *rows, dim = shape
    outs = [tensor("f32", *rows, dim), tensor("f32", *rows)]

    def runs(draw: Generator) -> Iterator[Run]:
        for name, size in (("near", 1.0), ("far", 40.0), ("large", 1000.0)):
            partials = draw.normal(size=shape).astype(np.float32)
            lses = (draw.normal(size=(parts, *rows)) * size).astype(np.float32)
            nothing = draw.random(lses.shape) < 0.3
            if name == "far":
                nothing[:, 0] = True
            lses[nothing], partials[nothing] = -np.inf, np.nan
            wants = of_attention(*attention.merge_partials(partials, lses))
            yield Run(name, [partials, lses, *poison(outs)], wants)

    kinds = [tensor("f32", *shape), tensor("f32", parts, *rows)]
    return Case(
        op="qattn.merge_partials",
        what=what,
        shape="x".join(map(str, shape)),
        module=destination("qattn.merge_partials", kinds, outs),
        runs=runs,
    )
