"""Caches of keys and values: bytes, append_kv and fetch_kv, in every dtype and layout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headrace.check.operations.case import EXACT, Case, Run, Want
from headrace.check.operations.layouts import (
    ONE,
    draw_table,
    fill,
    layout,
    number,
    table_inputs,
    table_operands,
)
from headrace.check.operations.text import destination, main, poison, tensor
from headrace.references.caches import KVCache

__all__ = ["cases"]

Generator = np.random.Generator
F32 = npt.NDArray[np.float32]

_DTYPES = ("f32", "bf16", "f16", "fp8_e4m3", "i8")
# Every dtype in the contiguous layout, every layout with and without scales.
_CACHES = [
    *((dtype, "contiguous") for dtype in _DTYPES),
    ("bf16", "ring"),
    ("i8", "ring"),
    ("f32", "paged"),
    ("fp8_e4m3", "paged"),
]


def cases(draw: Generator) -> Iterator[Case]:
    """Caches of a few tokens, with one head and several."""
    for dtype, kind in _CACHES:
        cache = KVCache(
            layout(kind, draw), int(draw.integers(1, 4)), int(draw.integers(1, 10)), dtype
        )
        yield _append(cache, int(draw.integers(2, 5)))
        yield _fetch(cache, int(draw.integers(3, 8)))
    ring = KVCache(layout("ring", draw), 1, 4, "f16")
    yield _append(ring, ring.layout.slots + 3, ", more than it has room for")
    yield _not_finite(KVCache(layout("contiguous", draw), 2, 5, "fp8_e4m3"))
    yield _not_finite(KVCache(layout("contiguous", draw), 2, 5, "i8"))
    yield _from_bytes(KVCache(layout("contiguous", draw), 2, 3, "f16"))
    yield _to_bytes(KVCache(layout("ring", draw), 2, 3, "fp8_e4m3"))


def _case(op: str, cache: KVCache, what: str, module: str, runs: object) -> Case:
    assert callable(runs)
    return Case(
        op=f"qattn.{op}",
        what=f"{cache.dtype}, {cache.layout.kind}{what}",
        shape=f"{cache.layout.slots}x{cache.heads}x{cache.dim}",
        module=module,
        runs=runs,
        format=f"kv_{cache.dtype}",
        reference="caches by ml_dtypes",
    )


def _starts(cache: KVCache, count: int) -> list[int]:
    """Inside, at the start, over the end, behind it, and before the start."""
    slots = cache.layout.slots
    return [1, 0, slots - count + 1, slots + 2, -1, -count, 2**31 - 1 - count]


# --- append ------------------------------------------------------------------------------------


def _append(cache: KVCache, count: int, what: str = "") -> Case:
    new, raw = tensor("f32", count, cache.heads, cache.dim), tensor("i8", cache.storage_bytes)
    tables = table_operands(cache.layout)
    arguments = [new, new, cache.type, ONE, *(operand.type for operand in tables)]
    keyword = " table %arg4" if tables else ""
    body = "\n".join(
        [
            f"%new = qattn.append_kv %arg0, %arg1 into %arg2 at %arg3{keyword} : "
            f"{', '.join([new, *arguments[1:]])} -> {cache.type}",
            f"%b = qattn.cache_to_bytes %new : {cache.type} to {raw}",
            f"return %b : {raw}",
        ]
    )

    def run(draw: Generator, name: str, k: F32, v: F32, start: int, *, holes: bool = False) -> Run:
        old = fill(cache.storage_bytes, draw)
        table = draw_table(cache.layout, draw, holes=holes)
        want = cache.append(old, k, v, start, table)
        extra = table_inputs(table)
        return Run(
            name,
            [k, v, old.view(np.int8), number(start), *extra],
            [Want(want.view(np.int8), EXACT)],
        )

    def runs(draw: Generator) -> Iterator[Run]:
        shape = (count, cache.heads, cache.dim)
        for start in _starts(cache, count):
            k, v = (draw.normal(size=shape).astype(np.float32) for _ in range(2))
            yield run(draw, f"from {start}", k, v, start)
        for name, k in _hard(draw, shape).items():
            yield run(draw, name, k, -k[::-1], 1)
        if cache.layout.kind == "paged":
            k, v = (draw.normal(size=shape).astype(np.float32) for _ in range(2))
            yield run(draw, "a page that is not there", k, v, 0, holes=True)

    return _case("append_kv", cache, what, main(arguments, [raw], body), runs)


def _hard(draw: Generator, shape: tuple[int, ...]) -> dict[str, F32]:
    """Values that are hard to round."""
    normal = draw.normal(size=shape)
    half = np.where(draw.random(shape) < 0.5, 0.0, normal)
    steps = draw.integers(-1000, 1000, shape) / 64  # ties of bf16, and of i8 under some scales
    ranged = normal * 10.0 ** draw.integers(-6, 5, (*shape[:2], 1))
    made = {
        "zeros": np.zeros(shape),
        "minus zeros": np.full(shape, -0.0),
        "half of it zero": half,
        "steps": steps,
        "each head its scale": ranged,
        "large": normal * 1e30,  # infinite in f16
        "small": normal * 1e-30,
    }
    return {name: values.astype(np.float32) for name, values in made.items()}


def _not_finite(cache: KVCache) -> Case:
    """What a NaN or an infinity does to the codes of its head, as values: codes of NaN differ."""
    count = cache.layout.slots
    new = tensor("f32", count, cache.heads, cache.dim)
    outs = [new, new]
    body = "\n".join(
        [
            f"%new = qattn.append_kv %arg0, %arg1 into %arg2 at %arg3 : {new}, {new}, "
            f"{cache.type}, {ONE} -> {cache.type}",
            f"%y:2 = qattn.fetch_kv ins(%new, %arg3 : {cache.type}, {ONE})",
            f"  outs(%arg4, %arg5 : {new}, {new}) -> {new}, {new}",
            f"return %y#0, %y#1 : {new}, {new}",
        ]
    )

    def runs(draw: Generator) -> Iterator[Run]:
        old = fill(cache.storage_bytes, draw)
        for value in (np.nan, np.inf, -np.inf):
            shape = (count, cache.heads, cache.dim)
            k, v = (draw.normal(size=shape).astype(np.float32) for _ in range(2))
            k[1, 0, 2], v[3, 1, 0] = value, value
            values = cache.fetch(cache.append(old, k, v, 0), 0, count)
            assert np.isnan(values[0][1, 0]).all() and not np.isnan(values[0][1, 1]).any()
            wants = [Want(item, EXACT) for item in values]
            yield Run(str(value), [k, v, old.view(np.int8), number(0), *poison(outs)], wants)

    module = main([new, new, cache.type, ONE, *outs], outs, body)
    return _case("append_kv", cache, ", not finite", module, runs)


# --- fetch and bytes ---------------------------------------------------------------------------


def _fetch(cache: KVCache, count: int) -> Case:
    outs = [tensor("f32", count, cache.heads, cache.dim)] * 2
    tables = table_operands(cache.layout)

    def runs(draw: Generator) -> Iterator[Run]:
        for start in _starts(cache, count):
            for holes in (False, True) if cache.layout.kind == "paged" else (False,):
                # Any bytes, but scales and values that are normal numbers, to count exactly.
                shape = (cache.layout.slots, cache.heads, cache.dim)
                values = [(draw.normal(size=shape)).astype(np.float32) for _ in range(2)]
                data = _filled(cache, values[0], values[1])
                table = draw_table(cache.layout, draw, holes=holes)
                extra = table_inputs(table)
                wants = [Want(item, EXACT) for item in cache.fetch(data, start, count, table)]
                yield Run(
                    f"from {start}{', a page that is not there' if holes else ''}",
                    [data.view(np.int8), number(start), *extra, *poison(outs)],
                    wants,
                )

    module = destination("qattn.fetch_kv", [cache.type, ONE, *tables], outs)
    return _case("fetch_kv", cache, "", module, runs)


def _filled(cache: KVCache, k: F32, v: F32) -> npt.NDArray[np.uint8]:
    """A cache with these values in its slots, in order."""
    place = cache.layout
    table = None
    if place.kind == "paged":
        table = np.arange(place.slots // place.page, dtype=np.int32)
    return cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0, table)


def _from_bytes(cache: KVCache) -> Case:
    raw = tensor("i8", cache.storage_bytes)
    kind = tensor("f32", cache.layout.slots, cache.heads, cache.dim)
    body = "\n".join(
        [
            f"%c = qattn.cache_from_bytes %arg0 : {raw} to {cache.type}",
            f"%y:2 = qattn.fetch_kv ins(%c, %arg1 : {cache.type}, {ONE})",
            f"  outs(%arg2, %arg3 : {kind}, {kind}) -> {kind}, {kind}",
            f"return %y#0, %y#1 : {kind}, {kind}",
        ]
    )

    def runs(draw: Generator) -> Iterator[Run]:
        shape = (cache.layout.slots, cache.heads, cache.dim)
        k, v = (draw.normal(size=shape).astype(np.float32) for _ in range(2))
        data = _filled(cache, k, v)
        wants = [Want(item, EXACT) for item in cache.fetch(data, 0, cache.layout.slots)]
        yield Run("normal", [data.view(np.int8), number(0), *poison([kind] * 2)], wants)

    module = main([raw, ONE, kind, kind], [kind, kind], body)
    return _case("cache_from_bytes", cache, "", module, runs)


def _to_bytes(cache: KVCache) -> Case:
    raw = tensor("i8", cache.storage_bytes)
    body = f"%b = qattn.cache_to_bytes %arg0 : {cache.type} to {raw}\nreturn %b : {raw}"

    def runs(draw: Generator) -> Iterator[Run]:
        data = fill(cache.storage_bytes, draw).view(np.int8)
        yield Run("any bytes", [data], [Want(data, EXACT)])

    return _case("cache_to_bytes", cache, "", main([cache.type], [raw], body), runs)
