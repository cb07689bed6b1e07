"""The limits of the Metal target, and whether they are reached. Nothing here was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.bench.metal.figures import Counted
from headrace.bench.metal.sparse import ChipTimes, SparseTraffic
from headrace.bench.modelled import record
from headrace.targets.metal import timing

__all__ = ["Row", "evaluate"]

SIMULATED, MODELLED, COUNTED = "simulated", "modelled", "counted"
# What is judged: figures of `timing.judge` and what their rows are.
_JUDGED = {
    "us": "kernels of an MLX port of SpQt",
    "speed-up": "speed-ups by half of the columns, SpQt",
    "tokens/s": "tokens a second, SpQt",
}


@dataclass(frozen=True)
class Row:
    """A format: what the products of everybody take. missing: who has none, and why."""

    format: str
    counted: Mapping[str, Counted]
    missing: Mapping[str, str]


def evaluate(
    rows: Sequence[Row],
    caches: Mapping[str, float],
    sparse: Sequence[SparseTraffic],
    chips: Sequence[ChipTimes],
) -> list[dict[str, Any]]:
    """A record for each case: goal, figure, how that was got, whether it is reached, and the same
    figure of others. caches: shares of `figures.cache_share`."""
    return [*_dense(rows), *_caches(caches), *_sparse(sparse, chips), *_model()]


def _dense(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        shares = {who: found.stored_share for who, found in row.counted.items()}
        yield record(
            *("sectors of stored weights", row.format, 1.03, "of stored bytes"),
            at_most=True,
            how=SIMULATED,
            figures=shares,
        )
    for row in rows:
        found = {who: item.instructions_per_weight for who, item in row.counted.items()}
        goal = found.get("ggml")
        yield record(
            *("instructions for each weight", row.format, goal, "instructions"),
            at_most=True,
            how=COUNTED,
            figures=found,
            of="ggml's",
            why=row.missing.get("ggml", ""),
        )
    for row in rows:
        loads = {who: item.loads_per_weight for who, item in row.counted.items()}
        theirs = loads.get("iree")
        yield record(
            *("loads for each weight", row.format, theirs and theirs / 2, "loads"),
            at_most=True,
            how=SIMULATED,
            figures=loads,
            of="half of IREE's",
            why=row.missing.get("iree", ""),
        )


def _caches(shares: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    for case, share in shares.items():
        yield record(
            *("sectors of a cache", case, 1.03, "of stored bytes"),
            at_most=True,
            how=SIMULATED,
            figures={"ours": share},
        )


def _sparse(
    sparse: Sequence[SparseTraffic], chips: Sequence[ChipTimes]
) -> Iterator[dict[str, Any]]:
    for item in sparse:
        yield record(
            *("traffic with half of the columns", item.case, 0.58, "of dense"),
            at_most=True,
            how=SIMULATED,
            figures={"ours": item.share},
        )
    for chip in chips:
        yield record(
            *("time with half of the columns", chip.chip, 0.95, "of the ceiling"),
            at_most=False,
            how=MODELLED,
            figures={"ours": chip.of_ceiling},
        )


def _model() -> Iterator[dict[str, Any]]:
    judged = timing.judge()
    for figure, what in _JUDGED.items():
        rows = [row for row in judged if row.figure == figure]
        yield record(
            *("error of the model", f"{len(rows)} {what}", timing.PROVEN, "mean"),
            at_most=True,
            how=MODELLED,
            figures={"ours": timing.mean_error(rows)},
        )
