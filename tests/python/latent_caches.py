"""Modules of latent attention, and caches with tokens, NaN and holes, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import ml_dtypes
import numpy as np

from headrace import ir
from headrace.modules import parse_text
from headrace.quantize.mla_kv import quantize_mla
from headrace.reference import relative_l2
from headrace.reference_jit import Meaning
from headrace.references import mla
from headrace.references.caches import Layout, MlaCache

FP8_BOUND = 5e-2  # of results with rounded queries and weights
HEADS, CONTENT, ROPE, SLOTS = 3, 32, 8, 192
SCALE = float(np.float32(0.11))

LAYOUTS = {
    "contiguous": Layout("contiguous", SLOTS),
    "paged": Layout("paged", SLOTS, 32),
    "ring": Layout("ring", SLOTS),
}
TABLE = 8  # pages that the table has room for; the cache has 6


@dataclass(frozen=True)
class Decode:
    """A module with `qattn.mla_decode`, and with `splits` also their merge."""

    kept: MlaCache
    quantized: bool = False
    splits: int = 0
    heads: int = HEADS
    scale: float = SCALE

    @property
    def text(self) -> str:
        h, c, r = self.heads, self.kept.content, self.kept.rope
        q, qr, out, lse = f"{h}x{c}", f"tensor<{h}x{r}xf32>", f"{h}x{c}xf32", f"{h}xf32"
        q = f"tensor<{q}xi8>" if self.quantized else f"tensor<{q}xf32>"
        arguments = [f"%q: {q}", f"%r: {qr}", f"%b: {self.kept.type}", "%l: tensor<1xi32>"]
        values, kinds = "%q, %r, %b, %l", f"{q}, {qr}, {self.kept.type}, tensor<1xi32>"
        if self.quantized:
            arguments.append(f"%s: tensor<{h}xf32>")
            values, kinds = f"{values} q_scale %s", f"{kinds} q_scale tensor<{h}xf32>"
        if self.kept.layout.kind == "paged":
            arguments.append(f"%t: tensor<{TABLE}xi32>")
            values, kinds = f"{values} table %t", f"{kinds} table tensor<{TABLE}xi32>"
        split = f", splits = {self.splits} : i64" if self.splits else ""
        parts = f"{self.splits}x" if self.splits else ""
        outs = f"tensor<{parts}{out}>, tensor<{parts}{lse}>"
        lines = [
            f"%oi = tensor.empty() : tensor<{parts}{out}>",
            f"%li = tensor.empty() : tensor<{parts}{lse}>",
            f"%o, %lse = qattn.mla_decode ins({values} : {kinds}) outs(%oi, %li : {outs})"
            f" {{scale = {self.scale:.9e} : f32{split}}} -> {outs}",
        ]
        names, results = "%o, %lse", outs
        if self.splits:
            whole = f"tensor<{out}>, tensor<{lse}>"
            lines += [
                f"%mi = tensor.empty() : tensor<{out}>",
                f"%ni = tensor.empty() : tensor<{lse}>",
                f"%m, %n = qattn.merge_partials ins(%o, %lse : {outs}) outs(%mi, %ni : {whole})"
                f" -> {whole}",
            ]
            names, results = f"{names}, %m, %n", f"{outs}, {whole}"
        body = "\n".join([*lines, f"return {names} : {results}"])
        return f"func.func @main({', '.join(arguments)}) -> ({results}) {{\n{body}\n}}"


@cache
def compiled(decode: Decode) -> Meaning:
    return Meaning(parse_text(decode.text, ir.Context()))


@dataclass
class Filled:
    """A cache with tokens, NaN in all slots that have none, and a query."""

    kept: MlaCache
    length: int
    seed: int
    content_size: float = 1.0
    rope_size: float = 3.0
    holes: bool = True
    data: np.ndarray = field(init=False)
    table: np.ndarray | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        draw = np.random.default_rng(self.seed)
        layout = self.kept.layout
        if layout.kind == "paged":
            pages = draw.permutation(layout.slots // layout.page)
            missing = draw.choice([-1, layout.slots // layout.page, 1 << 30], TABLE - len(pages))
            if self.holes:
                self.table = draw.permutation(np.concatenate([pages, missing])).astype(np.int32)
            else:
                self.table = np.concatenate([pages, missing]).astype(np.int32)
        # NaN as f32, as bf16 and as e4m3.
        self.data = np.full(self.kept.storage_bytes, 0xFF, np.uint8)
        count = max(self.length, 0)
        # Tokens of all sizes. One of zeros has the scale 1, beside which the weights of much
        # smaller tokens are no codes of e4m3.
        sizes = np.float32(2) ** draw.integers(-6, 3, (count, 1)).astype(np.float32)
        if self.content_size >= 1:
            sizes[draw.random(count) < 0.1] = 0
        content = draw.standard_normal((count, self.kept.content)) * sizes * self.content_size
        rope = draw.standard_normal((count, self.kept.rope)) * self.rope_size
        if count:
            self.data = self.kept.append(
                self.data, content.astype(np.float32), rope.astype(np.float32), 0, self.table
            )
        q = draw.standard_normal((HEADS, self.kept.content)) / (self.content_size or 1.0)
        self.q = q.astype(np.float32)
        q_rope = draw.standard_normal((HEADS, self.kept.rope)) / self.rope_size
        self.q_rope = q_rope.astype(np.float32)

    @property
    def tail(self) -> list[np.ndarray]:
        """What follows the query: cache and length; the table goes last."""
        return [self.data, np.array([self.length], np.int32)]

    def inputs(self, quantized: bool) -> list[np.ndarray]:
        """Those of a `Decode`."""
        table = [] if self.table is None else [self.table]
        if not quantized:
            return [self.q, self.q_rope, *self.tail, *table]
        query = quantize_mla(self.q, self.q_rope)
        return [query.codes, query.rope.astype(np.float32), *self.tail, query.scale, *table]

    def run(self, *, quantized: bool = False, splits: int = 0) -> tuple[np.ndarray, ...]:
        return compiled(Decode(self.kept, quantized, splits))(*self.inputs(quantized))

    def tokens(self) -> list[int | None]:
        """The slot of each token that is kept, None without one."""
        layout = self.kept.layout
        return [layout.slot(t, self.table) for t in layout.tokens(self.length, self.table)]

    def query(self) -> mla.Quantized:
        """What the quantized query stands for."""
        kept = quantize_mla(self.q, self.q_rope)
        codes = kept.codes.view(ml_dtypes.float8_e4m3fn).astype(np.float64)
        return mla.Quantized(codes, kept.scale.astype(np.float64), kept.rope.astype(np.float64))

    def exact(
        self, tokens: list[int | None] | None = None, *, quantized: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Attention to `tokens`, from what is stored, of the query as it is or `quantized`."""
        slots = [s for s in (self.tokens() if tokens is None else tokens) if s is not None]
        content, rope = (a[slots].astype(np.float64) for a in self.kept.values(self.data))
        q, q_rope = self.q.astype(np.float64), self.q_rope.astype(np.float64)
        if quantized:
            query = self.query()
            q, q_rope = query.content, query.rotated
        return mla.decode(q, q_rope, content, rope, SCALE)

    def recurrence(
        self, tokens: list[int | None] | None = None, *, rounded: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """SnapMLA's reference over `tokens`."""
        tokens = self.tokens() if tokens is None else tokens
        seen = np.array([slot is not None for slot in tokens], dtype=bool)
        rows = self.kept.slots(self.data)[[slot or 0 for slot in tokens]]
        kept = mla.Quantized(*(rows[n].astype(np.float64) for n in ("content", "scale", "rope")))
        return mla.recurrence(self.query(), kept, SCALE, rounded=rounded, seen=seen)


def check(got, want, bound):
    """Results and logarithms of sums; what saw nothing is exact."""
    out, lse = got
    assert relative_l2(out, want[0]) <= bound
    nothing = np.isneginf(want[1])
    np.testing.assert_array_equal(np.isneginf(lse), nothing)
    np.testing.assert_array_equal(out[nothing], 0)
    np.testing.assert_allclose(lse[~nothing], want[1][~nothing], rtol=bound, atol=4 * bound)
