"""The CPU's kernels of qattn.prefill in bf16 and 8 bits on several blocks, against their meaning
in float64, which tests/python/test_rounded_attention.py compares with exact attention."""

from __future__ import annotations

import numpy as np
import pytest
from attention_programs import prefill_numbers

from headrace import ir
from headrace.check.compiled import Compiled
from headrace.check.operations.attention import Prefill, module_of, outs_of
from headrace.check.operations.text import poison
from headrace.modules import parse_text
from headrace.references import rounded_attention
from headrace.targets.cpu import describe

SMALL = "cpu:x86-64-v3"  # products are f32
PAIRS = "cpu:znver4"  # products are of pairs of bf16
# What each shape is about is in its name; sizes are no multiples of 4, and keys are in 2 blocks.
SHAPES = {
    "causal": Prefill("causal", 70, 70, 6, 2, 37, 21),
    "two blocks": Prefill("two blocks", 21, 179, 4, 1, 64, 64, offset=True),
    "window": Prefill("window", 30, 190, 3, 1, 17, 33, offset=True, window=50),
    "narrow window": Prefill("narrow window", 40, 140, 2, 1, 9, 9, offset=True, window=3),
    "all": Prefill("all", 11, 131, 2, 2, 48, 19, causal=False),
    "all, window": Prefill("all, window", 20, 140, 4, 2, 20, 16, causal=False, window=37),
    "softcap": Prefill("softcap", 17, 17, 3, 1, 130, 5, softcap=3.0),
    "one query": Prefill("one query", 1, 257, 8, 2, 80, 80, offset=True),
    "one key": Prefill("one key", 9, 1, 2, 1, 1, 1),
    "wide": Prefill("wide", 17, 130, 1, 1, 2048, 2048, offset=True),  # all that there is room for
}


def compiled(shape, target):
    program = Compiled(parse_text(module_of(shape), ir.Context(), shape.what), target)
    return lambda *inputs: program(*inputs, *poison(outs_of(shape)))


def precise(shape, precision):
    return Prefill(**{**vars(shape), "precision": precision})


def check(shape, inputs, offset, got, bound=5e-3):
    want = rounded_attention.prefill(
        *inputs,
        shape.scale,
        shape.precision,
        causal=shape.causal,
        offset=offset,
        window=shape.window,
        softcap=shape.softcap,
    )
    for one, other in zip(got, want, strict=True):
        finite = np.isfinite(other)
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        np.testing.assert_array_equal(one[~finite], other[~finite])
        error = np.linalg.norm(np.where(finite, one, 0) - np.where(finite, other, 0))
        assert error <= bound * np.linalg.norm(other[finite]), (shape.what, offset)


@pytest.mark.parametrize("precision", rounded_attention.PRECISIONS)
@pytest.mark.parametrize("name", SHAPES)
def test_prefill(name, precision):
    shape = precise(SHAPES[name], precision)
    rng = np.random.default_rng(list(SHAPES).index(name))
    end = shape.tokens - shape.queries
    targets = ["cpu", SMALL] if name in ("window", "wide") else ["cpu"]
    if precision == "bf16" and describe(None).bf16 == "avx512":
        targets.append(PAIRS)
    for target in targets:
        program = compiled(shape, target)
        for offset in (end, -20, shape.tokens + 30) if shape.offset else (0,):
            inputs = prefill_numbers(shape, rng)
            number = [np.array([offset], np.int32)] if shape.offset else []
            check(shape, inputs, offset, program(*inputs, *number))


@pytest.mark.parametrize("target", ["cpu", SMALL])
@pytest.mark.parametrize("precision", rounded_attention.PRECISIONS)
def test_hard_numbers(precision, target):
    """What is not finite where some see it, zeros, and any magnitude; of all, one program."""
    shape = Prefill("hard", 40, 140, 4, 2, 24, 22, offset=True, window=60, precision=precision)
    program = compiled(shape, target)
    rng = np.random.default_rng(5)
    offset = 100
    plain = prefill_numbers(shape, rng)
    cases = []
    for part, token in ((0, 3), (1, 127), (1, 0), (2, 128), (2, 139)):
        for bad in (np.nan, np.inf, 3.4e38 if precision == "bf16" else -np.inf):
            cases.append([array.copy() for array in plain])
            cases[-1][part][token, 1, 3] = bad
    for size in (1e-25, 1e15):
        factors = np.float32([size, 1 / size, size])
        cases.append([array * factor for array, factor in zip(plain, factors, strict=True)])
    cases += [[array * (i != part) for i, array in enumerate(plain)] for part in range(3)]
    cases.append([np.where(array > 1, array * np.float32(1e3), array) for array in plain])
    for inputs in cases:
        got = program(*inputs, np.array([offset], np.int32))
        if np.abs(inputs[2]).max() == 0:
            assert not got[0].any()
            continue
        check(shape, inputs, offset, got)


@pytest.mark.parametrize("precision", rounded_attention.PRECISIONS)
def test_results_do_not_depend_on_threads(precision):
    """Each row is summed in one order, whoever computes it."""
    shape = Prefill("threads", 200, 200, 4, 1, 32, 32, precision=precision)
    program = compiled(shape, "cpu")
    inputs = prefill_numbers(shape, np.random.default_rng(3))
    first = program(*inputs)
    for got, want in zip(program(*inputs), first, strict=True):
        np.testing.assert_array_equal(got, want)
