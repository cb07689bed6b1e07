"""Rows of bytes, operations, time and energy, and what can be made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.cost.device import Device
from headrace.errors import ToolMissingError

__all__ = ["Report", "Row"]


@dataclass(frozen=True)
class Row:
    """One operation of a module.

    op: its name; detail: format and shape of the weight, or shape and type of the cache.
    read, written: bytes; operations: a multiply-add is two; transcendentals: exponentials etc.
    count: how often it runs, because of loops with known bounds. All figures are of all runs.
    once: done when weights are loaded rather than in each call; not part of the sums.
    precision: what it computes in on the device, None where the device's peak is not known.
    time_us, energy_uj: modelled; None without a device.
    """

    function: str
    op: str
    detail: str
    count: int
    read: int
    written: int
    operations: int
    transcendentals: int
    once: bool = False
    precision: str | None = None
    time_us: float | None = None
    energy_uj: float | None = None
    memory_bound: bool | None = None

    @property
    def bytes(self) -> int:
        """Bytes read and written."""
        return self.read + self.written

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return (self.operations + self.transcendentals) / max(self.bytes, 1)


@dataclass(frozen=True)
class Report:
    """The operations of a module that have a cost, in order. `str()` is a table for people.

    uncounted: how many operations of linalg there are beside them, which say nothing of their cost.
    """

    rows: tuple[Row, ...]
    device: Device | None
    density: float
    length: int | None
    uncounted: int = 0

    @property
    def counted(self) -> tuple[Row, ...]:
        """The rows of each call, without what is done once."""
        return tuple(row for row in self.rows if not row.once)

    @property
    def bytes(self) -> int:
        """Bytes that a call moves."""
        return sum(row.bytes for row in self.counted)

    @property
    def operations(self) -> int:
        """Operations of a call."""
        return sum(row.operations for row in self.counted)

    @property
    def time_us(self) -> float | None:
        """Modelled time of a call, one operation after another; None without a device."""
        return sum(row.time_us or 0.0 for row in self.counted) if self.device else None

    @property
    def energy_uj(self) -> float | None:
        """Modelled energy of a call; None without a device."""
        return sum(row.energy_uj or 0.0 for row in self.counted) if self.device else None

    def to_json(self) -> str:
        """The report as a JSON object."""
        device: dict[str, Any] | None = None
        if self.device is not None:
            device = asdict(self.device)
        return json.dumps(
            {
                "modelled": True,
                "device": device,
                "density": self.density,
                "length": self.length,
                "bytes": self.bytes,
                "operations": self.operations,
                "time_us": self.time_us,
                "energy_uj": self.energy_uj,
                "uncounted": self.uncounted,
                "rows": [{**asdict(row), "bytes": row.bytes} for row in self.rows],
            }
        )

    def __str__(self) -> str:
        head = ["op", "detail", "runs", "read MB", "written MB", "Mop"]
        head += ["us", "bound", "in", "uJ"] if self.device else []
        lines = [head]
        functions = list(dict.fromkeys(row.function for row in self.rows))
        for function in functions:
            rows = [row for row in self.rows if row.function == function]
            lines += [self._line(row) for row in rows]
            # Functions are different programs, so their costs are not added up.
            name = f"total of @{function}" if len(functions) > 1 else "total"
            lines.append(self._total(name, [row for row in rows if not row.once]))
        return "\n".join([self._title(), _table(lines, left=2), *self._notes()])

    def _line(self, row: Row) -> list[str]:
        line = [row.op, row.detail, "once" if row.once else str(row.count)]
        line += [_number(value / 1e6) for value in (row.read, row.written, row.operations)]
        if self.device:
            bound = "memory" if row.memory_bound else "compute"
            line += [_number(row.time_us), bound, row.precision or "?", _number(row.energy_uj)]
        return line

    def _total(self, name: str, rows: Sequence[Row]) -> list[str]:
        read = sum(row.read for row in rows)
        written = sum(row.written for row in rows)
        operations = sum(row.operations for row in rows)
        line = [name, "", "", *(_number(value / 1e6) for value in (read, written, operations))]
        if self.device:
            time = sum(row.time_us or 0.0 for row in rows)
            line += [_number(time), "", "", _number(sum(row.energy_uj or 0.0 for row in rows))]
        return line

    def _title(self) -> str:
        length = "full caches" if self.length is None else f"{self.length} tokens in caches"
        where = f"modelled on {self.device.name} ({self.device.summary}), " if self.device else ""
        return f"{where}density {self.density:g}, {length}"

    def _notes(self) -> list[str]:
        notes = []
        if any(row.once for row in self.rows):
            notes.append("once: done when weights are loaded; not in the total")
        if self.uncounted:
            notes.append(f"not counted: {self.uncounted} operations of linalg")
        if self.device and any(row.precision is None for row in self.rows):
            notes.append(f"?: {self.device.name} has no known peak for it; time is that of bytes")
        return notes

    def plot(self, path: str | Path) -> None:
        """Draw bars of bytes (and time), and with a device the roofline, to a .png, .svg or .pdf.

        Needs matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ToolMissingError(
                "cost report: plot needs the package matplotlib: pip install matplotlib"
            ) from error
        panels = 1 if self.device is None else 3
        figure = Figure(figsize=(5.5 * panels, 2.5 + 0.3 * len(self.counted)))
        axes = figure.subplots(1, panels, squeeze=False)[0]
        labels = [f"{index} {row.op}" for index, row in enumerate(self.counted)]
        bars = [("MB", [row.bytes / 1e6 for row in self.counted])]
        if self.device is not None:
            bars.append(("modelled us", [row.time_us or 0.0 for row in self.counted]))
            self._draw_roofline(axes[2], self.device)
        for axis, (unit, values) in zip(axes, bars, strict=False):
            axis.barh(labels, values)
            axis.set_xlabel(unit)
            axis.invert_yaxis()
        figure.suptitle(self._title(), fontsize=9)
        figure.tight_layout()
        figure.savefig(path)

    def _draw_roofline(self, axis: Any, device: Device) -> None:
        """Peaks and bandwidth as lines, operations as points at the rate of their modelled time."""
        points = [row for row in self.counted if row.operations and row.time_us]
        ridges = [peak / device.read_gb_per_s for peak in device.peak_gops.values()]
        intensities = [row.intensity for row in points]
        left = min([*intensities, *ridges]) / 4
        right = max([*intensities, *ridges]) * 4
        for name, peak in device.peak_gops.items():
            ridge = peak / device.read_gb_per_s
            x = [left, ridge, right]
            axis.plot(x, [min(device.read_gb_per_s * value, peak) for value in x], label=name)
        for index, row in enumerate(self.counted):
            if row in points and row.time_us:
                rate = (row.operations + row.transcendentals) / row.time_us * 1e-3
                axis.plot([row.intensity], [rate], "ko", markersize=4)
                axis.annotate(str(index), (row.intensity, rate), fontsize=7)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("operations per byte")
        axis.set_ylabel("1e9 operations / s, modelled")
        axis.legend(fontsize=7)


def _number(value: float | None) -> str:
    """Four digits."""
    return "-" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def _table(lines: list[list[str]], left: int) -> str:
    """Aligned columns; the first `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def cell(i: int, text: str) -> str:
        return text.ljust(widths[i]) if i < left else text.rjust(widths[i])

    return "\n".join("  ".join(cell(i, t) for i, t in enumerate(line)).rstrip() for line in lines)
