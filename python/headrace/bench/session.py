"""What is measured together: rows over the same data, their kernels, peers and buffers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from headrace.bench import memory
from headrace.bench.peers.base import Contender, Unavailable
from headrace.errors import CompileError, HeadraceError, UsageError


class Item(Protocol):
    """A row that is asked for."""

    @property
    def kernel(self) -> str: ...
    @property
    def shape(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def activations(self) -> str: ...
    @property
    def variant(self) -> str:
        """What else tells rows of one kernel, shape and format apart; may be empty."""
        ...

    @property
    def label(self) -> str:
        """What `--filter` looks at, and the name of the row."""
        ...

    @property
    def group(self) -> Hashable:
        """Rows of one group share a session."""
        ...

    @property
    def size(self) -> int:
        """Amount of work, by which `--quick` keeps the smallest."""
        ...


@dataclass(frozen=True)
class Setting:
    """What holds for the whole run."""

    target: str
    threads: int
    rotation: int
    seed: int
    peers: Sequence[str] | None  # as given, None for all

    def rng(self, *more: int) -> np.random.Generator:
        """A generator of data."""
        return np.random.default_rng([self.seed, *more])


@dataclass(frozen=True)
class Work:
    """What one call must do at least.

    nbytes: moved between memory and cores
    from_memory: those of them that a call finds in no cache, as they rotate
    operations: multiplications and additions
    peak: the type of numbers whose peak rate bounds them, as `Probe.peak_gops` names it
    """

    nbytes: int
    from_memory: int
    operations: int
    peak: str


@dataclass
class Session:
    """One group of rows, ready to be measured.

    entries: rows with the name of the contender that computes them
    absent: rows that cannot be measured, and why; whether that is a failure
    missing: peers that do not take part, and why
    inputs: how many sets of inputs calls take in turn
    take: the next of the buffers that the read probe reads
    heavy: whether a call takes so long that few are made
    """

    title: str
    inputs: int
    take: Callable[[], np.ndarray]
    contenders: list[Contender] = field(default_factory=list)
    entries: list[tuple[Item, str, Work]] = field(default_factory=list)
    absent: list[tuple[Item, str, bool]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    heavy: bool = False

    def add(self, item: Item, work: Work, make: Callable[[], Contender]) -> None:
        """A row, and our kernel for it, if the target has one."""
        try:
            contender = make()
        except Unavailable as error:
            self.absent.append((item, str(error), False))
            return
        except HeadraceError as error:
            # the other rows are worth having
            self.absent.append((item, str(error).partition("\n")[0], True))
            return
        self.contenders.append(contender)
        self.entries.append((item, contender.name, work))

    def add_peers(self, peers: Mapping[str, Callable[[], Contender]]) -> None:
        """Those peers that can run this; none where nothing of ours is compared with them."""
        for name, make in peers.items() if self.entries else ():
            try:
                self.contenders.append(make())
            except Unavailable as error:
                self.missing[name] = str(error)

    def close(self) -> None:
        """Release what the contenders hold."""
        for contender in self.contenders:
            contender.close()
        self.contenders = []


def compiled(source: Any, target: str, *, keep_ir: bool = False) -> Any:
    """An artifact. Raises `Unavailable` where the target claims no such operation yet.

    Any other failure to compile stays a failure.
    """
    import headrace

    try:
        return headrace.compile(source, target=target, keep_ir=keep_ir)
    except CompileError as error:
        told = str(error)
        if "is not claimed by target" not in told:
            raise
        first = told.partition("\n")[0].partition("; nearest")[0].partition("; claimed")[0]
        raise Unavailable("no kernel yet: " + first.split(": ", 2)[-1]) from None


def spec_or_unavailable(make: Callable[[], Any]) -> Any:
    """What `make` makes; `Unavailable` where its format or parameters do not exist."""
    try:
        return make()
    except UsageError as error:
        raise Unavailable(str(error).partition("; allowed")[0]) from None


class Buffers:
    """Buffers of together `rotation` bytes, one after the other."""

    def __init__(self, copies: Sequence[np.ndarray]) -> None:
        self.copies = list(copies)
        self._turn = itertools.count()

    @classmethod
    def of(cls, content: np.ndarray, rotation: int, least: int = 2) -> Buffers:
        """Copies of `content` (bytes), as many as make up the rotation."""
        raw = np.ascontiguousarray(content).view(np.uint8).ravel()
        made = []
        for _ in range(max(least, -(-rotation // raw.nbytes))):
            copy = memory.allocate(raw.nbytes)
            copy[:] = raw
            made.append(copy)
        return cls(made)

    def next(self) -> int:
        """The index of the buffer to use now."""
        return next(self._turn) % len(self.copies)

    def take(self) -> np.ndarray:
        """The buffer to read now."""
        return self.copies[self.next()]
