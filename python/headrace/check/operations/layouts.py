"""Layouts of caches, and tables of pages, that the cases of attention share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.check.operations.text import Operand, tensor
from headrace.references.caches import Layout

__all__ = [
    "I32",
    "LAYOUTS",
    "ONE",
    "draw_table",
    "fill",
    "layout",
    "number",
    "pages",
    "table_operands",
]

Generator = np.random.Generator
I32 = npt.NDArray[np.int32]

LAYOUTS = ("contiguous", "ring", "paged")
ONE = tensor("i32", 1)  # the type of a length, a start or a position


def number(value: int) -> npt.NDArray[Any]:
    """A length, a start or a position."""
    return np.array([value], np.int32)


def layout(kind: str, draw: Generator) -> Layout:
    """A few slots; of a paged cache, whole pages of a few."""
    if kind != "paged":
        return Layout(kind, int(draw.integers(5, 12)))
    page = int(draw.integers(2, 5))
    return Layout(kind, page * int(draw.integers(3, 6)), page)


def pages(place: Layout) -> int:
    """Entries of the table: one less than the cache has pages, as sequences share caches."""
    return place.slots // place.page - 1


def table_operands(place: Layout) -> list[Operand]:
    """The table as an operand, where there is one."""
    return [Operand(tensor("i32", pages(place)), "table")] if place.kind == "paged" else []


def draw_table(place: Layout, draw: Generator, *, holes: bool = False) -> I32 | None:
    """Different pages in any order; with `holes`, some that the cache does not have."""
    if place.kind != "paged":
        return None
    table = draw.permutation(place.slots // place.page)[: pages(place)].astype(np.int32)
    if holes:
        bad = draw.choice(np.array([-1, place.slots // place.page, 2**31 - 1, -(2**31)], np.int64))
        table[draw.integers(0, len(table))] = bad
    return table


def table_inputs(table: I32 | None) -> list[npt.NDArray[Any]]:
    """The table as an argument, where there is one."""
    return [] if table is None else [table]


def fill(size: int, draw: Generator) -> npt.NDArray[np.uint8]:
    """Any bytes, which no result may depend on: among them NaN of every dtype."""
    data = draw.integers(0, 256, size, dtype=np.uint8)
    data[draw.random(size) < 0.5] = 0xFF  # NaN in fp8, and of two or four such in other dtypes
    return data
