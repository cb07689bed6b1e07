"""Tokens and pairs that attention is charged with, against counting them one by one."""

import numpy as np
import pytest

from headrace import cost


def module(functions):
    return "\n".join(functions)


def prefill(index, queries, keys, mask, window, offset):
    q, k = f"tensor<{queries}x2x16xf32>", f"tensor<{keys}x1x16xf32>"
    limit = "" if window is None else f", window = {window} : i64"
    at, kind, constant = "", "", ""
    if offset is not None:
        constant = f"%at = arith.constant dense<{offset}> : tensor<1xi32>\n  "
        at, kind = " offset %at", ", tensor<1xi32>"
    return f"""
func.func private @f{index}(%q: {q}, %k: {k}, %o: {q}) -> {q} {{
  {constant}%y = qattn.prefill {mask} ins(%q, %k, %k{at} : {q}, {k}, {k}{kind}) outs(%o : {q})
      {{scale = 1.0 : f32{limit}}} -> {q}
  return %y : {q}
}}"""


def pairs_seen(queries, keys, mask, window, offset):
    """(pairs, keys that any query sees), by the description of `qattn.prefill`."""
    pairs, seen = 0, set()
    for query in range(queries):
        position = query + (offset or 0)
        for key in range(keys):
            if mask == "causal" and key > position:
                continue
            if window is not None and abs(key - position) >= window:
                continue
            pairs += 1
            seen.add(key)
    return pairs, len(seen)


def test_pairs_of_prefill():
    draw = np.random.default_rng(11)
    cases = []
    for _ in range(120):
        queries, keys = (int(n) for n in draw.integers(1, 12, 2))
        mask = str(draw.choice(["causal", "bidirectional"]))
        window = int(draw.integers(1, 15)) if draw.random() < 0.6 else None
        offset = int(draw.integers(-15, 15)) if draw.random() < 0.7 else None
        cases.append((queries, keys, mask, window, offset))
    rows = cost.estimate(module(prefill(i, *case) for i, case in enumerate(cases))).rows
    for case, row in zip(cases, rows, strict=True):
        queries, *_, offset = case
        pairs, seen = pairs_seen(*case)
        assert row.operations == 2 * pairs * (4 * 16 + 4) + 2 * queries * 17, case
        assert row.transcendentals == 2 * pairs + 2 * queries, case
        q = queries * 2 * 16 * 4
        assert row.read == q + 2 * seen * 16 * 4 + (4 if offset is not None else 0), case


def decode(index, cache, table, window):
    q, one = "tensor<2x16xf32>", "tensor<1xi32>"
    limit = "" if window is None else f", window = {window} : i64"
    at = f" table %t : {q}, {cache}, {one}, tensor<{table}xi32>" if table else None
    pages = f", %t: tensor<{table}xi32>" if table else ""
    return f"""
func.func private @f{index}(%q: {q}, %c: {cache}, %n: {one}, %o: {q}, %l: tensor<2xf32>{pages}) -> {q} {{
  %y, %lse = qattn.decode ins(%q, %c, %n{at or f" : {q}, {cache}, {one}"}) outs(%o, %l : {q}, tensor<2xf32>)
      {{scale = 1.0 : f32{limit}}} -> {q}, tensor<2xf32>
  return %y : {q}
}}"""  # noqa: E501


def tokens_seen(slots, layout, page, table, window, length):
    """By the description of the dialect, for a table that names every page of the cache once."""
    seen = 0
    for token in range(length):
        if window is not None and token < length - window:
            continue
        if layout == "contiguous" and token >= slots:
            continue
        if layout == "ring" and token < length - slots:
            continue
        if layout == "paged" and token // page >= min(table, slots // page):
            continue
        seen += 1
    return seen


@pytest.mark.parametrize("length", [0, 1, 7, 24, 25, 60])
def test_tokens_of_decode(length):
    draw = np.random.default_rng(length)
    cases = []
    for _ in range(40):
        layout = str(draw.choice(["contiguous", "ring", "paged"]))
        page = 4 if layout == "paged" else 0
        slots = 4 * int(draw.integers(1, 10))
        table = int(draw.integers(1, 12)) if page else 0
        window = int(draw.integers(1, 40)) if draw.random() < 0.5 else None
        cases.append((slots, layout, page, table, window))
    functions = []
    for index, (slots, layout, page, table, window) in enumerate(cases):
        suffix = {"contiguous": "", "ring": ", layout = ring", "paged": f", layout = paged<{page}>"}
        functions.append(
            decode(index, f"!qattn.kv_cache<{slots}x1x16, bf16{suffix[layout]}>", table, window)
        )
    rows = cost.estimate(module(functions), length=length).rows
    for case, row in zip(cases, rows, strict=True):
        seen = tokens_seen(*case, length)
        pages = -(-seen // case[2]) if case[2] else 0
        assert row.read == 2 * 16 * 4 + 4 + seen * 64 + 4 * pages, case
        assert row.operations == 2 * seen * (4 * 16 + 4) + 2 * 17, case
