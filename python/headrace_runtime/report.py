"""What an artifact costs: bytes, operations and time of each kernel launch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import HeadraceError
from .manifest import Manifest


@dataclass(frozen=True)
class Row:
    """One launch of the plan.

    bytes and operations are those of the whole launch, time_us its measured time in
    microseconds (None if it was not measured), floor_us the time its bytes take at the given
    memory bandwidth (None if no bandwidth was given). modelled_us and energy_uj (1e-6 J) are what
    a model of the report's device says, None if the compiler knew of no device.
    """

    kernel: str
    op: str
    format: str | None
    bytes: int
    operations: int
    grid: tuple[int, int, int]
    time_us: float | None = None
    floor_us: float | None = None
    activations: str | None = None
    modelled_us: float | None = None
    energy_uj: float | None = None

    @property
    def gb_per_s(self) -> float | None:
        """Measured rate in 1e9 bytes per second."""
        return self.bytes / self.time_us * 1e-3 if self.time_us else None


@dataclass(frozen=True)
class Report:
    """The launches of an artifact in plan order. `str()` is a table for people.

    description: what it was compiled for, as the target says it (CPU, kind of dot product, ...).
    device: what modelled times and energies are of; None if nothing is modelled.
    """

    target: str
    entry: str
    rows: tuple[Row, ...]
    measured: bool
    description: dict[str, Any] = field(default_factory=dict)
    device: str | None = None

    @property
    def bytes(self) -> int:
        """Bytes all launches move together."""
        return sum(row.bytes for row in self.rows)

    @property
    def operations(self) -> int:
        """Operations of all launches together."""
        return sum(row.operations for row in self.rows)

    @property
    def time_us(self) -> float | None:
        """Sum of the measured times."""
        return sum(row.time_us or 0.0 for row in self.rows) if self.measured else None

    @property
    def modelled_us(self) -> float | None:
        """Sum of the modelled times."""
        return sum(row.modelled_us or 0.0 for row in self.rows) if self.device else None

    @property
    def energy_uj(self) -> float | None:
        """Sum of the modelled energies."""
        return sum(row.energy_uj or 0.0 for row in self.rows) if self.device else None

    def to_json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(
            {
                "target": self.target,
                "entry": self.entry,
                "description": self.description,
                "measured": self.measured,
                "bytes": self.bytes,
                "operations": self.operations,
                "time_us": self.time_us,
                "device": self.device,
                "modelled_us": self.modelled_us,
                "energy_uj": self.energy_uj,
                "rows": [{**asdict(row), "gb_per_s": row.gb_per_s} for row in self.rows],
            }
        )

    def __str__(self) -> str:
        with_floor = any(row.floor_us is not None for row in self.rows)
        head = ["kernel", "op", "format", "MB", "Mop", "grid"]
        head += ["us", "GB/s"] if self.measured else []
        head += ["floor us"] if with_floor else []
        head += ["model us", "model uJ"] if self.device else []
        lines = [head]
        for row in self.rows:
            line = [row.kernel, row.op, row.format or "-", f"{row.bytes / 1e6:.3f}"]
            line += [f"{row.operations / 1e6:.3f}", "x".join(map(str, row.grid))]
            line += [_number(row.time_us), _number(row.gb_per_s)] if self.measured else []
            line += [_number(row.floor_us)] if with_floor else []
            line += [_number(row.modelled_us), _number(row.energy_uj)] if self.device else []
            lines.append(line)
        total = ["total", "", "", f"{self.bytes / 1e6:.3f}", f"{self.operations / 1e6:.3f}", ""]
        total += [_number(self.time_us), ""] if self.measured else []
        total += [""] if with_floor else []
        total += [_number(self.modelled_us), _number(self.energy_uj)] if self.device else []
        lines.append(total)
        facts = [f"{k} {v}" for k, v in self.description.items() if isinstance(v, str | int)]
        title = f"{self.entry} on {self.target}" + (f" ({', '.join(facts)})" if facts else "")
        title += f", modelled on {self.device}" if self.device else ""
        return f"{title}\n" + _table(lines, left=3)

    def plot(self, path: str | Path) -> None:
        """Writes a bar chart of the bytes and, where measured, the time of each launch.

        The file's suffix chooses the kind of picture (.png, .svg, .pdf). Needs matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise HeadraceError(
                "report.plot needs the package matplotlib: pip install matplotlib"
            ) from error
        series = [("MB", [row.bytes / 1e6 for row in self.rows])]
        if self.measured:
            series.append(("us", [row.time_us or 0.0 for row in self.rows]))
        if self.device:
            series.append(("modelled us", [row.modelled_us or 0.0 for row in self.rows]))
        labels = [f"{i} {row.kernel}" for i, row in enumerate(self.rows)]
        figure = Figure(figsize=(5 * len(series) + 2, 1.5 + 0.35 * len(labels)))
        axes = figure.subplots(1, len(series), sharey=True, squeeze=False)[0]
        for axis, (unit, values) in zip(axes, series, strict=True):
            axis.barh(labels, values)
            axis.set_xlabel(unit)
        axes[0].invert_yaxis()
        axes[0].set_title(f"{self.entry} on {self.target}")
        figure.tight_layout()
        figure.savefig(path)


def make_report(
    manifest: Manifest,
    seconds: Sequence[float] | None = None,
    bandwidth_gb_per_s: float | None = None,
) -> Report:
    """The report of a manifest; `seconds` holds one measured time for each step of the plan."""
    floor = 1e-3 / bandwidth_gb_per_s if bandwidth_gb_per_s else None  # us per byte
    rows = []
    for i, step in enumerate(manifest.plan):
        kernel = manifest.kernel(step.kernel)
        rows.append(
            Row(
                kernel=kernel.name,
                op=kernel.op,
                format=kernel.format,
                bytes=kernel.bytes,
                operations=kernel.operations,
                grid=step.grid,
                time_us=None if seconds is None else seconds[i] * 1e6,
                floor_us=None if floor is None else kernel.bytes * floor,
                activations=kernel.activations,
                modelled_us=None if kernel.modelled is None else kernel.modelled.time_us,
                energy_uj=None if kernel.modelled is None else kernel.modelled.energy_uj,
            )
        )
    description = manifest.data.get("description")
    devices = {kernel.modelled.device for kernel in manifest.kernels if kernel.modelled}
    return Report(
        manifest.target,
        manifest.entry,
        tuple(rows),
        measured=seconds is not None,
        description=description if isinstance(description, dict) else {},
        device=", ".join(sorted(devices)) or None,
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _table(lines: list[list[str]], left: int) -> str:
    """Aligned columns; the first `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def cell(i: int, text: str) -> str:
        return text.ljust(widths[i]) if i < left else text.rjust(widths[i])

    return "\n".join("  ".join(cell(i, t) for i, t in enumerate(line)).rstrip() for line in lines)
