"""Runs a suite: data, participants and probe for each group of rows, then the report."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from headrace.bench import (
    attending,
    compile_times,
    emulated,
    latents,
    limits,
    lookup,
    memory,
    products,
    sparsity,
    suite,
)
from headrace.bench.measure import FULL, QUICK, Effort, measure
from headrace.bench.peers import select
from headrace.bench.probe import Probe
from headrace.bench.report import Report, absent_row, describe_machine, make_row
from headrace.bench.session import Item, Session, Setting, Work
from headrace.errors import UsageError

# the type of a group's rows -> what makes its session
OPENERS: Mapping[type, Callable[[Any, Setting], Session]] = {
    products.Product: products.open_session,
    sparsity.Sparse: sparsity.open_session,
    lookup.Lookup: lookup.open_session,
    attending.Decode: attending.open_decode,
    attending.Prefill: attending.open_prefill,
    latents.Latents: latents.open_session,
}
PEAK_TRIES = 3


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


def check_threads(threads: int | None) -> int:
    """How many threads everyone gets: all CPUs of this process if None."""
    cpus = len(os.sched_getaffinity(0))
    if threads is None:
        return cpus
    if not 1 <= threads <= cpus:
        raise UsageError(
            f"bench: expected --threads to be a number of CPUs of this process, but got {threads}; "
            f"allowed: 1 to {cpus}"
        )
    return threads


def run_suite(
    target: str = "cpu",
    suite_name: str = "matvec",
    *,
    pattern: str | None = None,
    quick: bool = False,
    items: Iterable[Item] | None = None,
    peers: Sequence[str] | None = None,
    threads: int | None = None,
    seed: int = 0,
    effort: Effort | None = None,
    rotation: int | None = None,
    probe_path: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure a suite (or the given rows) and return its report.

    peers:     names from `headrace.bench.peers.PEERS`; None measures every one that is installed,
               an empty list only our kernels and the floor.
    rotation:  bytes of weights to cycle through; by default more than the last-level cache.
    Raises `UsageError` for unknown names and whatever `headrace.compile` raises, except for what
    the target has no kernels for: rows without times say so.
    """
    if target.partition(":")[0] != "cpu":
        raise UsageError(
            f"bench: expected a target that can be timed here, but got '{target}'; "
            "allowed: cpu, cpu:<name>; metal with --suite model, which measures nothing"
        )
    chosen = list(items) if items is not None else suite.select(suite_name, pattern, quick)
    select(peers)
    threads = check_threads(threads)
    effort = effort or (QUICK if quick else FULL)
    progress = progress or Silent()
    cache = memory.last_level_cache()
    rotation = rotation or memory.rotation_bytes(cache, memory.available_memory())
    probe = Probe(threads, probe_path)
    setting = Setting(target, threads, rotation, seed, peers)
    report = Report(target, suite_name, describe_machine(threads, cache, rotation))
    peaks: dict[str, float] = {}
    rows: list[Callable[[], dict[str, Any]]] = []
    for (kind, _), group in suite.groups(chosen).items():
        session = OPENERS[kind](group, setting)
        report.rows += [absent_row(*absent) for absent in session.absent]
        try:
            if session.entries:
                _measure_peaks(session, probe, peaks)
                progress.start(session.title, effort.of(session.heavy).rounds)
                rows += _measure(session, probe, effort, setting, peaks, progress)
                _measure_peaks(session, probe, peaks)
        finally:
            session.close()
        del session
        gc.collect()  # the next group needs the memory
    report.rows += [row() for row in rows]
    order = {item.label: index for index, item in enumerate(chosen)}
    report.rows.sort(key=lambda row: order[row["op"]])
    if suite_name == limits.SUITE:
        if pattern is None:
            progress.start("compile times", 1)
            report.compile_seconds = compile_times.measure(target)
            progress.tick()
            progress.start("results under QEMU", len(emulated.CPUS))
            report.correct = emulated.measure(seed, progress.tick)
        report.limits = limits.evaluate(report.rows, report.compile_seconds, report.correct)
    return report


def _measure_peaks(session: Session, probe: Probe, peaks: dict[str, float]) -> None:
    """Keeps the best rates: a peak that others' work slowed down is none."""
    for kind in {work.peak for _, _, work in session.entries}:
        rates = [probe.peak_gops(kind) for _ in range(PEAK_TRIES)]
        peaks[kind] = max(peaks.get(kind, 0.0), *rates)


def _measure(
    session: Session,
    probe: Probe,
    effort: Effort,
    setting: Setting,
    peaks: Mapping[str, float],
    progress: Progress,
) -> list[Callable[[], dict[str, Any]]]:
    """What makes the rows of a session, once all peaks are measured."""
    rng = setting.rng(len(session.entries))
    measured = measure(session, probe, effort.of(session.heavy), rng, progress.tick)
    missing = session.missing

    def make(item: Item, contender: str, work: Work) -> dict[str, Any]:
        return make_row(item, contender, work, measured, peaks[work.peak], missing)

    return [functools.partial(make, *entry) for entry in session.entries]
