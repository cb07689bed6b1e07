"""`headrace bench --target metal --suite model`: limits of the Metal target, and what kernels of
ggml and IREE have in the same simulator and the same model of time.

No figure is measured: each says whether it was simulated, counted in code, or modelled.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from headrace.bench import MODEL_SUITE
from headrace.bench.metal import figures, ggml, iree, limits, sparse
from headrace.bench.metal.figures import Counted, Problem
from headrace.bench.metal.limits import Row
from headrace.bench.metal.report import ModelReport
from headrace.bench.peers.base import Unavailable
from headrace.errors import UsageError, unknown
from headrace.targets.metal import timing
from headrace.targets.metal.description import MetalDescription, chip_names, describe

__all__ = ["FORMATS", "PEERS", "run"]

FORMATS = ("q4_0", "q5_0", "q8_0", "q4_k", "q6_k", "q4nx", "int4:g128")
PEERS = ("ggml", "iree")
# What is simulated; times are modelled of the second shape, whose figures are in proportion.
SHAPE, MODELLED_SHAPE = (256, 4096), (4096, 14336)
QUICK_SHAPE, QUICK_FORMATS, QUICK_CHIPS = (32, 4096), ("q4_0", "q4_k"), ("m1", "m2-max", "m5-max")
SPARSE_FORMATS = ("q4_k", "q8_0", "q4_k:zigzag")
SPARSE_SHAPE, QUICK_SPARSE_SHAPE = (1024, 4096), (1024, 512)
CACHES, TOKENS, QUICK_TOKENS = ("f16", "i8"), 2048, 256
# Of results in the simulator, by float64.
BOUND = 1e-5


def run(
    target: str,
    *,
    pattern: str | None = None,
    quick: bool = False,
    peers: Sequence[str] | None = None,
    seed: int = 0,
    start: Callable[[str, int], None] | None = None,
    tick: Callable[[], None] | None = None,
) -> ModelReport:
    """Simulate, model and compare. pattern: only formats that contain it. start, tick: progress.

    Raises `UsageError` for unknown peers and chips, and for a pattern that matches nothing.
    """
    name, _, option = target.partition(":")
    if name != "metal":
        raise UsageError(f"bench: suite {MODEL_SUITE} is of target metal, but got '{target}'")
    chip = describe(option or None)
    for peer in peers or ():
        if peer not in PEERS:
            raise unknown("peer", peer, PEERS)
    chosen = [f for f in (QUICK_FORMATS if quick else FORMATS) if pattern is None or pattern in f]
    if not chosen:
        raise UsageError(
            f"bench: expected --filter to match a format of suite '{MODEL_SUITE}', but got "
            f"'{pattern}'; allowed: parts of {', '.join(FORMATS)}"
        )
    wanted = [peer for peer in PEERS if peers is None or peer in peers]
    tick = tick or (lambda: None)
    if start is not None:
        start("simulating", len(chosen) + 1)
    rows = []
    for form in chosen:
        rows.append(
            _row(Problem.draw(form, *(QUICK_SHAPE if quick else SHAPE), seed), chip, wanted)
        )
        tick()
    caches = dict(
        figures.cache_share(dtype, QUICK_TOKENS if quick else TOKENS, seed) for dtype in CACHES
    )
    shape = QUICK_SPARSE_SHAPE if quick else SPARSE_SHAPE
    traffic = [sparse.traffic(form, *shape, seed) for form in SPARSE_FORMATS]
    chips = QUICK_CHIPS if quick else tuple(chip_names())
    times = sparse.chip_times(chips, "q4_k", *MODELLED_SHAPE)
    tick()
    model = timing.calibrate()
    return ModelReport(
        target=f"metal:{chip.chip}",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        model={
            "efficiency": round(model.efficiency, 4),
            "launch_us": round(model.launch_us, 3),
            "error_of_fit": round(model.error, 4),
        },
        simulated_shape="x".join(map(str, QUICK_SHAPE if quick else SHAPE)),
        rows=[_json(row, chip) for row in rows],
        sparse=[vars(item) for item in traffic],
        chips=[item.to_json() | {"of_ceiling": round(item.of_ceiling, 4)} for item in times],
        judged=[vars(row) | {"error": round(row.error, 4)} for row in timing.judge()],
        limits=limits.evaluate(rows, caches, traffic, times),
        problems=_problems(rows),
    )


def _row(problem: Problem, chip: MetalDescription, peers: list[str]) -> Row:
    counted: dict[str, Counted] = {"ours": figures.ours(problem, chip.chip)}
    missing: dict[str, str] = {peer: "left out by --peers" for peer in PEERS if peer not in peers}
    for peer in peers:
        try:
            counted[peer] = {"ggml": ggml.count, "iree": iree.count}[peer](problem)
        except Unavailable as error:
            missing[peer] = str(error)
    return Row(problem.format, counted, missing)


def _json(row: Row, chip: MetalDescription) -> dict[str, Any]:
    """A row as all suites have it, and what was counted."""
    times = {who: found.modelled_us(chip, *MODELLED_SHAPE) for who, found in row.counted.items()}
    ours = row.counted["ours"]
    weights = MODELLED_SHAPE[0] * MODELLED_SHAPE[1]
    stored = ours.bytes_per_weight / ours.stored_share * weights
    floor = timing.calibrate().memory_us(chip, stored + 4 * sum(MODELLED_SHAPE))
    return {
        "kernel": "matvec",
        "shape": "x".join(map(str, MODELLED_SHAPE)),
        "format": row.format,
        "activations": "f32",
        "measured": False,
        "how": f"modelled for metal:{chip.chip}",
        "ours_us": round(times["ours"], 2),
        "floor_us": round(floor, 2),
        "peers": {who: round(us, 2) for who, us in times.items() if who != "ours"},
        "peers_missing": dict(row.missing),
        "simulated": {who: found.to_json() for who, found in row.counted.items()},
    }


def _problems(rows: list[Row]) -> list[str]:
    return [
        f"{who}, {row.format}: error {found.error:.2g} in the simulator is above {BOUND:g}"
        for row in rows
        for who, found in row.counted.items()
        if not found.error <= BOUND
    ]
