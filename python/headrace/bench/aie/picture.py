"""The picture of the report: limits with their goals and what was published, and how near the model
comes to published figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.bench.modelled import number
from headrace.errors import ToolMissingError
from headrace.sim.aie_timing import PROVEN

if TYPE_CHECKING:
    from headrace.bench.aie.report import ArrayReport

__all__ = ["draw"]

_COLOURS = {True: "#1b9e77", False: "#d95f02", None: "#7570b3"}
_WITHIN = {"ha": "left", "va": "center", "color": "white", "fontsize": 8, "fontweight": "bold"}
_PUBLISHED = {"color": "black", "linewidth": 2.5, "solid_capstyle": "butt"}
# Limits by their unit: what the axis says.
_PANELS = {
    "of the cap": "weights a second as a share of {cap:.0f} GB/s, without dispatch",
    "ms": "ms of a token's products, with dispatch; less is better",
    "TFLOP/s": "TFLOP/s of dequantization and product",
}


def draw(report: ArrayReport, path: Path) -> None:
    """Writes it; raises `ToolMissingError` without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise ToolMissingError("bench: --plot needs matplotlib; `pip install matplotlib`") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = {unit: [r for r in report.limits if r["unit"] == unit] for unit in _PANELS}
    shares = found.pop("of the cap")
    counted = [row for row in report.judged if row["counts"]]
    right = [records for records in found.values() if records] + ([counted] if counted else [])
    sizes = [len(rows) + 2.2 for rows in right]
    height = max(4.5, 0.31 * max(len(shares) + 2, sum(sizes)) + 1.4)
    figure = pyplot.figure(figsize=(16, height), layout="constrained")
    left, rest = figure.subfigures(1, 2, width_ratios=(5, 4))
    _goals(left.subplots(), shares, report.cap_gb_per_s)
    if right:
        axes = rest.subplots(len(right), 1, height_ratios=sizes, squeeze=False)[:, 0]
        for panel, rows in zip(axes, right, strict=True):
            _judged(panel, rows) if rows is counted else _goals(panel, rows, report.cap_gb_per_s)
    figure.suptitle(
        f"{report.target}, {report.date[:10]}: nothing ran on an array. {_start(report.verdict)}",
        fontsize=11,
    )
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _goals(axes: Any, records: list[dict[str, Any]], cap: float) -> None:
    """Bars with the line of the goal, and a tick where others are."""
    axes.spines[["top", "right"]].set_visible(False)
    for index, item in enumerate(records):
        figure = item["figure"] or 0.0
        axes.barh(index, figure, 0.74, color=_COLOURS[item["reached"]])
        axes.text(0, index, f" {number(item['figure'], item['unit'])}", **_WITHIN)
        published = item["others"].get("published")
        if published:
            axes.plot([published] * 2, [index - 0.37, index + 0.37], **_PUBLISHED)
    for goal in sorted({item["goal"] for item in records if item["goal"] is not None}):
        axes.axvline(goal, color="black", linestyle="--", linewidth=1)
        told = number(goal, records[0]["unit"])
        axes.text(goal, -0.62, f"goal {told} ", ha="right", va="center", fontsize=8)
    axes.set_yticks(range(len(records)), [item["case"] for item in records], fontsize=8)
    axes.set_ylim(len(records) - 0.45, -1.0)
    if records:
        label = _PANELS[records[0]["unit"]].format(cap=cap)
        axes.set_xlabel(f"{label} (black: published)", fontsize=9)


def _judged(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Errors, with the rates that modelled times have, and fitted ones as dots."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.axvspan(-100 * PROVEN, 100 * PROVEN, color="#e8f4ea")
    axes.axvline(0, color="black", linewidth=1)
    for index, row in enumerate(rows):
        colour = _COLOURS[abs(row["error"]) <= PROVEN]
        axes.barh(index, 100 * row["error"], 0.74, color=colour, alpha=0.85)
        axes.plot(100 * row["fitted_error"], index, "o", color="black", markersize=3.5)
    axes.set_yticks(range(len(rows)), [f"{row['group']} {row['row']}" for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.45, -0.7)
    axes.set_xlabel("% of published rows that the model is above (dots: fitted rates)", fontsize=9)


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]
