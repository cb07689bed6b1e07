"""Our side of a row that is a module: compiled, and bound to each of its rotated buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from headrace.bench.peers.base import Contender
from headrace.bench.session import Buffers, compiled


class Program(Contender):
    """A function whose arguments are, in order: staged, rotated or fixed.

    staged: sets of inputs that calls take in turn, copied in before each
    rotated: buffers whose next copy each call reads
    fixed: the same for all calls
    """

    def __init__(
        self,
        name: str,
        text: str,
        target: str,
        threads: int,
        *,
        order: Sequence[str],
        staged: Mapping[str, Sequence[np.ndarray]],
        rotated: Mapping[str, Buffers],
        fixed: Mapping[str, np.ndarray],
        reference: Callable[[int], np.ndarray],
        bound: float,
        sample: np.ndarray | None = None,
        note: str = "",
    ) -> None:
        self.name, self.bound, self.note = name, bound, note
        self._artifact = compiled(text.encode(), target)
        self._staged, self._reference, self._sample = staged, reference, sample
        self._operands = {key: np.empty_like(sets[0]) for key, sets in staged.items()}
        self._rotated = rotated
        count = min((len(buffers.copies) for buffers in rotated.values()), default=1)
        self._calls = []
        for index in range(count):
            copies = {key: buffers.copies[index] for key, buffers in rotated.items()}
            given = {**self._operands, **fixed, **copies}
            arguments = [given[key] for key in order]
            self._calls.append(self._artifact.bind(*arguments, threads=threads))

    def stage(self, index: int) -> None:
        for key, sets in self._staged.items():
            np.copyto(self._operands[key], sets[index % len(sets)])
        turn = [buffers.next() for buffers in self._rotated.values()]
        self._call = self._calls[turn[0] % len(self._calls) if turn else 0]

    def run(self) -> None:
        self._call.run()

    def output(self) -> np.ndarray:
        result = np.asarray(self._call.outputs[0])
        return np.array(result if self._sample is None else result[self._sample], dtype=np.float32)

    def reference(self, index: int) -> np.ndarray:
        return self._reference(index)
