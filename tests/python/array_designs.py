"""Small designs for the tests of the array simulator, written down by hand."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.sim.aie_design import Argument, Descriptor, Design
from headrace.sim.aie_device import AieTiming, Tile, timing_of


class Drawn(Design):
    """A design with the parts that object FIFOs become."""

    def __init__(self, timing: AieTiming | None = None) -> None:
        super().__init__(timing or timing_of("npu2"))

    def pool(self, name: str, tile: Tile, size: int, depth: int) -> tuple[list[int], int, int]:
        """Buffers, and the locks that count empty and full ones."""
        buffers = [self.buffer(f"{name}_{i}", tile, size) for i in range(depth)]
        empty = self.lock(f"{name}_empty", tile, depth)
        return buffers, empty, self.lock(f"{name}_full", tile, 0, counts=True)

    def fill(self, name: str, tile: Tile, pool: tuple[list[int], int, int], size: int) -> int:
        """A channel that receives into the buffers in turn."""
        buffers, empty, full = pool
        chain = [
            Descriptor(f"{name}_in{i}", b, 0, size, acquire=(empty, 1), release=(full, 1))
            for i, b in enumerate(buffers)
        ]
        return self.channel(f"{name} S2MM", tile, "S2MM", chain)

    def drain(self, name: str, tile: Tile, pool: tuple[list[int], int, int], size: int) -> int:
        buffers, empty, full = pool
        chain = [
            Descriptor(f"{name}_out{i}", b, 0, size, acquire=(full, 1), release=(empty, 1))
            for i, b in enumerate(buffers)
        ]
        return self.channel(f"{name} MM2S", tile, "MM2S", chain)

    def sequence(self, tasks: Sequence[int], awaited: Sequence[int]) -> None:
        for task in (*tasks, *awaited):
            self.step("configure", task)
        for task in (*tasks, *awaited):
            self.step("start", task)
        for task in awaited:
            self.step("await", task)


def copies(
    columns: Sequence[int],
    nbytes: int,
    *,
    block: int = 1024,
    depth: int = 2,
    timing: AieTiming | None = None,
) -> Drawn:
    """Each column copies its part of argument 0 to argument 1 through its memory tile."""
    design = Drawn(timing)
    sent, received = [], []
    for place, column in enumerate(columns):
        memtile, shim = (column, 1), (column, 0)
        pool = design.pool(f"c{column}", memtile, block, depth)
        into = design.channel(f"in{column} MM2S", shim, "MM2S")
        out = design.channel(f"out{column} S2MM", shim, "S2MM")
        design.stream(into, design.fill(f"c{column}", memtile, pool, block))
        design.stream(design.drain(f"c{column}", memtile, pool, block), out)
        part = nbytes // len(columns)
        source = Descriptor(f"x{column}", Argument(0), place * part, part)
        target = Descriptor(f"y{column}", Argument(1), place * part, part)
        sent.append(design.task(f"x{column}", into, [source]))
        received.append(design.task(f"y{column}", out, [target]))
    design.sequence(sent, received)
    return design
