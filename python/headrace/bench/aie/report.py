"""The report of the suite `model` for arrays of AI Engines: JSON, tables, a picture."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from headrace.bench.aie.limits import MODELLED
from headrace.bench.modelled import limits_table, table
from headrace.sim.aie_timing import PROVEN

__all__ = ["ArrayReport"]

SCHEMA = 1
_OTHERS = {"published": "published"}
_NOTE = "no array was there"
# Keys of a judged row: with the rates of devices.json, and with those fitted to published ones.
_MODELS = (("modelled", "error"), ("fitted", "fitted_error"))


@dataclass(frozen=True)
class ArrayReport:
    """What was found: times are modelled, and what the simulator itself takes says where.

    rows: products as all suites have them. judged: published figures beside the model's; rows that
    need what the simulator has not count in no error. mean_error: of the others, with the rates
    that modelled times are made with. limits: goals and figures.
    """

    target: str
    date: str
    cap_gb_per_s: float
    rows: list[dict[str, Any]]
    judged: list[dict[str, Any]]
    mean_error: float | None
    limits: list[dict[str, Any]]
    problems: list[str]

    @property
    def exit_code(self) -> int:
        """1 if a result was wrong."""
        return 1 if self.problems else 0

    @property
    def verdict(self) -> str:
        """Of all modelled times."""
        if self.mean_error is None:
            return "modelled times are UNPROVEN: no published row of this array was judged"
        state = "proven" if self.mean_error <= PROVEN else "UNPROVEN"
        return (
            f"modelled times are {state}: mean error {self.mean_error:.1%} of the judged rows that "
            f"count, at most {PROVEN:.0%}"
        )

    def to_json(self) -> str:
        """One object."""
        import headrace

        head = {"schema": SCHEMA, "suite": "model", "headrace": headrace.__version__}
        machine = {"machine": "none: times of the array are modelled", "verdict": self.verdict}
        return json.dumps(head | machine | asdict(self), indent=1)

    def render(self, width: int) -> Group:
        """The limits, the modelled times, and the rows that the model is judged on."""
        del width
        parts = [limits_table(self.target, self.limits, _OTHERS, _NOTE)] if self.limits else []
        parts += [self._times()] if self.rows else []
        parts += [self._judged()] if self.judged else []
        lines = [Text(line, style="bold red") for line in self.problems]
        return Group(*parts, Text(self.verdict), *lines)

    def _times(self) -> Table:
        made = table(
            f"modelled us on {self.target}; the array reads {self.cap_gb_per_s:.1f} GB/s at most"
        )
        for name in ("row", "operation"):
            made.add_column(name)
        for name in ("run", "with dispatch", "weights alone", "weights", "TFLOP/s"):
            made.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            times = (row["ours_us"], row["ours_us"] + row["dispatch_us"], row["floor_us"])
            rates = (f"{row['weights_gb_per_s']:.1f} GB/s", f"{row['tflop_per_s']:.2f}")
            made.add_row(row["row"], row["op"], *(f"{us:.1f}" for us in times), *rates)
        return made

    def _judged(self) -> Table:
        made = table("the model against published rows that it was not fitted to")
        for name in ("group", "row"):
            made.add_column(name)
        for name in ("published", MODELLED, "error", "fitted", "error"):
            made.add_column(name, justify="right", no_wrap=True)
        made.add_column("counts")
        for row in self.judged:
            counts = "yes" if row["counts"] else f"no: needs {row['needs']}"
            figure = f"{row['published']:.1f} {row['figure']}"
            said = (_said(row[key], row[error]) for key, error in _MODELS)
            made.add_row(row["group"], row["row"], figure, *itertools.chain(*said), counts)
        return made

    def plot(self, path: Path) -> None:
        """Shares of the cap, and errors of the model."""
        from headrace.bench.aie import picture

        picture.draw(self, path)


def _said(modelled: float | None, error: float | None) -> tuple[str, str]:
    if modelled is None or error is None:
        return "-", "-"
    return f"{modelled:.1f}", f"{error:+.1%}"
