"""mla_decode, in floats and by SnapMLA's recurrence, and mla_attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.check.operations.attention import of_attention
from headrace.check.operations.case import Case, Run, Want
from headrace.check.operations.decode import lengths, split
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
from headrace.check.operations.text import Operand, destination, poison, tensor
from headrace.references import mla
from headrace.references.caches import Layout, MlaCache, quantize_latents

__all__ = ["Decode", "case_of", "cases"]

Generator = np.random.Generator
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# Where a weight of the recurrence is nearly between two codes, f32 and float64 may round it to
# either. What one such weight of many changes is below this, and not to round at all is above.
_RECURRENCE = 5e-3


@dataclass(frozen=True)
class Decode:
    """H heads of a query over a cache of latents; `quantized` queries have a scale."""

    what: str
    cache: MlaCache
    heads: int
    quantized: bool = False
    splits: int | None = None
    scale: float = float(np.float32(0.25))


def cases(draw: Generator) -> Iterator[Case]:
    """Every dtype and layout, with parts; the recurrence over more than one page of 64 tokens."""
    heads, content, rope = (
        int(draw.integers(low, high)) for low, high in ((1, 5), (4, 20), (1, 8))
    )

    def cache(kind: str, dtype: str) -> MlaCache:
        return MlaCache(layout(kind, draw), content, rope, dtype)

    long = Layout("contiguous", 140 + int(draw.integers(0, 60)))
    for shape in (
        Decode("f32", cache("contiguous", "f32"), heads),
        Decode("bf16, ring", cache("ring", "bf16"), 1),
        Decode("fp8, paged", cache("paged", "fp8_e4m3"), heads),
        Decode("parts of a ring", cache("ring", "fp8_e4m3"), heads, splits=3),
        Decode("more parts than tokens", cache("contiguous", "bf16"), heads, splits=15),
        Decode("recurrence", MlaCache(long, content, rope, "fp8_e4m3"), heads, quantized=True),
        Decode("recurrence, paged", cache("paged", "fp8_e4m3"), heads, quantized=True),
        Decode("recurrence, ring", cache("ring", "fp8_e4m3"), 1, quantized=True),
        Decode(
            "recurrence, parts",
            MlaCache(long, content, rope, "fp8_e4m3"),
            heads,
            quantized=True,
            splits=2,
        ),
    ):
        yield case_of(shape)
    for dtype, kind in (("f32", "contiguous"), ("fp8_e4m3", "paged"), ("bf16", "ring")):
        yield _attention(cache(kind, dtype), heads, int(draw.integers(1, 8)), 5)


def case_of(shape: Decode) -> Case:
    """The case of one shape."""
    cache, heads = shape.cache, shape.heads
    parts = (shape.splits,) if shape.splits else ()
    outs = [tensor("f32", *parts, heads, cache.content), tensor("f32", *parts, heads)]
    q = tensor("i8" if shape.quantized else "f32", heads, cache.content)
    inputs: list[str | Operand] = [q, tensor("f32", heads, cache.rope), cache.type, ONE]
    if shape.quantized:
        inputs.append(Operand(tensor("f32", heads), "q_scale"))
    splits = f", splits = {shape.splits} : i64" if shape.splits else ""
    return Case(
        op="qattn.mla_decode",
        what=shape.what,
        shape=f"{cache.layout.slots}x{heads}x{cache.content}+{cache.rope}",
        module=destination(
            "qattn.mla_decode",
            [*inputs, *table_operands(cache.layout)],
            outs,
            attributes=f"{{scale = {shape.scale:.9e} : f32{splits}}}",
            keyword_types=True,
        ),
        runs=lambda draw: _decode_runs(shape, draw, outs),
        format=f"mla_{cache.dtype}",
        reference="recurrence in float64" if shape.quantized else "float64, caches by ml_dtypes",
    )


def _decode_runs(shape: Decode, draw: Generator, outs: list[str]) -> Iterator[Run]:
    cache = shape.cache
    for length in lengths(cache.layout, draw):
        for holes in (False, True) if cache.layout.kind == "paged" else (False,):
            for name, size in (("", 1.0), (", unlike sizes", 1e6)):
                table = draw_table(cache.layout, draw, holes=holes)
                data = _filled(cache, draw, length, table, size)
                q = (draw.normal(size=(shape.heads, cache.content)) / size).astype(np.float32)
                q_rope = draw.normal(size=(shape.heads, cache.rope)).astype(np.float32)
                head: list[npt.NDArray[Any]] = [q, q_rope]
                tail = table_inputs(table)
                if shape.quantized:
                    codes, scale, rotated = quantize_latents(q, q_rope)
                    head, tail = [codes, rotated], [scale, *tail]
                wants = _wanted(shape, head, tail, data, length, table)
                yield Run(
                    f"length {length}{', holes' if holes else ''}{name}",
                    [*head, data.view(np.int8), number(length), *tail, *poison(outs)],
                    wants,
                )


def _filled(
    cache: MlaCache, draw: Generator, length: int, table: I32 | None, size: float = 1.0
) -> U8:
    """Any bytes, and normal tokens where they are seen, content times `size`."""
    data = fill(cache.storage_bytes, draw)
    for token in cache.layout.tokens(length, table):
        content = (draw.normal(size=(1, cache.content)) * size).astype(np.float32)
        rope = draw.normal(size=(1, cache.rope)).astype(np.float32)
        data = cache.append(data, content, rope, token, table)
    return data


def _wanted(
    shape: Decode,
    head: Sequence[npt.NDArray[Any]],
    tail: Sequence[npt.NDArray[Any]],
    data: U8,
    length: int,
    table: I32 | None,
) -> list[Want]:
    """The reference of each part; a recurrence counts tokens without a slot in its pages."""
    cache = shape.cache
    found = []
    for part in split(cache.layout.tokens(length, table), shape.splits):
        if shape.quantized:
            query = mla.Quantized(_e4m3(head[0]), _f64(tail[0]), _f64(head[1]))
            slots = [cache.layout.slot(token, table) for token in part]
            seen = np.array([slot is not None for slot in slots], dtype=bool)
            rows = cache.slots(data)[[slot or 0 for slot in slots]]
            kept = mla.Quantized(*(_f64(rows[name]) for name in ("content", "scale", "rope")))
            found.append(mla.recurrence(query, kept, shape.scale, seen=seen))
        else:
            content, rope = _kept(cache, data, cache.layout.seen(part, table))
            found.append(mla.decode(_f64(head[0]), _f64(head[1]), content, rope, shape.scale))
    out, lse = (np.stack(items) for items in zip(*found, strict=True))
    wants = of_attention(out, lse) if shape.splits else of_attention(out[0], lse[0])
    if shape.quantized:
        # The sum of exponentials is of weights that are not rounded.
        wants[0] = Want(wants[0].value, _RECURRENCE)
    return wants


def _kept(
    cache: MlaCache, data: U8, slots: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    content, rope = cache.values(data)
    return _f64(content[slots]), _f64(rope[slots])


def _f64(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # a signalling NaN, in a slot that is not seen
        return values.astype(np.float64)


def _e4m3(codes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return _f64(codes.view(ml_dtypes.float8_e4m3fn))


def _attention(cache: MlaCache, heads: int, keys: int, values: int) -> Case:
    """Keys and values of each head, formed from the content."""
    outs = [tensor("f32", heads, values)]
    scale = float(np.float32(0.2))

    def runs(draw: Generator) -> Iterator[Run]:
        for length in lengths(cache.layout, draw):
            table = draw_table(cache.layout, draw, holes=length > 3)
            data = _filled(cache, draw, length, table)
            q, q_rope, w_k, w_v = (
                draw.normal(size=size).astype(np.float32)
                for size in (
                    (heads, keys),
                    (heads, cache.rope),
                    (heads, keys, cache.content),
                    (heads, values, cache.content),
                )
            )
            w_k *= np.float32(cache.content**-0.5)  # scores near one
            slots = cache.layout.seen(cache.layout.tokens(length, table), table)
            content, rope = _kept(cache, data, slots)
            given = [_f64(a) for a in (q, q_rope, w_k, w_v)]
            want = mla.attention(given[0], given[1], given[2], given[3], content, rope, scale)
            inputs: list[npt.NDArray[Any]] = [q, q_rope, w_k, w_v]
            inputs += [data.view(np.int8), number(length), *table_inputs(table)]
            yield Run(f"length {length}", [*inputs, *poison(outs)], [Want(want, floor=0.05)])

    return Case(
        op="qattn.mla_attention",
        what=f"{cache.dtype}, {cache.layout.kind}",
        shape=f"{cache.layout.slots}x{heads}x{keys}x{cache.content}+{cache.rope}",
        module=destination(
            "qattn.mla_attention",
            [
                tensor("f32", heads, keys),
                tensor("f32", heads, cache.rope),
                tensor("f32", heads, keys, cache.content),
                tensor("f32", heads, values, cache.content),
                cache.type,
                ONE,
                *table_operands(cache.layout),
            ],
            outs,
            attributes=f"{{scale = {scale:.9e} : f32}}",
        ),
        runs=runs,
        format=f"mla_{cache.dtype}",
        reference="float64, caches by ml_dtypes",
    )
