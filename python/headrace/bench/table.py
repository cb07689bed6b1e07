"""The report in a terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from headrace.bench import limits_table
from headrace.bench.report import Report

BUSY_ABOVE = 0.05
WIDE = 130


def render(report: Report, width: int) -> Group:
    """A table of rows, or of limits, then the state of the machine, what is missing, any problem.

    Peers are columns where `width` characters hold them, else lines under each row.
    """
    tables = [limits_table.render(report, width)] if report.limits else _tables(report, width)
    lines = [Text(line) for line in _machine_lines(report)]
    if report.busy > BUSY_ABOVE:
        lines.append(
            Text(
                f"others used up to {report.busy:.0%} of the CPUs meanwhile: times are too long, "
                "most of all those of peers whose threads wait for each other",
                style="yellow",
            )
        )
    lines += [Text(line, style="dim") for line in _missing_lines(report)]
    lines += [Text(line, style="bold red") for line in report.problems]
    return Group(*tables, *lines)


def _tables(report: Report, width: int) -> list[Table]:
    """One for each set of peers: rows of different kinds have different ones."""
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in report.measured:
        kinds.setdefault((*row["peers"], *row["peers_missing"]), []).append(row)
    make = _wide if width >= WIDE else _narrow
    return [make(report, rows) for rows in kinds.values()]


def _table(report: Report, columns: str) -> Table:
    return Table(
        title=f"{report.suite} on {report.target}, {report.machine['threads']} threads: {columns}",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )


def _wide(report: Report, rows: list[dict[str, Any]]) -> Table:
    peers = list(dict.fromkeys(name for row in rows for name in row["peers"]))
    table = _table(report, "best us (median); peers best us, times ours")
    for name in ("shape", "format", "x"):
        table.add_column(name, no_wrap=True)
    for name in ("ours", "floor", "GB/s", "of floor", *(n.replace(".", ".\n") for n in peers)):
        table.add_column(name.replace("llama.\ncpp", "llama.cpp"), justify="right", no_wrap=True)
    for row in rows:
        cells = [f"{row['shape']} {row['variant']}".rstrip(), row["format"], row["activations"]]
        cells.append(f"{row['ours_min_us']:.0f} ({row['ours_us']:.0f})")
        cells += [f"{row['floor_us']:.0f}", f"{row['gbps']:.1f}", f"{row['of_floor']:.0%}"]
        cells += [_peer(row, name) if name in row["peers"] else "-" for name in peers]
        table.add_row(*cells, style=_style(row))
    return table


def _narrow(report: Report, rows: list[dict[str, Any]]) -> Table:
    table = _table(report, "best us, median us")
    table.add_column("row", no_wrap=True)
    for name in ("best", "median", "GB/s or times ours"):
        table.add_column(name, justify="right")
    for row in rows:
        parts = (row["shape"], row["format"], row["activations"], row["variant"])
        name = " ".join(filter(None, parts))
        share = f"{row['gbps']:.1f} GB/s, {row['of_floor']:.0%} of floor"
        best, median = f"{row['ours_min_us']:.0f}", f"{row['ours_us']:.0f}"
        table.add_row(name, best, median, share, style=_style(row) or "bold")
        table.add_row("  floor", f"{row['floor_us']:.0f}", "", "")
        for peer, median_us in row["peers"].items():
            best, ratio = f"{row['peers_min_us'][peer]:.0f}", f"{row['ratio'][peer]:.2f}x"
            table.add_row(f"  {peer}", best, f"{median_us:.0f}", ratio)
    return table


def _peer(row: dict[str, Any], name: str) -> str:
    return f"{row['peers_min_us'][name]:.0f} {row['ratio'][name]:.2f}x"


def _style(row: dict[str, Any]) -> str | None:
    return "red" if row["void"] or not row["ok"] else None


def _machine_lines(report: Report) -> list[str]:
    machine = report.machine
    reads = [row["read_gbps"] for row in report.measured]
    latencies = [row["core_latency_ns"] for row in report.measured if row["core_latency_ns"]]
    lines = [
        f"{machine['cpu']}; weights rotate over {machine['rotation_bytes'] >> 20} MiB, "
        f"last-level cache {machine['last_level_cache_bytes'] >> 20} MiB; "
        f"load at start {machine['load_average']}"
    ]
    if reads:
        state = f"read probe {min(reads):.1f} to {max(reads):.1f} GB/s"
        if latencies:
            state += f", core to core {min(latencies):.0f} to {max(latencies):.0f} ns"
        lines.append(state)
    return lines


def _missing_lines(report: Report) -> list[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in report.measured:
        for name, reason in row["peers_missing"].items():
            names = reasons.setdefault((name, reason), [])
            if row["format"] not in names:
                names.append(row["format"])
    # the table of limits has reasons of its own
    absent = [row for row in report.rows if not row["measured"] and not report.limits]
    return [f"not measured: {row['op']}: {row['reason']}" for row in absent] + [
        f"not measured: {name} for {', '.join(names)}: {reason}"
        for (name, reason), names in reasons.items()
    ]


class Bar:
    """Progress on a console, one bar per group of rows."""

    def __init__(self, console: Console) -> None:
        self._progress = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=2,
            auto_refresh=False,  # no thread of its own beside what is measured
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def start(self, title: str, total: int) -> None:
        """Begin a group."""
        self._progress.reset(self._task, description=title, total=total)
        self._progress.refresh()

    def tick(self) -> None:
        """One round is done."""
        self._progress.advance(self._task)
        self._progress.refresh()
