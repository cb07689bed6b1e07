"""From samples to rows: the floor, ratios, and the rule that voids a run.

The row's JSON is stable. `ours_us` and `peers` are medians, `..._min_us` the best of many; `ratio`
is how many times longer a peer takes than ours, of the best times (what the code can do, whoever
else uses the machine), `ratio_median` the median over rounds. `floor_us` is the larger of bytes
over the best read bandwidth of the same run and operations over the measured peak, so it compares
with `ours_min_us`.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench.measure import Measurements
from headrace.bench.session import Item, Work

SCHEMA = 1
# No kernel reads faster than memory: above this share of the probe the probe was wrong.
VOID_ABOVE = 1.02


def floor_us(nbytes: int, read_gbps: float, ops: int, peak_gops: float) -> float:
    """Microseconds that no kernel can go below. GB/s and Gop/s are 1e9 a second."""
    return max(nbytes / read_gbps, ops / peak_gops) * 1e-3


def is_void(amount: int, us: float, rate: float) -> bool:
    """Whether a time means more than VOID_ABOVE of the rate (1e9 a second) the probe measured.

    amount: bytes from memory, on weights alone, or operations
    """
    return amount / us * 1e-3 > VOID_ABOVE * rate


def make_row(
    item: Item,
    contender: str,
    work: Work,
    measured: Measurements,
    peak_gops: float,
    missing: Mapping[str, str],
) -> dict[str, Any]:
    """One row of the report: what `contender` needed. `missing` says why peers are not in it."""
    ours = measured.samples[contender]
    peers = {n: s for n, s in measured.samples.items() if not n.startswith("ours.")}
    read = measured.read_gbps
    floor = floor_us(work.nbytes, read, work.operations, peak_gops)
    latency = measured.core_latency_ns
    return {
        **_asked(item),
        "measured": True,
        "ours_us": round(ours.median, 2),
        "ours_min_us": round(ours.minimum, 2),
        "floor_us": round(floor, 2),
        "of_floor": round(floor / ours.minimum, 4),
        "gbps": round(work.nbytes / ours.minimum * 1e-3, 2),
        "of_read": round(work.nbytes / ours.minimum * 1e-3 / read, 4),
        "gops": round(work.operations / ours.minimum * 1e-3, 1),
        "of_peak": round(work.operations / ours.minimum * 1e-3 / peak_gops, 4),
        "error": ours.error if np.isfinite(ours.error) else None,
        "bound": ours.bound,
        "ok": bool(ours.error <= ours.bound),
        "void": is_void(work.from_memory, ours.minimum, read)
        or is_void(work.operations, ours.minimum, peak_gops),
        "note": ours.note,
        "peers": {name: round(s.median, 2) for name, s in peers.items()},
        "peers_min_us": {name: round(s.minimum, 2) for name, s in peers.items()},
        "ratio": {name: round(s.minimum / ours.minimum, 3) for name, s in peers.items()},
        "ratio_median": {name: round(s.median_ratio(ours), 3) for name, s in peers.items()},
        "peers_ok": {name: bool(s.error <= s.bound) for name, s in peers.items()},
        "peers_note": {name: s.note for name, s in peers.items()},
        "peers_missing": dict(missing),
        "bytes": work.nbytes,
        "weight_bytes": work.from_memory,
        "operations": work.operations,
        "read_gbps": round(read, 2),
        "read_gbps_median": round(measured.read_gbps_median, 2),
        "read_pattern": measured.read_pattern,
        "peak_gops": round(peak_gops, 1),
        "core_latency_ns": round(float(np.median(latency)), 1) if latency else None,
        "core_latency_range_ns": [round(min(latency), 1), round(max(latency), 1)]
        if latency
        else None,
        "others_cpu": None if measured.others_cpu is None else round(measured.others_cpu, 3),
        "samples": int(ours.us.size),
    }


def absent_row(item: Item, reason: str, failed: bool = False) -> dict[str, Any]:
    """A row that could not be measured, because there is no kernel or because one failed."""
    return {**_asked(item), "measured": False, "reason": reason, "failed": failed}


def _asked(item: Item) -> dict[str, Any]:
    return {
        "kernel": item.kernel,
        "op": item.label,
        "shape": item.shape,
        "format": item.format,
        "activations": item.activations,
        "variant": item.variant,
    }


@dataclass
class Report:
    """Rows of one run with the machine they were measured on."""

    target: str
    suite: str
    machine: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)  # of the suite `limits`
    compile_seconds: dict[str, float] = field(default_factory=dict)  # of the suite `limits`
    correct: dict[str, float | str] = field(default_factory=dict)  # of `limits`, under QEMU
    date: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )

    @property
    def measured(self) -> list[dict[str, Any]]:
        """Rows that have times."""
        return [row for row in self.rows if row["measured"]]

    @property
    def problems(self) -> list[str]:
        """Why the run does not count: rows above the probe, wrong results. Empty if it does."""
        found = [
            f"failed: {row['op']}: {row['reason']}"
            for row in self.rows
            if not row["measured"] and row["failed"]
        ]
        for row in self.measured:
            if row["void"]:
                found.append(_void(row))
            if not row["ok"]:
                found.append(
                    f"wrong: {row['op']} has relative error {row['error']}, "
                    f"expected at most {row['bound']}"
                )
            found += [
                f"wrong: {name} does not compute {row['op']} within its bound; its time means "
                "nothing"
                for name, ok in row["peers_ok"].items()
                if not ok
            ]
        return found

    @property
    def busy(self) -> float:
        """The largest share of the CPUs that others used while a row was measured."""
        return max((row["others_cpu"] or 0.0 for row in self.measured), default=0.0)

    @property
    def exit_code(self) -> int:
        """0 if every row counts, else 1."""
        return 1 if self.problems else 0

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "schema": SCHEMA,
            "machine": self.machine,
            "date": self.date,
            "target": self.target,
            "suite": self.suite,
            "void": any(row["void"] for row in self.measured),
            "problems": self.problems,
            "rows": self.rows,
            **(
                {
                    "limits": self.limits,
                    "compile_seconds": self.compile_seconds,
                    "correct": self.correct,
                }
                if self.limits
                else {}
            ),
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2)


def _void(row: dict[str, Any]) -> str:
    """Which rate a void row exceeds."""
    rate = row["weight_bytes"] / row["ours_min_us"] * 1e-3
    if rate > VOID_ABOVE * row["read_gbps"]:
        what = f"read {rate:.1f} GB/s, more than {VOID_ABOVE:.0%} of the {row['read_gbps']} GB/s"
        return f"void: {row['op']} {what} the read probe measured in the same run"
    what = f"{row['gops']} Gop/s, more than {VOID_ABOVE:.0%} of the {row['peak_gops']} Gop/s"
    return f"void: {row['op']} computed {what} the probe measured in the same run"


def describe_machine(threads: int, cache: int, rotation: int) -> dict[str, Any]:
    """What a reader must know to compare figures: CPU, threads, memory, load, versions."""
    from headrace import __version__

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        pairs = [line.partition(":") for line in cpuinfo.read_text().split("\n\n")[0].splitlines()]
        first = {name.strip(): value.strip() for name, _, value in pairs}
        # the name alone may say no more than the brand
        numbers = [f"{n} {first[n]}" for n in ("cpu family", "model", "stepping") if n in first]
        model = ", ".join([first.get("model name", model), *numbers])
    return {
        "cpu": model,
        "system": f"{platform.system()} {platform.release()}",
        "threads": threads,
        "last_level_cache_bytes": cache,
        "rotation_bytes": rotation,
        "load_average": round(os.getloadavg()[0], 2),
        "headrace": __version__,
    }
