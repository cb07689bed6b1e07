"""Attention: one query over a cache, over latents, and many queries over keys and values."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.bench.peers import ATTENTION, Attention, Contender, select
from headrace.bench.program import Program
from headrace.bench.session import Buffers, Session, Setting, Work
from headrace.references.caches import KVCache, Layout

QUERY_SETS = 8
BOUNDS = {"f32": 5e-3, "bf16": 1e-2, "f16": 5e-3, "i8": 2e-2, "fp8_e4m3": 6e-2}


@dataclass(frozen=True)
class Decode:
    """One query of H heads over `tokens` of a cache; `split` has a part for each thread."""

    dtype: str
    tokens: int
    split: bool = False
    heads: int = 32
    groups: int = 8
    dim: int = 128

    kernel = "decode"
    activations = "f32"

    @property
    def format(self) -> str:
        return f"kv_{self.dtype}"

    @property
    def shape(self) -> str:
        return f"{self.tokens}x{self.heads}/{self.groups}x{self.dim}"

    @property
    def variant(self) -> str:
        return "split" if self.split else ""

    @property
    def label(self) -> str:
        return f"decode:{self.format} {self.shape} {self.variant}".rstrip()

    @property
    def group(self) -> Hashable:
        return (self.dtype, self.tokens, self.heads, self.groups, self.dim)

    @property
    def size(self) -> int:
        return self.tokens * self.heads * self.dim

    def text(self, cache: KVCache, splits: int | None) -> str:
        """The module: `splits` parts and their merging, or all at once."""
        q = o = f"tensor<{self.heads}x{self.dim}xf32>"
        lse = f"tensor<{self.heads}xf32>"
        scale = f"scale = {self.dim**-0.5:.9e} : f32"
        head = f"func.func @main(%q: {q}, %c: {cache.type}, %n: tensor<1xi32>) -> {o} {{"
        ins = f"ins(%q, %c, %n : {q}, {cache.type}, tensor<1xi32>)"
        empty = f"%o = tensor.empty() : {o}\n  %l = tensor.empty() : {lse}"
        if splits is None:
            return f"""{head}
  {empty}
  %r:2 = qattn.decode {ins} outs(%o, %l : {o}, {lse}) {{{scale}}} -> {o}, {lse}
  return %r#0 : {o}
}}
"""
        parts, lses = o.replace("<", f"<{splits}x"), lse.replace("<", f"<{splits}x")
        return f"""{head}
  {empty}
  %po = tensor.empty() : {parts}
  %pl = tensor.empty() : {lses}
  %p:2 = qattn.decode {ins} outs(%po, %pl : {parts}, {lses})
    {{{scale}, splits = {splits} : i64}} -> {parts}, {lses}
  %r:2 = qattn.merge_partials ins(%p#0, %p#1 : {parts}, {lses})
    outs(%o, %l : {o}, {lse}) -> {o}, {lse}
  return %r#0 : {o}
}}
"""


def open_decode(items: Sequence[Decode], setting: Setting) -> Session:
    """All rows over one kind of cache."""
    first = items[0]
    rng = setting.rng(first.tokens, first.heads, first.dim)
    k, v = rng.standard_normal((2, first.tokens, first.groups, first.dim), dtype=np.float32)
    queries = [
        rng.standard_normal((1, first.heads, first.dim), dtype=np.float32)
        for _ in range(QUERY_SETS)
    ]
    scale = float(np.float32(first.dim**-0.5))
    problem = Attention(queries, k, v, scale, True, False, setting.threads, setting.rotation)
    cache = KVCache(Layout("contiguous", first.tokens), first.groups, first.dim, first.dtype)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
    caches = Buffers.of(data, setting.rotation)
    session = Session(f"{first.format} {first.shape}", QUERY_SETS, caches.take)
    operations = 4 * first.heads * first.dim * first.tokens
    moved = cache.storage_bytes + 8 * first.heads * first.dim
    for item in items:
        peak = "i8" if item.dtype == "i8" else "bf16"
        work = Work(moved, cache.storage_bytes, operations, peak)
        session.add(item, work, functools.partial(_decode, item, setting, problem, cache, caches))
    session.add_peers(attention_peers(setting, problem))
    return session


def attention_peers(
    setting: Setting, problem: Attention
) -> dict[str, functools.partial[Contender]]:
    """Those that were asked for."""
    names = select(setting.peers, ATTENTION)
    return {name: functools.partial(ATTENTION[name], problem) for name in names}


def _decode(
    item: Decode, setting: Setting, problem: Attention, cache: KVCache, caches: Buffers
) -> Contender:
    splits = setting.threads if item.split else None
    return Program(
        f"ours.{item.label}",
        item.text(cache, splits),
        setting.target,
        setting.threads,
        order=["q", "cache", "length"],
        staged={"q": [q[0] for q in problem.queries]},
        rotated={"cache": caches},
        fixed={"length": np.array([item.tokens], np.int32)},
        reference=problem.reference,
        bound=BOUNDS[item.dtype],
        note=f"{splits or 'no'} parts",
    )


@dataclass(frozen=True)
class Prefill:
    """`tokens` queries over as many keys and values, each seeing those before it.

    precision: of the operands of both products, f32, bf16 or i8
    """

    tokens: int
    heads: int = 32
    groups: int = 8
    dim: int = 128
    precision: str = "f32"

    kernel = "prefill"
    format = "f32"
    variant = "causal"

    @property
    def activations(self) -> str:
        return self.precision

    @property
    def shape(self) -> str:
        return f"{self.tokens}x{self.heads}/{self.groups}x{self.dim}"

    @property
    def label(self) -> str:
        return f"prefill:causal {self.shape} {self.precision}"

    @property
    def group(self) -> Hashable:
        return (self.tokens, self.heads, self.groups, self.dim)

    @property
    def size(self) -> int:
        return self.tokens**2 * self.heads * self.dim

    def text(self) -> str:
        """The module."""
        q = f"tensor<{self.tokens}x{self.heads}x{self.dim}xf32>"
        kv = f"tensor<{self.tokens}x{self.groups}x{self.dim}xf32>"
        rounded = "" if self.precision == "f32" else f" precision = {self.precision}"
        return f"""func.func @main(%q: {q}, %k: {kv}, %v: {kv}) -> {q} {{
  %o = tensor.empty() : {q}
  %r = qattn.prefill causal{rounded} ins(%q, %k, %v : {q}, {kv}, {kv}) outs(%o : {q})
    {{scale = {self.dim**-0.5:.9e} : f32}} -> {q}
  return %r : {q}
}}
"""


def open_prefill(items: Sequence[Prefill], setting: Setting) -> Session:
    """Each precision; arithmetic bounds them, so keys and values need not come from memory."""
    item = items[0]
    rng = setting.rng(item.tokens, item.heads, item.dim)
    shape = (item.tokens, item.groups, item.dim)
    k, v = rng.standard_normal((2, *shape), dtype=np.float32)
    queries = [
        rng.standard_normal((item.tokens, item.heads, item.dim), dtype=np.float32) for _ in range(2)
    ]
    scale = float(np.float32(item.dim**-0.5))
    problem = Attention(queries, k, v, scale, True, False, setting.threads, 0)
    read = Buffers.of(np.ones(32 << 20, np.uint8), setting.rotation)
    session = Session(f"prefill {item.shape}", len(queries), read.take, heavy=True)
    for item in items:
        work = Work(
            nbytes=4 * 2 * (queries[0].size + k.size),
            from_memory=0,
            operations=4 * item.heads * item.dim * problem.pairs(),
            peak="i8" if item.precision == "i8" else "bf16",
        )
        session.add(item, work, functools.partial(_prefill, item, setting, problem))
    peers = attention_peers(setting, problem)
    # seconds a call, and f16 is its better mode for many queries
    peers.pop("llama.cpp.q8_0", None)
    session.add_peers(peers)
    return session


def _prefill(item: Prefill, setting: Setting, problem: Attention) -> Contender:
    return Program(
        f"ours.{item.label}",
        item.text(),
        setting.target,
        setting.threads,
        order=["q", "k", "v"],
        staged={"q": problem.queries},
        rotated={},
        fixed={"k": problem.k, "v": problem.v},
        reference=problem.reference,
        bound=BOUNDS[item.precision],
        sample=problem.sampled,
    )
