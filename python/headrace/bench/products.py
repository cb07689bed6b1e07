"""Products of packed weights: `matvec` and, for many tokens, `matmul`."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from headrace.bench import weights
from headrace.bench.peers import PEERS, Contender, Problem, select
from headrace.bench.session import Session, Setting, Work, compiled, spec_or_unavailable
from headrace.ops import OpSpec
from headrace.reference import BOUNDS

ACTIVATION_SETS = 8
AVX2_TARGET = "cpu:x86-64-v3"
# the repacked layout, and the formats that have it
STRIPS = "strips16"
STRIPPED = (
    "q4_0", "q4_1", "q5_0", "q5_k", "q8_0", "q4_k", "q6_k", "iq4_nl",
    "int4:g32", "int4:g128:zp", "int8:g32",
)  # fmt: skip


@dataclass(frozen=True)
class Product:
    """y = w x for `n` tokens. `layout` is what follows the colon of a repacked format's name."""

    m: int
    k: int
    base: str
    activations: str
    n: int = 1
    layout: str = ""
    target: str | None = None  # another than that of the run

    @property
    def kernel(self) -> str:
        return "matvec" if self.n == 1 else "matmul"

    @property
    def format(self) -> str:
        return f"{self.base}:{self.layout}" if self.layout else self.base

    @property
    def shape(self) -> str:
        return f"{self.m}x{self.k}" + (f"x{self.n}" if self.n > 1 else "")

    @property
    def variant(self) -> str:
        return self.target or ""

    @property
    def label(self) -> str:
        tokens = f",n={self.n}" if self.n > 1 else ""
        sizes = f"m={self.m},k={self.k}{tokens}"
        kind = f"format={self.format},activations={self.activations}"
        return f"{self.kernel}:{sizes},{kind} {self.shape} {self.variant}".rstrip()

    @property
    def group(self) -> Hashable:
        return (self.m, self.k, self.n, self.base, self.target)

    @property
    def size(self) -> int:
        return self.m * self.k * self.n

    def spec(self) -> OpSpec:
        """The operation. Raises `UsageError` where there is no such format."""
        sizes: dict[str, Any] = {"m": self.m, "k": self.k} | ({"n": self.n} if self.n > 1 else {})
        return OpSpec(self.kernel, **sizes, format=self.format, activations=self.activations)

    def work(self, storage_bytes: int) -> Work:
        """Weights once, activations in, results out."""
        element = 2 if self.activations == "bf16" else 4
        moved = storage_bytes + self.n * (self.k * element + self.m * 4)
        return Work(moved, storage_bytes, 2 * self.m * self.k * self.n, self.activations)


class Ours(Contender):
    """`headrace.compile(spec, target)`; with i8 activations their quantization is in the plan."""

    def __init__(self, spec: OpSpec, target: str, problem: Problem) -> None:
        self.name = f"ours.{spec.format}.{spec.activations}"
        self.bound = BOUNDS[spec.activations]
        self._problem = problem
        self._dtype = np.dtype(ml_dtypes.bfloat16 if spec.activations == "bf16" else np.float32)
        self._xs = [x.astype(self._dtype) for x in problem.xs]
        self._x = np.empty(problem.xs[0].shape, dtype=self._dtype)
        self.artifact = compiled(spec, target)
        self._calls = [
            self.artifact.bind(self._x, weight, threads=problem.threads)
            for weight in problem.weights.copies
        ]

    def stage(self, index: int) -> None:
        np.copyto(self._x, self._xs[index % len(self._xs)])
        self._call = self._calls[self._problem.weights.take()]

    def run(self) -> None:
        self._call.run()

    def output(self) -> np.ndarray:
        return np.array(self._call.outputs[0], dtype=np.float32)

    def reference(self, index: int) -> np.ndarray:
        # bfloat16 activations are the caller's: the reference multiplies with those
        return self._problem.weights.reference(self._xs[index].astype(np.float32))


def open_session(items: Sequence[Product], setting: Setting) -> Session:
    """All rows over one matrix."""
    first = items[0]
    rng = setting.rng(first.m, first.k, first.n)
    problem = make_problem(first, setting, rng)
    session = Session(
        title=" ".join(filter(None, [first.shape, first.base, first.target])),
        inputs=len(problem.xs),
        take=lambda: problem.weights.copies[problem.weights.take()],
        heavy=first.n > 1,
    )
    for item in items:
        session.add(
            item,
            item.work(problem.weights.nbytes),
            functools.partial(make_ours, item, problem, setting),
        )
    names = [
        name
        for name in select(setting.peers, PEERS)
        if name.startswith("llama.cpp.avx2") == (first.target == AVX2_TARGET)
    ]
    session.add_peers({name: functools.partial(PEERS[name], problem) for name in names})
    return session


def make_ours(item: Product, problem: Problem, setting: Setting) -> Ours:
    """Our kernel, over weights of its own where their layout is another."""
    spec = spec_or_unavailable(item.spec)
    target = item.target or setting.target
    if item.layout:
        # a layout moves bytes: its copies have the size of the others
        compiled(spec, target)  # before its weights are made
        own = weights.make(spec.format, item.m, item.k, setting.rotation, setting.rng(item.m))
        problem = replace(problem, weights=own, format=spec.format)
    return Ours(spec, target, problem)


def make_problem(item: Product, setting: Setting, rng: np.random.Generator) -> Problem:
    """Weights and activations of a product."""
    sets = ACTIVATION_SETS if item.n == 1 else 2
    return Problem(
        m=item.m,
        k=item.k,
        n=item.n,
        format=item.base,
        weights=weights.make(item.base, item.m, item.k, setting.rotation, rng),
        xs=[
            rng.standard_normal((item.n, item.k) if item.n > 1 else item.k, dtype=np.float32)
            for _ in range(sets)
        ],
        threads=setting.threads,
        rotation=setting.rotation,
    )
