"""What the array simulator knows of a device.

Sizes, rates and the costs of shims are those of targets/aie/devices.json, with their sources.
Others are assumptions, and small beside them: writing a descriptor (0.15 us), noticing the end of a
task, cycles between descriptors, of a lock and of a switch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from headrace.errors import unknown

__all__ = ["DEVICES", "AieTiming", "Tile", "TileKind", "timing_of"]

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
    channels: how many DMA channels a kind of tile has, sending and receiving.
    """

    name: str
    columns: int
    rows: int
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
    channels: tuple[tuple[TileKind, int, int], ...] = ()

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

    def most_channels(self, kind: TileKind, direction: str) -> int:
        """DMA channels of a tile that send (MM2S) or receive (S2MM)."""
        out, into = next((o, i) for name, o, i in self.channels if name == kind)
        return out if direction == "MM2S" else into

    def scaled(self, **changes: float) -> AieTiming:
        """The same with other figures."""
        return replace(self, **changes)  # type: ignore[arg-type]


# The shims' memory where devices.json has no figure: an assumption, about what the memory of such a
# machine gives one client. Four columns of npu1 send 32 GB/s at most.
_ASSUMED_DDR = 50.0
DEVICES = Path(__file__).parents[1] / "targets" / "aie" / "devices.json"


@cache
def timing_of(name: str) -> AieTiming:
    """Of a device by its name in AIE text."""
    devices = json.loads(DEVICES.read_text())["devices"]
    if name not in devices:
        raise unknown("device", name, devices)
    facts = devices[name]
    starts = facts["shim_start_cycles"]
    return AieTiming(
        name,
        facts["columns"],
        sum(facts["rows"].values()),
        facts["clock_ghz"],
        facts.get("ddr_gb_per_s", {}).get("cap", _ASSUMED_DDR),
        facts["load_bits"][0] // 8,
        dispatch_us=facts["dispatch_us"],
        stream_bytes=facts["stream_bytes_per_cycle"],
        shim_start=(starts["cold"]["mm2s"], starts["cold"]["s2mm"]),
        shim_task=(starts["task"]["mm2s"], starts["task"]["s2mm"]),
        bank_bytes=facts["core"]["memory_bytes"] // facts["core"]["banks"],
        banks=facts["core"]["banks"],
        memory_bytes=facts["core"]["memory_bytes"],
        memtile_bytes=facts["memory"]["memory_bytes"],
        task_queue=facts["shim"]["queue"],
        lock_limit=facts["lock_value"],
        channels=(
            ("shim", facts["shim"]["channels_out"], facts["shim"]["channels_in"]),
            ("memtile", facts["memory"]["channels_out"], facts["memory"]["channels_in"]),
            ("core", facts["core"]["channels_out"], facts["core"]["channels_in"]),
        ),
    )
