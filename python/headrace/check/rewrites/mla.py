"""Latent attention: absorb-mla-projections and quantize-kv-pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.check.operations.layouts import (
    ONE,
    draw_table,
    fill,
    layout,
    number,
    table_operands,
)
from headrace.check.operations.text import destination, poison, tensor
from headrace.check.rewrites.inputs import normal
from headrace.check.rewrites.rewrite import Rewrite
from headrace.reference import BOUNDS
from headrace.references.caches import Layout, MlaCache

__all__ = ["cases"]

Generator = np.random.Generator
Inputs = list[npt.NDArray[Any]]

# Queries and weights are rounded to fp8; logarithms and results that cancel are near one.
_FP8 = 5e-2
_FLOOR = 0.25

_ABSORB = "absorb-mla-projections"
_QUANTIZE = "quantize-kv-pipeline"


def cases(draw: Generator) -> Iterator[Rewrite]:
    """Every layout and dtype of a cache, with and without holes; parts; what stays as it is."""
    for kind, dtype in (("contiguous", "f32"), ("ring", "bf16"), ("paged", "fp8_e4m3")):
        cache = MlaCache(layout(kind, draw), int(draw.integers(3, 20)), 6, dtype)
        yield _attention(cache, draw, f"{kind}, {dtype}")
    long = MlaCache(Layout("contiguous", 150), 32, 8, "fp8_e4m3")
    yield _attention(long, draw, "absorbed", quantize=True)
    yield _decode(long, _ABSORB, "decode", unchanged=True)
    yield _decode(long, _QUANTIZE, "two pages of the recurrence")
    yield _decode(long, _QUANTIZE, "parts", splits=3)
    for kind in ("ring", "paged"):
        cache = MlaCache(layout(kind, draw), 32, 8, "fp8_e4m3")
        yield _decode(cache, _QUANTIZE, kind)
    wide = MlaCache(layout("contiguous", draw), 32, 8, "bf16")
    yield _decode(wide, _QUANTIZE, "bf16", unchanged=True)


def _attention(cache: MlaCache, draw: Generator, what: str, *, quantize: bool = False) -> Rewrite:
    """Keys and values of each head; with `quantize`, both passes follow each other."""
    heads, keys, values = (int(draw.integers(1, 9)) for _ in range(3))
    shapes = [
        (heads, keys),
        (heads, cache.rope),
        (heads, keys, cache.content),
        (heads, values, cache.content),
    ]
    outs = [tensor("f32", heads, values)]
    module = destination(
        "qattn.mla_attention",
        [
            *(tensor("f32", *shape) for shape in shapes),
            cache.type,
            ONE,
            *table_operands(cache.layout),
        ],
        outs,
        attributes="{scale = 2.000000e-01 : f32}",
    )

    def inputs(draw: Generator) -> Inputs:
        # Scores and results near one.
        sizes = [1.0, 1.0, cache.content**-0.5, cache.content**-0.5]
        arrays = [normal(draw, *s, scale=size) for s, size in zip(shapes, sizes, strict=True)]
        return [*arrays, *_kept(cache, draw), *poison(outs)]

    return Rewrite(
        _QUANTIZE if quantize else _ABSORB,
        what,
        module,
        inputs,
        after={
            "qattn.mla_attention": 0,
            "qattn.mla_decode": 1,
            "qattn.quantize_kv": int(quantize),
            "linalg.batch_vecmat": 1,
            "linalg.batch_matvec": 1,
        },
        pipeline=f"{_ABSORB},{_QUANTIZE}" if quantize else "",
        floor=_FLOOR,
        runs=4,
        bound=_FP8 if quantize else BOUNDS["f32"],
    )


def _decode(
    cache: MlaCache, name: str, what: str, *, splits: int | None = None, unchanged: bool = False
) -> Rewrite:
    heads = 6
    parts = (splits,) if splits else ()
    outs = [tensor("f32", *parts, heads, cache.content), tensor("f32", *parts, heads)]
    limit = f", splits = {splits} : i64" if splits else ""
    query = [tensor("f32", heads, cache.content), tensor("f32", heads, cache.rope)]
    module = destination(
        "qattn.mla_decode",
        [*query, cache.type, ONE, *table_operands(cache.layout)],
        outs,
        attributes=f"{{scale = 5.000000e-02 : f32{limit}}}",
        keyword_types=True,
    )

    def inputs(draw: Generator) -> Inputs:
        q, q_rope = normal(draw, heads, cache.content), normal(draw, heads, cache.rope)
        return [q, q_rope, *_kept(cache, draw), *poison(outs)]

    return Rewrite(
        name,
        what,
        module,
        inputs,
        after={} if unchanged else {"qattn.quantize_kv": 1},
        unchanged=unchanged,
        bound=BOUNDS["f32"] if unchanged else _FP8,
        floor=_FLOOR,
        runs=4,
    )


def _kept(cache: MlaCache, draw: Generator) -> Inputs:
    """A cache with some tokens, their number, and the table if there is one."""
    place = cache.layout
    table = draw_table(place, draw, holes=bool(draw.integers(2)))
    length = int(draw.integers(0, place.slots + 5))
    tokens = place.tokens(length, table)
    content, rope = normal(draw, len(tokens), cache.content), normal(draw, len(tokens), cache.rope)
    data = cache.append(fill(cache.storage_bytes, draw), content, rope, tokens.start, table)
    return [data.view(np.int8), number(length), *([] if table is None else [table])]
