"""The measuring loop: everything that is compared takes turns in one run.

A shared or virtual machine changes speed while one watches (placement of the cores, other users),
so nothing is measured on its own. Each round visits every participant and every read pattern in a
new random order. A visit waits until the previous participant's threads stopped spinning, makes one
call that is not counted (it wakes threads and clocks), then a short burst of counted calls, each
with other activations and the next weight copy. Results are compared with float64 afterwards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headrace.bench.peers.base import Contender
from headrace.bench.probe import Probe
from headrace.bench.session import Session
from headrace.bench.weights import relative_error

# OpenMP's threads spin for some 10 ms after a call and would take a core from the next participant
SETTLE_SLICE_SECONDS = 0.001
SETTLE_SLICES = 60


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, and counted calls of a participant in each."""

    rounds: int
    burst: int

    def of(self, heavy: bool) -> Effort:
        """Less of it for calls that take long."""
        return Effort(max(self.rounds // 4, 2), min(self.burst, 2)) if heavy else self


FULL = Effort(rounds=16, burst=3)
QUICK = Effort(rounds=8, burst=3)


@dataclass
class Samples:
    """Times of one participant: float64 [rounds, burst] in microseconds, and its worst error."""

    us: np.ndarray
    error: float
    bound: float
    note: str

    @property
    def median(self) -> float:
        return float(np.median(self.us))

    @property
    def minimum(self) -> float:
        return float(self.us.min())

    def median_ratio(self, ours: Samples) -> float:
        """How many times longer this takes than `ours`: median over rounds of their medians."""
        return float(np.median(np.median(self.us, axis=1) / np.median(ours.us, axis=1)))


@dataclass
class Measurements:
    """All samples of one group, and the machine's state while they were taken."""

    samples: dict[str, Samples]
    reads: dict[str, np.ndarray]  # pattern -> GB/s [rounds]
    core_latency_ns: list[float] = field(default_factory=list)
    others_cpu: float | None = None  # share of all CPUs that others used meanwhile, 0 to 1

    @property
    def read_gbps(self) -> float:
        """The best read of any pattern: what the memory gave at its best in this run."""
        return max(float(rates.max()) for rates in self.reads.values())

    @property
    def read_gbps_median(self) -> float:
        """The best pattern's usual rate."""
        return max(float(np.median(rates)) for rates in self.reads.values())

    @property
    def read_pattern(self) -> str:
        """The pattern with the best single read."""
        return max(self.reads, key=lambda name: float(self.reads[name].max()))


class OtherLoad:
    """How much of the machine others use from now on: processes, and (stolen) other guests."""

    def __init__(self) -> None:
        self._begin = self._read()

    def share(self) -> float | None:
        """Share of all CPUs, 0 to 1; None where /proc/stat is missing."""
        now = self._read()
        if now is None or self._begin is None:
            return None
        total, used, own = (after - before for after, before in zip(now, self._begin, strict=True))
        return min(max((used - own) / total, 0.0), 1.0) if total > 0 else None

    @staticmethod
    def _read() -> tuple[float, float, float] | None:
        """Seconds of all CPUs: passed, in use or stolen, used by this process."""
        file = Path("/proc/stat")
        if not file.exists():
            return None
        ticks = [int(value) for value in file.read_text().splitlines()[0].split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
        idle = ticks[3] + ticks[4]
        passed = sum(ticks)
        return passed / per_second, (passed - idle) / per_second, time.process_time()


def measure(
    session: Session,
    probe: Probe,
    effort: Effort,
    rng: np.random.Generator,
    tick: Callable[[], None] = lambda: None,
) -> Measurements:
    """Run all rounds; `tick` is called after each."""
    contenders = session.contenders
    times = {c.name: np.empty((effort.rounds, effort.burst)) for c in contenders}
    errors = dict.fromkeys(times, 0.0)
    references = {c.name: [c.reference(i) for i in range(session.inputs)] for c in contenders}
    reads = {name: np.empty(effort.rounds) for name in probe.patterns}
    latencies = []
    load = OtherLoad()
    for index in range(effort.rounds):
        latency = probe.core_latency_ns()
        if latency is not None:
            latencies.append(latency)
        for turn in rng.permutation(len(contenders) + len(probe.patterns)):
            _settle()
            if turn < len(contenders):
                contender = contenders[turn]
                us, outputs = _burst(contender, effort.burst, index)
                times[contender.name][index] = us
                for which, y in outputs:
                    wanted = references[contender.name][which % session.inputs]
                    # maximum, unlike max, keeps a NaN
                    errors[contender.name] = float(
                        np.maximum(errors[contender.name], relative_error(y, wanted))
                    )
            else:
                pattern = int(turn) - len(contenders)
                reads[probe.patterns[pattern]][index] = probe.read(session.take(), pattern)
        tick()
    samples = {c.name: Samples(times[c.name], errors[c.name], c.bound, c.note) for c in contenders}
    return Measurements(samples, reads, latencies, load.share())


def _settle() -> None:
    """Wait until no thread of this process is busy."""
    for _ in range(SETTLE_SLICES):
        before = time.process_time()
        time.sleep(SETTLE_SLICE_SECONDS)
        if time.process_time() - before < 0.2 * SETTLE_SLICE_SECONDS:
            return


def _burst(
    contender: Contender, burst: int, round_index: int
) -> tuple[list[float], list[tuple[int, np.ndarray]]]:
    """One uncounted call and `burst` counted ones: microseconds, and (activations, output)."""
    us, outputs = [], []
    for call in range(burst + 1):
        which = round_index * (burst + 1) + call
        contender.stage(which)
        begin = time.perf_counter_ns()
        contender.run()
        end = time.perf_counter_ns()
        us.append((end - begin) * 1e-3)
        outputs.append((which, contender.output()))
    return us[1:], outputs
