"""What a run in the array simulator took: time, use of each agent, traffic, a picture."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import ToolMissingError
from headrace.sim import aie_native as native
from headrace.sim.aie_design import Design

__all__ = ["Run", "Use", "Wait"]

_COLOURS = {"lock": "#d95f02", "room": "#7570b3", "data": "#a6cee3", "task": "#f0f0f0"}
_BUSY = "#1b9e77"
# HeadraceInterval of runtime/array/headrace_array.h.
_INTERVAL = np.dtype([("agent", "i4"), ("wait", "i4"), ("start", "f8"), ("end", "f8")])


@dataclass(frozen=True)
class Use:
    """Cycles of an agent: busy moving or computing, and waiting for a lock, for room in a stream,
    for data, for a task, or for the memory of the host, which others had. conflicts: of the busy
    ones, those in which a bank was taken. bytes: moved."""

    busy: float
    lock: float
    room: float
    data: float
    task: float
    memory: float
    conflicts: float
    bytes: int


def _use(facts: native.Agent) -> Use:
    _, lock, room, data, task = facts.waited
    return Use(facts.busy, lock, room, data, task, facts.memory, facts.conflicts, facts.bytes)


def _bars(collection: Any, bars: np.ndarray, colour: str) -> Any:
    """Rectangles: row, start, end."""
    low, high = bars[:, 0] - 0.4, bars[:, 0] + 0.4
    start, end = bars[:, 1], bars[:, 2]
    corners = [(start, low), (end, low), (end, high), (start, high)]
    points = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
    return collection(points, facecolors=colour, linewidths=0)


@dataclass(frozen=True)
class Wait:
    """A time in which an agent waits, in cycles."""

    agent: str
    wait: str
    start: float
    end: float


@dataclass(frozen=True)
class Run:
    """A modelled run; nothing in it is measured.

    cycles, us: from the first step of the runtime sequence to its last. dispatch_us: what the host
    and the firmware take beside that; total_us has both. utilisation: share of `cycles` in which an
    agent is busy. ddr_read, ddr_written: bytes of all shims. intervals: what `waits` reads, those
    of 32 cycles and more; waits_dropped of them did not fit.
    """

    device: str
    cycles: float
    us: float
    dispatch_us: float
    ddr_read: int
    ddr_written: int
    uses: dict[str, Use]
    waits_dropped: int
    intervals: np.ndarray = field(repr=False, compare=False)

    @classmethod
    def of(cls, design: Design, result: native.Result, agents: Sequence[native.Agent]) -> Run:
        names = design.agents()
        uses = {name: _use(facts) for name, facts in zip(names, agents, strict=True)}
        size = result.interval_count * ctypes.sizeof(native.Interval)
        found = ctypes.string_at(result.intervals, size)
        return cls(
            design.timing.name,
            result.cycles,
            design.timing.us(result.cycles),
            design.timing.dispatch_us,
            result.ddr_read,
            result.ddr_written,
            uses,
            result.intervals_dropped,
            np.frombuffer(found, _INTERVAL),
        )

    @property
    def waits(self) -> tuple[Wait, ...]:
        """In the order of their ends."""
        names = list(self.uses)
        return tuple(
            Wait(names[agent], native.WAITS[wait], start, end)
            for agent, wait, start, end in self.intervals.tolist()
        )

    @property
    def total_us(self) -> float:
        return self.us + self.dispatch_us

    @property
    def utilisation(self) -> dict[str, float]:
        return {name: use.busy / max(self.cycles, 1) for name, use in self.uses.items()}

    @property
    def ddr_gb_per_s(self) -> float:
        """Achieved over `us`."""
        return (self.ddr_read + self.ddr_written) / self.us * 1e-3 if self.us else 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "device": self.device,
            "measured": False,
            "cycles": self.cycles,
            "us": self.us,
            "dispatch_us": self.dispatch_us,
            "ddr_read": self.ddr_read,
            "ddr_written": self.ddr_written,
            "ddr_gb_per_s": self.ddr_gb_per_s,
            "agents": {name: vars(use) for name, use in self.uses.items()},
            "waits": [[w.agent, w.wait, w.start, w.end] for w in self.waits],
            "waits_dropped": self.waits_dropped,
        }

    def timeline(self, path: str | Path) -> Path:
        """Writes when each agent works and waits: a picture, or JSON for a name in .json."""
        path = Path(path)
        if path.suffix == ".json":
            path.write_text(json.dumps(self.to_json()))
            return path
        try:
            from matplotlib import pyplot
            from matplotlib.collections import PolyCollection
            from matplotlib.patches import Patch
        except ImportError as error:
            raise ToolMissingError(
                "a timeline is drawn with matplotlib, which is not installed "
                "(pip install matplotlib); a name in .json needs nothing"
            ) from error
        names = [name for name, use in self.uses.items() if use.busy > 0]
        rows = np.array([names.index(n) if n in names else -1 for n in self.uses])
        figure, axes = pyplot.subplots(figsize=(12, 1.2 + 0.11 * len(names)))
        everything = np.array([[row, 0.0, self.us] for row in range(len(names))])
        axes.add_collection(_bars(PolyCollection, everything, _BUSY))
        scale = self.us / self.cycles if self.cycles else 0.0
        shown = self.intervals[rows[self.intervals["agent"]] >= 0]
        for kind, colour in _COLOURS.items():
            own = shown[shown["wait"] == native.WAITS.index(kind)]
            ends = (np.minimum(own[end], self.cycles) * scale for end in ("start", "end"))
            bars = np.stack([rows[own["agent"]], *ends], axis=1)
            axes.add_collection(_bars(PolyCollection, bars, colour))
        axes.set_yticks(range(len(names)), names, fontsize=4)
        axes.set_ylim(len(names), -1)
        axes.set_xlim(0, self.us)
        axes.set_xlabel(
            f"us, modelled on {self.device}; {self.ddr_gb_per_s:.1f} GB/s of memory, "
            f"without the dispatch of {self.dispatch_us:.0f} us"
        )
        marks = [Patch(color=_BUSY, label="works")]
        marks += [Patch(color=colour, label=f"waits: {kind}") for kind, colour in _COLOURS.items()]
        axes.legend(
            handles=marks, ncols=len(marks), fontsize=7, loc="lower left", bbox_to_anchor=(0, 1)
        )
        figure.tight_layout()
        figure.savefig(path, dpi=120)
        pyplot.close(figure)
        return path
