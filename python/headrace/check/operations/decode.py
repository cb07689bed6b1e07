"""decode: one query over caches of every layout and dtype, in parts too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.check.operations.attention import of_attention
from headrace.check.operations.case import Case, Run, Want
from headrace.check.operations.layouts import (
    I32,
    ONE,
    draw_table,
    fill,
    layout,
    number,
    table_inputs,
    table_operands,
)
from headrace.check.operations.text import destination, poison, tensor
from headrace.references import attention
from headrace.references.caches import KVCache, Layout

__all__ = ["cases", "lengths", "split"]

Generator = np.random.Generator


@dataclass(frozen=True)
class Decode:
    """H heads of a query over a cache."""

    what: str
    cache: KVCache
    heads: int
    window: int | None = None
    softcap: float | None = None
    splits: int | None = None

    @property
    def scale(self) -> float:
        return float(np.float32(self.cache.dim**-0.5))


def cases(draw: Generator) -> Iterator[Case]:
    """Every dtype, layout and option; heads that share keys and values, and that do not."""
    group, dim = int(draw.integers(1, 4)), int(draw.integers(2, 12))

    def cache(kind: str, dtype: str, heads: int = group) -> KVCache:
        return KVCache(layout(kind, draw), heads, dim, dtype)

    window = int(draw.integers(1, 5))
    for shape in (
        Decode("contiguous", cache("contiguous", "f32"), 2 * group),
        Decode("window", cache("contiguous", "bf16"), 3 * group, window=window),
        Decode("softcap", cache("contiguous", "f16", 1), 1, softcap=3.0),
        Decode("paged", cache("paged", "fp8_e4m3"), 2 * group),
        Decode("paged, window", cache("paged", "bf16"), 2 * group, window=window + 2),
        Decode("ring", cache("ring", "i8"), group),
        Decode("ring, window", cache("ring", "f32"), 2 * group, window=window),
        Decode("parts", cache("contiguous", "f32"), 2 * group, splits=3),
        Decode("parts of a ring", cache("ring", "fp8_e4m3"), group, window=window + 3, splits=2),
        Decode("parts of pages", cache("paged", "f32"), 2 * group, splits=4),
        Decode("more parts than tokens", cache("ring", "f16"), group, splits=20),
        Decode("f16, window", cache("contiguous", "f16"), 2 * group, window=window),
        Decode("f16, parts of pages", cache("paged", "f16"), 3 * group, splits=2),
        Decode("i8, softcap", cache("contiguous", "i8"), group, softcap=5.0),
        Decode("i8, window", cache("contiguous", "i8"), 4 * group, window=window + 1),
        Decode("i8, ring, window", cache("ring", "i8"), 3 * group, window=window),
        Decode("i8, paged", cache("paged", "i8"), 2 * group),
    ):
        yield case_of(shape)


def lengths(place: Layout, draw: Generator) -> list[int]:
    """Nothing, one token, some, all, more than there are, and what is no length."""
    most = place.slots
    some = int(draw.integers(2, most))
    return [0, 1, 2, some, most - 1, most, most + 3, 5 * most, 2**31 - 1, -1, -(2**31)]


def split(tokens: Sequence[int], splits: int | None) -> list[Sequence[int]]:
    """Parts of ceil(tokens / splits), the last shorter or empty; one without splits."""
    size = -(-len(tokens) // (splits or 1))
    return [tokens[i * size : (i + 1) * size] for i in range(splits or 1)]


def case_of(shape: Decode) -> Case:
    """The case of one shape."""
    cache = shape.cache
    parts = (shape.splits,) if shape.splits else ()
    outs = [tensor("f32", *parts, shape.heads, cache.dim), tensor("f32", *parts, shape.heads)]
    attributes = [f"scale = {shape.scale:.9e} : f32"]
    for name in ("window", "splits"):
        value = getattr(shape, name)
        if value is not None:
            attributes.append(f"{name} = {value} : i64")
    if shape.softcap is not None:
        attributes.append(f"softcap = {shape.softcap:e} : f32")
    q = tensor("f32", shape.heads, cache.dim)
    return Case(
        op="qattn.decode",
        what=shape.what,
        shape=f"{cache.layout.slots}x{shape.heads}x{cache.heads}x{cache.dim}",
        module=destination(
            "qattn.decode",
            [q, cache.type, ONE, *table_operands(cache.layout)],
            outs,
            attributes=f"{{{', '.join(attributes)}}}",
        ),
        runs=lambda draw: _runs(shape, draw, outs),
        format=f"kv_{cache.dtype}",
        reference="float64, caches by ml_dtypes",
    )


def _runs(shape: Decode, draw: Generator, outs: list[str]) -> Iterator[Run]:
    place = shape.cache.layout
    sizes = [1.0] if shape.cache.dtype == "f16" else [1.0, 1e12]
    for length in lengths(place, draw):
        for holes in (False, True) if place.kind == "paged" else (False,):
            for size in sizes:
                name = f"length {length}{', holes' if holes else ''}"
                name += "" if size == 1.0 else ", large keys"
                yield _run(
                    shape, draw, outs, name, length, draw_table(place, draw, holes=holes), size
                )
    yield _run(shape, draw, outs, "a NaN that is seen", 3, draw_table(place, draw), np.nan)
    yield _run(shape, draw, outs, "zeros", place.slots, draw_table(place, draw), 0.0)


def _run(
    shape: Decode,
    draw: Generator,
    outs: list[str],
    name: str,
    length: int,
    table: I32 | None,
    size: float,
) -> Run:
    """Keys times `size`, and the query by it; slots that are not seen hold any bytes."""
    cache = shape.cache
    tokens = cache.layout.tokens(length, table, shape.window)
    data = fill(cache.storage_bytes, draw)
    k, v = (draw.normal(size=(1, cache.heads, cache.dim)) for _ in range(2))
    factor = size if size and np.isfinite(size) else 1.0
    for token in tokens:
        k, v = (draw.normal(size=(1, cache.heads, cache.dim)) for _ in range(2))
        data = cache.append(data, _f32(k * factor), _f32(v), token, table)
    if np.isnan(size):
        k[0, 0] = np.nan
        data = cache.append(data, _f32(k), _f32(v), tokens[-1], table)
    q = _f32(draw.normal(size=(shape.heads, cache.dim)) / factor * (size != 0.0))
    wants = wanted(shape, q, data, tokens, table)
    extra = table_inputs(table)
    return Run(name, [q, data.view(np.int8), number(length), *extra, *poison(outs)], wants)


def wanted(
    shape: Decode,
    q: npt.NDArray[np.float32],
    data: npt.NDArray[np.uint8],
    tokens: Sequence[int],
    table: I32 | None,
) -> list[Want]:
    """The reference of each part."""
    keys, values = shape.cache.values(data)
    found: list[Any] = []
    for part in split(tokens, shape.splits):
        slots = shape.cache.layout.seen(part, table)
        found.append(
            attention.decode(q, keys[slots], values[slots], shape.scale, softcap=shape.softcap)
        )
    out, lse = (np.stack(items) for items in zip(*found, strict=True))
    return of_attention(out, lse) if shape.splits else of_attention(out[0], lse[0])


def _f32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)
