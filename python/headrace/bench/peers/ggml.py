"""llama.cpp's products: one graph per weight copy, each a single `mul_mat` of ggml.

ggml quantizes the activations inside the call, as ours does. `llama.cpp` keeps the weights as they
are in a GGUF file; `llama.cpp.repack` and `llama.cpp.amx` let ggml rearrange them into its faster
buffers. `llama.cpp.avx2` and `llama.cpp.avx2.repack` are those of a build for AVX2.
"""

from __future__ import annotations

import numpy as np

from headrace.bench.peers.base import Contender, Problem, Unavailable
from headrace.bench.peers.ggml_library import AVX2, NATIVE, TYPES, Graphs, buffer_types, library

# name -> build, buffer type
PEERS = {
    "llama.cpp": (NATIVE, "CPU"),
    "llama.cpp.repack": (NATIVE, "CPU_REPACK"),
    "llama.cpp.amx": (NATIVE, "AMX"),
    "llama.cpp.avx2": (AVX2, "CPU"),
    "llama.cpp.avx2.repack": (AVX2, "CPU_REPACK"),
}


class Ggml(Contender):
    """`mul_mat` of ggml on one of its CPU buffer types."""

    bound = 1.2e-2

    def __init__(self, name: str, problem: Problem) -> None:
        build, self._buffer = PEERS[name]
        if problem.format not in TYPES:
            raise Unavailable("llama.cpp does not have this format")
        types = buffer_types(library(build))
        if self._buffer not in types:
            raise Unavailable(
                f"this ggml has no {self._buffer} buffer on this machine; it has: "
                + ", ".join(types)
            )
        self.name = name
        inside = "16-bit" if problem.format in ("bf16", "f16") else "8-bit"
        self.note = f"{inside} activations, rounded inside the call; {self._buffer} buffer"
        self._problem = problem
        self._plain = self._buffer == "CPU"
        self._graphs = Graphs(build, problem.threads)
        try:
            self._prepare(types[self._buffer])
        except BaseException:
            self.close()
            raise

    def _prepare(self, buffer_type: int) -> None:
        g, p = self._graphs, self._problem
        self._x = g.tensor("f32", p.k, p.n)
        g.place(self._x)
        count = len(p.weights.copies) if self._plain else p.copies(p.weights.nbytes)
        self._calls, self._outputs = [], []
        for index in range(count):
            weight = g.tensor(p.format, p.k, p.m)
            stored = p.weights.copies[index % len(p.weights.copies)]
            if g.g["ggml_nbytes"](weight) != stored.nbytes:
                raise Unavailable(
                    f"ggml stores {p.format} in {g.g['ggml_nbytes'](weight)} bytes, "
                    f"ours are {stored.nbytes}"
                )
            if self._plain:  # the very buffers our kernel reads
                g.place(weight, stored)
            else:
                g.place_in(buffer_type, weight)
            result = g.g["ggml_mul_mat"](g.context, weight, self._x)
            if not self._plain and index == 0 and not g.supports(result):
                raise Unavailable(f"its {self._buffer} buffer does not take this format here")
            if not self._plain:
                g.set(weight, stored)
            self._outputs.append(g.place(result))
            self._calls.append(g.graph(result))
        self._turn, self._current = 0, 0

    def stage(self, index: int) -> None:
        p = self._problem
        self._graphs.set(self._x, p.xs[index % len(p.xs)])
        if self._plain:
            self._current = p.weights.take()
        else:
            self._current = self._turn = (self._turn + 1) % len(self._calls)

    def run(self) -> None:
        self._graphs.compute(self._calls[self._current])

    def output(self) -> np.ndarray:
        p = self._problem
        values = self._outputs[self._current][: 4 * p.n * p.m].view(np.float32)
        return values.reshape((p.n, p.m) if p.n > 1 else (p.m,)).copy()

    def reference(self, index: int) -> np.ndarray:
        return self._problem.weights.reference(self._problem.xs[index])

    def close(self) -> None:
        self._graphs.close()
