"""Runs a suite: weights, participants and probe for each group of rows, then the report."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from headrace.bench import memory, suite, weights
from headrace.bench.measure import FULL, QUICK, Effort, measure
from headrace.bench.ours import Ours
from headrace.bench.peers import PEERS, Contender, Problem, Unavailable, select
from headrace.bench.probe import Probe
from headrace.bench.report import Report, describe_machine, make_row
from headrace.errors import UsageError
from headrace.ops import OpSpec

ACTIVATION_SETS = 8


class Progress(Protocol):
    """Told what happens next; `total` steps of `tick` follow."""

    def start(self, title: str, total: int) -> None: ...
    def tick(self) -> None: ...


class Silent:
    """No progress."""

    def start(self, title: str, total: int) -> None:
        """Nothing to show."""

    def tick(self) -> None:
        """Nothing to show."""


def run_suite(
    target: str = "cpu",
    suite_name: str = "matvec",
    *,
    pattern: str | None = None,
    quick: bool = False,
    specs: Iterable[OpSpec] | None = None,
    peers: Sequence[str] | None = None,
    threads: int | None = None,
    seed: int = 0,
    effort: Effort | None = None,
    rotation: int | None = None,
    probe_path: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure a suite (or the given `specs`) and return its report.

    peers:     names from `headrace.bench.peers.PEERS`; None measures every one that is installed,
               an empty list only our kernels and the floor.
    rotation:  bytes of weights to cycle through; by default more than the last-level cache.
    Raises `UsageError` for unknown names and whatever `headrace.compile` raises.
    """
    if target.partition(":")[0] != "cpu":
        raise UsageError(
            f"bench: expected a target that can be timed here, but got '{target}'; "
            "allowed: cpu, cpu:<name>"
        )
    chosen = list(specs) if specs is not None else suite.select(suite_name, pattern, quick)
    names = select(peers)
    effort = effort or (QUICK if quick else FULL)
    threads = threads or len(os.sched_getaffinity(0))
    progress = progress or Silent()
    cache = memory.last_level_cache()
    rotation = rotation or memory.rotation_bytes(cache, memory.available_memory())
    probe = Probe(threads, probe_path)
    report = Report(target, suite_name, describe_machine(threads, cache, rotation))
    peaks: dict[str, float] = {}
    for (m, k, format_name), rows in suite.groups(chosen).items():
        progress.start(f"{m}x{k} {format_name}", effort.rounds)
        rng = np.random.default_rng([seed, m, k])
        problem = Problem(
            m=m,
            k=k,
            format=format_name,
            weights=weights.make(format_name, m, k, rotation, rng),
            xs=[rng.standard_normal(k, dtype=np.float32) for _ in range(ACTIVATION_SETS)],
            threads=threads,
            rotation=rotation,
        )
        contenders: list[Contender] = [Ours(spec, target, problem) for spec in rows]
        missing = _add_peers(names, problem, contenders)
        try:
            measured = measure(problem, contenders, probe, effort, rng, progress.tick)
        finally:
            for contender in contenders:
                contender.close()
        for spec in rows:
            if spec.activations not in peaks:
                peaks[spec.activations] = probe.peak_gops(spec.activations)
            peak = peaks[spec.activations]
            report.rows.append(make_row(spec, problem.weights.nbytes, measured, peak, missing))
        del contenders, problem, measured
        gc.collect()  # the next group needs the memory
    return report


def _add_peers(
    names: Iterable[str], problem: Problem, contenders: list[Contender]
) -> dict[str, str]:
    """Append the peers that can run the problem; returns why the others cannot."""
    missing = {}
    for name in names:
        try:
            contenders.append(PEERS[name](problem))
        except Unavailable as error:
            missing[name] = str(error)
    return missing
