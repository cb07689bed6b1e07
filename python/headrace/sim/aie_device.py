"""What the array simulator knows of a device: sizes, rates and costs, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from headrace.errors import unknown

__all__ = ["AieTiming", "Tile", "TileKind", "timing_of"]

Tile = tuple[int, int]  # column, row
TileKind = Literal["shim", "memtile", "core"]


@dataclass(frozen=True)
class AieTiming:
    """Rates and costs of an array. Times are cycles of its clock unless they say us.

    clock_ghz: of the array. ddr_gb_per_s: what all shims together move, reads and writes; never a
    channel more than stream_bytes a cycle. dispatch_us: what starting a run takes on the host and
    in the firmware. shim_start, shim_task: of a channel's first task and of each later one, sending
    and receiving. configure_us: writing one descriptor; sync_us: noticing that a task is done.
    switch, hop: cycles that a word takes in the switches of both ends and in each on its way.
    bank_bytes, banks, vector_bytes: the memory of a core, and one access of the core to it.
    """

    name: str
    columns: int
    clock_ghz: float
    ddr_gb_per_s: float
    vector_bytes: int
    dispatch_us: float = 50.0
    stream_bytes: int = 4
    shim_start: tuple[int, int] = (1330, 341)
    shim_task: tuple[int, int] = (325, 179)
    configure_us: float = 0.15
    sync_us: float = 0.15
    descriptor: int = 4
    lock: int = 2
    switch: int = 8
    hop: int = 3
    bank_bytes: int = 16 << 10
    banks: int = 4
    memory_bytes: int = 64 << 10
    memtile_bytes: int = 512 << 10
    task_queue: int = 4
    lock_limit: int = 63

    def ddr_bytes(self) -> float:
        """Of a cycle."""
        return self.ddr_gb_per_s / self.clock_ghz

    def cycles(self, us: float) -> float:
        return us * 1e3 * self.clock_ghz

    def us(self, cycles: float) -> float:
        return cycles / (1e3 * self.clock_ghz)

    def latency(self, source: Tile, destination: Tile) -> int:
        hops = abs(source[0] - destination[0]) + abs(source[1] - destination[1])
        return self.switch + self.hop * hops

    def kind(self, tile: Tile) -> TileKind:
        return "shim" if tile[1] == 0 else "memtile" if tile[1] == 1 else "core"

    def scaled(self, **changes: float) -> AieTiming:
        """The same with other figures."""
        return replace(self, **changes)  # type: ignore[arg-type]


# Clocks are derived from published peaks. Rates of memory: what eltwise_add of mlir-air's registry
# comes close to on npu2 (headrace.sim.aie_timing fits it); npu1 is a DDR5-5600 part, about 50 GB/s.
# Shim costs are those of an emulator that was fitted to the hardware. The task queue of a shim
# channel and the largest lock are in AM020.
_TIMINGS = {
    timing.name: timing
    for timing in (
        AieTiming("npu1", columns=4, clock_ghz=1.6, ddr_gb_per_s=50.0, vector_bytes=32),
        AieTiming("npu2", columns=8, clock_ghz=1.8, ddr_gb_per_s=60.0, vector_bytes=64),
    )
}


def timing_of(name: str) -> AieTiming:
    """Of a device by its name in AIE text."""
    if name not in _TIMINGS:
        raise unknown("device", name, _TIMINGS)
    return _TIMINGS[name]
