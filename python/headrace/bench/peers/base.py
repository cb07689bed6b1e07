"""What takes part in a row: our kernel or a peer, all behind one interface."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import numpy as np

from headrace.bench.weights import WeightSet, product


class Unavailable(Exception):
    """This participant cannot run this row; the message says why and goes into the row."""


@dataclass(frozen=True)
class Problem:
    """A product of one shape and format, with the data all participants get.

    `xs` are float32 [k], or [n, k] where n is not 1: the fresh activations that calls take in turn.
    `rotation` is the least number of weight bytes that a participant with its own weights must
    cycle through.
    """

    m: int
    k: int
    format: str
    weights: WeightSet
    xs: list[np.ndarray]
    threads: int
    rotation: int
    n: int = 1

    def copies(self, nbytes: int) -> int:
        """How many copies of a weight of `nbytes` make up the rotation."""
        return max(2, math.ceil(self.rotation / nbytes))


class Contender(abc.ABC):
    """One participant. `stage` picks fresh data, `run` is the timed call, `output` its result."""

    name: str
    note: str = ""
    bound: float = 0.0  # largest relative L2 error that is still the same computation

    @abc.abstractmethod
    def stage(self, index: int) -> None:
        """Make inputs `index` and the next weight copy the operands (not timed)."""

    @abc.abstractmethod
    def run(self) -> None:
        """Compute, and return when the result is complete (timed)."""

    @abc.abstractmethod
    def output(self) -> np.ndarray:
        """The result of the last `run`, or a sample of it, as a copy (not timed)."""

    @abc.abstractmethod
    def reference(self, index: int) -> np.ndarray:
        """float64: what `output` should be for inputs `index`."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release what the garbage collector would not."""


class ProductPeer(Contender):
    """A peer that multiplies `problem.xs` with weights whose values repeat `_band` [rows, k]."""

    _problem: Problem
    _band: np.ndarray

    def reference(self, index: int) -> np.ndarray:
        return product(self._band, self._problem.m, self._problem.xs[index])
