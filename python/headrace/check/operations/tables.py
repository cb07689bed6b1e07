"""assign_centroids and lut_matvec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from headrace.check.operations.case import EXACT, Case, Run, Want
from headrace.check.operations.text import destination, poison, tensor
from headrace.references import tables

__all__ = ["cases"]

Generator = np.random.Generator


class Shape(NamedTuple):
    """A matrix in a codebook format with tables, and the tokens of its activations (0: [K])."""

    rows: int
    cols: int
    dim: int
    entries: int
    group: int
    bits: int
    activations: int
    tokens: int
    split: bool = False

    @property
    def pieces(self) -> int:
        return -(-self.cols // self.dim)

    @property
    def groups(self) -> int:
        return -(-self.rows // self.group)

    @property
    def format(self) -> str:
        name = f"codebook:d{self.dim}:e{self.entries}:g{self.group}:i{self.bits}"
        return f"{name}:a{self.activations}{':split' if self.split else ''}"

    @property
    def type(self) -> str:
        padded = (self.groups * self.group, self.pieces * self.dim)
        differs = padded != (self.rows, self.cols)
        suffix = f", padded = {padded[0]}x{padded[1]}" if differs else ""
        return (
            f"!qlinear.packed<{self.rows}x{self.cols}, #qlinear.codebook<dim = {self.dim}, "
            f"entries = {self.entries}, group = {self.group}, table = i{self.bits}, "
            f"activation_entries = {self.activations}{', split' if self.split else ''}>{suffix}>"
        )

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}x{max(self.tokens, 1)}"


def cases(draw: Generator) -> Iterator[Case]:
    """The paper's sizes, 4-bit tables with padding, one token and several, one column a piece."""
    some = int(draw.integers(2, 12))
    for what, shape in {
        "paper": Shape(17, 2 * some, 2, 16, 512, 8, 64, 0),
        "paper, 4 bits": Shape(9, 2 * some, 2, 16, 512, 4, 64, 2),
        "4 bits, padded": Shape(13, 2 * some - 1, 2, 16, 8, 4, 8, 3),
        "apart": Shape(1030, 2 * some - 1, 2, 16, 512, 8, 64, 2, split=True),
        "one row": Shape(1, 3 * some, 3, 4, 8, 8, 2, 1),
        "one column a piece": Shape(9, some, 1, 256, 8, 8, 4, 0),
    }.items():
        yield _assign(what, shape)
        yield _lookup(what, shape)


def draw_tables(draw: Generator, shape: Shape) -> tables.Tables:
    """Random parts; a third of the activation centroids are equal to some one."""
    chosen = draw.normal(size=(shape.pieces, shape.activations, shape.dim))
    equal = draw.permutation(shape.activations)[: shape.activations // 3]
    chosen[:, equal] = chosen[:, [draw.integers(0, shape.activations)]]
    products = (shape.groups, shape.pieces, shape.activations, shape.entries)
    indices = (shape.groups, shape.pieces, shape.group)
    return tables.Tables(
        activations=chosen.astype(np.float32),
        products=draw.integers(0, 2**shape.bits, products).astype(np.uint8),
        indices=draw.integers(0, shape.entries, indices).astype(np.uint8),
        centroids=draw.normal(size=(shape.groups, shape.pieces, shape.entries, shape.dim)).astype(
            np.float32
        ),
        scale=np.float32(draw.uniform(0.001, 0.1)),
        offset=np.float32(draw.normal()),
    )


def _assign(what: str, shape: Shape) -> Case:
    some = (shape.tokens,) if shape.tokens else ()
    outs = [tensor("i32", *some, shape.pieces)]

    def runs(draw: Generator) -> Iterator[Run]:
        parts = draw_tables(draw, shape)
        storage = parts.storage(shape.bits, shape.split).view(np.int8)
        usual = draw.normal(size=(*some, shape.cols))
        near = np.round(usual * 2) / 2  # equal distances
        holes = np.where(draw.random(usual.shape) < 0.3, np.nan, usual)
        for name, values in (
            ("normal", usual),
            ("equal distances", near),
            ("zeros", usual * 0),
            ("huge", usual * 1e30),
            ("NaN", holes),
        ):
            x = values.astype(np.float32)
            want = tables.assign_centroids(parts.activations, np.atleast_2d(x))
            want = want.reshape(*some, shape.pieces)
            yield Run(name, [storage, x, *poison(outs)], [Want(want, EXACT)])

    return Case(
        op="qlinear.assign_centroids",
        what=what,
        shape=str(shape),
        module=destination(
            "qlinear.assign_centroids", [shape.type, tensor("f32", *some, shape.cols)], outs
        ),
        runs=runs,
        format=shape.format,
    )


def _lookup(what: str, shape: Shape) -> Case:
    some = (shape.tokens,) if shape.tokens else ()
    outs = [tensor("f32", *some, shape.rows)]

    def runs(draw: Generator) -> Iterator[Run]:
        parts = draw_tables(draw, shape)
        storage = parts.storage(shape.bits, shape.split).view(np.int8)
        size = (*some, shape.pieces)
        usual = draw.integers(0, shape.activations, size)
        for name, values in (
            ("any", usual),
            ("the last", usual * 0 + shape.activations - 1),
            ("outside", draw.choice([-(2**31), -1, shape.activations, 2**31 - 1], size)),
        ):
            assigned = values.astype(np.int32)
            want = tables.lut_matvec(parts, np.atleast_2d(assigned), shape.rows)
            # Table sums and their offset may cancel.
            floor = 0.05 * shape.pieces * abs(float(parts.offset))
            yield Run(
                name,
                [storage, assigned, *poison(outs)],
                [Want(want.reshape(*some, shape.rows), floor=floor)],
            )

    return Case(
        op="qlinear.lut_matvec",
        what=what,
        shape=str(shape),
        module=destination(
            "qlinear.lut_matvec", [shape.type, tensor("i32", *some, shape.pieces)], outs
        ),
        runs=runs,
        format=shape.format,
    )
