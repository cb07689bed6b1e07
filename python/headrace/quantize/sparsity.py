"""Thresholds below which activations may be skipped: TEAL's greedy calibration, as SpQt uses it.

    found = calibrate_sparsity(layers, target=0.5)      # layers: name -> Layer(weights, inputs)
    found["blocks.0.attention"].threshold

Of each group of projections that share their input ({q, k, v}, {gate, up}) the activations are
collected in a histogram of |x| with 10,000 bins, and a sparsity s becomes the threshold that leaves
out that share of them (arXiv 2511.04477; TEAL, arXiv 2408.14690). A group has one threshold, hence
one list of columns. How much each group leaves out is found greedily: step by step the one whose
outputs suffer least for what its weights save.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

__all__ = ["BINS", "Histogram", "Layer", "Threshold", "calibrate_sparsity", "dumps", "loads"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

BINS = 10_000


@dataclass(frozen=True)
class Histogram:
    """Magnitudes of activations: counts [BINS] of equal steps from 0 to `largest`."""

    counts: npt.NDArray[np.int64]
    largest: float

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Histogram:
        """The histogram of |values|; `UsageError` for none, NaN or infinite ones."""
        magnitudes = np.abs(np.asarray(values, dtype=np.float64)).reshape(-1)
        if not magnitudes.size or not np.isfinite(magnitudes).all():
            raise UsageError(
                "sparsity: expected finite activations, but got "
                + ("none" if not magnitudes.size else "NaN or infinite ones")
            )
        largest = float(magnitudes.max())
        counts, _ = np.histogram(magnitudes, BINS, (0.0, largest or 1.0))
        return cls(counts.astype(np.int64), largest)

    def threshold(self, sparsity: float) -> float:
        """The magnitude that the share `sparsity` of activations does not exceed."""
        if not 0.0 <= sparsity <= 1.0:
            raise UsageError(f"sparsity: expected a share from 0 to 1, but got {sparsity}")
        below = np.concatenate([[0], np.cumsum(self.counts)])
        wanted = sparsity * float(below[-1])
        # The end of a bin is above all that the bin holds.
        bins = float(np.interp(wanted, below, np.arange(BINS + 1)))
        return bins * self.largest / BINS

    def sparsity(self, threshold: float) -> float:
        """The share of activations that do not exceed `threshold`."""
        below = np.concatenate([[0], np.cumsum(self.counts)])
        at = BINS * threshold / self.largest if self.largest else BINS * (threshold >= 0)
        return float(np.interp(at, np.arange(BINS + 1), below) / below[-1])


@dataclass(frozen=True)
class Layer:
    """Projections that share an input: weights, each [M_i, K], and a sample of inputs [N, K]."""

    weights: Sequence[F32]
    inputs: F32

    @property
    def size(self) -> int:
        """How many weights there are."""
        return sum(int(weight.size) for weight in self.weights)


@dataclass(frozen=True)
class Threshold:
    """What was found for a group: columns with |x| <= threshold are skipped.

    sparsity: the share of activations of the sample that this leaves out
    error: relative L2 error of the group's outputs over the sample
    """

    threshold: float
    sparsity: float
    error: float


class _Search:
    """One group during the search: error and threshold by sparsity."""

    def __init__(self, name: str, layer: Layer) -> None:
        inputs = np.asarray(layer.inputs)
        if inputs.ndim != 2 or not layer.weights:
            raise UsageError(
                f"sparsity: '{name}': expected weights and inputs [N, K], but got "
                f"{len(layer.weights)} weights and inputs of shape {list(inputs.shape)}"
            )
        for weight in layer.weights:
            if weight.ndim != 2 or weight.shape[1] != inputs.shape[1]:
                raise UsageError(
                    f"sparsity: '{name}': expected weights [M, {inputs.shape[1]}], but got "
                    f"{list(weight.shape)}"
                )
        self.inputs = inputs.astype(np.float32)
        self.weight = np.vstack([np.asarray(w, dtype=np.float32) for w in layer.weights])
        self.histogram = Histogram.of(self.inputs)
        self.energy = float(np.sum(np.square(self.inputs @ self.weight.T, dtype=np.float64)))
        self.size = layer.size
        self._errors: dict[float, float] = {}

    def error(self, sparsity: float) -> float:
        """Relative L2 error of the outputs without what `sparsity` leaves out."""
        if sparsity not in self._errors:
            small = np.abs(self.inputs) <= np.float32(self.histogram.threshold(sparsity))
            lost = np.where(small, self.inputs, np.float32(0)) @ self.weight.T
            wrong = float(np.sum(np.square(lost, dtype=np.float64)))
            self._errors[sparsity] = (wrong / self.energy) ** 0.5 if self.energy > 0 else 0.0
        return self._errors[sparsity]

    def result(self, sparsity: float) -> Threshold:
        threshold = float(np.float32(self.histogram.threshold(sparsity))) if sparsity > 0 else 0.0
        achieved = float(np.mean(np.abs(self.inputs) <= np.float32(threshold)))
        return Threshold(threshold, achieved, self.error(sparsity) if sparsity > 0 else 0.0)


def calibrate_sparsity(
    layers: Mapping[str, Layer],
    target: float = 0.5,
    *,
    step: float = 0.05,
    most: float = 0.9,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Threshold]:
    """Thresholds for groups of projections, whose mean sparsity, by weights, is `target`.

    layers: group name -> its weights and inputs; the groups of one block of a model at a time, or
        of a whole model, as errors are relative to each group's own outputs
    step: how much sparsity a group gains at a time
    most: no group leaves out more
    progress: called with (reached, target) in thousandths

    The sum of squared relative errors is never above that of the same sparsity everywhere.
    `UsageError` for a target that cannot be reached, and for shapes that do not match.
    """
    if not 0.0 <= target <= most <= 1.0 or not 0.0 < step <= 1.0 or not layers:
        raise UsageError(
            f"sparsity: expected layers, 0 <= target <= most <= 1 and 0 < step <= 1, but got "
            f"{len(layers)} layers, target={target}, most={most}, step={step}"
        )
    searches = {name: _Search(name, layer) for name, layer in layers.items()}
    total = sum(search.size for search in searches.values())
    greedy = dict.fromkeys(searches, 0.0)

    def reached(shares: Mapping[str, float]) -> float:
        return sum(shares[name] * search.size for name, search in searches.items()) / total

    while (missing := target - reached(greedy)) > 1e-9:
        best: tuple[float, str, float] | None = None
        for name, search in searches.items():
            now = greedy[name]
            # The last step is as long as is still needed.
            then = min(now + step, most, now + missing * total / search.size)
            if then <= now + 1e-12:
                continue
            worse = search.error(then) ** 2 - search.error(now) ** 2
            cost = worse / ((then - now) * search.size)
            if best is None or cost < best[0]:
                best = (cost, name, then)
        if best is None:
            break
        greedy[best[1]] = best[2]
        if progress is not None:
            progress(round(1000 * reached(greedy)), round(1000 * target))
    uniform = dict.fromkeys(searches, target)
    chosen = min((greedy, uniform), key=lambda shares: _squares(searches, shares))
    return {name: search.result(chosen[name]) for name, search in searches.items()}


def _squares(searches: Mapping[str, _Search], shares: Mapping[str, float]) -> float:
    return sum(search.error(shares[name]) ** 2 for name, search in searches.items())


def dumps(thresholds: Mapping[str, Threshold]) -> str:
    """JSON: {"thresholds": {name: {"threshold", "sparsity", "error"}}}."""
    return json.dumps({"thresholds": {name: asdict(t) for name, t in thresholds.items()}}, indent=2)


def loads(text: str) -> dict[str, Threshold]:
    """The inverse of `dumps`; `UsageError` for another text."""
    try:
        found = json.loads(text)["thresholds"]
        return {str(name): Threshold(**fields) for name, fields in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f'sparsity: expected {{"thresholds": {{name: ...}}}}, but got another text: {error}'
        ) from None
