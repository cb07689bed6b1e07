"""Choosing rows of a benchmark suite."""

from __future__ import annotations

import pytest

from headrace.bench import suite
from headrace.bench.products import Product
from headrace.errors import UsageError


def test_the_suite_covers_every_shape_format_and_activation_once() -> None:
    items = suite.select("matvec")
    labels = {item.label for item in items}
    assert len(labels) == len(items)
    for shape in suite.SHAPES:
        for name in suite.FORMATS:
            for activations in suite.ACTIVATIONS:
                assert Product(*shape, name, activations) in items
    assert Product(4096, 14336, "q4_k", "i8", layout="strips16") in items


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("4096x14336 format=q4_k, i8", 1),
        ("Q4_K", 7),
        ("activations=f32 4096x4096", 6),
        ("format=q?_k", 16),
        ("m=10240,k=2560", 12),
    ],
)
def test_every_word_of_a_filter_must_match(pattern: str, wanted: int) -> None:
    chosen = suite.select("matvec", pattern)
    assert len(chosen) == wanted
    assert all(suite.matches(item, word) for item in chosen for word in pattern.split())


def test_quick_keeps_the_smallest_shape_of_what_was_asked_for() -> None:
    chosen = suite.select("matvec", "14336 f32", quick=True)
    assert {item.shape for item in chosen} == {"4096x14336"}
    chosen = suite.select("matvec", "f32", quick=True)
    assert {item.shape for item in chosen} == {"4096x4096"}
    assert len(chosen) == len(suite.FORMATS)


def test_rows_that_share_weights_are_one_group() -> None:
    items = [
        Product(64, 256, "q4_0", "i8"),
        Product(64, 512, "q4_0", "i8"),
        Product(64, 256, "q4_0", "f32"),
        Product(64, 256, "q4_0", "i8", layout="strips16"),
        Product(64, 256, "q4_0", "i8", target="cpu:x86-64-v3"),
    ]
    found = list(suite.groups(items).values())
    assert found == [[items[0], items[2], items[3]], [items[1]], [items[4]]]


def test_unknown_suites_and_filters_without_a_match_say_what_is_allowed() -> None:
    with pytest.raises(UsageError, match=r"unknown suite 'matvek', did you mean 'matvec'"):
        suite.select("matvek")
    with pytest.raises(UsageError, match=r"but got 'q4_x'; allowed: words found in lines like"):
        suite.select("matvec", "q4_x")
