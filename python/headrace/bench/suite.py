"""What is measured: suites of rows, and choosing among them."""

from __future__ import annotations

import fnmatch
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import Protocol, TypeVar

from headrace.bench import limits
from headrace.bench.attending import Decode, Prefill
from headrace.bench.latents import Latents
from headrace.bench.limits import LARGE
from headrace.bench.lookup import Lookup
from headrace.bench.products import STRIPPED, STRIPS, Product
from headrace.bench.session import Item
from headrace.bench.sparsity import Sparse
from headrace.errors import UsageError, unknown

# shapes of decode-time products: the fused projections of small and mid-size models
SHAPES = ((10240, 2560), (4096, 14336), (4096, 4096))
FORMATS = ("q4_0", "q4_k", "q4nx", "q8_0", "q5_0", "q6_k")
ACTIVATIONS = ("i8", "f32")
PREFILL_TOKENS = 512


def _matvec() -> list[Item]:
    rows: list[Item] = [
        Product(m, k, name, activations)
        for (m, k), name, activations in product(SHAPES, FORMATS, ACTIVATIONS)
    ]
    more = ("q4_1", "q5_k", "int4:g32", "int8:g32")
    rows += [Product(*LARGE, name, "i8") for name in more]
    rows.append(Product(*LARGE, "bf16", "bf16"))
    return rows + [Product(*LARGE, name, "i8", layout=STRIPS) for name in STRIPPED]


def _prefill() -> list[Item]:
    rows: list[Item] = [
        Product(*LARGE, name, "i8", PREFILL_TOKENS, layout)
        for name, layout in product(("q4_k", "q8_0", "q4_0"), ("", STRIPS))
    ]
    return [*rows, Product(*LARGE, "bf16", "bf16", PREFILL_TOKENS)]


def _attention() -> list[Item]:
    rows: list[Item] = [
        Decode(dtype, tokens, split)
        for dtype, tokens in (("f16", 4096), ("i8", 32768))
        for split in (False, True)
    ]
    rows += [Latents(d, 4096, split) for d in ("bf16", "fp8_e4m3") for split in (False, True)]
    precisions = ("f32", "bf16", "i8")
    return [*rows, *(Prefill(n, precision=p) for n in (1024, 4096) for p in precisions)]


SUITES: Mapping[str, list[Item]] = {
    "matvec": _matvec(),
    "sparse": [
        Sparse(*LARGE, "q4_k", activations, dead)
        for activations, dead in product(("f32", "bf16"), (0, 50, 65))
    ],
    "tables": [Lookup(*LARGE), Lookup(*LARGE, split=True)],
    "prefill": _prefill(),
    "attention": _attention(),
    "limits": limits.items(),
}


class Labelled(Protocol):
    """What can be chosen."""

    @property
    def label(self) -> str: ...


Chosen = TypeVar("Chosen", bound=Labelled)


def matches(item: Labelled, pattern: str) -> bool:
    """Whether every word of `pattern` occurs in the label; a word with * ? or [ is a glob."""
    text = item.label.lower()
    return all(
        fnmatch.fnmatchcase(text, f"*{word}*") if set(word) & set("*?[") else word in text
        for word in pattern.lower().split()
    )


def smallest(items: Iterable[Item]) -> list[Item]:
    """For every kernel, format, activation type and variant, only the smallest shape."""
    kept: dict[tuple[str, ...], Item] = {}
    for item in items:
        key = (item.kernel, item.format, item.activations, item.variant)
        if key not in kept or item.size < kept[key].size:
            kept[key] = item
    return list(kept.values())


def select(name: str, pattern: str | None = None, quick: bool = False) -> list[Item]:
    """Rows of a suite that match `pattern`; `quick` keeps one shape of each.

    Raises `UsageError` for an unknown suite or a pattern that matches nothing.
    """
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    found = chosen(SUITES[name], pattern, name)
    return smallest(found) if quick else found


def chosen(items: Sequence[Chosen], pattern: str | None, suite: str) -> list[Chosen]:
    """Those that match `pattern`; raises `UsageError` if none does."""
    found = [item for item in items if pattern is None or matches(item, pattern)]
    if not found:
        raise UsageError(
            f"bench: expected --filter to match a row of suite '{suite}', but got '{pattern}'; "
            f"allowed: words found in lines like '{items[0].label}'"
        )
    return found


def groups(items: Iterable[Item]) -> dict[tuple[type, Hashable], list[Item]]:
    """Rows that share data, hence peers and probe, in the order of their first."""
    found: dict[tuple[type, Hashable], list[Item]] = {}
    for item in items:
        found.setdefault((type(item), item.group), []).append(item)
    return found
