"""Shapes for each cell, drawn from the seed: one block, one row, odd rows, bands, a real one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np

from headrace import formats
from headrace.ops import OPS, OpSpec
from headrace.targets.base import Cell

__all__ = ["generator", "specs"]


def generator(seed: int, *names: object) -> np.random.Generator:
    """A random generator for one purpose, the same for the same seed and names."""
    return np.random.default_rng([seed, zlib.crc32(repr(names).encode())])


def specs(
    cell: Cell, seed: int, *, quick: bool = False, shapes: Sequence[tuple[int, int]] = ()
) -> list[OpSpec]:
    """The operations that check `cell`, for which its conditions hold; none if it is no `OpSpec`.

    quick: only two of them. shapes: rows and columns of more of them.
    """
    draw = generator(seed, "shapes", cell.name)
    op = cell.op.removeprefix("qlinear.")
    if op not in OPS:
        return []
    unit = int(cell.constraints.get("k_multiple_of", 1))
    unit = int(np.lcm(unit, formats.get(cell.format).k_multiple))
    if op == "quantize":
        drawn = [
            OpSpec(op, k=k, n=n, format=cell.format)
            for n, k in [(1, unit), (3, 7 * unit), (1, 48 * unit), (17, _k(draw, unit, 600))]
        ]
        return _distinct(drawn[1::2] if quick else drawn)
    odd = 2 * int(draw.integers(8, 40)) + 1
    sizes = [
        (odd, _k(draw, unit, 1200)),
        (1, unit),
        (1, _k(draw, unit, 2000)),
        (32 * int(draw.integers(1, 5)), 512),
        (515, 1536),
        *(size for size in shapes if size[1] % unit == 0),
    ]
    if op == "dequantize":
        sizes = sizes[:2] if quick else sizes
        return _distinct(OpSpec(op, m=m, k=k, format=cell.format) for m, k in sizes)
    tokens = cycle([7, 1, 3, 17, 3] if op == "matmul" else [1])
    acts = cycle(["silu", "gelu_tanh", "silu", "gelu_tanh", "silu"])
    drawn = [
        OpSpec(
            op,
            m=m,
            k=k,
            n=n,
            format=cell.format,
            activations=cell.activations,
            act=act if op == "gated_matvec" else "silu",
        )
        for (m, k), n, act in zip(sizes, tokens, acts, strict=False)
    ]
    return _distinct(drawn[:2] if quick else drawn)


def _distinct(drawn: Iterable[OpSpec]) -> list[OpSpec]:
    return list(dict.fromkeys(drawn))


def _k(draw: np.random.Generator, unit: int, limit: int) -> int:
    """An odd multiple of `unit`, so bands of two and more are padded, at most `limit`."""
    most = max(1, (limit // unit - 1) // 2)
    return unit * (2 * int(draw.integers(0, most + 1)) + 1)
