"""What a run in the array simulator can end with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.errors import HeadraceError

__all__ = ["ArraySimulationError", "DeadlockError", "Stuck"]


class ArraySimulationError(HeadraceError):
    """A design did what no array has to give a result for.

    kind: `bounds`, `alignment`, `uninitialized`, `race`, `overwrite`, `lock`, `task queue`,
    `unfinished`, `surplus`, `limit`, `index`, `division`, `resources` or `deadlock`. agent: the
    channel, core or sequence that did it, None where nobody is to blame. cycle: when.
    """

    def __init__(
        self, message: str, *, kind: str, agent: str | None = None, cycle: float = 0.0
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.agent = agent
        self.cycle = cycle


@dataclass(frozen=True)
class Stuck:
    """An agent that waits in the end.

    waits_for: in words. holders: the agents that could end the wait, by name.
    """

    agent: str
    waits_for: str
    holders: tuple[str, ...]


class DeadlockError(ArraySimulationError):
    """Nothing moves any more, and the runtime sequence has not ended.

    stuck: all that wait. chain: from the sequence along what each waits for, to a circle or to one
    that waits for nothing.
    """

    def __init__(
        self, message: str, *, stuck: Sequence[Stuck], chain: Sequence[Stuck], cycle: float
    ) -> None:
        super().__init__(message, kind="deadlock", cycle=cycle)
        self.stuck = tuple(stuck)
        self.chain = tuple(chain)
