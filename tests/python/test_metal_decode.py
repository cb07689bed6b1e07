"""Decode attention for Metal in the simulator: shapes, splits, what it moves and what it takes."""

import numpy as np
import pytest

import headrace
from headrace import ir, ops
from headrace.check.compiled import Compiled
from headrace.check.operations import decode
from headrace.check.operations.decode import Decode
from headrace.check.operations.running import worst_of
from headrace.modules import parse_text
from headrace.references import attention
from headrace.references.caches import KVCache, Layout
from headrace.sim import msl
from headrace.sim.errors import SimulationError
from headrace.targets.metal import simulate
from headrace.targets.metal.package import SOURCE

CONTIGUOUS, RING, PAGED = (
    Layout("contiguous", 150),
    Layout("ring", 97),
    Layout("paged", 48, 8),
)


def drawn(cache, heads, seed=0):
    """(bytes of a full cache, q)."""
    rng = np.random.default_rng(seed)
    shape = (cache.layout.slots, cache.heads, cache.dim)
    k, v = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
    return data, rng.normal(size=(heads, cache.dim)).astype(np.float32)


def compiled(cache, heads, target="metal:m2-max", **options):
    case = decode.case_of(Decode("one", cache, heads, **options))
    return headrace.compile(parse_text(case.module, ir.Context(), "one"), target=target)


def inputs(data, q, length):
    return [q, data.view(np.int8), np.array([length], np.int32)]


def simulated(cache, data, q, length, order=0):
    """(result, logarithm), of a module that also takes what results are written to."""
    outs = [np.zeros_like(q), np.zeros(len(q), np.float32)]
    found = simulate.run_plan(compiled(cache, len(q)), [*inputs(data, q, length), *outs], order)
    return found[-2:]


def reference(cache, data, q, length):
    keys, values = cache.values(data)
    return attention.decode(q, keys[:length], values[:length], float(np.float32(cache.dim**-0.5)))


@pytest.mark.parametrize(
    ("layout", "dtype", "heads", "groups", "dim", "options"),
    [
        (CONTIGUOUS, "f16", 4, 2, 128, {}),
        (CONTIGUOUS, "f16", 3, 3, 64, {"window": 61}),
        (RING, "f16", 7, 1, 80, {"window": 60, "splits": 3}),
        (CONTIGUOUS, "i8", 4, 4, 96, {"softcap": 20.0}),
        (RING, "i8", 12, 2, 64, {"window": 33}),
        (PAGED, "bf16", 4, 1, 256, {"splits": 2}),
        (CONTIGUOUS, "f32", 20, 1, 40, {}),
        (Layout("contiguous", 37), "i8", 2, 1, 129, {"window": 30}),
    ],
)
def test_decode(layout, dtype, heads, groups, dim, options):
    """More tokens than a step of all subgroups has, in three orders of the threads."""
    case = decode.case_of(Decode("some", KVCache(layout, groups, dim, dtype), heads, **options))
    program = Compiled(parse_text(case.module, ir.Context(), case.title), "metal:m2-max")
    wanted = {"length 1", f"length {layout.slots}", "a NaN that is seen"}
    some = [run for run in case.runs(np.random.default_rng(1)) if run.name in wanted]
    assert len(some) == len(wanted)
    found = worst_of(program, some)
    assert found.error <= found.bound, found


@pytest.mark.parametrize("length", [0, 1, 7, 9, 64, 65, 71, 95])
def test_lengths_around_steps(length):
    """Steps are of 8 tokens here, and 64 of all subgroups; behind the length there is NaN."""
    cache = KVCache(Layout("contiguous", 95), 1, 128, "f16")
    data, q = drawn(cache, 2)
    data.view(np.float16).reshape(95, -1)[length:] = np.nan
    results = simulated(cache, data, q, length, 2)
    for result, want in zip(results, reference(cache, data, q, length), strict=True):
        np.testing.assert_allclose(result, want, rtol=1e-5, atol=1e-5)


def test_infinite_values_stay_infinite():
    """In the last step, where lanes without a token look at the last one."""
    cache = KVCache(Layout("contiguous", 21), 1, 64, "f16")
    data, q = drawn(cache, 1)
    data.view(np.float16).reshape(21, 2, 64)[20, 1, 3] = np.inf
    out, lse = simulated(cache, data, q, 21)
    assert out[0, 3] == np.inf
    assert np.isfinite(np.delete(out, 3, 1)).all() and np.isfinite(lse).all()


@pytest.mark.parametrize(
    ("dtype", "heads", "groups", "dim"),
    [("f16", 8, 2, 128), ("f16", 7, 1, 64), ("i8", 8, 1, 128), ("bf16", 2, 2, 256)],
)
def test_reads_each_byte_once(dtype, heads, groups, dim):
    """Of keys and values that are seen, for all queries that share them, and of scales."""
    cache = KVCache(Layout("contiguous", 200), groups, dim, dtype)
    data, q = drawn(cache, heads)
    length = 160
    outs = [np.zeros_like(q), np.zeros(heads, np.float32)]
    given = [*inputs(data, q, length), *outs]
    (traffic,) = simulate.traffic_of(compiled(cache, heads), given)
    stored = data.nbytes * length // 200
    assert 64 * traffic[1].distinct_loaded_64 <= 1.03 * stored
    if dtype != "i8":  # whose vectors the simulator's compiler loads byte by byte
        assert 64 * traffic[1].loaded_64 <= 1.03 * stored, "lanes load whole sectors, once"
    assert traffic[3].stored == q.nbytes and traffic[4].stored == 4 * heads


@pytest.mark.parametrize(
    ("dtype", "heads", "dim", "numbers", "limit"),
    [
        # numbers: of keys that a lane multiplies in a step, of all its queries and tokens
        ("f16", 4, 64, 64, 4.5),
        ("f16", 4, 128, 64, 4.5),
        ("f16", 1, 128, 64, 4.0),
        ("f16", 2, 256, 64, 4.7),
        ("i8", 4, 128, 64, 5.6),
        ("bf16", 4, 128, 64, 5.4),
    ],
)
def test_instructions_of_a_step(dtype, heads, dim, numbers, limit):
    """MLX's sdpa_vector takes 32, 19.5 and 12.4 for each number of 64, 128 and 256 columns."""
    artifact = compiled(KVCache(Layout("contiguous", 1024), 1, dim, dtype), heads)
    loop = msl.inner_loop(artifact.sources[SOURCE], artifact.kernels[0].name)
    assert 2 * numbers < loop.instructions <= limit * numbers
    assert loop.private == 0, "everything is in registers"
    assert loop.load_bytes >= 16 * loop.loads * (1 if dtype != "i8" else 0.6)


def test_splits_fill_the_chip():
    """Parts for each core, merged by another kernel; small chips and short caches have fewer."""
    spec = {"heads": 4, "kv_heads": 1, "dim": 128, "slots": 2048}
    plans = {}
    for chip in ("m1", "m2-max"):
        artifact = headrace.compile(ops.decode(**spec), target=f"metal:{chip}")
        assert [kernel.op for kernel in artifact.kernels] == [
            "qattn.decode",
            "qattn.merge_partials",
        ]
        plans[chip] = [tuple(step["grid"]) for step in artifact.manifest["plan"]]
    assert plans == {"m1": [(8, 1, 1), (4, 1, 1)], "m2-max": [(8, 1, 1), (4, 1, 1)]}
    short = headrace.compile(ops.decode(**(spec | {"slots": 200})), target="metal:m2-max")
    assert len(short.kernels) == 1
    cache = KVCache(Layout("contiguous", 2048), 1, 128, "f16")
    data, q = drawn(cache, 4)
    for length in (5, 1999):
        out = simulate.run_plan(artifact, inputs(data, q, length), 2)[3]
        want, _ = reference(cache, data, q, length)
        np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)


def test_a_missing_barrier_is_found():
    """What the simulator runs is the text: subgroups wait for each other's sums."""
    cache = KVCache(Layout("contiguous", 64), 1, 64, "f16")
    data, q = drawn(cache, 1)
    artifact = compiled(cache, 1)
    text, barrier = artifact.sources[SOURCE], "threadgroup_barrier(mem_flags::mem_threadgroup);"
    assert barrier in text
    buffers = [*inputs(data, q, 64), np.zeros_like(q), np.zeros(1, np.float32)]
    with pytest.raises(SimulationError, match="race|written"):
        msl.build(text.replace(barrier, "")).launch(
            artifact.kernels[0].name, buffers=buffers, grid=(1, 1, 1), threads=(256, 1, 1)
        )
