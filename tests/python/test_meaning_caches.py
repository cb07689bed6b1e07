"""What appending to and fetching from caches means, against NumPy and ml_dtypes."""

import ml_dtypes
import numpy as np
import pytest

from headrace import ir
from headrace.dialects import func, qattn, tensor
from headrace.quantize.mla_kv import MlaTokens, quantize_mla
from headrace.reference_jit import Meaning

DTYPES = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16}
LAYOUTS = {
    "contiguous": {},
    "ring": {"layout": "ring"},
    "paged": {"layout": "paged", "page": 4},
}


def function(kinds, build):
    """A module whose @main takes `kinds` and returns what `build` makes of them."""
    module = ir.Module.create()
    with ir.InsertionPoint(module.body):

        @func.FuncOp.from_py_func(*kinds, name="main")
        def main(*arguments):
            return build(*arguments)

    return module


def f32(*shape):
    return ir.RankedTensorType.get(shape, ir.F32Type.get())


def i32(size):
    return ir.RankedTensorType.get([size], ir.IntegerType.get_signless(32))


def empty(kind):
    return tensor.empty(kind.shape, kind.element_type)


def append_then_fetch(cache, tokens, fetched, pages, shapes, names):
    """@main(new..., bytes, position, start, table) -> bytes, fetched..."""
    append, fetch = names
    kinds = [f32(tokens, *shape) for shape in shapes]

    def build(*arguments):
        new, (store, position, start, *table) = arguments[: len(kinds)], arguments[len(kinds) :]
        options = {"table": table[0]} if table else {}
        stored = append(*new, store, position, **options)
        inits = [empty(f32(fetched, *shape)) for shape in shapes]
        return [stored, *fetch(stored, start, *inits, **options)]

    tables = [i32(pages)] if pages else []
    return function([*kinds, cache, i32(1), i32(1), *tables], build)


def slots_of(layout, slots, table, tokens):
    """The slot of each token, or None."""
    found = []
    for token in tokens:
        if layout == "paged":
            page = table[token // 4] if 0 <= token < 4 * len(table) else -1
            found.append(page * 4 + token % 4 if 0 <= page < slots // 4 else None)
        elif token < 0 or (layout == "contiguous" and token >= slots):
            found.append(None)
        else:
            found.append(token % slots)
    return found


def encode_heads(values, dtype):
    """(bytes [N, ...], scales or None, what they stand for) of [N, G, D] f32."""
    if dtype in DTYPES:
        stored = values.astype(DTYPES[dtype])
        return stored, None, stored.astype(np.float32)
    largest = np.abs(values).max(axis=-1)
    scale = (largest / np.float32(448 if dtype == "fp8_e4m3" else 127)).astype(np.float32)
    scale[scale == 0] = 1
    over = values / scale[..., None]
    if dtype == "i8":
        stored = np.clip(np.rint(over), -127, 127).astype(np.int8)
    else:
        stored = np.clip(over, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    return stored, scale, stored.astype(np.float32) * scale[..., None]


def kv_bytes(data, slots, heads, dim, width, scaled):
    """Views of keys and values, and of their scales, in the bytes of a cache."""
    size = slots * 2 * heads * dim * width
    values = data[:size].reshape(slots, 2, heads, dim * width)
    scales = data[size:].view(np.float32).reshape(slots, 2, heads) if scaled else None
    return values, scales


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [*DTYPES, "fp8_e4m3", "i8"])
def test_kv_cache(dtype, layout):
    rng = np.random.default_rng(len(dtype) * 7 + len(layout))
    slots, heads, dim, tokens, fetched = 12, 2, 5, 4, 7
    table = np.array([2, -1, 0, 7], np.int32)
    paged = layout == "paged"
    with ir.Context(), ir.Location.unknown():
        cache = qattn.kv_cache(slots, heads, dim, dtype, **LAYOUTS[layout])
        module = append_then_fetch(
            cache,
            tokens,
            fetched,
            len(table) if paged else 0,
            [(heads, dim)] * 2,
            (qattn.append_kv, qattn.fetch_kv),
        )
        meaning = Meaning(module)
    scaled = dtype in ("fp8_e4m3", "i8")
    width = {"f32": 4, "bf16": 2, "f16": 2}.get(dtype, 1)
    for position, start in [(0, 0), (2, 1), (9, 8), (11, 10), (-2, -3), (40, 39), (5, 13)]:
        new = [rng.normal(size=(tokens, heads, dim)).astype(np.float32) for _ in range(2)]
        new[0][1, 0] = 0
        new[1][2, 1] *= 1e-39
        store = rng.integers(0, 256, meaning.inputs[2][0], dtype=np.uint8)
        at = [np.array([number], np.int32) for number in (position, start)]
        got, *values = meaning(*new, store, *at, *([table] if paged else []))
        want = store.copy()
        kept, scales = kv_bytes(want, slots, heads, dim, width, scaled)
        for part, part_values in enumerate(new):
            stored, scale, _ = encode_heads(part_values, dtype)
            places = slots_of(layout, slots, table, range(position, position + tokens))
            for token, slot in enumerate(places):
                if slot is not None:
                    kept[slot, part] = stored[token].view(np.uint8).reshape(heads, -1)
                    if scale is not None:
                        scales[slot, part] = scale[token]
        np.testing.assert_array_equal(got.view(np.uint8), want)
        places = slots_of(layout, slots, table, range(start, start + fetched))
        numpy_dtype = DTYPES.get(dtype, np.int8 if dtype == "i8" else ml_dtypes.float8_e4m3fn)
        for part, part_values in enumerate(values):
            for token, slot in enumerate(places):
                if slot is None:
                    assert not part_values[token].any()
                    continue
                raw = np.ascontiguousarray(kept[slot, part]).view(numpy_dtype)
                expected = raw.astype(np.float32).reshape(heads, dim)
                if scaled:
                    with np.errstate(all="ignore"):
                        expected = expected * scales[slot, part][:, None]
                np.testing.assert_array_equal(part_values[token], expected)


@pytest.mark.parametrize("dtype", ["fp8_e4m3", "i8"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_makes_its_head_nan(dtype, bad):
    with ir.Context(), ir.Location.unknown():
        cache = qattn.kv_cache(4, 2, 3, dtype)
        meaning = Meaning(
            append_then_fetch(cache, 1, 1, 0, [(2, 3)] * 2, (qattn.append_kv, qattn.fetch_kv))
        )
    k = np.ones((1, 2, 3), np.float32)
    k[0, 1, 2] = bad
    zero = np.zeros(1, np.int32)
    _, keys, values = meaning(
        k, np.ones_like(k), np.zeros(meaning.inputs[2][0], np.int8), zero, zero
    )
    assert np.isnan(keys[0, 1]).all()
    np.testing.assert_allclose(keys[0, 0], 1)
    np.testing.assert_allclose(values, 1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "fp8_e4m3"])
def test_mla_cache(dtype, layout):
    rng = np.random.default_rng(len(dtype) + len(layout))
    slots, content, rope, tokens, fetched = 12, 9, 4, 3, 6
    table = np.array([1, 5, 0], np.int32)
    paged = layout == "paged"
    with ir.Context(), ir.Location.unknown():
        cache = qattn.mla_cache(slots, content, rope, dtype, **LAYOUTS[layout])
        names = (qattn.append_mla, qattn.fetch_mla)
        shapes = [(content,), (rope,)]
        meaning = Meaning(
            append_then_fetch(cache, tokens, fetched, 3 if paged else 0, shapes, names)
        )
    for position, start in [(0, 0), (10, 9), (3, 2), (-1, -2)]:
        c = rng.normal(size=(tokens, content)).astype(np.float32)
        r = rng.normal(size=(tokens, rope)).astype(np.float32) * 30
        c[1] = 0
        store = np.zeros(meaning.inputs[2][0], np.uint8)
        at = [np.array([number], np.int32) for number in (position, start)]
        got, *values = meaning(c, r, store, *at, *([table] if paged else []))
        want = store.reshape(slots, -1).copy()
        if dtype == "fp8_e4m3":
            packed = quantize_mla(c, r).pack()
        else:
            both = np.concatenate([c, r], axis=1).astype(DTYPES[dtype])
            packed = both.view(np.uint8).reshape(tokens, -1)
        places = slots_of(layout, slots, table, range(position, position + tokens))
        for token, slot in enumerate(places):
            if slot is not None:
                want[slot] = packed[token]
        np.testing.assert_array_equal(got.view(np.uint8).reshape(slots, -1), want)
        if dtype == "fp8_e4m3":
            kept = MlaTokens.unpack(want, content=content)
            expected = [kept.content_values(), kept.rope_values()]
        else:
            both = want.view(DTYPES[dtype]).astype(np.float32)
            expected = [both[:, :content], both[:, content:]]
        for found, all_slots in zip(values, expected, strict=True):
            for token, slot in enumerate(
                slots_of(layout, slots, table, range(start, start + fetched))
            ):
                one = np.zeros(found.shape[1]) if slot is None else all_slots[slot]
                np.testing.assert_array_equal(found[token], one)
