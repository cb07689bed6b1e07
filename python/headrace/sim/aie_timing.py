"""The array simulator against published times: what it is fitted to, and what it is judged on.

`calibrate` fits figures to rows that are marked so in aie_published.json: the memory's rate and the
dispatch of npu2, and what three core functions take that their owners do not publish.
`judge` runs the designs behind other rows. What a row needs that the simulator does not have is
said beside it, and such a row counts in no error.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headrace.sim import aie_gemm
from headrace.sim import aie_references as references
from headrace.sim.aie_device import DEVICES, AieTiming, timing_of

__all__ = [
    "PROVEN",
    "Judged",
    "Model",
    "calibrate",
    "judge",
    "mean_error",
    "published",
    "report",
    "shipped",
]

PUBLISHED = Path(__file__).with_name("aie_published.json")
# A mean error above this makes modelled times unproven.
PROVEN = 0.10
_STREAMS = 3  # of an element-wise sum
_STEP = 64  # columns of a step of the GEMV's core function
_FUSED_BLOCKS = 48  # of each core: enough that filling the array does not count
_Q4_BLOCK_CYCLES = 1000.0  # any number below what a block takes to come


@dataclass(frozen=True)
class Model:
    """timing: npu2 with fitted figures. tile_cycles: of adding a tile of 2048 elements.
    step_cycles: of 64 columns of a row in a GEMV. macs: multiplications a cycle of a GEMM. fitted:
    the rows behind them, with what the model says."""

    timing: AieTiming
    tile_cycles: float
    step_cycles: float
    macs: float
    fitted: tuple[Judged, ...]


@dataclass(frozen=True)
class Judged:
    """A published figure and the modelled one, None where nothing can be said.

    needs: what the simulator has not, so that the row counts in no error; what it says is then a
    bound. More is better for every figure but `us`. device: that it was published of.
    """

    group: str
    row: str
    figure: str
    published: float
    modelled: float | None
    needs: str = ""
    device: str = "npu2"

    @property
    def error(self) -> float | None:
        """Relative; positive where the model says more."""
        return None if self.modelled is None else self.modelled / self.published - 1

    @property
    def counts(self) -> bool:
        return self.modelled is not None and not self.needs


@functools.cache
def published() -> dict[str, Any]:
    """The rows, by group, with their sources."""
    groups: dict[str, Any] = json.loads(PUBLISHED.read_text())
    return groups


def mean_error(rows: Iterable[Judged]) -> float:
    """Mean of the relative errors of the rows that count, without their signs."""
    errors = [abs(row.error) for row in rows if row.counts and row.error is not None]
    return sum(errors) / len(errors)


@functools.cache
def calibrate() -> Model:
    """Fits the model to the rows for it."""
    npu2 = timing_of("npu2")
    sizes = published()["eltwise_sizes"]
    # Where the memory is the limit, time is a dispatch and bytes over a rate.
    nbytes = [2 * _STREAMS * row["n"] for row in sizes["rows"]]
    slope, dispatch = np.polyfit(nbytes, [row["us"] for row in sizes["rows"]], 1)
    timing = npu2.scaled(ddr_gb_per_s=float(1e-3 / slope), dispatch_us=float(dispatch))
    tile_cycles = _fit_tile(timing)
    step_cycles = _fit_step(timing)
    unchecked = Model(
        timing, tile_cycles, step_cycles, aie_gemm.fit_macs(published()["gemm_core"], timing), ()
    )
    return replace(unchecked, fitted=tuple(_fitted(unchecked)))


def shipped() -> Model:
    """With the rates of devices.json, which `aie.load` and all modelled times have."""
    return replace(calibrate(), timing=timing_of("npu2"))


def judge(
    model: Model | None = None, macs: Mapping[tuple[str, str], float] | None = None
) -> list[Judged]:
    """The model against every judged row.

    macs: multiplications a cycle of a core's matrix product by its slots, by device and type.
    """
    model, macs = model or calibrate(), macs or {}
    groups = published()
    found = [
        Judged("gemv_panels", _shape(row), "us", row["us"], _panels_us(model, row))
        for row in groups["gemv_panels"]["rows"]
    ]
    for row in groups["gemv_rows"]["rows"]:
        text = references.gemv_rows(row["m"], row["k"])
        cycles = row["k"] / _STEP * model.step_cycles
        us = references.run_reference(text, cycles, model.timing).total_us
        found.append(Judged("gemv_rows", _shape(row), "us", row["us"], us))
    fused = groups["fused_q4"]
    for row in fused["rows"]:
        rate = _streamed(model, fused["columns"], row["channels"])
        many = "channels" if row["channels"] > 1 else "channel"
        name = f"Llama-3.2-1B, {row['channels']} {many} of {fused['columns']} shims"
        found.append(Judged("fused_q4", name, "GB/s", row["gb_per_s"], rate, row["needs"]))
    tokens = groups["gemma3_tokens"]
    rate = _streamed(model, model.timing.columns, 2)
    found += [
        Judged("gemma3_tokens", row["model"], "GB/s", row["gb_per_s"], rate, tokens["needs"])
        for row in tokens["rows"]
    ]
    tiles = groups["gemm_tiles"]
    found += [_gemm("gemm_tiles", tiles, row, model) for row in tiles["rows"]]
    whole = groups["gemm"]
    for row in whole["rows"]:
        name, kind = f"{row['device']}, {row['type']}", row.get("through", row["type"])
        rate, needs = _peak(row["device"], kind), whole["needs"]
        if (row["device"], row["type"]) in macs:
            timing = model.timing if row["device"] == "npu2" else timing_of(row["device"])
            size = {**dict.fromkeys("mkn", whole["size"]), "tile_m": whole["tile_m"]}
            own = {**whole, "columns": timing.columns}
            rate = 1e-3 * aie_gemm.gflop_per_s(own, size, timing, macs[row["device"], row["type"]])
            needs = ""
        found.append(Judged("gemm", name, "TOPS", row["tops"], rate, needs, row["device"]))
    return found


def _peak(device: str, kind: str) -> float:
    """TOPS if every core did its most products in every cycle."""
    facts = json.loads(DEVICES.read_text())["devices"][device]
    cores = facts["columns"] * facts["rows"]["core"]
    return float(2e-3 * cores * facts["macs_per_cycle"][kind] * facts["clock_ghz"])


def report(model: Model | None = None, rows: Sequence[Judged] | None = None) -> str:
    """Both lists, with errors, and whether modelled times count as proven. rows: of `judge`."""
    model = model or calibrate()
    rows = judge(model) if rows is None else rows
    error = mean_error(rows)
    timing = model.timing
    verdict = "proven" if error <= PROVEN else "UNPROVEN"
    return "\n".join(
        [
            f"fitted: {timing.ddr_gb_per_s:.1f} GB/s of memory, dispatch {timing.dispatch_us:.0f} "
            f"us, {model.tile_cycles:.0f} cycles of a tile, {model.step_cycles:.1f} of a step, "
            f"{model.macs:.1f} multiplications a cycle",
            *_table(model.fitted),
            f"mean error of the fit: {mean_error(model.fitted):.1%}",
            "judged:",
            *_table(rows),
            f"mean error of the rows that count: {error:.1%}; modelled times are {verdict} "
            f"(at most {PROVEN:.0%})",
        ]
    )


def _table(rows: Iterable[Judged]) -> list[str]:
    lines = []
    for row in rows:
        said = "-" if row.modelled is None else f"{row.modelled:.1f}"
        error = "-" if row.error is None else f"{row.error:+.1%}"
        needs = f"  not counted: needs {row.needs}" if row.needs else ""
        lines.append(
            f"  {row.group:16} {row.row:36} {row.published:8.1f} {said:>8} {row.figure:5} "
            f"{error:>7}{needs}"
        )
    return lines


def _shape(row: dict[str, Any]) -> str:
    return f"{row['m']}x{row['k']}"


def _eltwise_us(model: Model, columns: int, n: int, tile: int) -> float:
    text = references.eltwise(columns, n, tile)
    return references.run_reference(text, model.tile_cycles, model.timing).total_us


def _panels_us(model: Model, row: dict[str, Any]) -> float:
    text = references.gemv_panels(row["m"], row["k"], row["tile_m"])
    cycles = row["tile_m"] * row["k"] / _STEP * model.step_cycles
    return references.run_reference(text, cycles, model.timing).total_us


def _streamed(model: Model, columns: int, channels: int) -> float:
    """GB/s of weights, where cores and dispatch cost nothing."""
    text = references.streamed(columns, channels, _FUSED_BLOCKS)
    run = references.run_reference(text, _Q4_BLOCK_CYCLES, model.timing)
    return run.ddr_read / run.us * 1e-3


def _fit_tile(timing: AieTiming) -> float:
    """Cycles of a tile, from the runs of few columns, in which cores are the limit: their time is
    linear in it."""
    group = published()["eltwise_columns"]
    found = []
    for row in group["rows"]:
        if row["columns"] > 4:
            continue
        text = references.eltwise(row["columns"], group["n"], group["tile"])
        tiles = group["n"] / row["columns"] / group["tile"]
        probe = 2000.0
        us = references.run_reference(text, probe, timing).total_us
        found.append(probe + timing.cycles(row["us"] - us) / tiles)
    return sum(found) / len(found)


def _fit_step(timing: AieTiming) -> float:
    """Cycles of a step, likewise: a core with one buffer computes or waits for it."""
    found = []
    for row in published()["gemv_core"]["rows"]:
        steps = row["tile_m"] * row["k"] / _STEP
        probe = 20.0
        us = _panels_us(Model(timing, 0, probe, 0, ()), row)
        rounds = row["m"] / (8 * row["tile_m"])
        found.append(probe + timing.cycles(row["us"] - us) / (rounds * steps))
    return sum(found) / len(found)


def _gemm(name: str, group: dict[str, Any], row: dict[str, Any], model: Model) -> Judged:
    rate = aie_gemm.gflop_per_s(group, row, model.timing, model.macs)
    shape = f"{row['m']}x{row['k']}x{row['n']}"
    return Judged(name, shape, "GFLOP/s", row["gflops"], rate)


def _fitted(model: Model) -> list[Judged]:
    groups = published()
    columns, sizes = groups["eltwise_columns"], groups["eltwise_sizes"]
    found = []
    for row in columns["rows"]:
        us = _eltwise_us(model, row["columns"], columns["n"], columns["tile"])
        found.append(Judged("eltwise_columns", f"{row['columns']} columns", "us", row["us"], us))
    for row in sizes["rows"]:
        us = _eltwise_us(model, sizes["columns"], row["n"], sizes["tile"])
        found.append(Judged("eltwise_sizes", f"{row['n']} elements", "us", row["us"], us))
    found += [
        Judged("gemv_core", _shape(row), "us", row["us"], _panels_us(model, row))
        for row in groups["gemv_core"]["rows"]
    ]
    group = groups["gemm_core"]
    return [*found, *(_gemm("gemm_core", group, row, model) for row in group["rows"])]
