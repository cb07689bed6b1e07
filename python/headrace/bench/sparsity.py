"""Products that skip the columns whose activation is near zero, their selection included.

Beside each are our own dense products of the same matrix and llama.cpp's, as peers: `dense` is the
layout of the file, `dense.strips16` the repacked one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from headrace import ops
from headrace.bench import weights
from headrace.bench.peers import PEERS, Contender, Problem, select
from headrace.bench.products import STRIPS, Ours, Product, make_ours, make_problem
from headrace.bench.program import Program
from headrace.bench.session import Buffers, Session, Setting, Work
from headrace.reference import BOUNDS

THRESHOLD = 0.5
SETS = 8
# in bands of 1024 rows a column of q4_k is nine whole lines of the cache
LAYOUT = "zigzag1024"


@dataclass(frozen=True)
class Sparse:
    """y = w x over the columns with |x| > THRESHOLD, of which `dead` percent are not."""

    m: int
    k: int
    base: str
    activations: str
    dead: int

    kernel = "sparse_matvec"

    @property
    def format(self) -> str:
        return f"{self.base}:{LAYOUT}"

    @property
    def shape(self) -> str:
        return f"{self.m}x{self.k}"

    @property
    def variant(self) -> str:
        return f"{self.dead}% dead"

    @property
    def label(self) -> str:
        return (
            f"sparse_matvec:m={self.m},k={self.k},format={self.format},"
            f"activations={self.activations} {self.shape} {self.variant}"
        )

    @property
    def group(self) -> Hashable:
        return (self.m, self.k, self.base)

    @property
    def size(self) -> int:
        return self.m * self.k

    @property
    def live(self) -> int:
        """Columns that count."""
        return self.k - round(self.k * self.dead / 100)

    def text(self) -> str:
        """The module: selection, then the product."""
        return ops.sparse_matvec(
            self.m,
            self.k,
            format=self.format,
            activations=self.activations,
            threshold=THRESHOLD,
        ).text()

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Activations [k], of which exactly `dead` percent are at most the threshold."""
        x = rng.standard_normal(self.k, dtype=np.float32)
        x += np.copysign(np.float32(THRESHOLD + 0.01), x)
        dead = rng.permutation(self.k)[self.live :]
        x[dead] = rng.uniform(-THRESHOLD, THRESHOLD, len(dead))
        return x


def open_session(items: Sequence[Sparse], setting: Setting) -> Session:
    """All rows over one matrix."""
    first = items[0]
    dense = Product(first.m, first.k, first.base, "i8")
    problem = make_problem(dense, setting, setting.rng(first.m, first.k))
    # a call reads a part of a copy
    wanted = setting.rotation * first.k // min(item.live for item in items)
    made = weights.make(first.format, first.m, first.k, wanted, setting.rng(first.m))
    copies = Buffers(made.copies)
    session = Session(f"{first.shape} {first.format}", SETS, copies.take)
    for item in items:
        live = made.nbytes * item.live // item.k
        moved = live + item.k * (2 if item.activations == "bf16" else 4) + item.m * 4
        work = Work(moved, live, 2 * item.m * item.live, "f32")
        session.add(item, work, functools.partial(_ours, item, setting, made, copies))
    peers: dict[str, Callable[[], Contender]] = {
        name: functools.partial(PEERS[name], problem)
        for name in select(setting.peers, PEERS)
        if name in ("llama.cpp", "llama.cpp.repack", "llama.cpp.amx")
    }
    for layout in ("", STRIPS):
        row = Product(first.m, first.k, first.base, "i8", layout=layout)
        peers[f"dense.{layout}" if layout else "dense"] = functools.partial(
            _dense, row, problem, setting
        )
    session.add_peers(peers)
    return session


def _dense(row: Product, problem: Problem, setting: Setting) -> Ours:
    """Our own dense product, under the name of a peer."""
    ours = make_ours(row, problem, setting)
    ours.name = "dense" + (f".{row.layout}" if row.layout else "")
    ours.note = "headrace, 8-bit activations"
    return ours


def _ours(item: Sparse, setting: Setting, made: weights.WeightSet, copies: Buffers) -> Contender:
    rng = setting.rng(item.k, item.dead)
    dtype = np.dtype(ml_dtypes.bfloat16 if item.activations == "bf16" else np.float32)
    xs = [item.draw(rng).astype(dtype) for _ in range(SETS)]

    def reference(index: int) -> np.ndarray:
        x = xs[index].astype(np.float32)
        return made.reference(np.where(np.abs(x) > THRESHOLD, x, 0))

    return Program(
        f"ours.{item.label}",
        item.text(),
        setting.target,
        setting.threads,
        order=["x", "w"],
        staged={"x": xs},
        rotated={"w": copies},
        fixed={},
        reference=reference,
        bound=BOUNDS["bf16"],
    )
