"""Products with half of the columns: what moves, and the modelled time on each chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import headrace
from headrace import formats, ops
from headrace.errors import HeadraceError
from headrace.reference import relative_l2
from headrace.runs_sparse import evaluate
from headrace.targets.metal import simulate, timing
from headrace.targets.metal.description import describe
from headrace.targets.metal.simulate import sectors

__all__ = ["ChipTimes", "SparseTraffic", "chip_times", "traffic"]

DENSITY = 0.5
SELECTION = "qlinear.select_columns"
# Bound of a result in the simulator.
_BOUND = 1e-5


@dataclass(frozen=True)
class SparseTraffic:
    """Sectors of the product with half of the columns, list, activations, results and sums of
    parts included, over the stored bytes of all columns; `weights` are those of the weights."""

    case: str
    share: float
    weights: float


@dataclass(frozen=True)
class ChipTimes:
    """Modelled microseconds of a product on a chip.

    dense: with all columns, of weights in rows. sparse: with half of them, the list given.
    selection: of making the list by a kernel of its own. ceiling: one launch, and half of the
    stored bytes with list, activations and results at the bandwidth that the model has.
    break_even: the density below which selection and sparse product together beat the dense one.
    """

    chip: str
    dense: float
    sparse: float
    selection: float
    ceiling: float
    break_even: float

    @property
    def of_ceiling(self) -> float:
        """1 would be all of it."""
        return self.ceiling / self.sparse

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return {name: v if isinstance(v, str) else round(v, 3) for name, v in asdict(self).items()}


def traffic(name: str, rows: int, columns: int, seed: int) -> SparseTraffic:
    """In the simulator; raises HeadraceError for a wrong result. name: with or without a band."""
    spec = ops.sparse_matvec(rows, columns, format=name, density=DENSITY).laid_out()
    artifact = headrace.compile(spec, target="metal:m2-max")
    rng = np.random.default_rng([seed, rows, columns])
    x = rng.standard_normal(columns, dtype=np.float32)
    # as many as the density says, whatever is drawn
    order = np.argsort(np.abs(x))
    half = columns // 2
    x[order[:half]] *= np.float32(0.5 * spec.limit) / np.abs(x[order[half - 1]])
    x[order[half:]] += np.copysign(np.float32(spec.limit), x[order[half:]])
    form = formats.get(spec.format)
    values = rng.standard_normal((rows, columns), dtype=np.float32)
    weights = np.asarray(form.encode(values)).reshape(-1)
    arguments, launches = simulate.run_traced(artifact, [x, weights])
    (want,) = evaluate(spec, [x, weights])
    if relative_l2(arguments[-1], want) > _BOUND:
        raise HeadraceError(f"bench: {spec} computes something else in the simulator")
    kinds = {kernel["name"]: kernel for kernel in artifact.manifest["kernels"]}
    moved = of_weights = 0
    for step, found in zip(artifact.manifest["plan"], launches, strict=True):
        kernel = kinds[step["kernel"]]
        if kernel["op"] == SELECTION:
            continue
        moved += sum(map(sectors, found))
        names = [buffer["name"] for buffer in kernel["buffers"]]
        of_weights += sectors(found[names.index("w")]) if "w" in names else 0
    return SparseTraffic(
        f"{spec.format}, {rows}x{columns}", moved / weights.nbytes, of_weights / weights.nbytes
    )


def chip_times(chips: Sequence[str], name: str, rows: int, columns: int) -> list[ChipTimes]:
    """The modelled times of a product of that shape on each chip."""
    return [_chip_times(chip, name, rows, columns) for chip in chips]


def _chip_times(chip: str, name: str, rows: int, columns: int) -> ChipTimes:
    target, model = f"metal:{chip}", timing.calibrate()
    sparse, selection = _plan_us(
        ops.sparse_matvec(rows, columns, format=name, density=DENSITY), target
    )
    whole, _ = _plan_us(ops.sparse_matvec(rows, columns, format=name, density=1.0), target)
    dense, _ = _plan_us(ops.matvec(rows, columns, format=name), target)
    stored = formats.get(name).storage_bytes(rows, columns)
    least = DENSITY * (stored + 8 * columns) + 4 * rows + 4
    ceiling = model.kernel_us(describe(chip), least)
    # times are linear in the density
    slope = (whole - sparse) / (1 - DENSITY)
    break_even = (dense - selection - whole) / slope + 1
    return ChipTimes(chip, dense, sparse, selection, ceiling, min(max(break_even, 0.0), 1.0))


def _plan_us(operation: ops.Operation, target: str) -> tuple[float, float]:
    """Modelled microseconds of the launches of a plan: of the product, and of the selection."""
    artifact = headrace.compile(operation, target=target)
    kernels = {kernel["name"]: kernel for kernel in artifact.manifest["kernels"]}
    times = [0.0, 0.0]
    for step in artifact.manifest["plan"]:
        kernel = kernels[step["kernel"]]
        times[kernel["op"] == SELECTION] += kernel["modelled"]["time_us"]
    return times[0], times[1]
