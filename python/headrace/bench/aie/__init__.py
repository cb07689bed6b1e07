"""`headrace bench --target aie --suite model`: limits of the AIE target, beside published rows.

No figure is measured on an array: times are those of its simulator, which runs the very text that
an artifact carries. What the simulator takes on this machine is measured, and says so.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from headrace.bench import MODEL_SUITE
from headrace.bench.aie import limits
from headrace.bench.aie.judged import judge, mean_error
from headrace.bench.aie.products import (
    BOUND,
    MODELS,
    Item,
    Modelled,
    Product,
    cap_gb_per_s,
    model_products,
    prefill_products,
)
from headrace.bench.aie.report import ArrayReport
from headrace.bench.aie.token_products import LAYERS, Token
from headrace.bench.suite import chosen
from headrace.errors import UsageError
from headrace.sim.aie_device import timing_of
from headrace.targets.aie.description import describe

__all__ = ["items", "run"]

# The model whose prompts are modelled.
PREFILL = "gemma3-4b"
# Weights, and operations, that `--quick` leaves out.
QUICK_BYTES, QUICK_OPERATIONS = 4e6, 1e9


def items() -> list[Item]:
    """All that the suite has."""
    vectors = [product for model in MODELS for product in model_products(model)]
    tokens = [Token(model, layers) for model, layers in LAYERS.items()]
    return [*vectors, *tokens, *prefill_products(PREFILL)]


def run(
    target: str,
    *,
    pattern: str | None = None,
    quick: bool = False,
    peers: Sequence[str] | None = None,
    seed: int = 0,
    start: Callable[[str, int], None] | None = None,
    tick: Callable[[], None] | None = None,
) -> ArrayReport:
    """Simulate and compare. pattern: words of labels. quick: small products. start, tick: progress.

    Raises `UsageError` for unknown arrays, for peers, and for a pattern that matches nothing.
    """
    name, _, option = target.partition(":")
    if name != "aie":
        raise UsageError(f"bench: suite {MODEL_SUITE} of arrays is of target aie, not '{target}'")
    device = describe(option or None).device
    if peers is not None:
        raise UsageError(f"bench: suite {MODEL_SUITE} of {name} has published rows, and no --peers")
    pool = [item for item in items() if not quick or _small(item)]
    wanted = chosen(pool, pattern, MODEL_SUITE)
    # Some take minutes: what runs now is in the title.
    begin, tick = start or (lambda title, total: None), tick or (lambda: None)
    products = []
    for number, item in enumerate(wanted, 1):
        begin(f"{number} of {len(wanted)}: {item.model} {item.name}", 1)
        products.append(item.simulate(device, seed))
        tick()
    begin("published rows", 2)
    judged = judge(device)
    tick()
    speed = None if quick or pattern else Product("", "", limits.SPEED).simulate(device, seed)
    tick()
    cap = cap_gb_per_s(timing_of(device))
    return ArrayReport(
        target=f"aie:{device}",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cap_gb_per_s=cap,
        rows=[_json(item, device, cap) for item in products],
        judged=[row.to_json() for row in judged],
        mean_error=mean_error(judged),
        limits=limits.evaluate(products, speed, judged, device, cap),
        problems=_problems(products),
    )


def _small(item: Item) -> bool:
    return item.stored_bytes <= QUICK_BYTES and item.operations <= QUICK_OPERATIONS


def _json(found: Modelled, device: str, cap: float) -> dict[str, Any]:
    """A row as all suites have it."""
    item = found.item
    return {
        **item.describe(),
        "row": f"{item.model} {item.name}",
        "measured": False,
        "how": f"modelled for aie:{device}",
        "ours_us": round(found.us, 3),
        "dispatch_us": found.dispatch_us,
        "floor_us": round(item.stored_bytes / cap * 1e-3, 3),
        "weights_gb_per_s": round(found.gb_per_s, 3),
        "tflop_per_s": round(found.tflop_per_s, 4),
        "bytes": {
            "stored": item.stored_bytes,
            "read": found.read_bytes,
            "written": found.written_bytes,
        },
        "error": found.error,
        "peers": {},
        "peers_missing": {},
    }


def _problems(products: Sequence[Modelled]) -> list[str]:
    return [
        f"{found.item.label}: error {found.error:.2g} in the simulator is above {BOUND:g}"
        for found in products
        if not found.error <= BOUND
    ]
