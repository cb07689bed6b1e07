"""Choosing rows of a benchmark suite."""

from __future__ import annotations

import pytest

from headrace.bench import suite
from headrace.errors import UsageError
from headrace.ops import matvec


def test_the_suite_covers_every_shape_format_and_activation_once() -> None:
    specs = suite.select("matvec")
    keys = {(spec.m, spec.k, spec.format, spec.activations) for spec in specs}
    assert len(keys) == len(specs) == len(suite.SHAPES) * len(suite.FORMATS) * 2
    assert (4096, 14336, "q4_k", "i8") in keys
    assert (10240, 2560, "q4_0", "f32") in keys


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("4096x14336 q4_k i8", 1),
        ("Q4_K", 6),
        ("activations=f32 4096x4096", 6),
        ("format=q?_k", 12),
        ("m=10240,k=2560", 12),
    ],
)
def test_every_word_of_a_filter_must_match(pattern: str, wanted: int) -> None:
    chosen = suite.select("matvec", pattern)
    assert len(chosen) == wanted
    assert all(suite.matches(spec, word) for spec in chosen for word in pattern.split())


def test_quick_keeps_the_smallest_shape_of_what_was_asked_for() -> None:
    chosen = suite.select("matvec", "14336", quick=True)
    assert {(spec.m, spec.k) for spec in chosen} == {(4096, 14336)}
    chosen = suite.select("matvec", quick=True)
    assert {(spec.m, spec.k) for spec in chosen} == {(4096, 4096)}
    assert len(chosen) == len(suite.FORMATS) * len(suite.ACTIVATIONS)


def test_rows_that_share_weights_are_one_group() -> None:
    specs = [
        matvec(64, 256, format="q4_0", activations="i8"),
        matvec(64, 512, format="q4_0", activations="i8"),
        matvec(64, 256, format="q4_0", activations="f32"),
    ]
    found = suite.groups(specs)
    assert found == {(64, 256, "q4_0"): [specs[0], specs[2]], (64, 512, "q4_0"): [specs[1]]}


def test_unknown_suites_and_filters_without_a_match_say_what_is_allowed() -> None:
    with pytest.raises(UsageError, match=r"unknown suite 'matvek', did you mean 'matvec'"):
        suite.select("matvek")
    with pytest.raises(UsageError, match=r"but got 'q4_x'; allowed: words found in lines like"):
        suite.select("matvec", "q4_x")
