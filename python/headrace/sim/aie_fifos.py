"""Object FIFOs as the array has them: buffers, locks, descriptors, channels and streams.

What mlir-aie's lowering makes of them (its pass `aie-objectFifo-stateful-transform`, at the commit
that the dialect names): neighbours share the producer's buffers; others get buffers at both ends,
as many as a core holds at once and one more, and a DMA channel each. A pair of locks counts empty
and full buffers; a link has one set of buffers for both sides, and a pair for each part that is
joined or distributed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.sim.aie_design import WORD, Descriptor, Design
from headrace.sim.aie_device import Tile
from headrace.sim.aie_errors import ArraySimulationError

__all__ = ["PRODUCER", "Fifo", "Fifos", "Link", "Pool", "place_buffers"]

# The end of a FIFO at its producer; the others are the numbers of its consumers.
PRODUCER = -1


@dataclass(frozen=True)
class Fifo:
    """depths: of the producer and each consumer, as declared; explicit: one for each end.
    dimensions: of each end's access pattern, in elements."""

    name: str
    producer: Tile
    consumers: tuple[Tile, ...]
    count: int  # values of an element
    value: int  # bytes of a value
    depths: tuple[int, ...]
    explicit: bool
    dimensions: tuple[tuple[tuple[int, int], ...], ...]
    via_dma: bool = False
    repeat: int = 1

    def tile(self, end: int) -> Tile:
        return self.producer if end == PRODUCER else self.consumers[end]

    @property
    def bytes(self) -> int:
        return self.count * self.value


@dataclass(frozen=True)
class Link:
    """offsets: of the parts, in values; none where one FIFO goes over into one other."""

    inputs: tuple[Fifo, ...]
    outputs: tuple[Fifo, ...]
    offsets: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[Fifo, ...]:
        return self.inputs if len(self.inputs) > 1 else self.outputs

    @property
    def whole(self) -> Fifo:
        """The one whose elements are in the buffers."""
        if len(self.inputs) > 1:
            return self.outputs[0]
        if len(self.outputs) > 1 or self.inputs[0].bytes >= self.outputs[0].bytes:
            return self.inputs[0]
        return self.outputs[0]


@dataclass
class Pool:
    """Buffers of an element each. empty, full: locks, one of each for every part."""

    buffers: list[int]
    empty: list[int]
    full: list[int]
    repeat: int = 1  # readings of each element


@dataclass
class Fifos:
    """FIFOs of a design. held: how many elements the core at a tile acquires at once."""

    design: Design
    fifos: Sequence[Fifo]
    links: Sequence[Link]
    held: dict[tuple[str, Tile], int]
    pools: dict[tuple[str, int], Pool] = field(default_factory=dict)
    shims: dict[str, int] = field(default_factory=dict)  # the channel of a FIFO at a shim
    _used: dict[tuple[Tile, str], int] = field(default_factory=dict)

    def lower(self) -> None:
        for fifo in self.fifos:
            if self._shares(fifo):
                self.pool(fifo, PRODUCER)  # in the order in which they are declared
            else:
                self._move(fifo)

    def pool(self, fifo: Fifo, end: int) -> Pool:
        """The buffers that an end works on."""
        link = self._link(fifo, end)
        key = self._key(link, fifo, end)
        if key not in self.pools:
            self.pools[key] = self._make(fifo, end, link)
        return self.pools[key]

    def _key(self, link: Link | None, fifo: Fifo, end: int) -> tuple[str, int]:
        if self._shares(fifo):
            return fifo.name, PRODUCER
        return (f"{link.whole.name} (link)", PRODUCER) if link else (fifo.name, end)

    def _link(self, fifo: Fifo, end: int) -> Link | None:
        """The link that an end is in."""
        for link in self.links:
            if fifo in (link.outputs if end == PRODUCER else link.inputs):
                meets = link.outputs[0].producer
                if fifo.tile(end) == meets:
                    return link
        return None

    def _shares(self, fifo: Fifo) -> bool:
        """Whether producer and consumer are cores that reach one memory."""
        if len(fifo.consumers) != 1 or fifo.via_dma or fifo.repeat > 1 or any(fifo.dimensions):
            return False
        if any(fifo in (*link.inputs, *link.outputs) for link in self.links):
            return False
        return self._memory(fifo) is not None

    def _memory(self, fifo: Fifo) -> Tile | None:
        """The tile whose memory both ends reach. A core reaches its own, and that of the tiles to
        its north, south and west."""
        (column, row), (other_column, other_row) = fifo.producer, fifo.consumers[0]
        if self.design.timing.kind(fifo.producer) != "core" or other_row < 2:
            return None
        if column == other_column and abs(row - other_row) <= 1:
            return fifo.producer
        if row == other_row and abs(column - other_column) == 1:
            return min(fifo.producer, fifo.consumers[0])
        return None

    def _depth(self, fifo: Fifo, end: int) -> int:
        declared = fifo.depths[end + 1]
        tile = fifo.tile(end)
        if fifo.explicit or self._shares(fifo) or self.design.timing.kind(tile) != "core":
            return declared
        held = self.held.get((fifo.name, tile), 0)
        if held == 0 or (held == 1 and declared == 1):
            return declared
        return held + 1

    def _make(self, fifo: Fifo, end: int, link: Link | None) -> Pool:
        design, tile, parts = self.design, fifo.tile(end), 1
        repeat = fifo.repeat if end == PRODUCER else 1
        name = fifo.name if end == PRODUCER else f"{fifo.name}_cons"
        if end != PRODUCER and len(fifo.consumers) > 1:
            name = f"{fifo.name}_{end}_cons"
        if self._shares(fifo):
            tile = self._memory(fifo) or tile
        if link:
            fifo = link.whole
            end = PRODUCER if fifo in link.outputs else fifo.consumers.index(tile)
            repeat = max(output.repeat for output in link.outputs)
            parts = len(link.offsets) or 1
            name = f"{fifo.name}_at_{tile[0]}_{tile[1]}"
        depth = self._depth(fifo, end)
        buffers = [design.buffer(f"{name}_buff_{i}", tile, fifo.bytes) for i in range(depth)]
        suffixes = [f"_{part}" for part in range(parts)] if parts > 1 else [""]
        return Pool(
            buffers,
            [design.lock(f"{name}_prod_lock{s}", tile, depth * repeat) for s in suffixes],
            [design.lock(f"{name}_cons_lock{s}", tile, 0, counts=True) for s in suffixes],
            repeat,
        )

    def _move(self, fifo: Fifo) -> None:
        source = self._channel(fifo, PRODUCER)
        self.design.stream(
            source, *(self._channel(fifo, end) for end in range(len(fifo.consumers)))
        )

    def _channel(self, fifo: Fifo, end: int) -> int:
        tile = fifo.tile(end)
        kind = self.design.timing.kind(tile)
        direction = "MM2S" if end == PRODUCER else "S2MM"
        number = self._used.get((tile, direction), 0)
        self._used[tile, direction] = number + 1
        if number == self.design.timing.most_channels(kind, direction):
            raise ArraySimulationError(
                f"objectfifo @{fifo.name}: {kind} tile {tile} has {number} {direction} channels, "
                f"and this would be number {number + 1}",
                kind="resources",
            )
        name = f"@{fifo.name} {direction} {number} of {kind} tile {tile}"
        descriptors = [] if kind == "shim" else self._descriptors(fifo, end)
        channel = self.design.channel(
            name, tile, "MM2S" if end == PRODUCER else "S2MM", descriptors
        )
        if kind == "shim":
            self.shims[fifo.name] = channel
        return channel

    def _descriptors(self, fifo: Fifo, end: int) -> list[Descriptor]:
        """Buffers in turn; in a link, the parts of each one after the other, or one of them."""
        link = self._link(fifo, end)
        pool = self.pool(fifo, end)
        parts = [(0, fifo.count, 0)]
        if link and link.offsets:
            every = [
                (offset, part.count, number)
                for number, (offset, part) in enumerate(zip(link.offsets, link.parts, strict=True))
            ]
            parts = every if fifo == link.whole else [every[link.parts.index(fifo)]]
        elif link:
            parts = [(0, link.whole.bytes // fifo.value, 0)]
        send = end == PRODUCER
        times = pool.repeat if send else 1
        count = 1 if send else pool.repeat
        described = []
        for buffer in pool.buffers:
            for offset, length, part in parts:
                acquire, release = pool.empty[part], pool.full[part]
                if send:
                    acquire, release = release, acquire
                described += [
                    self._descriptor(fifo, end, buffer, offset, length, acquire, release, count)
                ] * times
        return described

    def _descriptor(
        self,
        fifo: Fifo,
        end: int,
        buffer: int,
        offset: int,
        length: int,
        acquire: int,
        release: int,
        count: int,
    ) -> Descriptor:
        dimensions = fifo.dimensions[end + 1]
        covered = math.prod(size for size, _ in dimensions) if dimensions else length
        where = f"@{fifo.name} {'to' if end == PRODUCER else 'from'} {fifo.tile(end)}"
        if covered != length:
            raise ArraySimulationError(
                f"objectfifo {where}: expected dimensions of {length} values, but got {covered}",
                kind="alignment",
            )
        return Descriptor(
            f"of {where}",
            buffer,
            offset * fifo.value,
            length * fifo.value,
            fifo.value if dimensions else WORD,
            tuple((size, stride * fifo.value) for size, stride in dimensions),
            acquire=(acquire, count),
            release=(release, count),
        )


def place_buffers(design: Design, fifos: Fifos, stacks: dict[Tile, int]) -> None:
    """Gives the buffers of cores a place behind the stack; ArraySimulationError if there is none.

    The largest first, from bank to bank, as mlir-aie does; one after the other where a bank is too
    small. It aligns none. Of equal ones, those of a FIFO that is declared later come first, and a
    core's own buffers last.
    """
    timing = design.timing
    tiles: dict[Tile, list[int]] = {}
    for index, buffer in enumerate(design.buffers):
        tiles.setdefault(buffer.tile, []).append(index)
    ranks = {
        buffer: -rank for rank, pool in enumerate(fifos.pools.values()) for buffer in pool.buffers
    }
    for tile, found in tiles.items():
        memory = timing.memory_bytes if timing.kind(tile) == "core" else timing.memtile_bytes
        stack = stacks.get(tile, 0)
        need = stack + sum(design.buffers[index].size for index in found)
        if need > memory:
            raise ArraySimulationError(
                f"{timing.kind(tile)} tile {tile} has {memory} bytes of memory, but its buffers "
                f"and stack need {need}",
                kind="resources",
            )
        if timing.kind(tile) == "core":
            found.sort(key=lambda index: (-design.buffers[index].size, ranks.get(index, 1)))
            for index, offset in zip(found, _places(design, found, stack), strict=True):
                design.place(index, offset)


def _places(design: Design, found: list[int], stack: int) -> list[int]:
    timing = design.timing
    sizes = [design.buffers[index].size for index in found]
    ends = [bank * timing.bank_bytes for bank in range(timing.banks)]
    ends[0] += stack
    behind = [stack + sum(sizes[:number]) for number in range(len(sizes))]
    if stack > timing.bank_bytes:
        return behind
    places: list[int] = []
    bank = 0
    for size in sizes:
        for step in range(timing.banks):
            chosen = (bank + step) % timing.banks
            start = ends[chosen]
            if start + size <= (chosen + 1) * timing.bank_bytes:
                places.append(start)
                ends[chosen] = start + size
                bank = (chosen + 1) % timing.banks
                break
        else:  # one does not fit a bank: all follow each other
            return behind
    return places
