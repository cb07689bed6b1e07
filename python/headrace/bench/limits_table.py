"""The table of limits in a terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from headrace.bench.limits import LEFT_OUT
from headrace.bench.report import Report

WIDE = 130


def render(report: Report, width: int) -> Table:
    """A line for each case: goal, figure, whether it is reached, and the peers of its row.

    What a filter left out has no line.
    """
    records = [record for record in report.limits if record.get("why") != LEFT_OUT]
    hidden = len(report.limits) - len(records)
    reached = sum(bool(record["reached"]) for record in records)
    measured = sum(record["measured"] is not None for record in records)
    threads = report.machine["threads"]
    table = Table(
        title=f"limits of {report.target}, {threads} threads: {reached} reached, "
        f"{measured - reached} not, {len(records) - measured} not measured"
        + (f", {hidden} left out" if hidden else ""),
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in ("limit", "case"):
        table.add_column(name)
    for name in ("goal", "measured"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reached", min_width=20)
    if width >= WIDE:
        table.add_column("ours us", justify="right", no_wrap=True)
        table.add_column("probe", justify="right", no_wrap=True)
        table.add_column("best of each peer, times ours")
    last, shown = "", {""}
    for record in records:
        name = record["limit"] if record["limit"] != last else ""
        last = record["limit"]
        row = record.get("row", "")
        cells = [name, record["case"], _goal(record), _figure(record, record["measured"])]
        cells.append(_verdict(record))
        if width >= WIDE:
            cells += [f"{record['ours_us']:.0f}", _probe(record)] if row else ["-", "-"]
            cells.append("as above" if row and row in shown else peers(record))
            shown.add(row)
        table.add_row(*cells, style=None if record["reached"] else "yellow")
    return table


def _probe(record: dict[str, Any]) -> str:
    """The best read and the core-to-core latency while the row was measured."""
    latency = record["core_latency_ns"]
    return f"{record['read_gbps']:.0f} GB/s" + (f" {latency:.0f} ns" if latency else "")


def peers(record: dict[str, Any]) -> str:
    """The best mode of each peer, the fastest first: `llama.cpp.repack 1.52x, ...`."""
    best: dict[str, str] = {}
    ratios = record.get("peers", {})
    for name in sorted(ratios, key=ratios.get):
        best.setdefault(_family(name), f"{name} {ratios[name]:.2f}x")
    return ", ".join(best.values())


def _family(name: str) -> str:
    return "llama.cpp" if name.startswith("llama.cpp") else name.partition(".")[0]


def _goal(record: dict[str, Any]) -> str:
    if not record["unit"]:
        return "-"
    return f"{'<=' if record['at_most'] else '>='} {_figure(record, record['goal'])}"


def _figure(record: dict[str, Any], value: float | None) -> str:
    if value is None:
        return "-"
    unit = record["unit"]
    if unit.startswith("of "):
        return f"{value:.0%} {unit}"
    return f"{value:.2f}{unit if unit == 'x' else f' {unit}'}"


def _verdict(record: dict[str, Any]) -> str:
    if record["measured"] is None:
        return f"not measured: {record['why']}"
    return "yes" if record["reached"] else "no"
