"""Attention of one query over a cache of latents (MLA), in floats and in SnapMLA's FP8."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.bench.attending import BOUNDS, QUERY_SETS, attention_peers
from headrace.bench.peers import Attention, Contender
from headrace.bench.program import Program
from headrace.bench.session import Buffers, Session, Setting, Work
from headrace.references.caches import Layout, MlaCache, quantize_latents


@dataclass(frozen=True)
class Latents:
    """One query of H heads over `tokens` latents; of FP8 caches the query is quantized as well."""

    dtype: str
    tokens: int
    split: bool = False
    heads: int = 16
    content: int = 512
    rope: int = 64

    kernel = "mla_decode"

    @property
    def quantized(self) -> bool:
        return self.dtype == "fp8_e4m3"

    @property
    def activations(self) -> str:
        return "fp8_e4m3" if self.quantized else "f32"

    @property
    def format(self) -> str:
        return f"mla_{self.dtype}"

    @property
    def shape(self) -> str:
        return f"{self.tokens}x{self.heads}x{self.content}+{self.rope}"

    @property
    def variant(self) -> str:
        return "split" if self.split else ""

    @property
    def label(self) -> str:
        return f"mla_decode:{self.format} {self.shape} {self.variant}".rstrip()

    @property
    def group(self) -> Hashable:
        return (self.dtype, self.tokens, self.heads, self.content, self.rope)

    @property
    def size(self) -> int:
        return self.tokens * self.heads * self.content

    @property
    def scale(self) -> float:
        return float(np.float32((self.content + self.rope) ** -0.5))

    def text(self, cache: MlaCache, splits: int | None) -> str:
        """The module; with `splits`, of parts that are merged."""
        kinds = {
            "q": f"tensor<{self.heads}x{self.content}x{'i8' if self.quantized else 'f32'}>",
            "r": f"tensor<{self.heads}x{self.rope}xf32>",
            "c": cache.type,
            "n": "tensor<1xi32>",
        }
        values, types = ", ".join(f"%{name}" for name in kinds), ", ".join(kinds.values())
        if self.quantized:
            kinds["s"] = f"tensor<{self.heads}xf32>"
            values, types = f"{values} q_scale %s", f"{types} q_scale {kinds['s']}"
        arguments = ", ".join(f"%{name}: {kind}" for name, kind in kinds.items())
        o, lse = f"tensor<{self.heads}x{self.content}xf32>", f"tensor<{self.heads}xf32>"
        scale = f"scale = {self.scale:.9e} : f32"
        head = f"func.func @main({arguments}) -> {o} {{"
        if splits is None:
            return f"""{head}
  %o = tensor.empty() : {o}
  %l = tensor.empty() : {lse}
  %y:2 = qattn.mla_decode ins({values} : {types}) outs(%o, %l : {o}, {lse})
    {{{scale}}} -> {o}, {lse}
  return %y#0 : {o}
}}
"""
        parts, lses = o.replace("<", f"<{splits}x"), lse.replace("<", f"<{splits}x")
        return f"""{head}
  %o = tensor.empty() : {o}
  %l = tensor.empty() : {lse}
  %po = tensor.empty() : {parts}
  %pl = tensor.empty() : {lses}
  %p:2 = qattn.mla_decode ins({values} : {types}) outs(%po, %pl : {parts}, {lses})
    {{{scale}, splits = {splits} : i64}} -> {parts}, {lses}
  %y:2 = qattn.merge_partials ins(%p#0, %p#1 : {parts}, {lses})
    outs(%o, %l : {o}, {lse}) -> {o}, {lse}
  return %y#0 : {o}
}}
"""


def open_session(items: Sequence[Latents], setting: Setting) -> Session:
    """All rows over one kind of cache."""
    first = items[0]
    rng = setting.rng(first.tokens, first.heads, first.content)
    width = first.content + first.rope
    k = rng.standard_normal((first.tokens, 1, width), dtype=np.float32)
    queries = [
        rng.standard_normal((1, first.heads, width), dtype=np.float32) for _ in range(QUERY_SETS)
    ]
    v = k[..., : first.content]
    problem = Attention(queries, k, v, first.scale, True, True, setting.threads, setting.rotation)
    cache = MlaCache(Layout("contiguous", first.tokens), first.content, first.rope, first.dtype)
    empty = np.zeros(cache.storage_bytes, np.uint8)
    caches = Buffers.of(cache.append(empty, v[:, 0], k[:, 0, first.content :], 0), setting.rotation)
    session = Session(f"{first.format} {first.shape}", QUERY_SETS, caches.take)
    operations = 2 * first.heads * first.tokens * (width + first.content)
    moved = cache.storage_bytes + 4 * first.heads * (width + first.content)
    for item in items:
        work = Work(
            moved, cache.storage_bytes, operations, "f32" if item.dtype == "f32" else "bf16"
        )
        session.add(item, work, functools.partial(_ours, item, setting, problem, cache, caches))
    session.add_peers(attention_peers(setting, problem))
    return session


def _ours(
    item: Latents, setting: Setting, problem: Attention, cache: MlaCache, caches: Buffers
) -> Contender:
    splits = setting.threads if item.split else None
    staged: dict[str, list[np.ndarray]] = {"q": [], "r": []}
    if item.quantized:
        staged["s"] = []
    for query in problem.queries:
        parts = (
            np.ascontiguousarray(query[0, :, : item.content]),
            np.ascontiguousarray(query[0, :, item.content :]),
        )
        if item.quantized:
            codes, scale, rotated = quantize_latents(*parts)
            staged["s"].append(scale)
            parts = (codes, rotated)
        staged["q"].append(parts[0])
        staged["r"].append(parts[1])
    return Program(
        f"ours.{item.label}",
        item.text(cache, splits),
        setting.target,
        setting.threads,
        order=["q", "r", "cache", "length", *(["s"] if item.quantized else [])],
        staged=staged,
        rotated={"cache": caches},
        fixed={"length": np.array([item.tokens], np.int32)},
        reference=problem.reference,
        bound=BOUNDS[item.dtype],
        note=f"{splits or 'no'} parts",
    )
