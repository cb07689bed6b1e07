"""Passes that only say something about operations, or refuse them: annotate-costs, choose-kernel
and verify-target-legality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.check.operations.layouts import ONE, number
from headrace.check.operations.text import destination, poison, tensor
from headrace.check.rewrites.inputs import normal, packed
from headrace.check.rewrites.rewrite import Rewrite
from headrace.ops import OpSpec
from headrace.references.caches import KVCache, Layout

__all__ = ["cases"]

Generator = np.random.Generator


def cases(draw: Generator) -> Iterator[Rewrite]:
    """A product, and attention to a cache that is cut into parts."""
    rows, cols = int(draw.integers(1, 20)), 256 * int(draw.integers(1, 3))
    spec = OpSpec("gated_matvec", m=rows, k=cols, format="q4_k", act="gelu_tanh")

    def product(draw: Generator) -> list[npt.NDArray[Any]]:
        return [normal(draw, cols), *(packed(draw, "q4_k", rows, cols) for _ in range(2))]

    yield Rewrite(
        "annotate-costs",
        "gated product",
        spec.text(),
        product,
        after={"qlinear.gated_matvec": 1},
        # 144 bytes for 256 weights, of which there are two matrices.
        mentions=(
            f"read = {rows * cols // 128 * 144 + 4 * cols} : i64",
            f"written = {4 * rows} : i64",
        ),
    )
    table = Path(__file__).parents[2] / "targets" / "cpu" / "capabilities.json"
    yield Rewrite(
        "verify-target-legality",
        "gated product",
        spec.text(),
        product,
        pipeline=f"verify-target-legality{{capabilities={table}}}",
        unchanged=True,
    )
    for what, passes, after in (
        ("splits", "", {"qattn.decode": 1, "qattn.merge_partials": 0}),
        ("splits, carried out", ",split-kv", {"qattn.decode": 1, "qattn.merge_partials": 1}),
    ):
        yield _decode(draw, what, passes, after)


def _decode(draw: Generator, what: str, passes: str, after: dict[str, int]) -> Rewrite:
    cache = KVCache(Layout("contiguous", 400 + int(draw.integers(0, 99))), 1, 16, "f16")
    heads, slots = int(draw.integers(1, 4)), cache.layout.slots
    outs = [tensor("f32", heads, cache.dim), tensor("f32", heads)]

    def inputs(draw: Generator) -> list[npt.NDArray[Any]]:
        k, v = (normal(draw, slots, 1, cache.dim) for _ in range(2))
        data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
        length = number(int(draw.integers(100, slots + 2)))
        return [normal(draw, heads, cache.dim), data.view(np.int8), length, *poison(outs)]

    return Rewrite(
        "choose-kernel",
        what,
        destination(
            "qattn.decode",
            [tensor("f32", heads, cache.dim), cache.type, ONE],
            outs,
            attributes="{scale = 5.000000e-01 : f32}",
        ),
        inputs,
        after=after,
        mentions=(
            "headrace.splits = 4" if not passes else "{scale = 5.000000e-01 : f32, splits = 4",
        ),
        pipeline=f"choose-kernel{{read-bandwidth=20 dense-gops=50 threads=4}}{passes}",
        floor=0.1,
    )
