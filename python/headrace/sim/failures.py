"""What the simulator found, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from headrace.sim.errors import SimulationError
from headrace.sim.msl_kernels import Kernel
from headrace.sim.simt import FAILURES, MAX_BUFFERS, Failure

__all__ = ["describe"]


def describe(
    failure: Failure,
    kernel: Kernel,
    members: Sequence[str],
    line_of: Callable[[int], str | None],
) -> SimulationError:
    """members: names of the members of argument buffers, which have the last bindings. line_of: the
    source line of an address in the kernel's library."""
    kind = FAILURES[failure.kind]
    name, buffer = _buffer(failure, kernel, members)
    thread = _thread(failure.workgroup, failure.thread) if failure.has_thread else None
    message = f"kernel '{kernel.name}': {_what(failure, kind, buffer)}"
    if thread and kind not in ("divergent barrier", "divergent subgroup"):
        message += f", in {thread}"
    if failure.pc and (line := line_of(failure.pc)):
        message += f", at {line}"
    return SimulationError(
        message,
        kind=kind,
        kernel=kernel.name,
        workgroup=_workgroup(failure.workgroup) if failure.has_thread else None,
        thread=failure.thread if failure.has_thread else None,
        buffer=name,
        offset=failure.offset if buffer else None,
    )


def _what(failure: Failure, kind: str, buffer: str) -> str:
    access = f"{'writes' if failure.writes else 'reads'} " + (
        f"{failure.size} bytes at {failure.offset}" if failure.size else f"byte {failure.offset}"
    )
    other = _thread(failure.other_workgroup, failure.other_thread)
    if kind in ("out of bounds", "read-only"):
        reason = "out of bounds" if kind == "out of bounds" else "it is read-only"
        return f"{access} of {buffer}: {reason}"
    if kind == "misaligned":
        return f"accesses {buffer} at {failure.offset}, which is no multiple of {failure.size}"
    if kind == "uninitialized":
        return f"{access} of {buffer}, which no thread of the workgroup has written"
    if kind in ("race", "workgroup race"):
        did = "writes" if failure.other_writes else "reads"
        order = "no barrier orders them" if kind == "race" else "nothing orders workgroups"
        return f"{access} of {buffer}, which {other} {did} too: a race, {order}"
    if kind in ("divergent barrier", "divergent subgroup"):
        what = "threadgroup_barrier" if kind == "divergent barrier" else "simdgroup operation"
        state = "has ended" if failure.other_ended else f"is at {_place(failure, other=True)}"
        one = _thread(failure.workgroup, failure.thread)
        return (
            f"divergent {what}: {one} waits at {_place(failure)}, but thread "
            f"{failure.other_thread} {state}"
        )
    return {
        "address": f"{access[:6].strip()} address {failure.offset & (1 << 64) - 1:#x}, "
        "which is of no buffer",
        "stack": "needs more than 256 KiB of its own memory",
        "trap": "stops at a trap or divides an integer by 0",
        "lane": f"asks for the value of lane {failure.offset}, which is not there, at "
        f"{_place(failure)}",
        "workgroup memory": f"expected at most 32768 bytes of threadgroup memory, but got "
        f"{failure.offset}",
        "resources": f"the simulator gives up: {failure.text.decode()}",
    }[kind]


def _buffer(
    failure: Failure, kernel: Kernel, members: Sequence[str]
) -> tuple[int | str | None, str]:
    """`0` and `buffer 0 (w)`, or `sums` and `threadgroup array 'sums'`; nothing if the failure is
    at neither."""
    if FAILURES[failure.kind] not in (
        *("out of bounds", "read-only", "uninitialized"),
        *("race", "workgroup race", "misaligned"),
    ):
        return None, ""
    if not failure.is_buffer:
        array = failure.name.decode()
        return array, f"threadgroup array '{array}'"
    if failure.index >= MAX_BUFFERS - len(members):
        member = members[failure.index - MAX_BUFFERS]
        return member, f"buffer {member}"
    names = [
        parameter.name
        for parameter in kernel.parameters
        if parameter.kind == "buffer" and parameter.index == failure.index
    ]
    return failure.index, f"buffer {failure.index} ({', '.join(names)})"


def _workgroup(position: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = position
    return x, y, z


def _thread(workgroup: Sequence[int], thread: int) -> str:
    return f"thread {thread} of workgroup {_workgroup(workgroup)}"


def _place(failure: Failure, *, other: bool = False) -> str:
    prefix = "other_" if other else ""
    file = PurePath(getattr(failure, f"{prefix}file").decode()).name
    line, column = getattr(failure, f"{prefix}line"), getattr(failure, f"{prefix}column")
    return f"{file}:{line}:{column}" if file else "no barrier"
