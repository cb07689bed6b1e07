"""llama.cpp's attention: `flash_attn_ext` of ggml over caches laid out as llama.cpp keeps them."""

from __future__ import annotations

import numpy as np

from headrace.bench.peers import ggml_quantize
from headrace.bench.peers.attention import Attention, AttentionPeer
from headrace.bench.peers.base import Unavailable
from headrace.bench.peers.ggml_library import NATIVE, Graphs

# values in f16 are added up in f16, which shows with many tokens
BOUNDS = {"f16": 4e-2, "q8_0": 2e-2}
BLOCK = 32


class GgmlAttention(AttentionPeer):
    """Keys and values of the tokens in f16 or q8_0, one graph for each copy of them."""

    def __init__(self, kind: str, problem: Attention) -> None:
        self.name = f"llama.cpp.{kind}"
        self.bound = BOUNDS[kind]
        self.note = f"flash_attn_ext, keys and values {kind}"
        if kind == "q8_0" and (problem.k.shape[2] % BLOCK or problem.v.shape[2] % BLOCK):
            raise Unavailable(f"q8_0 has blocks of {BLOCK} values")
        self._problem, self._kind = problem, kind
        self._graphs = Graphs(NATIVE, problem.threads)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        g, p = self._graphs, self._problem
        length, heads, dim = p.queries[0].shape
        tokens, groups, values = p.v.shape
        self._q = g.tensor("f32", dim, heads, length)
        g.place(self._q)
        q = g.swapped(self._q)
        mask = None
        if p.causal and length > 1:
            mask = g.tensor("f16", tokens, length)
            hidden = np.arange(tokens)[None] > np.arange(length)[:, None] + tokens - length
            g.place(mask)
            g.set(mask, np.where(hidden, -np.inf, 0).astype(np.float16))
        k_bytes, v_bytes = _stored(self._kind, p.k), _stored(self._kind, p.v)
        self._calls, self._outputs = [], []
        count = p.copies(k_bytes.nbytes + (0 if p.shared else v_bytes.nbytes))
        for _ in range(count):
            k = g.tensor(self._kind, dim, groups, tokens)
            g.place(k)
            g.set(k, k_bytes)
            if p.shared:
                v = g.leading(k, values, groups, tokens, k_bytes.nbytes // (groups * tokens))
            else:
                v = g.tensor(self._kind, values, groups, tokens)
                g.place(v)
                g.set(v, v_bytes)
            operands = (q, g.swapped(k), g.swapped(v), mask, p.scale, 0.0, 0.0)
            result = g.g["ggml_flash_attn_ext"](g.context, *operands)
            if not g.supports(result):
                raise Unavailable(f"ggml's CPU backend does not take {self._kind} of this shape")
            self._outputs.append(g.place(result))
            self._calls.append(g.graph(result))
        self._current = 0

    def stage(self, index: int) -> None:
        self._graphs.set(self._q, self._problem.queries[index % len(self._problem.queries)])
        self._current = (self._current + 1) % len(self._calls)

    def run(self) -> None:
        self._graphs.compute(self._calls[self._current])

    def _whole(self) -> np.ndarray:
        length, heads, _ = self._problem.queries[0].shape
        shape = (length, heads, self._problem.v.shape[2])
        values = self._outputs[self._current][: 4 * int(np.prod(shape))]
        return values.view(np.float32).reshape(shape)

    def close(self) -> None:
        self._graphs.close()


def _stored(kind: str, values: np.ndarray) -> np.ndarray:
    if kind == "f16":
        return np.ascontiguousarray(values, dtype=np.float16).view(np.uint8).ravel()
    return ggml_quantize.quantize(kind, values.reshape(-1, values.shape[2]))
