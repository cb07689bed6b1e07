"""The CPU's kernel of qattn.prefill on several blocks of queries and keys, against PyTorch."""

import numpy as np
import pytest
import torch
from inner_loops import inner_loops

import headrace as hr
from headrace import ir
from headrace.check.compiled import Compiled
from headrace.check.operations.attention import Prefill, module_of, outs_of
from headrace.check.operations.text import poison
from headrace.modules import parse_text

SMALL = "cpu:x86-64-v3"  # has fewer registers, so that tiles are others
# What each shape is about is in its name; sizes are no multiples of 16.
SHAPES = {
    "blocks": Prefill("blocks", 150, 150, 8, 2, 64, 64),
    "parts": Prefill("parts", 150, 170, 64, 16, 8, 9, offset=True),
    "one head": Prefill("one head", 131, 200, 1, 1, 40, 24, offset=True),
    "window": Prefill("window", 130, 190, 6, 2, 32, 33, offset=True, window=50),
    "narrow window": Prefill("narrow window", 100, 100, 3, 1, 17, 17, window=3),
    "wide window": Prefill("wide window", 70, 70, 2, 1, 16, 16, window=2**63 - 1),
    "all": Prefill("all", 66, 129, 5, 5, 48, 19, causal=False),
    "all, window": Prefill("all, window", 90, 140, 4, 2, 20, 16, causal=False, window=37),
    "softcap": Prefill("softcap", 65, 65, 7, 1, 256, 128, softcap=3.0),
    "unlike columns": Prefill("unlike columns", 20, 40, 4, 1, 576, 512, offset=True),
    "one query": Prefill("one query", 1, 300, 8, 2, 80, 80, offset=True),
    "one key": Prefill("one key", 40, 1, 2, 1, 8, 5),
}


def seen_by(shape, offset):
    """[L, T]: whether query i sees token j."""
    distance = offset + np.arange(shape.queries)[:, None] - np.arange(shape.tokens)[None]
    seen = np.full(distance.shape, True)
    if shape.causal:
        seen &= distance >= 0
    if shape.window is not None:
        seen &= np.abs(distance) < shape.window
    return seen


def expected(shape, q, k, v, seen):
    """Results and logarithms in float64; what a query does not see is left out, be it NaN."""
    q, k, v = (torch.from_numpy(a).double().movedim(1, 0) for a in (q, k, v))
    k, v = (a.repeat_interleave(shape.heads // shape.groups, 0) for a in (k, v))
    seen = torch.from_numpy(seen)
    scores = q @ k.mT * shape.scale
    if shape.softcap is not None:
        scores = shape.softcap * torch.tanh(scores / shape.softcap)
    scores = scores.masked_fill(~seen, -torch.inf)
    weights = torch.softmax(scores, -1).masked_fill(~seen, 0)
    spoiled = (seen.double() @ v.isnan().double()) > 0
    out = (weights @ v.nan_to_num()).masked_fill(spoiled, torch.nan)
    out[:, ~seen.any(1)] = 0
    return out.movedim(0, 1).numpy(), torch.logsumexp(scores, -1).T.numpy()


def worst(got, want):
    """The relative error of the rows, and that what is not finite is where it should be."""
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(got[~finite], want[~finite])
    error = np.linalg.norm(np.where(finite, got, 0) - np.where(finite, want, 0))
    return error / max(np.linalg.norm(want[finite]), 1.0)


def numbers(shape, rng, size=1.0):
    q = rng.normal(size=(shape.queries, shape.heads, shape.key)) * size
    k = rng.normal(size=(shape.tokens, shape.groups, shape.key))
    v = rng.normal(size=(shape.tokens, shape.groups, shape.value))
    return tuple(a.astype(np.float32) for a in (q, k, v))


def compiled(shape, target):
    """What takes the inputs and gives the results of a program that is the prefill."""
    program = Compiled(parse_text(module_of(shape), ir.Context(), shape.what), target)
    return lambda *inputs: program(*inputs, *poison(outs_of(shape)))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *((name, "cpu") for name in SHAPES),
        *((name, SMALL) for name in ("blocks", "window", "all, window", "softcap")),
    ],
)
def test_prefill(name, target):
    shape = SHAPES[name]
    program = compiled(shape, target)
    rng = np.random.default_rng(list(SHAPES).index(name))
    end = shape.tokens - shape.queries
    for offset in [end, -20, 7, shape.tokens + 30, 2**31 - 1] if shape.offset else [0]:
        seen = seen_by(shape, offset)
        for size in (1.0, 30.0) if offset in (0, end) else (3.0,):
            q, k, v = numbers(shape, rng, size)
            k[~seen.any(0)], v[~seen.any(0)] = np.nan, np.nan
            inputs = [q, k, v, *([np.array([offset], np.int32)] if shape.offset else [])]
            for got, want in zip(program(*inputs), expected(shape, q, k, v, seen), strict=True):
                assert worst(got, want) <= 1e-5, (offset, size)


@pytest.mark.parametrize("target", ["cpu", SMALL])
def test_what_a_query_does_not_see_does_not_reach_it(target):
    """NaN and infinities in keys and values that some queries of a block see and others do not."""
    shape = Prefill("NaN", 100, 100, 4, 2, 24, 24, window=30)
    program = compiled(shape, target)
    rng = np.random.default_rng(5)
    seen = seen_by(shape, 0)
    for where in ("key", "value"):
        for token in (0, 64, 99):
            q, k, v = numbers(shape, rng)
            (k if where == "key" else v)[token, 1, 3] = np.nan
            for got, want in zip(program(q, k, v), expected(shape, q, k, v, seen), strict=True):
                assert worst(got, want) <= 1e-5, (where, token)


@pytest.mark.parametrize(("target", "sums"), [("cpu:x86-64-v4", 24), ("cpu:x86-64-v3", 12)])
def test_inner_loops_keep_their_sums_in_registers(target, sums):
    """Of scores and of values: one multiplication for each sum, and nothing spilled."""
    shape = Prefill("assembly", 200, 200, 4, 1, 64, 64)
    artifact = hr.compile(parse_text(module_of(shape), ir.Context(), shape.what), target=target)
    sum_of_products = "^(reload: |spill: )?vfmadd231ps [^{]*$"
    loops = inner_loops(artifact.sources["kernels.s"], sum_of_products)
    loops = [loop for loop in loops if len(loop.having(sum_of_products)) == sums]
    assert len(loops) >= 2
    assert not [line for loop in loops for line in loop.spills]


def test_results_do_not_depend_on_threads():
    """Each row is summed in one order, whoever computes it."""
    shape = Prefill("threads", 200, 200, 4, 1, 32, 32)
    program = compiled(shape, "cpu")
    inputs = numbers(shape, np.random.default_rng(3))
    first = program(*inputs)
    for _ in range(2):
        for got, want in zip(program(*inputs), first, strict=True):
            np.testing.assert_array_equal(got, want)


def test_weights_of_many_equal_keys():
    """Scores that are all equal, large and of either sign give the mean of the values."""
    shape = Prefill("equal", 3, 500, 1, 1, 1, 2, causal=False)
    program = compiled(shape, "cpu")
    v = np.random.default_rng(1).normal(size=(500, 1, 2)).astype(np.float32)
    for size in (0.0, 1e4, -1e4):
        q = np.full((3, 1, 1), size, np.float32)
        out, lse = program(q, np.ones((500, 1, 1), np.float32), v)
        np.testing.assert_allclose(out, np.broadcast_to(v.mean(0), out.shape), atol=1e-6)
        np.testing.assert_allclose(lse, size + np.log(500), rtol=1e-6)
