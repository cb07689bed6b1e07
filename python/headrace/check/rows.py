"""Results of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Report", "Row"]


@dataclass(frozen=True)
class Row:
    """The worst error of one cell at one shape against one reference.

    shape: `m x k` (`m x k x n` for matmul, `n x k` for quantize).
    error: relative L2, or the number of differing elements where `bound` is 0; 1e300 stands for
        an error that is not finite.
    reference: what the result was compared with.
    data: which of the `runs` drawn data sets gave that error.
    relative_rmse: what quantizing normal weights loses, where an encoder is checked.
    engine: what ran a decomposition ("jit" or "iree"), where that is checked.
    traffic: bytes that a simulated run moved to and from memory, over those of its arguments; the
        most of all runs.
    """

    target: str
    op: str
    format: str
    activations: str
    shape: str
    error: float
    bound: float
    reference: str
    data: str
    runs: int
    operation: str
    relative_rmse: float | None = None
    engine: str | None = None
    traffic: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the error is within the bound."""
        return self.error <= self.bound

    def to_json(self) -> dict[str, Any]:
        """The row as `headrace check --json` prints it."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return values | {"ok": self.ok}


@dataclass(frozen=True)
class Report:
    """All rows of a run; the seed draws the same data again."""

    target: str
    seed: int
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether something was checked and every error is within its bound."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    @property
    def failed(self) -> list[Row]:
        """The rows that are not ok."""
        return [row for row in self.rows if not row.ok]

    def to_json(self) -> dict[str, Any]:
        """`{"cells": [row, ...]}` with target and seed."""
        return {
            "target": self.target,
            "seed": self.seed,
            "cells": [row.to_json() for row in self.rows],
        }


def worst(rows: Iterable[Row]) -> Row:
    """The row with the largest error, counting all runs."""
    listed = list(rows)
    row = max(listed, key=lambda item: item.error)
    return Row(**{**asdict(row), "runs": sum(item.runs for item in listed)})
