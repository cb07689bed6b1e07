"""split-kv and chunk-prefill: what they leave computes the same, and does no more than it must."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from attention_programs import Decode, Prefill, compile_text
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace
from headrace import ir
from headrace.modules import parse_text
from headrace.passmanager import PassManager

TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


def rewritten(text: str, passes: str) -> str:
    module = parse_text(text, ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({passes})").run(module.operation)
    return str(module)


def check_same(meanings, inputs, want) -> None:
    """Each of the programs gives `want`."""
    for meaning in meanings:
        for got, expected in zip(meaning(*inputs), want, strict=True):
            np.testing.assert_allclose(got, expected, **TOLERANCE)


# --- split-kv ----------------------------------------------------------------------------------


@settings(max_examples=8)
@given(
    st.sampled_from([0, 3, -1]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.none() | st.integers(1, 15),
    st.sampled_from(["splits=2", "splits=5", "splits=64", "tokens-per-split=4"]),
    st.integers(0, 2**32 - 1),
)
def test_split_kv(page, groups, ratio, window, options, seed):
    case = Decode(
        heads=groups * ratio, groups=groups, dim=5, page=page, pages=4 * (page > 0), window=window
    )
    text = rewritten(case.text, f"split-kv{{{options}}}")
    assert ("merge_partials" in text) == (window is None or window > 1)
    meanings = [compile_text(case.text), compile_text(text)]
    rng = np.random.default_rng(seed)
    for length in (0, 1, int(rng.integers(2, 12)), 12, 25):
        table = rng.permutation(5)[:4] - 1 if page > 0 else None
        inputs, numbers = case.draw(rng, length, table)
        check_same(meanings, inputs, case.want(inputs[0], numbers, length, table))


def test_split_kv_runs_in_iree():
    case = Decode(slots=20, page=-1, window=13, softcap=4.0)
    text = rewritten(case.text, "split-kv{splits=3}")
    inputs, numbers = case.draw(np.random.default_rng(2), 33)
    got = headrace.run_reference(text, inputs, engine="iree")
    check_same([lambda *_: got], inputs, case.want(inputs[0], numbers, 33))


# --- chunk-prefill -----------------------------------------------------------------------------


@settings(max_examples=8)
@given(
    st.integers(1, 13),
    st.integers(1, 13),
    st.sampled_from(["causal", "bidirectional"]),
    st.none() | st.integers(1, 16),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 2**32 - 1),
)
def test_chunk_prefill(queries, keys, mask, window, query_chunk, key_chunk, seed):
    case = Prefill(
        queries, keys, mask=mask, window=window, dim=3, values=5, offset=True, softcap=8.0
    )
    text = rewritten(case.text, f"chunk-prefill{{queries={query_chunk} keys={key_chunk}}}")
    meanings = [compile_text(case.text), compile_text(text)]
    rng = np.random.default_rng(seed)
    for offset in (0, int(rng.integers(-15, 15)), keys - queries, -(2**31), 2**31 - 1):
        inputs = case.draw(rng, offset)
        check_same(meanings, inputs, case.want(inputs, offset))


@pytest.mark.parametrize("window", [None, 3])
def test_chunks_of_a_prefill_without_offset(window):
    case = Prefill(queries=11, keys=11, window=window, lse=False)
    text = rewritten(case.text, "chunk-prefill{queries=4 keys=3}")
    inputs = case.draw(np.random.default_rng(3))
    check_same([compile_text(case.text), compile_text(text)], inputs, case.want(inputs)[:1])


@pytest.mark.parametrize(("queries", "keys"), [(4, 0), (0, 4), (4, 4), (5, 7)])
def test_chunks_do_not_see_more(queries, keys):
    """NaN where no query of the chunk sees it, in keys and values."""
    case = Prefill(queries=12, keys=12, window=4)
    meaning = compile_text(rewritten(case.text, f"chunk-prefill{{queries={queries} keys={keys}}}"))
    inputs = case.draw(np.random.default_rng(4))
    want = case.want(inputs)
    for token in (0, 5, 11):
        poisoned = [array.copy() for array in inputs]
        poisoned[1][token] = poisoned[2][token] = np.nan
        sees = case.seen()[:, token]
        result, lse = meaning(*poisoned)
        np.testing.assert_allclose(result[~sees], want[0][~sees], **TOLERANCE)
        np.testing.assert_allclose(lse[~sees], want[1][~sees], **TOLERANCE)
        assert np.isnan(result[sees]).all()
        assert np.isnan(lse[sees]).all()


def visited(case: Prefill, options: str, offset: int) -> int:
    """How many chunks of keys are attended to, by the numbers of the loops."""
    text = rewritten(case.text, f"chunk-prefill{{{options}}}")
    # Each prefill gives exp(0) in place of attention, which the merge adds up.
    prefill = re.compile(r"%(\d+):2 = qattn\.prefill .* -> (tensor\S+), (tensor\S+)")
    numbers = {match[1] for match in prefill.finditer(text)}
    text = prefill.sub(
        r"%one\1 = arith.constant dense<1.0> : \2\n"
        r"%zero\1 = arith.constant dense<0.0> : \3",
        text,
    )
    for number in numbers:
        text = text.replace(f"%{number}#0", f"%one{number}")
        text = text.replace(f"%{number}#1", f"%zero{number}")
    assert numbers
    _, lse = headrace.run_reference(text, case.draw(np.random.default_rng(0), offset))
    # The logarithm of the number of merged chunks, the same for each query of a chunk.
    starts = range(0, case.queries, int(options.split()[0].removeprefix("queries=")))
    return round(sum(np.exp(lse[start, 0]) for start in starts))


def test_unseen_chunks_are_not_visited():
    case = Prefill(queries=8, keys=24, offset=True)
    options = "queries=4 keys=4"
    # Queries 16 to 19 see five chunks of keys, queries 20 to 23 six.
    assert visited(case, options, 16) == 5 + 6
    assert visited(case, options, 0) == 1 + 2
    assert visited(case, options, -8) == 0
    assert visited(case, options, 1000) == 6 + 6
    near = replace(case, window=4)
    assert visited(near, options, 16) == 2 + 2
    assert visited(replace(case, window=1), options, 16) == 1 + 1
    assert visited(near, options, 1000) == 0
    assert visited(replace(case, mask="bidirectional"), options, 16) == 6 + 6
    assert visited(replace(near, mask="bidirectional"), options, 16) == 3 + 2
    # The last chunk of keys is a shorter one.
    odd = replace(case, keys=22)
    assert visited(odd, options, 0) == 1 + 2
    assert visited(odd, options, 16) == 5 + 6
    assert visited(replace(odd, window=4), options, 30) == 0


def test_chunk_prefill_runs_in_iree():
    case = Prefill(queries=9, keys=14, window=6, offset=True)
    text = rewritten(case.text, "chunk-prefill{queries=4 keys=4}")
    inputs = case.draw(np.random.default_rng(5), 5)
    got = headrace.run_reference(text, inputs, engine="iree")
    check_same([lambda *_: got], inputs, case.want(inputs, 5))
