"""quantize_kv, append_mla and fetch_mla: latents in fp8 and in wider floats."""

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
from headrace.references.caches import MlaCache, quantize_latents

__all__ = ["cases"]

Generator = np.random.Generator
F32 = npt.NDArray[np.float32]

_CACHES = [
    ("fp8_e4m3", "contiguous"),
    ("bf16", "contiguous"),
    ("f32", "contiguous"),
    ("fp8_e4m3", "paged"),
    ("fp8_e4m3", "ring"),
    ("bf16", "paged"),
]


def cases(draw: Generator) -> Iterator[Case]:
    """Rows of a few values, and caches of a few tokens."""
    rows, content, rope = (int(draw.integers(2, 20)) for _ in range(3))
    yield _quantize("rows", rows, content, rope)
    yield _quantize("one row", 1, content, 1)
    for dtype, kind in _CACHES:
        cache = MlaCache(
            layout(kind, draw), int(draw.integers(2, 20)), int(draw.integers(1, 8)), dtype
        )
        yield _append(cache, int(draw.integers(2, 5)))
        yield _fetch(cache, int(draw.integers(3, 8)))


def _hard(draw: Generator, rows: int, content: int, rope: int) -> dict[str, tuple[F32, F32]]:
    """Content and rotated parts that are hard to round, or of unlike sizes."""
    c, r = draw.normal(size=(rows, content)), draw.normal(size=(rows, rope))
    # Ties of e4m3, as the scale is 1 if the largest magnitude is 448.
    ties = np.round(c * 40) / 8
    ties[:, 0] = 448.0
    made = {
        "normal": (c, r),
        "zeros": (c * 0, r * 0),
        "content zero": (c * 0, r),
        "minus zeros": (c * 0 - 0.0, -r * 0),
        "ties": (ties, np.round(r * 256) / 256),
        "each row its scale": (c * 10.0 ** draw.integers(-20, 20, (rows, 1)), r),
        "large rotated part": (c * 1e-12, r * 1e12),
        "rotated part beyond 2^56 scales": (c * 1e-6, r * 1e20),
    }
    return {name: (a.astype(np.float32), b.astype(np.float32)) for name, (a, b) in made.items()}


def _quantize(what: str, rows: int, content: int, rope: int) -> Case:
    kinds = [tensor("f32", rows, content), tensor("f32", rows, rope)]
    outs = [tensor("i8", rows, content), tensor("f32", rows), tensor("f32", rows, rope)]

    def runs(draw: Generator) -> Iterator[Run]:
        for name, (c, r) in _hard(draw, rows, content, rope).items():
            wants = [Want(item, EXACT) for item in quantize_latents(c, r)]
            yield Run(name, [c, r, *poison(outs)], wants)

    return Case(
        op="qattn.quantize_kv",
        what=what,
        shape=f"{rows}x{content}+{rope}",
        module=destination("qattn.quantize_kv", kinds, outs),
        runs=runs,
        format="mla_fp8_e4m3",
        reference="float32, codes by ml_dtypes",
    )


def _case(op: str, cache: MlaCache, module: str, runs: object) -> Case:
    assert callable(runs)
    return Case(
        op=f"qattn.{op}",
        what=f"{cache.dtype}, {cache.layout.kind}",
        shape=f"{cache.layout.slots}x{cache.content}+{cache.rope}",
        module=module,
        runs=runs,
        format=f"mla_{cache.dtype}",
        reference="caches by ml_dtypes",
    )


def _starts(cache: MlaCache, count: int) -> list[int]:
    slots = cache.layout.slots
    return [1, 0, slots - count + 1, slots + 2, -1, -count, 2**31 - 1 - count]


def _append(cache: MlaCache, count: int) -> Case:
    kinds = [tensor("f32", count, cache.content), tensor("f32", count, cache.rope)]
    raw = tensor("i8", cache.storage_bytes)
    tables = table_operands(cache.layout)
    arguments = [*kinds, cache.type, ONE, *(operand.type for operand in tables)]
    keyword = " table %arg4" if tables else ""
    body = "\n".join(
        [
            f"%new = qattn.append_mla %arg0, %arg1 into %arg2 at %arg3{keyword} : "
            f"{', '.join(arguments)} -> {cache.type}",
            f"%b = qattn.cache_to_bytes %new : {cache.type} to {raw}",
            f"return %b : {raw}",
        ]
    )

    def runs(draw: Generator) -> Iterator[Run]:
        every = _hard(draw, count, cache.content, cache.rope)
        places = [(name, *parts, 1, False) for name, parts in every.items()]
        places += [(f"from {at}", *every["normal"], at, False) for at in _starts(cache, count)]
        if cache.layout.kind == "paged":
            places.append(("a page that is not there", *every["normal"], 0, True))
        for name, c, r, start, holes in places:
            old, table = (
                fill(cache.storage_bytes, draw),
                draw_table(cache.layout, draw, holes=holes),
            )
            want = cache.append(old, c, r, start, table)
            extra = table_inputs(table)
            yield Run(
                name,
                [c, r, old.view(np.int8), number(start), *extra],
                [Want(want.view(np.int8), EXACT)],
            )

    return _case("append_mla", cache, main(arguments, [raw], body), runs)


def _fetch(cache: MlaCache, count: int) -> Case:
    outs = [tensor("f32", count, cache.content), tensor("f32", count, cache.rope)]
    tables = table_operands(cache.layout)

    def runs(draw: Generator) -> Iterator[Run]:
        place = cache.layout
        every = np.arange(place.slots // place.page, dtype=np.int32) if place.page else None
        for start in _starts(cache, count):
            for holes in (False, True) if place.kind == "paged" else (False,):
                c, r = (
                    draw.normal(size=(place.slots, size)).astype(np.float32)
                    for size in (cache.content, cache.rope)
                )
                empty = np.zeros(cache.storage_bytes, np.uint8)
                data = cache.append(empty, c, r, 0, every)
                table = draw_table(place, draw, holes=holes)
                extra = table_inputs(table)
                wants = [Want(item, EXACT) for item in cache.fetch(data, start, count, table)]
                inputs = [data.view(np.int8), number(start), *extra, *poison(outs)]
                name = f"from {start}{', a page that is not there' if holes else ''}"
                yield Run(name, inputs, wants)

    module = destination("qattn.fetch_mla", [cache.type, ONE, *tables], outs)
    return _case("fetch_mla", cache, module, runs)
