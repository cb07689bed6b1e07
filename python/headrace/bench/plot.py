"""The report as a picture: times as bars, and where each kernel stands under the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench.report import Report
from headrace.errors import ToolMissingError, UsageError

# times further apart than this are drawn on a logarithmic scale
WIDE_RANGE = 50
SUFFIXES = (".png", ".svg", ".pdf")


def check_path(path: Path) -> None:
    """Raises `UsageError` before anything is measured if the picture could not be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"bench: expected --plot to end in a picture type, but got '{path.name}'; "
            f"allowed: {', '.join(SUFFIXES)}"
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(f"bench: expected the folder of --plot to exist, but got '{path}'")


def plot(report: Report, path: Path) -> None:
    """Write the picture to `path`."""
    try:
        import matplotlib
    except ImportError:
        raise ToolMissingError("bench: --plot needs matplotlib; `pip install matplotlib`") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = report.measured
    bars = len(report.limits) or len(rows)
    figure, (left, right) = pyplot.subplots(
        1,
        2,
        figsize=(14, max(3.5, (0.3 if report.limits else 0.55) * bars + 1.5)),
        width_ratios=(3, 2),
    )
    if report.limits:
        _limit_bars(left, report.limits)
    else:
        _time_bars(left, rows)
    if rows:
        _roofline(right, rows)
    figure.suptitle(f"{report.suite} on {report.machine['cpu']}, {report.date[:10]}")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _label(row: dict[str, Any]) -> str:
    parts = (row["shape"], row["format"], row["activations"], row["variant"])
    return " ".join(filter(None, parts))


def _time_bars(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Times of ours and of each peer, and the floor of each row."""
    names = ["ours", *dict.fromkeys(name for row in rows for name in row["peers"])]
    middle = np.arange(len(rows), dtype=float)
    thickness = 0.8 / len(names)
    for index, name in enumerate(names):
        values = [_best(row, name) for row in rows]
        axes.barh(middle + index * thickness, values, thickness, label=name)
    axes.vlines(
        [row["floor_us"] for row in rows],
        middle - thickness / 2,
        middle + 0.8 - thickness / 2,
        colors="black",
        label="floor",
    )
    axes.set_yticks(middle + 0.4 - thickness / 2, [_label(row) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("microseconds, best (black: floor)")
    axes.legend(fontsize="small")
    times = [_best(row, name) for row in rows for name in ("ours", *row["peers"])]
    if times and max(times) > WIDE_RANGE * min(times):
        axes.set_xscale("log")


def _limit_bars(axes: Any, limits: list[dict[str, Any]]) -> None:
    """How far each limit is reached; what was not measured has no bar."""
    for index, record in enumerate(limits):
        if record["measured"] is None:
            continue
        share = record["measured"] / record["goal"]
        share = 1 / share if record["at_most"] else share
        axes.barh(index, min(share, 3), color="tab:green" if record["reached"] else "tab:red")
    axes.axvline(1, color="black")
    names = [f"{record['limit']}: {record['case']}" for record in limits]
    axes.set_yticks(range(len(limits)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("measured over goal, at most 3 (black: reached)")


def _roofline(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Where each row stands under the memory's and the arithmetic's rate."""
    read = max(row["read_gbps"] for row in rows)
    peak = max(row["peak_gops"] for row in rows)
    most = max(row["operations"] / row["bytes"] for row in rows)
    intensity = np.geomspace(0.5, max(4 * peak / read, 2 * most), 200)
    axes.plot(intensity, np.minimum(peak, intensity * read), color="black")
    for row in rows:
        x = row["operations"] / row["bytes"]
        y = row["operations"] / row["ours_min_us"] * 1e-3
        axes.plot(x, y, "o")
        axes.annotate(_label(row), (x, y), fontsize=6, xytext=(4, -2), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations per byte")
    axes.set_ylabel("1e9 operations per second, best")
    axes.set_title(f"read probe {read:.1f} GB/s, peak {peak:.0f} Gop/s", fontsize="medium")


def _best(row: dict[str, Any], name: str) -> float:
    """Best microseconds of ours or a peer; 0, no bar, where the peer has no such row."""
    return float(row["ours_min_us"] if name == "ours" else row["peers_min_us"].get(name, 0))
