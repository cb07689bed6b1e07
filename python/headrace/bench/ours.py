"""Our side of a row: the compiled artifact, run by its own plan executor."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from headrace.bench.peers.base import Contender, Problem
from headrace.ops import OpSpec
from headrace.reference import BOUNDS


class Ours(Contender):
    """`headrace.compile(spec, target)`; with i8 activations their quantization is in the plan."""

    def __init__(self, spec: OpSpec, target: str, problem: Problem) -> None:
        import headrace

        self.name = f"ours.{spec.activations}"
        self.bound = BOUNDS[spec.activations]
        self._problem = problem
        self._dtype = np.dtype(ml_dtypes.bfloat16 if spec.activations == "bf16" else np.float32)
        self._xs = [x.astype(self._dtype) for x in problem.xs]
        self._x = np.empty(problem.k, dtype=self._dtype)
        self.artifact = headrace.compile(spec, target=target)
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

    def reference(self, x: np.ndarray) -> np.ndarray:
        # bfloat16 activations are the caller's: the reference multiplies with those
        return self._problem.weights.reference(x.astype(self._dtype).astype(np.float32))
