"""Times of the published matrix product, from one array of tiles of its result."""

from __future__ import annotations

from typing import Any

from headrace.sim import aie_references as references
from headrace.sim.aie_device import AieTiming

__all__ = ["fit_macs", "gflop_per_s"]

# A group of aie_published.json has `columns`, `tile_k` and `tile_n`, a row of it `m`, `k`, `n` and
# `tile_m`; macs are the multiplications of a core in a cycle.


def gflop_per_s(
    group: dict[str, Any], row: dict[str, Any], timing: AieTiming, macs: float
) -> float:
    """Of the whole product, dispatch included."""
    return 2e-3 * row["m"] * row["k"] * row["n"] / _us(group, row, timing, macs)


def fit_macs(group: dict[str, Any], timing: AieTiming) -> float:
    """From rows in which cores are the limit: their time is linear in the cycles of a tile."""
    found = []
    for row in group["rows"]:
        probe = 80.0
        us = 2e-3 * row["m"] * row["k"] * row["n"] / row["gflops"]
        more = us - _us(group, row, timing, probe)
        tiles = _blocks(group, row) * row["k"] / group["tile_k"]
        work = row["tile_m"] * group["tile_k"] * group["tile_n"]
        found.append(work / (work / probe + timing.cycles(more) / tiles))
    return sum(found) / len(found)


def _us(group: dict[str, Any], row: dict[str, Any], timing: AieTiming, macs: float) -> float:
    """Of all blocks, each of which is there before the next begins."""
    tile = (row["tile_m"], group["tile_k"], group["tile_n"])
    text = references.gemm_block(tile, row["k"] // tile[1], group["columns"], timing.name)
    run = references.run_reference(text, tile[0] * tile[1] * tile[2] / macs, timing)
    return _blocks(group, row) * run.us + run.dispatch_us


def _blocks(group: dict[str, Any], row: dict[str, Any]) -> int:
    """How often all cores have a tile of the result."""
    rows, columns = group["columns"] * row["tile_m"], 4 * group["tile_n"]
    return int(row["m"] // rows * (row["n"] // columns))
