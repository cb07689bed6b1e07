"""Chips with Metal, and what the pipeline asks about them."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.errors import UsageError, nearest

__all__ = ["CHIPS", "MetalDescription", "chip_names", "describe"]

CHIPS = Path(__file__).with_name("chips.json")

# The chip that `metal` alone stands for: with the least of everything.
DEFAULT = "m1"
# Lanes that a core computes with in each cycle, of all chips.
LANES_OF_A_CORE = 128
# Threads of a simdgroup, of all chips.
SUBGROUP_WIDTH = 32


@dataclass(frozen=True)
class MetalDescription:
    """A chip: what its kernels may use.

    gb_per_s: nominal bandwidth of its memory; measured ones are lower. cores: of its GPU.
    slow_shifts: whether shifts and conversions take longer than additions.
    """

    chip: str
    family: str
    gb_per_s: float
    cores: int
    clock_ghz: float
    max_threads: int
    shared_memory: int
    max_buffers: int
    slow_shifts: bool
    max_buffer_bytes: int = (1 << 31) - 1
    subgroup_width: int = SUBGROUP_WIDTH

    @property
    def lane_rate_ghz(self) -> float:
        """1e9 instructions a second, of all lanes together."""
        return self.cores * LANES_OF_A_CORE * self.clock_ghz

    def to_json(self) -> dict[str, Any]:
        """For manifests."""
        return asdict(self)


@functools.cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(CHIPS.read_text())
    return tables


def chip_names() -> list[str]:
    """Every chip that has a description."""
    return list(_tables()["chips"])


def describe(option: str | None) -> MetalDescription:
    """The chip `option` (`m2-max`); without one the first family's smallest.

    Raises `UsageError` with the known chips for another name.
    """
    chip = option or DEFAULT
    tables = _tables()
    if chip not in tables["chips"]:
        close = nearest(chip, tables["chips"])
        hint = f", did you mean '{close}'" if close else ""
        raise UsageError(
            f"target metal: unknown chip '{chip}'{hint}; allowed: {', '.join(tables['chips'])}"
        )
    facts = tables["chips"][chip]
    name, family = next(
        (name, family)
        for name, family in tables["families"].items()
        if chip.partition("-")[0] in family["chips"]
    )
    return MetalDescription(
        chip=chip,
        family=name,
        gb_per_s=facts["gb_per_s"],
        cores=facts["cores"],
        clock_ghz=family["clock_ghz"],
        max_threads=family["max_threads"],
        shared_memory=family["shared_memory"],
        max_buffers=family["max_buffers"],
        slow_shifts=family["slow_shifts_and_conversions"],
    )
