"""Inputs and comparison of attention, for single runs (`headrace run decode:...`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError
from headrace.ops_attention import AttentionSpec, DecodeSpec, PrefillSpec
from headrace.references import attention, rounded_attention
from headrace.references.caches import KVCache, Layout

__all__ = ["BOUND", "cache_of", "compare", "evaluate", "inputs_for"]

Array = npt.NDArray[Any]

# f32 sums; and weights that rounding may put on either side, as `headrace check` has it.
BOUND, _ROUNDED_BOUND = 1e-5, 5e-3
# Values may cancel in the mean over tokens: errors are relative to at least this share of them.
_FLOOR = 0.05


def cache_of(spec: DecodeSpec) -> KVCache:
    """The cache of `spec`, which writes and reads its bytes in NumPy."""
    layout = Layout(spec.layout, spec.slots, spec.page or 0)
    return KVCache(layout, spec.kv_heads, spec.dim, spec.cache)


def inputs_for(spec: AttentionSpec, draw: np.random.Generator) -> list[Array]:
    """Normal queries, keys and values; caches are full and pages in any order."""
    if isinstance(spec, PrefillSpec):
        shapes = [(spec.n, spec.heads), *2 * [(spec.keys, spec.kv_heads)]]
        arrays: list[Array] = [_normal(draw, *shape, spec.dim) for shape in shapes]
        if spec.has_offset:
            arrays.append(np.array([max(spec.keys - spec.n, 0)], np.int32))
        return arrays
    assert isinstance(spec, DecodeSpec)
    cache = cache_of(spec)
    table = None
    if spec.page is not None:
        table = draw.permutation(spec.slots // spec.page).astype(np.int32)
    k, v = (_normal(draw, spec.slots, spec.kv_heads, spec.dim) for _ in range(2))
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0, table)
    q = _normal(draw, spec.heads, spec.dim)
    length = np.array([spec.slots], np.int32)
    return [q, data.view(np.int8), length, *([] if table is None else [table])]


def _normal(draw: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    return draw.standard_normal(shape, dtype=np.float32)


def evaluate(spec: AttentionSpec, inputs: Sequence[Array]) -> npt.NDArray[np.float64]:
    """What `spec` should give, in float64; operands are rounded to its precision."""
    if isinstance(spec, DecodeSpec):
        return _decode(spec, *inputs)
    assert isinstance(spec, PrefillSpec)
    q, k, v, *offset = inputs
    options: dict[str, Any] = {
        "causal": spec.mask == "causal",
        "offset": int(offset[0][0]) if offset else 0,
        "window": spec.window,
        "softcap": spec.softcap,
    }
    scale = float(np.float32(spec.factor))
    if spec.precision != "f32":
        return rounded_attention.prefill(q, k, v, scale, spec.precision, **options)[0]
    return attention.prefill(q, k, v, scale, **options)[0]


def _decode(
    spec: DecodeSpec, q: Array, data: Array, length: Array, *tables: Array
) -> npt.NDArray[np.float64]:
    cache = cache_of(spec)
    if data.nbytes != cache.storage_bytes:
        raise UsageError(
            f"decode: expected a cache of {cache.storage_bytes} bytes, but got {data.nbytes}"
        )
    table = tables[0] if tables else None
    layout = cache.layout
    slots = layout.seen(layout.tokens(int(length[0]), table, spec.window), table)
    keys, values = cache.values(data.view(np.uint8).reshape(-1))
    scale = float(np.float32(spec.factor))
    return attention.decode(q, keys[slots], values[slots], scale, softcap=spec.softcap)[0]


def compare(spec: AttentionSpec, inputs: Sequence[Array], result: Array) -> dict[str, Any]:
    """The error against float64."""
    from headrace.check.difference import difference

    rounded = isinstance(spec, PrefillSpec) and spec.precision != "f32"
    bound = _ROUNDED_BOUND if rounded else BOUND
    error = difference(result, evaluate(spec, inputs), bound, _FLOOR)
    name = f"float64, operands rounded to {spec.precision}" if rounded else "float64"  # type: ignore[attr-defined]
    if isinstance(spec, DecodeSpec):
        name = "float64, cache by ml_dtypes"
    return {"reference": name, "error": error, "bound": bound, "ok": error <= bound}
