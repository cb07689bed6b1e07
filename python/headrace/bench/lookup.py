"""Products by table lookup: the search of centroids, then the sums of table entries."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from headrace import formats
from headrace.bench import memory
from headrace.bench.peers import Contender
from headrace.bench.program import Program
from headrace.bench.session import Buffers, Session, Setting, Work
from headrace.errors import UsageError
from headrace.formats import codebook
from headrace.formats.codebook import Parts
from headrace.references.tables import assign_centroids

SETS = 8
DIM, ENTRIES, ROWS, CENTROIDS = 2, 16, 512, 64
BOUND = 1e-3
# copies hold all tables, of which a call reads few entries: as many copies as fit in this share
MEMORY_SHARE = 4


@dataclass(frozen=True)
class Lookup:
    """Pieces of two columns, 16 weight and 64 activation centroids, tables of 8 bits."""

    m: int
    k: int
    split: bool = False  # the format that keeps its parts apart

    kernel = "lut_matvec"
    activations = "f32"
    variant = ""

    @property
    def format(self) -> str:
        name = f"codebook:d{DIM}:e{ENTRIES}:g{ROWS}:i8:a{CENTROIDS}"
        return f"{name}:split" if self.split else name

    @property
    def shape(self) -> str:
        return f"{self.m}x{self.k}"

    @property
    def label(self) -> str:
        return f"lut_matvec:m={self.m},k={self.k},format={self.format} {self.shape}"

    @property
    def group(self) -> Hashable:
        return self

    @property
    def size(self) -> int:
        return self.m * self.k

    @property
    def groups(self) -> int:
        return -(-self.m // ROWS)

    @property
    def pieces(self) -> int:
        return self.k // DIM

    @property
    def from_memory(self) -> int:
        """Bytes a call needs: all indices, one row of each table, the activation centroids."""
        indices = self.groups * self.pieces * ROWS // 2
        entries = self.groups * self.pieces * ENTRIES
        return indices + entries + self.pieces * CENTROIDS * DIM * 4

    def text(self) -> str:
        """The module: the search, then the lookups."""
        form = formats.get(self.format)
        padded = form.padded_shape(self.m, self.k)
        suffix = f", padded = {padded[0]}x{padded[1]}" if padded != (self.m, self.k) else ""
        w = f"!qlinear.packed<{self.shape}, {form.attribute}{suffix}>"
        x, a = f"tensor<{self.k}xf32>", f"tensor<{self.pieces}xi32>"
        y = f"tensor<{self.m}xf32>"
        return f"""func.func @main(%x: {x}, %w: {w}) -> {y} {{
  %ea = tensor.empty() : {a}
  %a = qlinear.assign_centroids ins(%w, %x : {w}, {x}) outs(%ea : {a}) -> {a}
  %ey = tensor.empty() : {y}
  %y = qlinear.lut_matvec ins(%w, %a : {w}, {a}) outs(%ey : {y}) -> {y}
  return %y : {y}
}}
"""


def draw(item: Lookup, rng: np.random.Generator) -> Parts:
    """Random tables whose codes stand for numbers around zero."""
    kept = (item.groups, item.pieces)
    return Parts(
        indices=rng.integers(0, ENTRIES, (*kept, ROWS), dtype=np.uint8),
        centroids=rng.standard_normal((*kept, ENTRIES, DIM), dtype=np.float32),
        tables=rng.integers(0, 256, (*kept, CENTROIDS, ENTRIES), dtype=np.uint8),
        scale=2.0**-7,
        offset=-127.5 * 2.0**-7,
        activation_centroids=rng.standard_normal((item.pieces, CENTROIDS, DIM), dtype=np.float32),
    )


def product(item: Lookup, parts: Parts, x: np.ndarray) -> np.ndarray:
    """float64 [m]: what the lookups of x [k] add up to."""
    assert parts.tables is not None and parts.activation_centroids is not None
    assigned = assign_centroids(parts.activation_centroids, x[None])[0]
    every = np.arange(item.pieces)
    rows = []
    for tables, indices in zip(parts.tables, parts.indices, strict=True):
        entries = tables[every, assigned]  # [pieces, entries]
        rows.append(np.take_along_axis(entries, indices, axis=1).sum(axis=0, dtype=np.int64))
    sums = np.concatenate(rows)[: item.m]
    return np.asarray(parts.scale * sums + item.pieces * parts.offset)


def open_session(items: Sequence[Lookup], setting: Setting) -> Session:
    """One row. No peer has this operation."""
    (item,) = items
    rng = setting.rng(item.m, item.k)
    session = Session(item.label, SETS, lambda: copies.take())
    try:
        item.text()
    except UsageError as error:
        session.absent.append((item, str(error).partition("; allowed")[0], False))
        return session
    parts = draw(item, rng)
    storage = codebook.pack(codebook.shape_of(item.format), parts)
    affordable = memory.available_memory() // MEMORY_SHARE
    wanted = min(setting.rotation * storage.size // item.from_memory, affordable)
    copies = Buffers.of(storage, wanted)
    moved = item.from_memory + 4 * (item.k + item.m)
    operations = 2 * item.m * item.pieces + 2 * DIM * CENTROIDS * item.pieces
    work = Work(moved, item.from_memory, operations, "i8")
    session.add(item, work, functools.partial(_ours, item, setting, parts, copies, rng))
    return session


def _ours(
    item: Lookup, setting: Setting, parts: Parts, copies: Buffers, rng: np.random.Generator
) -> Contender:
    xs = [rng.standard_normal(item.k, dtype=np.float32) for _ in range(SETS)]
    return Program(
        f"ours.{item.label}",
        item.text(),
        setting.target,
        setting.threads,
        order=["x", "w"],
        staged={"x": xs},
        rotated={"w": copies},
        fixed={},
        reference=lambda index: product(item, parts, xs[index]),
        bound=BOUND,
    )
