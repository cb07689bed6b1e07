"""What a case of a pass is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.reference import BOUNDS

__all__ = ["Rewrite"]

Inputs = Callable[[np.random.Generator], Sequence[npt.NDArray[Any]]]


@dataclass(frozen=True)
class Rewrite:
    """A module that a pass rewrites, or leaves as it is.

    name: the pass, as `headrace-opt` calls it
    what: what is special about the case; with the name it is unique
    module: MLIR text, operations on tensors; its entry is run
    inputs: draws an array for each argument; packed values and caches are bytes
    after: how many operations of some names there are after the pass
    mentions: texts that the module has after the pass, but not before
    pipeline: what is run, inside of `builtin.module(...)`: the pass, unless it needs options or
        other passes around it
    unchanged: the pass must leave the module as it is (then without `after` and `mentions`)
    bound: the largest relative L2 error of a result, and 0 for none; of f32 unless there is a
        reason, such as that the pass rounds to fp8
    floor: the least root mean square of a result that errors are relative to, where a result may
        cancel or is a logarithm
    runs: how many inputs are drawn
    meaning: MLIR text that computes what the module means before the pass, where that cannot be run
        itself, as it calls what is only declared
    whole: a function @whole that takes what the entry took, and is run after the pass instead of
        it; where the pass makes other functions of the entry, which this one calls
    """

    name: str
    what: str
    module: str
    inputs: Inputs
    after: Mapping[str, int] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()
    pipeline: str = ""
    unchanged: bool = False
    bound: float = BOUNDS["f32"]
    floor: float = 0.0
    runs: int = 2
    meaning: str = ""
    whole: str = ""

    def __post_init__(self) -> None:
        if bool(self.after or self.mentions) == self.unchanged:
            raise ValueError(f"{self.title}: expected either what the pass changes or unchanged")

    @property
    def title(self) -> str:
        """`PASS/what`."""
        return f"{self.name}/{self.what}"
