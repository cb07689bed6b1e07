"""What is measured: suites of operations, and choosing among them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from itertools import product

from headrace.errors import UsageError, unknown
from headrace.ops import OpSpec, matvec

# shapes of decode-time products: the fused projections of small and mid-size models
SHAPES = ((10240, 2560), (4096, 14336), (4096, 4096))
FORMATS = ("q4_0", "q4_k", "q4nx", "q8_0", "q5_0", "q6_k")
ACTIVATIONS = ("i8", "f32")


def _matvec() -> list[OpSpec]:
    return [
        matvec(m, k, format=name, activations=activations)
        for (m, k), name, activations in product(SHAPES, FORMATS, ACTIVATIONS)
    ]


SUITES: Mapping[str, list[OpSpec]] = {"matvec": _matvec()}


def label(spec: OpSpec) -> str:
    """What `--filter` looks at: the written operation with every parameter, and its shape."""
    return (
        f"{spec.op}:m={spec.m},k={spec.k},format={spec.format},activations={spec.activations} "
        f"{spec.m}x{spec.k}"
    )


def matches(spec: OpSpec, pattern: str) -> bool:
    """Whether every word of `pattern` occurs in the label; a word with * ? or [ is a glob."""
    text = label(spec).lower()
    return all(
        fnmatch.fnmatchcase(text, f"*{word}*") if set(word) & set("*?[") else word in text
        for word in pattern.lower().split()
    )


def smallest(specs: Iterable[OpSpec]) -> list[OpSpec]:
    """For every format and activation type, only the smallest shape."""
    kept: dict[tuple[str, str, str], OpSpec] = {}
    for spec in specs:
        key = (spec.op, spec.format, spec.activations)
        if key not in kept or spec.m * spec.k < kept[key].m * kept[key].k:
            kept[key] = spec
    return list(kept.values())


def select(name: str, pattern: str | None = None, quick: bool = False) -> list[OpSpec]:
    """Operations of a suite that match `pattern`; `quick` keeps one shape of each.

    Raises `UsageError` for an unknown suite or a pattern that matches nothing.
    """
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    chosen = [spec for spec in SUITES[name] if pattern is None or matches(spec, pattern)]
    if not chosen:
        raise UsageError(
            f"bench: expected --filter to match a row of suite '{name}', but got '{pattern}'; "
            f"allowed: words found in lines like '{label(SUITES[name][0])}'"
        )
    return smallest(chosen) if quick else chosen


def groups(specs: Iterable[OpSpec]) -> dict[tuple[int, int, str], list[OpSpec]]:
    """Rows that share weights, hence peers and probe: (m, k, format) -> operations."""
    found: dict[tuple[int, int, str], list[OpSpec]] = {}
    for spec in specs:
        found.setdefault((spec.m, spec.k, spec.format), []).append(spec)
    return found
