"""Builders of the `qattn` dialect: attention on caches in their storage form.

    with ir.Context(), ir.Location.unknown():
        cache_type = qattn.kv_cache(4096, 8, 128, "fp8_e4m3", layout="paged", page=64)
        cache = qattn.append_kv(k, v, cache, position, table=table)
        o, lse = qattn.decode(q, cache, length, init, lse_init, table=table, scale=128**-0.5)

The operation classes (`DecodeOp`, ...) come from the dialect's TableGen description. The functions
below leave out what follows from the operands: an operation that writes its inits returns new
values where they are tensors, and the operation itself, which has no result, where they are
memrefs. Shapes: L queries, T tokens of keys, N tokens, H heads of queries, G heads of keys, D and
E values of a head, S splits; positions, lengths and offsets are [1] i32, tables of pages [P] i32.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import ir as _ir
from ._qattn_enum_gen import *
from ._qattn_ops_gen import *
from ._qattn_ops_gen import _Dialect as _Dialect

_Operand = _ir.Value | _ir.Operation | _ir.OpView


def kv_cache(
    slots: int,
    heads: int,
    dim: int,
    dtype: str,
    *,
    layout: str = "contiguous",
    page: int | None = None,
    context: _ir.Context | None = None,
) -> _ir.Type:
    """`!qattn.kv_cache` for `slots` tokens; dtype f32, bf16, f16, fp8_e4m3 or i8.

    layout: contiguous, ring, or paged with `page` tokens a page. Raises `MLIRError` for sizes and
    dtypes that do not exist.
    """
    scale = ", scale = per_token" if dtype in ("fp8_e4m3", "i8") else ""
    text = f"!qattn.kv_cache<{slots}x{heads}x{dim}, {dtype}{scale}{_layout(layout, page)}>"
    return _ir.Type.parse(text, context)


def mla_cache(
    slots: int,
    content: int,
    rope: int,
    dtype: str,
    *,
    layout: str = "contiguous",
    page: int | None = None,
    context: _ir.Context | None = None,
) -> _ir.Type:
    """`!qattn.mla_cache` for `slots` tokens; dtype f32, bf16 or fp8_e4m3."""
    text = f"!qattn.mla_cache<{slots}x{content}+{rope}, {dtype}{_layout(layout, page)}>"
    return _ir.Type.parse(text, context)


def _layout(layout: str, page: int | None) -> str:
    size = "" if page is None else f"<{page}>"
    return "" if layout == "contiguous" and not size else f", layout = {layout}{size}"


def _value(operand: _Operand) -> _ir.Value:
    return operand if isinstance(operand, _ir.Value) else operand.result


def _results(*inits: _Operand) -> list[_ir.Type]:
    kinds = [_value(init).type for init in inits]
    return kinds if isinstance(kinds[0], _ir.RankedTensorType) else []


def _unwrap(op: _ir.OpView) -> _ir.Value | _ir.OpView:
    return op.results[0] if len(op.results) else op


def _all(op: _ir.OpView) -> Sequence[_ir.Value] | _ir.OpView:
    return list(op.results) if len(op.results) else op


def _f32(value: float) -> _ir.Attribute:
    return _ir.FloatAttr.get_f32(value)


def _optional_f32(value: float | None) -> _ir.Attribute | None:
    return None if value is None else _f32(value)


def append_kv(
    k: _Operand,
    v: _Operand,
    cache: _Operand,
    position: _Operand,
    *,
    table: _Operand | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """The cache with k and v [N, G, D] f32 as its tokens from `position` on."""
    result = _value(cache).type if _results(k) else None
    op = AppendKVOp(result, k, v, cache, position, table=table, loc=loc, ip=ip)
    return _unwrap(op)


def fetch_kv(
    cache: _Operand,
    start: _Operand,
    k: _Operand,
    v: _Operand,
    *,
    table: _Operand | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """Keys and values of the tokens from `start` on, inits k and v [N, G, D] f32."""
    return _all(FetchKVOp(_results(k, v), cache, start, k, v, table=table, loc=loc, ip=ip))


def prefill(
    mask: Mask | _ir.Attribute,
    q: _Operand,
    k: _Operand,
    v: _Operand,
    init: _Operand,
    lse: _Operand | None = None,
    *,
    scale: float,
    offset: _Operand | None = None,
    window: int | None = None,
    softcap: float | None = None,
    precision: Precision | _ir.Attribute | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """`softmax(scale q k^T) v`: q [L, H, D], k [T, G, D], v [T, G, E], init [L, H, E].

    With `lse` [L, H], also the logarithm of the sum of exponentials. `precision` (bf16 or i8) is
    that of the operands of both products; f32 without it.
    """
    inits = [init] if lse is None else [init, lse]
    op = PrefillOp(
        _results(*inits),
        mask,
        q,
        k,
        v,
        inits,
        _f32(scale),
        offset=offset,
        window=window,
        softcap=_optional_f32(softcap),
        precision=precision,
        loc=loc,
        ip=ip,
    )
    return _all(op)


def decode(
    q: _Operand,
    cache: _Operand,
    length: _Operand,
    init: _Operand,
    lse: _Operand,
    *,
    scale: float,
    table: _Operand | None = None,
    window: int | None = None,
    softcap: float | None = None,
    splits: int | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """Attention of q [H, D] to the first `length` tokens: init [H, D], lse [H].

    With `splits` = S, parts of it: init [S, H, D], lse [S, H].
    """
    op = DecodeOp(
        _results(init, lse),
        q,
        cache,
        length,
        init,
        lse,
        _f32(scale),
        table=table,
        window=window,
        softcap=_optional_f32(softcap),
        splits=splits,
        loc=loc,
        ip=ip,
    )
    return _all(op)


def merge_partials(
    partials: _Operand,
    lses: _Operand,
    init: _Operand,
    lse: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """One attention from parts [S, ..., D] with lses [S, ...]: init [..., D], lse [...]."""
    op = MergePartialsOp(_results(init, lse), partials, lses, init, lse, loc=loc, ip=ip)
    return _all(op)


def rope(
    x: _Operand,
    positions: _Operand,
    frequencies: _Operand,
    init: _Operand,
    *,
    interleaved: bool = False,
    magnitude: float | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """Rotary embedding of x [N, H, D] at positions [N] i32, frequencies [P] f32, 2 P <= D."""
    op = RopeOp(
        _results(init),
        x,
        positions,
        frequencies,
        init,
        interleaved=interleaved or None,
        magnitude=_optional_f32(magnitude),
        loc=loc,
        ip=ip,
    )
    return _unwrap(op)


def quantize_kv(
    content: _Operand,
    rope: _Operand,
    codes: _Operand,
    scale: _Operand,
    scaled_rope: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """Rows of content [N, C] and rope [N, R] in fp8: codes i8 [N, C], scale [N], rope [N, R]."""
    kinds = _results(codes, scale, scaled_rope)
    return _all(QuantizeKVOp(kinds, content, rope, codes, scale, scaled_rope, loc=loc, ip=ip))


def append_mla(
    content: _Operand,
    rope: _Operand,
    cache: _Operand,
    position: _Operand,
    *,
    table: _Operand | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """The cache with content [N, C] and rope [N, R] f32 as its tokens from `position` on."""
    result = _value(cache).type if _results(content) else None
    op = AppendMlaOp(result, content, rope, cache, position, table=table, loc=loc, ip=ip)
    return _unwrap(op)


def fetch_mla(
    cache: _Operand,
    start: _Operand,
    content: _Operand,
    rope: _Operand,
    *,
    table: _Operand | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """Latents of the tokens from `start` on, inits content [N, C] and rope [N, R] f32."""
    kinds = _results(content, rope)
    return _all(FetchMlaOp(kinds, cache, start, content, rope, table=table, loc=loc, ip=ip))


def mla_decode(
    q: _Operand,
    q_rope: _Operand,
    cache: _Operand,
    length: _Operand,
    init: _Operand,
    lse: _Operand,
    *,
    scale: float,
    q_scale: _Operand | None = None,
    table: _Operand | None = None,
    splits: int | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """Absorbed latent attention of q [H, C] and q_rope [H, R]: init [H, C], lse [H].

    With `q_scale` [H], q is e4m3 codes (i8), and the result is that of SnapMLA's recurrence.
    """
    op = MlaDecodeOp(
        _results(init, lse),
        q,
        q_rope,
        cache,
        length,
        init,
        lse,
        _f32(scale),
        q_scale=q_scale,
        table=table,
        splits=splits,
        loc=loc,
        ip=ip,
    )
    return _all(op)


def mla_attention(
    q: _Operand,
    q_rope: _Operand,
    w_k: _Operand,
    w_v: _Operand,
    cache: _Operand,
    length: _Operand,
    init: _Operand,
    *,
    scale: float,
    table: _Operand | None = None,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """Latent attention before absorption: q [H, N], w_k [H, N, C], w_v [H, V, C], init [H, V]."""
    op = MlaAttentionOp(
        _results(init),
        q,
        q_rope,
        w_k,
        w_v,
        cache,
        length,
        init,
        _f32(scale),
        table=table,
        loc=loc,
        ip=ip,
    )
    return _unwrap(op)
