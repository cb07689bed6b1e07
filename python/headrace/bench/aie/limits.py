"""The limits of the AIE target, and whether they are reached. No array was there: figures are
modelled, but for the seconds that the simulator itself takes on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headrace.bench.aie.judged import Row, mean_error
from headrace.bench.aie.products import KINDS, Modelled
from headrace.bench.modelled import record
from headrace.sim import aie_timing as timing

__all__ = ["MEASURED", "MODELLED", "SPEED", "evaluate", "published"]

MODELLED, MEASURED = "modelled", "measured here"

# Goals are for this array; others have figures without one.
GOALS_OF = "npu2"
SHARE = 0.92
TOKEN_MS = 45.0
TFLOP_PER_S = 8.0
SECONDS = 20.0
# The model that the goal of a token is for.
TOKEN_OF = "gemma3-4b"
# The product that the simulator's own speed is judged with.
SPEED = "matvec:m=10240,k=2560,format=q4nx"

# Gemma3-4B reads 1k tokens in 1.81 s (arXiv 2602.06063): so many TFLOP/s of its projections, with
# all else that it does meanwhile.
PUBLISHED_TFLOP_PER_S = 3.5
# Models and where their published rate is: group, key and value of a row of aie_published.json.
_PUBLISHED = {
    "gemma3-4b": ("gemma3_tokens", "model", "Gemma3-4B"),
    "gemma3-1b": ("gemma3_tokens", "model", "Gemma3-1B"),
    "llama3.2-1b": ("fused_q4", "channels", 2),
}


def published(model: str, figure: str) -> float | None:
    """Of whole tokens on npu2, attention, norms and dispatch included: `gb_per_s` of weights, or
    `tokens_per_s`."""
    if model not in _PUBLISHED:
        return None
    group, key, value = _PUBLISHED[model]
    rows = timing.published()[group]["rows"]
    return next(float(row[figure]) for row in rows if row[key] == value)


def evaluate(
    found: Sequence[Modelled],
    speed: Modelled | None,
    judged: Sequence[Row],
    device: str,
    cap: float,
) -> list[dict[str, Any]]:
    """A record for each case: goal, figure, how that was got, whether it is reached, and what was
    published. speed: the product that the simulator is timed with; cap: GB/s of the array."""
    goals = device == GOALS_OF
    kinds = {kind: [each for each in found if each.item.kind == kind] for kind in KINDS}
    return [
        *_shares(kinds["vector"], goals, cap),
        *_tokens(kinds["token"], goals),
        *_rates(kinds["matrix"], goals),
        *_model(judged),
        *_speed(speed),
    ]


def _shares(found: Sequence[Modelled], goals: bool, cap: float) -> Iterator[dict[str, Any]]:
    for item in found:
        rate = published(item.item.model, "gb_per_s") if goals else None
        yield _record(
            "weights a second, without dispatch",
            item,
            SHARE if goals else None,
            "of the cap",
            item.gb_per_s / cap,
            rate and rate / cap,
        )


def _tokens(found: Sequence[Modelled], goals: bool) -> Iterator[dict[str, Any]]:
    for item in found:
        model = item.item.model
        rate = published(model, "tokens_per_s") if goals else None
        goal = TOKEN_MS if goals and model == TOKEN_OF else None
        others = rate and 1e3 / rate
        yield _record("one token, one dispatch", item, goal, "ms", item.total_ms, others)


def _rates(found: Sequence[Modelled], goals: bool) -> Iterator[dict[str, Any]]:
    for item in found:
        own = goals and item.item.model == TOKEN_OF
        yield _record(
            "dequantization and product, with dispatch",
            item,
            TFLOP_PER_S if goals else None,
            "TFLOP/s",
            item.tflop_per_s,
            PUBLISHED_TFLOP_PER_S if own else None,
        )


def _record(
    limit: str,
    item: Modelled,
    goal: float | None,
    unit: str,
    figure: float,
    others: float | None,
) -> dict[str, Any]:
    return record(
        *(limit, f"{item.item.model} {item.item.name}", goal, unit),
        at_most=unit == "ms",
        how=MODELLED,
        figures={"ours": figure, "published": others},
        why=f"goals are those of {GOALS_OF}",
    )


def _model(judged: Sequence[Row]) -> Iterator[dict[str, Any]]:
    counted = sum(row.used.counts for row in judged)
    for rates, fitted in (("rates of devices.json", False), ("fitted rates", True)):
        yield record(
            *("error of the model", f"{counted} rows, {rates}", timing.PROVEN, "mean"),
            at_most=True,
            how=MODELLED,
            figures={"ours": mean_error(judged, fitted=fitted)},
            why="no published row of this array is judged",
        )


def _speed(speed: Modelled | None) -> Iterator[dict[str, Any]]:
    if speed is None:
        return
    yield record(
        *("seconds of the simulator", str(speed.item.describe()["shape"]), SECONDS, "s"),
        at_most=True,
        how=MEASURED,
        figures={"ours": speed.seconds},
    )
