"""What takes part in a row of attention: queries over keys and values, as everyone gets them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headrace.bench.peers.base import Contender
from headrace.references import attention

SAMPLES = 16


@dataclass(frozen=True)
class Attention:
    """Softmax attention of H heads of queries over G heads of keys and values.

    queries: float32 [L, H, D] each, which calls take in turn
    k, v: float32 [T, G, D] and [T, G, E]; where `shared`, v is the first E values of k
    causal: query i sees keys 0 .. T - L + i, else all
    """

    queries: list[np.ndarray]
    k: np.ndarray
    v: np.ndarray
    scale: float
    causal: bool
    shared: bool
    threads: int
    rotation: int

    def copies(self, nbytes: int) -> int:
        """How many copies of keys and values of `nbytes` make up the rotation."""
        return max(2, math.ceil(self.rotation / nbytes))

    @property
    def sampled(self) -> np.ndarray:
        """The queries whose results are compared, the last among them."""
        length = len(self.queries[0])
        return np.unique(np.linspace(0, length - 1, min(length, SAMPLES)).astype(int))

    def seen(self, query: int) -> int:
        """How many keys a query sees."""
        length = len(self.queries[0])
        return len(self.k) - length + query + 1 if self.causal else len(self.k)

    def pairs(self) -> int:
        """Pairs of a query and a key that it sees, of one head."""
        return sum(self.seen(query) for query in range(len(self.queries[0])))

    def reference(self, index: int) -> np.ndarray:
        """float64 [samples, H, E]."""
        found = []
        for query in self.sampled:
            seen = self.seen(int(query))
            q = self.queries[index][query]
            found.append(attention.decode(q, self.k[:seen], self.v[:seen], self.scale)[0])
        return np.stack(found)


class AttentionPeer(Contender):
    """A peer that computes `_problem`; `_whole` is float32 [L, H, E], its last result."""

    _problem: Attention

    def _whole(self) -> np.ndarray:
        raise NotImplementedError

    def output(self) -> np.ndarray:
        return np.array(self._whole()[self._problem.sampled], dtype=np.float32)

    def reference(self, index: int) -> np.ndarray:
        return self._problem.reference(index)
