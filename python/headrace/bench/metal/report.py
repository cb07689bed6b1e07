"""The report of the suite `model`: JSON, a table, a picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from headrace.bench.modelled import limits_table, table
from headrace.errors import ToolMissingError

__all__ = ["ModelReport"]

SCHEMA = 1
_OTHERS = {"ggml": "ggml", "iree": "IREE"}


@dataclass(frozen=True)
class ModelReport:
    """What was found; every figure in it is simulated, counted or modelled, none measured.

    rows: formats as all suites have them. sparse: traffic. chips: times of the sparse product.
    judged: published figures and the model's. limits: goals and figures.
    """

    target: str
    date: str
    model: dict[str, Any]
    simulated_shape: str
    rows: list[dict[str, Any]]
    sparse: list[dict[str, Any]]
    chips: list[dict[str, Any]]
    judged: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    problems: list[str]

    @property
    def exit_code(self) -> int:
        """1 if a result was wrong."""
        return 1 if self.problems else 0

    def to_json(self) -> str:
        """One object."""
        import headrace

        head = {"schema": SCHEMA, "suite": "model", "headrace": headrace.__version__}
        return json.dumps(head | {"machine": "none: nothing is measured"} | asdict(self), indent=1)

    def render(self, width: int) -> Group:
        """The limits, the modelled times, and the chips."""
        del width
        lines = [Text(line, style="bold red") for line in self.problems]
        lines += [
            Text(f"no row of {peer} for {', '.join(names)}: {reason}", style="dim")
            for (peer, reason), names in self._missing().items()
        ]
        return Group(self._limits(), self._times(), self._chips(), *lines)

    def _missing(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            for peer, reason in row["peers_missing"].items():
                found.setdefault((peer, reason), []).append(row["format"])
        return found

    def _limits(self) -> Table:
        return limits_table(self.target, self.limits, _OTHERS, "nothing is measured")

    def _times(self) -> Table:
        made = table(
            f"modelled us of products of {self.rows[0]['shape']} on {self.target}, from figures "
            f"simulated with {self.simulated_shape}"
        )
        made.add_column("format")
        for name in ("ours", "memory alone", "ggml", "IREE"):
            made.add_column(name, justify="right")
        for row in self.rows:
            others = [row["peers"].get(who) for who in ("ggml", "iree")]
            values = [row["ours_us"], row["floor_us"], *others]
            made.add_row(row["format"], *("-" if v is None else f"{v:.1f}" for v in values))
        return made

    def _chips(self) -> Table:
        made = table("modelled us of q4_k with half of the columns, by chip")
        made.add_column("chip")
        heads = ("dense", "sparse", "ceiling", "selection", "break-even density")
        for name in heads:
            made.add_column(name, justify="right")
        for row in self.chips:
            times = [f"{row[name]:.1f}" for name in heads[:-1]]
            made.add_row(row["chip"], *times, f"{row['break_even']:.2f}")
        return made

    def plot(self, path: Path) -> None:
        """Bars of how far each limit is reached, and of modelled times."""
        try:
            import matplotlib
        except ImportError:
            raise ToolMissingError(
                "bench: --plot needs matplotlib; `pip install matplotlib`"
            ) from None
        matplotlib.use("Agg")
        from matplotlib import pyplot

        records = [record for record in self.limits if record["reached"] is not None]
        height = max(4.0, 0.26 * len(records) + 1.5)
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(15, height), width_ratios=(3, 2))
        for index, record in enumerate(records):
            share = record["figure"] / record["goal"]
            share = share if not record["at_most"] else 1 / share if share else 3
            color = "tab:green" if record["reached"] else "tab:red"
            left.barh(index, min(share, 3), color=color)
        left.axvline(1, color="black")
        names = [f"{record['limit']}: {record['case']} ({record['how']})" for record in records]
        left.set_yticks(range(len(records)), names, fontsize=6)
        left.margins(y=0.01)
        left.invert_yaxis()
        left.set_xlabel("how far the goal is reached, at most 3 (black: reached)")
        self._plot_times(right)
        figure.suptitle(f"model of {self.target}, {self.date[:10]}: nothing is measured")
        figure.tight_layout()
        figure.savefig(path, dpi=120)
        pyplot.close(figure)

    def _plot_times(self, axes: Any) -> None:
        names = ["ours", "ggml", "iree"]
        thickness = 0.8 / len(names)
        for number, name in enumerate(names):
            values = [
                row["ours_us"] if name == "ours" else row["peers"].get(name, 0) for row in self.rows
            ]
            middle = [index + number * thickness for index in range(len(self.rows))]
            axes.barh(middle, values, thickness, label=name)
        axes.set_yticks(range(len(self.rows)), [row["format"] for row in self.rows])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(left=min(row["ours_us"] for row in self.rows) / 4)
        axes.set_xlabel(f"modelled microseconds of {self.rows[0]['shape']}")
        axes.legend(fontsize="small")
