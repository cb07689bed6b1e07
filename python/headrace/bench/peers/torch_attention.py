"""PyTorch's `scaled_dot_product_attention` on the CPU."""

from __future__ import annotations

import numpy as np

from headrace.bench.peers.attention import Attention, AttentionPeer
from headrace.bench.peers.torch import import_torch

BOUNDS = {"f32": 1e-4, "bf16": 2e-2}


class TorchAttention(AttentionPeer):
    """Heads first, as its kernels want them; rotated keys and values."""

    def __init__(self, kind: str, problem: Attention) -> None:
        self.name = f"torch.sdpa.{kind}"
        self.bound = BOUNDS[kind]
        self.note = f"scaled_dot_product_attention, {kind}"
        torch = self._torch = import_torch()
        torch.set_num_threads(problem.threads)
        self._problem = problem
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]

        def heads_first(array: np.ndarray) -> object:
            return torch.from_numpy(array).to(dtype).transpose(0, 1)[None].contiguous()

        self._queries = [heads_first(q) for q in problem.queries]
        k = heads_first(problem.k)
        v = None if problem.shared else heads_first(problem.v)
        width = dtype.itemsize
        count = problem.copies((problem.k.size + (0 if v is None else problem.v.size)) * width)
        self._pairs = []
        for _ in range(count):
            keys = k.clone()  # type: ignore[attr-defined]
            if v is None:
                self._pairs.append((keys, keys[..., : problem.v.shape[2]]))
            else:
                self._pairs.append((keys, v.clone()))  # type: ignore[attr-defined]
        # without a mask, the last query of many keys would see the first only
        self._causal = problem.causal and len(problem.queries[0]) == len(problem.k)
        self._turn = 0

    def stage(self, index: int) -> None:
        self._turn = (self._turn + 1) % len(self._pairs)
        self._q, self._kv = self._queries[index % len(self._queries)], self._pairs[self._turn]

    def run(self) -> None:
        with self._torch.inference_mode():
            self._result = self._torch.nn.functional.scaled_dot_product_attention(
                self._q,
                *self._kv,
                is_causal=self._causal,
                scale=self._problem.scale,
                enable_gqa=self._problem.k.shape[1] != self._problem.queries[0].shape[1],
            )

    def _whole(self) -> np.ndarray:
        return np.array(self._result[0].transpose(0, 1).float().numpy())
