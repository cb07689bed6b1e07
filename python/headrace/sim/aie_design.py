"""A design as the array simulator runs it: what object FIFOs are lowered to.

Everything is named by its index in the lists of `Design`; the methods add to them and return it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from headrace.sim.aie_device import AieTiming, Tile
from headrace.sim.aie_errors import ArraySimulationError
from headrace.sim.aie_program import Instruction

__all__ = ["Argument", "Buffer", "Channel", "Core", "Descriptor", "Design", "Lock", "Task"]

Direction = Literal["MM2S", "S2MM"]
StepKind = Literal["configure", "start", "await"]
WORD = 4


@dataclass(frozen=True)
class Buffer:
    """Memory of a tile. offset: in the tile, None where its banks do not matter."""

    name: str
    tile: Tile
    size: int
    initial: bytes | None = None
    offset: int | None = None


@dataclass(frozen=True)
class Lock:
    """counts: its value is the elements that wait for a reader, so that it ends as it began."""

    name: str
    tile: Tile
    value: int
    counts: bool = False


@dataclass(frozen=True)
class Argument:
    """An argument of the runtime sequence, by its number."""

    index: int


@dataclass(frozen=True)
class Descriptor:
    """What a channel moves at a time: `length` bytes of a buffer (its index) or argument.

    dimensions: (size, stride in bytes) from the outermost, in elements of `element` bytes; none for
    bytes that follow each other. iteration: (size, stride in bytes) over the executions in a task.
    acquire, release: (lock, value).
    """

    name: str
    memory: int | Argument
    offset: int
    length: int
    element: int = WORD
    dimensions: tuple[tuple[int, int], ...] = ()
    iteration: tuple[int, int] = (1, 0)
    acquire: tuple[int, int] | None = None
    release: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        where = f"descriptor {self.name}"
        for what, value in (("offset", self.offset), ("length", self.length)):
            if value % WORD:
                raise ArraySimulationError(
                    f"{where}: expected {what} to be a multiple of {WORD} bytes, but got {value}",
                    kind="alignment",
                )
        if self.length <= 0:
            raise ArraySimulationError(
                f"{where}: expected a length above 0, but got {self.length}", kind="alignment"
            )
        run = self.element
        sizes = list(self.dimensions)
        while sizes and sizes[-1][1] == run:
            run *= sizes.pop()[0]
        strides = [stride for _, stride in (*sizes, self.iteration)]
        if self.dimensions and (run % WORD or any(stride % WORD for stride in strides)):
            raise ArraySimulationError(
                f"{where}: expected runs and strides of multiples of {WORD} bytes, but got a run "
                f"of {run} bytes and strides of {strides}",
                kind="alignment",
            )


@dataclass(frozen=True)
class Channel:
    """descriptors: of a tile, which it runs in turn; a shim has tasks instead."""

    name: str
    tile: Tile
    direction: Direction
    descriptors: tuple[Descriptor, ...] = ()
    shim: bool = False


@dataclass(frozen=True)
class Task:
    """Descriptors for a channel of a shim, all of them `repeats` times."""

    name: str
    channel: int
    descriptors: tuple[Descriptor, ...]
    repeats: int = 1


@dataclass(frozen=True)
class Core:
    name: str
    tile: Tile
    instructions: tuple[Instruction, ...]
    registers: int


@dataclass
class Design:
    """functions: names of those that cores call, by index. table: what instructions choose buffers
    from. streams: (from, to) by channels; several from one broadcast."""

    timing: AieTiming
    buffers: list[Buffer] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    streams: list[tuple[int, int]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    steps: list[tuple[StepKind, int]] = field(default_factory=list)
    cores: list[Core] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    table: list[int] = field(default_factory=list)

    def buffer(self, name: str, tile: Tile, size: int, initial: bytes | None = None) -> int:
        self.buffers.append(Buffer(name, tile, size, initial))
        return len(self.buffers) - 1

    def lock(self, name: str, tile: Tile, value: int, *, counts: bool = False) -> int:
        self.locks.append(Lock(name, tile, value, counts))
        return len(self.locks) - 1

    def channel(
        self,
        name: str,
        tile: Tile,
        direction: Direction,
        descriptors: Sequence[Descriptor] = (),
    ) -> int:
        shim = self.timing.kind(tile) == "shim"
        self.channels.append(Channel(name, tile, direction, tuple(descriptors), shim))
        return len(self.channels) - 1

    def stream(self, source: int, *destinations: int) -> None:
        self.streams += [(source, destination) for destination in destinations]

    def task(
        self, name: str, channel: int, descriptors: Sequence[Descriptor], repeats: int = 1
    ) -> int:
        """A task that the sequence starts; `configure` and `start` are steps of it."""
        self.tasks.append(Task(name, channel, tuple(descriptors), repeats))
        return len(self.tasks) - 1

    def step(self, kind: StepKind, task: int) -> None:
        self.steps.append((kind, task))

    def core(
        self, name: str, tile: Tile, instructions: Sequence[Instruction], registers: int
    ) -> int:
        self.cores.append(Core(name, tile, tuple(instructions), registers))
        return len(self.cores) - 1

    def function(self, name: str) -> int:
        if name not in self.functions:
            self.functions.append(name)
        return self.functions.index(name)

    def place(self, buffer: int, offset: int) -> None:
        """Says where in its tile a buffer is."""
        self.buffers[buffer] = replace(self.buffers[buffer], offset=offset)

    def choice(self, buffers: Sequence[int]) -> int:
        """Where in the table these buffers follow each other."""
        self.table += buffers
        return len(self.table) - len(buffers)

    def agents(self) -> list[str]:
        """Their names, as the engine counts them."""
        named = [channel.name for channel in self.channels]
        return [*named, *(core.name for core in self.cores), "runtime sequence"]

    def releasers(self, lock: int) -> list[int]:
        """Agents whose descriptors or program release a lock."""
        found = [
            index
            for index, channel in enumerate(self.channels)
            if any(d.release and d.release[0] == lock for d in channel.descriptors)
        ]
        first = len(self.channels)
        return found + [
            first + index
            for index, core in enumerate(self.cores)
            if any(i.op == "release" and i.a == lock for i in core.instructions)
        ]
