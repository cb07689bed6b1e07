"""The report as a picture: times as bars, and where each kernel stands under the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench.report import Report
from headrace.errors import ToolMissingError, UsageError

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
    height = max(3.5, 0.55 * len(rows) + 1.5)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, height), width_ratios=(3, 2))

    names = ["ours", *dict.fromkeys(name for row in rows for name in row["peers"])]
    middle = np.arange(len(rows), dtype=float)
    thickness = 0.8 / len(names)
    for index, name in enumerate(names):
        values = [_best(row, name) for row in rows]
        left.barh(middle + index * thickness, values, thickness, label=name)
    left.vlines(
        [row["floor_us"] for row in rows],
        middle - thickness / 2,
        middle + 0.8 - thickness / 2,
        colors="black",
        label="floor",
    )
    labels = [f"{row['shape']} {row['format']} {row['activations']}" for row in rows]
    left.set_yticks(middle + 0.4 - thickness / 2, labels)
    left.invert_yaxis()
    left.set_xlabel("microseconds, best (black: floor)")
    left.legend(fontsize="small")

    read = max(row["read_gbps"] for row in rows)
    peak = max(row["peak_gops"] for row in rows)
    intensity = np.geomspace(0.5, 4 * peak / read, 200)
    right.plot(intensity, np.minimum(peak, intensity * read), color="black")
    for row, text in zip(rows, labels, strict=True):
        x = row["operations"] / row["bytes"]
        y = row["operations"] / row["ours_min_us"] * 1e-3
        right.plot(x, y, "o")
        right.annotate(text, (x, y), fontsize=6, xytext=(4, -2), textcoords="offset points")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("operations per byte")
    right.set_ylabel("1e9 operations per second, best")
    right.set_title(f"read probe {read:.1f} GB/s, peak {peak:.0f} Gop/s", fontsize="medium")

    figure.suptitle(f"{report.suite} on {report.machine['cpu']}, {report.date[:10]}")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _best(row: dict[str, Any], name: str) -> float:
    """Best microseconds of ours or a peer; 0, no bar, where the peer has no such row."""
    return float(row["ours_min_us"] if name == "ours" else row["peers_min_us"].get(name, 0))
