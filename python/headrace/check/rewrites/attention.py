"""Attention in parts: split-kv and chunk-prefill."""

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
from headrace.check.operations.text import Operand, destination, poison, tensor
from headrace.check.rewrites.inputs import normal
from headrace.check.rewrites.rewrite import Rewrite
from headrace.reference import BOUNDS
from headrace.references.caches import KVCache, Layout, MlaCache

__all__ = ["cases"]

Generator = np.random.Generator
Inputs = list[npt.NDArray[Any]]

# Of logarithms the absolute error counts, and results are sums that may cancel.
_FLOOR = 0.25
# What rounding weights to fp8 by other scales may differ by.
_FP8 = 0.06


def cases(draw: Generator) -> Iterator[Rewrite]:
    """Every layout of a cache; every mask, with and without what moves the queries."""
    dtypes = ["f32", "bf16", "f16", "fp8_e4m3", "i8"]
    for kind in ("contiguous", "ring", "paged"):
        yield _decode(draw, kind, str(draw.choice(dtypes)))
    yield _decode(draw, "contiguous", "f32", "window", window=int(draw.integers(2, 12)))
    yield _decode(draw, "ring", "bf16", "by the attribute", chosen=int(draw.integers(2, 4)))
    yield _decode(draw, "paged", "f16", "tokens per part", options="tokens-per-split=2")
    yield _decode(draw, "contiguous", "f32", "one part", options="splits=1")
    yield _mla_decode(draw, "bf16", "latent")
    yield _mla_decode(draw, "fp8_e4m3", "latent, quantized query", quantized=True)
    yield _prefill(draw, "causal", "queries=3")
    yield _prefill(draw, "causal", "queries=4 keys=5")
    yield _prefill(draw, "causal", "keys=3", "keys only")
    yield _prefill(draw, "causal", "queries=4 keys=3", "window", window=int(draw.integers(1, 7)))
    yield _prefill(draw, "bidirectional", "queries=4 keys=4")
    yield _prefill(draw, "bidirectional", "queries=5 keys=2", "window", window=3)
    yield _prefill(draw, "causal", "queries=3 keys=4", "offset", offset=True)
    yield _prefill(draw, "causal", "queries=2 keys=3", "offset and window", offset=True, window=4)
    yield _prefill(draw, "causal", "queries=64 keys=64", "one chunk")


# --- split-kv ----------------------------------------------------------------------------------


def _decode(
    draw: Generator,
    kind: str,
    dtype: str,
    what: str = "",
    *,
    window: int | None = None,
    chosen: int | None = None,
    options: str = "",
) -> Rewrite:
    groups, ratio, dim = (int(draw.integers(1, 4)) for _ in range(3))
    cache = KVCache(layout(kind, draw), groups, 4 * dim, dtype)
    outs = [tensor("f32", groups * ratio, cache.dim), tensor("f32", groups * ratio)]
    attributes = ["scale = 2.500000e-01 : f32"]
    attributes += [] if window is None else [f"window = {window} : i64"]
    attributes += [] if chosen is None else [f"headrace.splits = {chosen}"]
    place = cache.layout
    module = destination(
        "qattn.decode",
        [outs[0], cache.type, ONE, *table_operands(place)],
        outs,
        attributes=f"{{{', '.join(attributes)}}}",
    )

    def inputs(draw: Generator) -> Inputs:
        length, table, start, count = _tokens(place, draw)
        k, v = (normal(draw, count, groups, cache.dim) for _ in range(2))
        data = cache.append(fill(cache.storage_bytes, draw), k, v, start, table)
        extra = [] if table is None else [table]
        q = normal(draw, groups * ratio, cache.dim)
        return [q, data.view(np.int8), number(length), *extra, *poison(outs)]

    options = options or ("" if chosen else f"splits={int(draw.integers(2, 5))}")
    title = f"{kind}, {dtype}" + (f", {what}" if what else "")
    return _split(title, module, inputs, options, unchanged=options == "splits=1")


def _mla_decode(draw: Generator, dtype: str, what: str, *, quantized: bool = False) -> Rewrite:
    heads = int(draw.integers(1, 5))
    # More than one page of the recurrence in each part.
    cache = MlaCache(Layout("contiguous", 200), 16, 8, dtype)
    outs = [tensor("f32", heads, 16), tensor("f32", heads)]
    operands = [tensor("i8" if quantized else "f32", heads, 16), tensor("f32", heads, 8)]
    scales = [Operand(tensor("f32", heads), "q_scale")] if quantized else []
    module = destination(
        "qattn.mla_decode",
        [*operands, cache.type, ONE, *scales],
        outs,
        attributes="{scale = 2.000000e-01 : f32}",
        keyword_types=True,
    )

    def inputs(draw: Generator) -> Inputs:
        length, table, start, count = _tokens(cache.layout, draw)
        content, rope = normal(draw, count, 16), normal(draw, count, 8)
        data = cache.append(fill(cache.storage_bytes, draw), content, rope, start, table)
        q: Inputs = [normal(draw, heads, 16), normal(draw, heads, 8)]
        if quantized:
            q[0] = draw.integers(0, 0x7F, (heads, 16)).astype(np.int8)
        scale = [np.full(heads, 0.01, np.float32)] if quantized else []
        return [*q, data.view(np.int8), number(length), *scale, *poison(outs)]

    return _split(what, module, inputs, "splits=2", bound=_FP8 if quantized else BOUNDS["f32"])


def _tokens(place: Layout, draw: Generator) -> tuple[int, Any, int, int]:
    """(length, table, first and number of the tokens that are there)."""
    table = draw_table(place, draw, holes=bool(draw.integers(2)))
    length = int(draw.integers(0, place.slots + 5))
    tokens = place.tokens(length, table)
    return length, table, tokens.start, len(tokens)


def _split(
    what: str,
    module: str,
    inputs: Any,
    options: str,
    *,
    unchanged: bool = False,
    bound: float = BOUNDS["f32"],
) -> Rewrite:
    return Rewrite(
        "split-kv",
        what,
        module,
        inputs,
        after={} if unchanged else {"qattn.merge_partials": 1},
        pipeline=f"split-kv{{{options}}}",
        unchanged=unchanged,
        floor=_FLOOR,
        runs=4,
        bound=bound,
    )


# --- chunk-prefill -----------------------------------------------------------------------------


def _prefill(
    draw: Generator,
    mask: str,
    options: str,
    what: str = "",
    *,
    window: int | None = None,
    offset: bool = False,
) -> Rewrite:
    groups, ratio, dim, values = (int(draw.integers(1, 4)) for _ in range(4))
    queries, keys = (int(draw.integers(7, 14)) for _ in range(2))
    shapes = [(queries, groups * ratio, dim), (keys, groups, dim), (keys, groups, values)]
    outs = [tensor("f32", queries, groups * ratio, values), tensor("f32", queries, groups * ratio)]
    limit = "" if window is None else f", window = {window} : i64"
    module = destination(
        "qattn.prefill",
        [*(tensor("f32", *shape) for shape in shapes), *([Operand(ONE, "offset")] * offset)],
        outs,
        head=mask,
        attributes=f"{{scale = 4.000000e-01 : f32, softcap = 9.000000e+00 : f32{limit}}}",
    )

    def inputs(draw: Generator) -> Inputs:
        start = [number(int(draw.integers(-queries, keys + 3)))] if offset else []
        return [*(normal(draw, *shape) for shape in shapes), *start, *poison(outs)]

    whole = "64" in options
    after = {} if whole else {"scf.for": _loops(options, queries, keys)}
    return Rewrite(
        "chunk-prefill",
        f"{mask}, {what or options}",
        module,
        inputs,
        after=after,
        pipeline=f"chunk-prefill{{{options}}}",
        unchanged=whole,
        floor=_FLOOR,
        runs=4,
    )


def _loops(options: str, queries: int, keys: int) -> int:
    """One over queries, and for those and for the queries that are left one over keys."""
    sizes = dict(item.split("=") for item in options.split())
    chunk = int(sizes.get("queries", queries))
    over_queries = 0 if chunk >= queries else 1
    bodies = over_queries + (1 if queries % chunk or chunk >= queries else 0)
    return over_queries + (bodies if int(sizes.get("keys", keys)) < keys else 0)
