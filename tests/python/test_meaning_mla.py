"""What latent attention means: decompositions against float64, unabsorbed attention and torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import ir, run_reference
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.quantize.mla_kv import quantize_mla
from headrace.reference import BOUNDS, relative_l2
from headrace.reference_jit import Meaning
from headrace.references import attention, mla
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

    def run(self, **kind) -> tuple[np.ndarray, ...]:
        q: list[np.ndarray] = [self.q, self.q_rope]
        scale: list[np.ndarray] = []
        if kind.get("quantized"):
            codes = quantize_mla(self.q, self.q_rope)
            q, scale = [codes.codes, codes.rope.astype(np.float32)], [codes.scale]
        table = [] if self.table is None else [self.table]
        return compiled(Decode(self.kept, **kind))(*q, *self.tail, *scale, *table)

    def tokens(self) -> list[int | None]:
        """The slot of each token that is kept, None without one."""
        layout = self.kept.layout
        return [layout.slot(t, self.table) for t in layout.tokens(self.length, self.table)]

    def exact(self, tokens: list[int | None] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The reference over `tokens`, from what is stored."""
        slots = [s for s in (self.tokens() if tokens is None else tokens) if s is not None]
        content, rope = (a[slots].astype(np.float64) for a in self.kept.values(self.data))
        q, q_rope = self.q.astype(np.float64), self.q_rope.astype(np.float64)
        return mla.decode(q, q_rope, content, rope, SCALE)

    def query(self) -> mla.Quantized:
        """What the quantized query stands for."""
        kept = quantize_mla(self.q, self.q_rope)
        codes = kept.codes.view(ml_dtypes.float8_e4m3fn).astype(np.float64)
        return mla.Quantized(codes, kept.scale.astype(np.float64), kept.rope.astype(np.float64))

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


lengths = st.sampled_from([-5, 0, 1, 2, 31, 63, 64, 65, 129, SLOTS - 1, SLOTS, SLOTS + 40, 700])


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(["f32", "bf16", "fp8_e4m3"]),
    length=lengths,
    size=st.sampled_from([0.0, 1e-18, 1.0, 1e30]),
    seed=st.integers(0, 1 << 30),
)
def test_decode_is_softmax_of_what_is_seen(layout, dtype, length, size, seed):
    """Whatever slots that are not seen hold, and wherever tokens lie."""
    filled = Filled(MlaCache(LAYOUTS[layout], CONTENT, ROPE, dtype), length, seed, size)
    check(filled.run(), filled.exact(), BOUNDS["f32"])


@settings(max_examples=40, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    length=lengths,
    size=st.sampled_from([0.0, 1e-18, 1e-3, 1.0, 1e30]),
    rope_size=st.sampled_from([0.0, 1.0, 20.0]),
    seed=st.integers(0, 1 << 30),
)
def test_recurrence_is_that_of_the_paper(layout, length, size, rope_size, seed):
    """To the bound of f32 but for a weight that rounds to the other side here and there."""
    kept = MlaCache(LAYOUTS[layout], CONTENT, ROPE, "fp8_e4m3")
    filled = Filled(kept, length, seed, size, rope_size or 1.0)
    if not rope_size:
        filled.q_rope[:] = 0
    got = filled.run(quantized=True)
    want, unrounded = filled.recurrence(), filled.recurrence(rounded=False)
    assert relative_l2(got[0], want[0]) <= 5e-3
    # Only weights are rounded; logarithms, and the recurrence without that, are exact.
    query = filled.query()
    filled.q, filled.q_rope = query.content, query.rotated
    exact = filled.exact()
    check(unrounded, exact, 1e-6)  # what is stored is decoded in f32
    assert relative_l2(got[0], exact[0]) <= FP8_BOUND
    check((exact[0], got[1]), exact, BOUNDS["f32"])


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("layout", ["paged", "ring"])
@pytest.mark.parametrize("length", [0, 1, 2, 64, 65, SLOTS, 500])
def test_parts_are_merged_to_the_whole(layout, length, quantized):
    filled = Filled(MlaCache(LAYOUTS[layout], CONTENT, ROPE, "fp8_e4m3"), length, length + 7)
    splits = 3
    outs, lses, *merged = filled.run(quantized=quantized, splits=splits)
    tokens = filled.tokens()
    size = -(-len(tokens) // splits)
    for part in range(splits):
        mine = tokens[part * size : (part + 1) * size]
        if quantized:
            want = filled.recurrence(mine)
            assert relative_l2(outs[part], want[0]) <= 5e-3
            check((want[0], lses[part]), want, BOUNDS["f32"])
        else:
            check((outs[part], lses[part]), filled.exact(mine), BOUNDS["f32"])
    check(merged, attention.merge_partials(outs, lses), BOUNDS["f32"])
    whole = filled.run(quantized=quantized)
    check(merged, [a.astype(np.float64) for a in whole], FP8_BOUND if quantized else 1e-5)


@pytest.mark.parametrize("quantized", [False, True])
def test_nan_reaches_what_sees_it_only(quantized):
    filled = Filled(MlaCache(LAYOUTS["paged"], CONTENT, ROPE, "fp8_e4m3"), 100, 3, holes=False)
    slot = filled.tokens()[70]
    filled.kept.slots(filled.data)["content"][slot, 5] = np.nan
    out, lse = filled.run(quantized=quantized)
    assert np.isnan(out).all() and np.isnan(lse).all()
    # Part 0 of two has 50 tokens.
    out, lse, *_ = filled.run(quantized=quantized, splits=2)
    assert np.isfinite(out[0]).all() and np.isnan(out[1]).all()
    assert np.isfinite(lse[0]).all() and np.isnan(lse[1]).all()
    # Nothing seen is nothing, whatever the query is.
    filled.length = 0
    filled.q[:] = np.inf if not quantized else 1
    filled.q_rope[:] = np.nan if not quantized else 1
    out, lse = filled.run(quantized=quantized)
    assert not out.any() and np.isneginf(lse).all()


# --- quantization ------------------------------------------------------------------------------


@cache
def quantizer(rows: int, content: int, rope: int) -> Meaning:
    kinds = [f"tensor<{rows}x{content}xi8>", f"tensor<{rows}xf32>", f"tensor<{rows}x{rope}xf32>"]
    inputs = f"tensor<{rows}x{content}xf32>, tensor<{rows}x{rope}xf32>"
    return Meaning(
        parse_text(
            f"""
            func.func @main(%c: tensor<{rows}x{content}xf32>, %r: tensor<{rows}x{rope}xf32>)
                -> ({", ".join(kinds)}) {{
              %0 = tensor.empty() : {kinds[0]}
              %1 = tensor.empty() : {kinds[1]}
              %2 = tensor.empty() : {kinds[2]}
              %x:3 = qattn.quantize_kv ins(%c, %r : {inputs}) outs(%0, %1, %2 : {", ".join(kinds)})
                  -> {", ".join(kinds)}
              return %x#0, %x#1, %x#2 : {", ".join(kinds)}
            }}""",
            ir.Context(),
        )
    )


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from([0.0, 1e-44, 1e-38, 1e-30, 1e-10, 1.0, 1e10, 1e35]),
    rope_size=st.sampled_from([0.0, 1e-38, 1.0, 1e4, 1e30]),
    seed=st.integers(0, 1 << 30),
)
def test_quantize_kv_is_the_quantizer_of_caches(size, rope_size, seed):
    """Bit for bit, ties and subnormal numbers too."""
    draw = np.random.default_rng(seed)
    content = (draw.standard_normal((5, 40)) * size).astype(np.float32)
    # Ties of e4m3, whatever the scale is.
    content[1] = np.round(draw.standard_normal(40) * 40) / 8 * np.float32(size)
    content[1, 0] = np.float32(448 * size)
    content[2] = 0
    rope = (draw.standard_normal((5, 6)) * rope_size).astype(np.float32)
    codes, scale, scaled = quantizer(5, 40, 6)(content, rope)
    want = quantize_mla(content, rope)
    np.testing.assert_array_equal(codes.view(np.uint8), want.codes)
    np.testing.assert_array_equal(scale, want.scale)
    np.testing.assert_array_equal(scaled.view(np.int32), want.rope.astype(np.float32).view("i4"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_quantize_kv_makes_nan_of_a_row_that_is_not_finite(bad, where):
    parts = [np.ones((5, 40), np.float32), np.ones((5, 6), np.float32)]
    parts[where][3, 2] = bad
    codes, scale, scaled = quantizer(5, 40, 6)(*parts)
    values = codes.view(ml_dtypes.float8_e4m3fn).astype(np.float32) * scale[:, None]
    for array in (values, scaled * scale[:, None]):
        assert np.isnan(array[3]).all() and np.isfinite(np.delete(array, 3, axis=0)).all()


# --- absorption --------------------------------------------------------------------------------


def attention_text(kept: MlaCache, heads: int, keys: int, values: int) -> str:
    c, r = kept.content, kept.rope
    kinds = [
        f"tensor<{heads}x{keys}xf32>",
        f"tensor<{heads}x{r}xf32>",
        f"tensor<{heads}x{keys}x{c}xf32>",
        f"tensor<{heads}x{values}x{c}xf32>",
        kept.type,
        "tensor<1xi32>",
    ]
    names = ["%q", "%r", "%wk", "%wv", "%b", "%l"]
    table = ""
    if kept.layout.kind == "paged":
        kinds.append(f"tensor<{TABLE}xi32>")
        names.append("%t")
        table = " table %t"
    arguments = ", ".join(f"{n}: {k}" for n, k in zip(names, kinds, strict=True))
    out = f"tensor<{heads}x{values}xf32>"
    return f"""
        func.func @main({arguments}) -> {out} {{
          %o = tensor.empty() : {out}
          %0 = qattn.mla_attention ins({", ".join(names[:6])}{table} : {", ".join(kinds)})
              outs(%o : {out}) {{scale = {SCALE:.9e} : f32}} -> {out}
          return %0 : {out}
        }}"""


def after(text: str, *passes: str) -> ir.Module:
    module = parse_text(text, ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({','.join(passes)})").run(module.operation)
    return module


@pytest.mark.parametrize(
    ("layout", "length"), [("contiguous", 0), ("contiguous", 150), ("paged", 130), ("ring", 300)]
)
def test_absorbed_is_unabsorbed(layout, length):
    """Before the pass, after it, in float64, and with both passes within the fp8 bound."""
    kept = MlaCache(LAYOUTS[layout], CONTENT, ROPE, "fp8_e4m3")
    filled = Filled(kept, length, length)
    draw = np.random.default_rng(length)
    q, w_k, w_v = (
        draw.standard_normal(shape).astype(np.float32)
        for shape in [(HEADS, 12), (HEADS, 12, CONTENT), (HEADS, 7, CONTENT)]
    )
    q *= np.float32(0.2)
    text = attention_text(kept, HEADS, 12, 7)
    inputs = [q, filled.q_rope, w_k, w_v, *filled.tail]
    inputs += [] if filled.table is None else [filled.table]
    slots = [slot for slot in filled.tokens() if slot is not None]
    content, rope = (a[slots].astype(np.float64) for a in kept.values(filled.data))
    q64, r64, k64, v64 = (a.astype(np.float64) for a in (q, filled.q_rope, w_k, w_v))
    want = mla.attention(q64, r64, k64, v64, content, rope, SCALE)
    (unabsorbed,) = run_reference(text, inputs)
    (absorbed,) = run_reference(after(text, "absorb-mla-projections"), inputs)
    assert relative_l2(unabsorbed, want) <= 1e-5
    assert relative_l2(absorbed, want) <= 1e-5
    both = after(text, "absorb-mla-projections", "quantize-kv-pipeline")
    assert "qattn.quantize_kv" in str(both) and "q_scale" in str(both)
    (rounded,) = run_reference(both, inputs)
    assert relative_l2(rounded, want) <= FP8_BOUND
    assert length == 0 or relative_l2(rounded, want) > 1e-5


def torch_unabsorbed(q, q_rope, w_k, w_v, content, rope, scale):
    """[H, V] by torch's own attention on keys and values of each head, float64."""
    q, q_rope, w_k, w_v, content, rope = (
        torch.from_numpy(a.astype(np.float64)) for a in (q, q_rope, w_k, w_v, content, rope)
    )
    keys = torch.cat([content @ w_k.mT, rope.expand(len(q), *rope.shape)], dim=2)
    whole = torch.cat([q, q_rope], dim=1)[:, None]
    out = torch.nn.functional.scaled_dot_product_attention(
        whole, keys, content @ w_v.mT, scale=scale
    )
    return out[:, 0].numpy()


@pytest.mark.parametrize("length", [1, 64, 333])
def test_acceptance_against_torch(length, capsys):
    """DeepSeek-V3's sizes of a head: 512 + 64 latents, keys and values of 128."""
    heads, scale = 4, float(np.float32(192**-0.5))
    draw = np.random.default_rng(length)
    w_k, w_v = (draw.standard_normal((heads, 128, 512)) / 512**0.5 for _ in range(2))
    q = draw.standard_normal((heads, 128)) * 2
    content, rope = draw.standard_normal((length, 512)), draw.standard_normal((length, 64)) * 4
    q_rope = draw.standard_normal((heads, 64))
    want = torch_unabsorbed(q, q_rope, w_k, w_v, content, rope, scale)

    # Nothing rounded: the recurrence is softmax attention.
    queries = mla.quantize(mla.absorb(q, w_k), q_rope, rounded=False)
    tokens = mla.quantize(content, rope, rounded=False)
    latent, _ = mla.recurrence(queries, tokens, scale, rounded=False)
    error = relative_l2(np.einsum("hvc,hc->hv", w_v, latent), want)
    assert error <= 1e-6

    # Cache, query and weights rounded, by the operations.
    kept = MlaCache(Layout("contiguous", 384), 512, 64, "fp8_e4m3")
    data = np.full(kept.storage_bytes, 0xFF, np.uint8)
    data = kept.append(data, content.astype(np.float32), rope.astype(np.float32), 0)
    text = attention_text(kept, heads, 128, 128).replace(f"{SCALE:.9e}", f"{scale:.9e}")
    module = after(text, "absorb-mla-projections", "quantize-kv-pipeline")
    inputs = [a.astype(np.float32) for a in (q, q_rope, w_k, w_v)]
    (rounded,) = run_reference(module, [*inputs, data, np.array([length], np.int32)])
    fp8 = relative_l2(rounded, want)
    with capsys.disabled():
        print(f"\nmla, {length} tokens: float64 {error:.1e}, fp8 {fp8:.2e}", end="")
    assert 1e-4 < fp8 <= FP8_BOUND


# --- the other engine --------------------------------------------------------------------------


@pytest.mark.parametrize("quantized", [False, True])
def test_decode_in_iree(quantized):
    filled = Filled(MlaCache(LAYOUTS["paged"], CONTENT, ROPE, "fp8_e4m3"), 150, 5)
    decode = Decode(filled.kept, quantized=quantized)
    q, scale = [filled.q, filled.q_rope], []
    if quantized:
        codes = quantize_mla(filled.q, filled.q_rope)
        q, scale = [codes.codes, codes.rope.astype(np.float32)], [codes.scale]
    inputs = [*q, *filled.tail, *scale, filled.table]
    got = run_reference(decode.text, inputs, engine="iree")
    check(got, [a.astype(np.float64) for a in filled.run(quantized=quantized)], 1e-4)
