"""Programs of one attention operation, what they are given, and their results in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

from headrace import ir
from headrace.modules import parse_text
from headrace.reference_jit import Meaning

DTYPES = {
    "f32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "f16": np.float16,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "i8": np.int8,
}


def compile_text(text: str) -> Meaning:
    return Meaning(parse_text(text, ir.Context()))


def function(arguments: dict[str, str], operation: str, results: list[str]) -> str:
    """A function of one operation, whose text has its results' types last."""
    names = ", ".join(f"%r{i}" for i in range(len(results)))
    types = ", ".join(results)
    inputs = ", ".join(f"{name}: {kind}" for name, kind in arguments.items())
    return (
        f"func.func @main({inputs}) -> ({types}) {{\n"
        f"  {names} = {operation} -> {types}\n  return {names} : {types}\n}}\n"
    )


def f32(*shape: int) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def attributes(scale: float, window: int | None, softcap: float | None, splits: int | None) -> str:
    parts = [f"scale = {np.float32(scale):e} : f32"]
    if window is not None:
        parts.append(f"window = {window} : i64")
    if softcap is not None:
        parts.append(f"softcap = {np.float32(softcap):e} : f32")
    if splits is not None:
        parts.append(f"splits = {splits} : i64")
    return "{" + ", ".join(parts) + "}"


def attention(
    q: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    seen: np.ndarray,
    scale: float,
    softcap: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Attention of q [L, H, D] to [T, G, D] and [T, G, E] where `seen` [L, T], in float64."""
    ratio = q.shape[1] // keys.shape[1]
    keys = np.repeat(keys.astype(np.float64), ratio, axis=1)
    values = np.repeat(values.astype(np.float64), ratio, axis=1)
    result = np.zeros((*q.shape[:2], values.shape[2]))
    lse = np.full(q.shape[:2], -np.inf)
    for i, row in enumerate(seen):
        if not row.any():
            continue
        scores = scale * np.einsum("hd,thd->ht", q[i].astype(np.float64), keys[row])
        if softcap is not None:
            scores = softcap * np.tanh(scores / softcap)
        largest = scores.max(axis=1, keepdims=True)
        weights = np.exp(scores - largest)
        total = weights.sum(axis=1)
        result[i] = np.einsum("ht,the->he", weights, values[row]) / total[:, None]
        lse[i] = largest[:, 0] + np.log(total)
    return result, lse


@dataclass(frozen=True)
class Prefill:
    queries: int = 5
    keys: int = 5
    heads: int = 4
    groups: int = 2
    dim: int = 8
    values: int = 8
    mask: str = "causal"
    window: int | None = None
    softcap: float | None = None
    scale: float = 0.3
    offset: bool = False
    lse: bool = True

    @property
    def text(self) -> str:
        shapes = {
            "%q": f32(self.queries, self.heads, self.dim),
            "%k": f32(self.keys, self.groups, self.dim),
            "%v": f32(self.keys, self.groups, self.values),
        }
        if self.offset:
            shapes["%n"] = "tensor<1xi32>"
        outs = {"%o": f32(self.queries, self.heads, self.values)}
        if self.lse:
            outs["%l"] = f32(self.queries, self.heads)
        names = "%q, %k, %v offset %n" if self.offset else "%q, %k, %v"
        operation = (
            f"qattn.prefill {self.mask} ins({names} : {', '.join(shapes.values())}) "
            f"outs({', '.join(outs)} : {', '.join(outs.values())}) "
            f"{attributes(self.scale, self.window, self.softcap, None)}"
        )
        return function({**shapes, **outs}, operation, list(outs.values()))

    def draw(self, rng: np.random.Generator, offset: int = 0) -> list[np.ndarray]:
        """Inputs; what the results' memory holds is NaN."""
        inputs = [
            rng.normal(size=(self.queries, self.heads, self.dim)),
            rng.normal(size=(self.keys, self.groups, self.dim)),
            rng.normal(size=(self.keys, self.groups, self.values)),
        ]
        arrays = [array.astype(np.float32) for array in inputs]
        if self.offset:
            arrays.append(np.array([offset], np.int32))
        arrays.append(np.full((self.queries, self.heads, self.values), np.nan, np.float32))
        if self.lse:
            arrays.append(np.full((self.queries, self.heads), np.nan, np.float32))
        return arrays

    def seen(self, offset: int = 0) -> np.ndarray:
        distance = offset + np.arange(self.queries)[:, None] - np.arange(self.keys)
        seen = np.ones(distance.shape, bool)
        if self.mask == "causal":
            seen &= distance >= 0
        if self.window is not None:
            seen &= np.abs(distance) < self.window
        return seen

    def want(self, inputs: list[np.ndarray], offset: int = 0) -> tuple[np.ndarray, np.ndarray]:
        q, k, v = inputs[:3]
        return attention(q, k, v, self.seen(offset), float(np.float32(self.scale)), self.softcap)


@dataclass(frozen=True)
class Decode:
    """One query and a cache of `slots`; `page` is 0 for a contiguous one, -1 for a ring."""

    slots: int = 12
    heads: int = 4
    groups: int = 2
    dim: int = 8
    dtype: str = "f32"
    page: int = 0
    pages: int = 0
    window: int | None = None
    softcap: float | None = None
    splits: int | None = None
    scale: float = 0.3

    @property
    def scaled(self) -> bool:
        return self.dtype in ("fp8_e4m3", "i8")

    @property
    def cache(self) -> str:
        scale = ", scale = per_token" if self.scaled else ""
        layout = f", layout = paged<{self.page}>" if self.page > 0 else ""
        layout = ", layout = ring" if self.page < 0 else layout
        shape = f"{self.slots}x{self.groups}x{self.dim}"
        return f"!qattn.kv_cache<{shape}, {self.dtype}{scale}{layout}>"

    @property
    def text(self) -> str:
        shapes = {"%q": f32(self.heads, self.dim), "%c": self.cache, "%n": "tensor<1xi32>"}
        if self.page > 0:
            shapes["%t"] = f"tensor<{self.pages}xi32>"
        parts = () if self.splits is None else (self.splits,)
        outs = {"%o": f32(*parts, self.heads, self.dim), "%l": f32(*parts, self.heads)}
        names = "%q, %c, %n table %t" if self.page > 0 else "%q, %c, %n"
        operation = (
            f"qattn.decode ins({names} : {', '.join(shapes.values())}) "
            f"outs(%o, %l : {', '.join(outs.values())}) "
            f"{attributes(self.scale, self.window, self.softcap, self.splits)}"
        )
        return function({**shapes, **outs}, operation, list(outs.values()))

    def unsplit(self) -> Decode:
        return replace(self, splits=None)

    def tokens(self, length: int, table: np.ndarray | None = None) -> list[int]:
        """The slots of the tokens that are kept and in the window; -1 for one that has none."""
        begin, end = 0, max(length, 0)
        if self.page < 0:
            begin = max(begin, end - self.slots)
        if self.window is not None:
            begin = max(begin, end - self.window)
        if self.page == 0:
            end = min(end, self.slots)
        if self.page <= 0:
            return [token % self.slots for token in range(begin, end)]
        assert table is not None
        slots = []
        for token in range(begin, min(end, self.pages * self.page)):
            entry = int(table[token // self.page])
            has = 0 <= entry < self.slots // self.page
            slots.append(entry * self.page + token % self.page if has else -1)
        return slots

    def draw(
        self, rng: np.random.Generator, length: int, table: np.ndarray | None = None
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """(inputs, keys and values [slots, 2, G, D] in float64). Slots not seen hold NaN."""
        shape = (self.slots, 2, self.groups, self.dim)
        scales = np.ones(shape[:3], np.float32)
        if self.scaled:
            scales = rng.uniform(0.01, 2.0, shape[:3]).astype(np.float32)
        if self.dtype == "i8":
            stored = rng.integers(-127, 128, shape).astype(np.int8)
            scales /= 50
        else:
            stored = rng.normal(size=shape).astype(DTYPES[self.dtype])
        numbers = stored.astype(np.float64) * scales[..., None]
        unseen = np.setdiff1d(np.arange(self.slots), self.tokens(length, table))
        if self.dtype != "i8":
            stored[unseen] = np.nan
        scales[unseen] = np.nan
        storage = np.ascontiguousarray(stored).view(np.uint8).reshape(-1)
        if self.scaled:
            storage = np.concatenate([storage, scales.view(np.uint8).reshape(-1)])
        inputs = [
            rng.normal(size=(self.heads, self.dim)).astype(np.float32),
            storage.view(np.int8),
            np.array([length], np.int32),
        ]
        if table is not None:
            inputs.append(table.astype(np.int32))
        parts = () if self.splits is None else (self.splits,)
        inputs.append(np.full((*parts, self.heads, self.dim), np.nan, np.float32))
        inputs.append(np.full((*parts, self.heads), np.nan, np.float32))
        return inputs, numbers

    def want(
        self,
        q: np.ndarray,
        numbers: np.ndarray,
        length: int,
        table: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Result and logarithms: those of the parts where there are splits."""
        slots = np.array(self.tokens(length, table), np.int64)
        parts = self.splits or 1
        size = -(-len(slots) // parts)
        seen = np.zeros((parts, len(slots)), bool)
        for part in range(parts):
            seen[part, part * size : (part + 1) * size] = True
        seen &= slots >= 0
        keys, values = numbers[slots, 0], numbers[slots, 1]
        queries = np.broadcast_to(q, (parts, *q.shape))
        scale = float(np.float32(self.scale))
        result, lse = attention(queries, keys, values, seen, scale, self.softcap)
        return (result, lse) if self.splits is not None else (result[0], lse[0])


def prefill_numbers(shape, rng):
    """Standard normal q, k and v of a `Prefill` case."""
    return [
        rng.normal(size=size).astype(np.float32)
        for size in (
            (shape.queries, shape.heads, shape.key),
            (shape.tokens, shape.groups, shape.key),
            (shape.tokens, shape.groups, shape.value),
        )
    ]
