"""Failures of a run in words: who did what, and who waits for whom."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from headrace.sim import aie_native as native
from headrace.sim.aie_design import Argument, Descriptor, Design
from headrace.sim.aie_errors import ArraySimulationError, DeadlockError, Stuck

__all__ = ["error_of"]

_SHOWN = 16  # agents of a chain in a message
_SIGNALS = {
    signal.SIGSEGV: "loads or stores at an address of no buffer",
    signal.SIGBUS: "loads or stores at an address of no buffer",
    signal.SIGILL: "has an instruction that this machine has not",
    signal.SIGFPE: "divides by 0",
}


def error_of(
    design: Design,
    descriptors: Sequence[Descriptor],
    result: native.Result,
    agents: Sequence[native.Agent],
    locks: Sequence[int],
) -> ArraySimulationError:
    """The error for what `result` says."""
    failure = result.failure
    kind = native.FAILURES[failure.kind]
    names = design.agents()
    if kind == "deadlock":
        return _Waiting(design, agents, locks).error(failure.time)
    agent = names[failure.agent] if failure.agent >= 0 else None
    text = _text(design, descriptors, failure, kind, names)
    said = f"{agent}: {text}" if agent else text
    return ArraySimulationError(
        f"{said} (at cycle {failure.time:.0f})", kind=kind, agent=agent, cycle=failure.time
    )


def _text(
    design: Design,
    descriptors: Sequence[Descriptor],
    failure: native.Failure,
    kind: str,
    names: Sequence[str],
) -> str:
    def buffer() -> str:
        return design.buffers[failure.buffer].name if failure.buffer >= 0 else "no buffer"

    def descriptor() -> str:
        return f"descriptor {descriptors[failure.descriptor].name}"

    def function() -> str:
        return f"function {design.functions[failure.function]}"

    if kind == "bounds":
        memory = descriptors[failure.descriptor].memory
        of = f"argument {memory.index}" if isinstance(memory, Argument) else f"buffer {buffer()}"
        return f"{descriptor()} goes to byte {failure.offset}, outside of {of}"
    if kind == "uninitialized":
        return (
            f"{descriptor()} sends bytes {failure.offset} and on of buffer {buffer()}, which were "
            "not written since it was handed out"
        )
    if kind == "race":
        other = names[failure.other] if failure.other >= 0 else "another agent"
        what = descriptor() if failure.descriptor >= 0 else function()
        return f"{what} uses buffer {buffer()} while {other} does: no lock keeps them apart"
    if kind == "overwrite":
        return f"{function()} writes outside of buffer {buffer()}"
    if kind == "lock":
        lock = design.locks[failure.lock]
        most = design.timing.lock_limit
        return f"releases lock {lock.name} above {most}, the most that a lock holds"
    if kind == "task queue":
        task = design.tasks[failure.task]
        return (
            f"starts task {task.name} on {design.channels[task.channel].name}, whose queue of "
            f"{design.timing.task_queue} is full; await an earlier task of it first"
        )
    if kind == "surplus":
        if failure.lock >= 0:
            return (
                f"data that nobody reads is left behind the end of the sequence: lock "
                f"{design.locks[failure.lock].name} counts elements that are full"
            )
        return "data that nobody takes is left behind the end of the sequence"
    if kind == "limit":
        return "the design does not come to an end in the time that is allowed"
    if kind == "index":
        return f"loads or stores at byte {failure.offset}, outside of {buffer()}"
    if kind == "fault":
        if failure.buffer >= 0:
            size = design.buffers[failure.buffer].size
            return (
                f"{function()} loads or stores at byte {failure.offset} of buffer {buffer()}, "
                f"which has {size}"
            )
        return f"{function()} {_SIGNALS[failure.other]}"
    if kind == "host":
        return "this machine has no memory for the buffers of the design"
    return "divides by 0"


class _Waiting:
    """Who waits for whom when nothing moves."""

    def __init__(
        self, design: Design, agents: Sequence[native.Agent], locks: Sequence[int]
    ) -> None:
        self.design = design
        self.agents = agents
        self.locks = locks
        self.names = design.agents()

    def error(self, cycle: float) -> DeadlockError:
        stuck = [
            self._stuck(index)
            for index in range(len(self.agents))
            if native.WAITS[self.agents[index].wait] not in ("none", "task")
            or index == len(self.agents) - 1
        ]
        chain, circle = self._chain()
        lines = [f"  {found.agent} {found.waits_for}" for found in map(self._stuck, chain[:_SHOWN])]
        if len(chain) > _SHOWN:
            lines.append(f"  … {len(chain) - _SHOWN} more")
        if circle is not None:
            lines.append(f"  and so in a circle: {self.names[circle]}")
        message = "\n".join(
            [
                f"deadlock at cycle {cycle:.0f}: nothing moves and the runtime sequence has not "
                f"ended; {len(stuck)} agents wait",
                *lines,
            ]
        )
        return DeadlockError(
            message, stuck=stuck, chain=[self._stuck(index) for index in chain], cycle=cycle
        )

    def _stuck(self, index: int) -> Stuck:
        holders = tuple(self.names[h] for h in self._holders(index))
        return Stuck(self.names[index], self._words(index), holders)

    def _words(self, index: int) -> str:
        facts = self.agents[index]
        wait = native.WAITS[facts.wait]
        if wait == "lock":
            lock = self.design.locks[facts.waits_for]
            value = self.locks[facts.waits_for]
            nobody = "" if self.design.releasers(facts.waits_for) else "; nobody releases it"
            return f"waits for lock {lock.name}: it is {value}, and {facts.needs} wanted{nobody}"
        if wait == "room":
            return f"waits for {self.names[facts.waits_for]} to take data"
        if wait == "data":
            if facts.waits_for < 0:
                return "waits for data, but nothing is connected to it"
            return f"waits for data from {self.names[facts.waits_for]}"
        if wait == "task" and index == len(self.agents) - 1:
            return f"awaits task {self.design.tasks[facts.waits_for].name}"
        if wait == "task":
            return "has no task any more"
        return "has ended" if facts.ended else "goes on"

    def _holders(self, index: int) -> list[int]:
        facts = self.agents[index]
        wait = native.WAITS[facts.wait]
        if wait == "lock":
            return self.design.releasers(facts.waits_for)
        if wait in ("room", "data"):
            return [facts.waits_for] if facts.waits_for >= 0 else []
        if wait == "task" and index == len(self.agents) - 1:
            return [self.design.tasks[facts.waits_for].channel]
        return []

    def _chain(self) -> tuple[list[int], int | None]:
        """From the sequence along one holder each; where it closes, if it does."""
        chain = [len(self.agents) - 1]
        while True:
            holders = self._holders(chain[-1])
            if not holders:
                return chain, None
            # One that has run out of work explains more than one that waits itself.
            last = [h for h in holders if not self._holders(h)]
            new = [h for h in holders if h not in chain]
            if not last and not new:
                return chain, holders[0]
            chain.append((last or new)[0])
