"""Cases of `check.operations`, compiled for a target: the check of cells that are no `OpSpec`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import targets
from headrace.check import families
from headrace.check.emulation import run_plan
from headrace.check.families import Task
from headrace.check.operations.case import Case
from headrace.check.operations.running import FAMILY, worst_of
from headrace.check.rows import Row
from headrace.check.shapes import generator
from headrace.errors import HeadraceError, MachineError
from headrace.reference import NOT_FINITE
from headrace.targets.base import Cell, Simulation
from headrace_runtime import Argument, host

__all__ = ["PLAIN", "THREADS", "Compiled", "check_case", "run_with_threads", "tasks_of"]

Array = npt.NDArray[Any]

#: The format of a cell whose operation has no weights and no cache.
PLAIN = "f32"


#: Each run is repeated with as many threads; more than the machine has are allowed.
THREADS = (1, 2, 5)


class DifferenceError(HeadraceError):
    """Something changed a result that must not change it."""


def run_with_threads(
    artifact: Any, inputs: Sequence[Array], traffic: list[float] | None = None
) -> tuple[Array, ...]:
    """All results, which are the same for each of `THREADS` bit for bit; inputs stay unchanged.

    Outputs and what lies between kernels are poisoned. Inputs that the program updates are results.
    What was compiled for AArch64 runs under QEMU elsewhere. Where a simulator runs a target's
    kernels, it takes their threads in as many different orders; `traffic` gets that of each run.
    Raises `DifferenceError` where the number of threads, or their order, changes a result.
    """
    first: tuple[Array, ...] = ()
    simulated = _simulator(artifact) is not None
    for threads, found in zip(THREADS, _run(artifact, inputs, THREADS, traffic), strict=True):
        first = first or found
        several = f"for {THREADS[0]} and {threads} threads"
        _compare(first, found, "for two orders of threads" if simulated else several)
    return first


def _simulator(artifact: Any) -> Callable[..., Simulation] | None:
    """What runs an artifact instead of this machine; None if nothing does."""
    name = artifact.manifest.get("target")
    return None if name is None else targets.find(name).simulate


def _compare(results: Sequence[Array], others: Sequence[Array], where: str) -> None:
    for number, (one, other) in enumerate(zip(results, others, strict=True)):
        if one.tobytes() != other.tobytes():
            raise DifferenceError(
                f"expected result {number} to be the same {where}, bit for bit, "
                "but it is another one"
            )


def _run(
    artifact: Any, inputs: Sequence[Array], threads: Sequence[int], traffic: list[float] | None
) -> Iterator[tuple[Array, ...]]:
    """For each number of threads, the results of a call."""
    if (simulate := _simulator(artifact)) is not None:
        for order in range(len(threads)):
            found = simulate(artifact, inputs, order)
            if traffic is not None:
                traffic.append(found.traffic)
            yield _results(artifact.arguments, found.arguments)
        return
    machine = artifact.manifest.get("requires", {}).get("machine")
    emulated = machine == "aarch64" and machine != host().machine
    for arguments in (run_plan if emulated else _run_here)(artifact, inputs, threads):
        yield _results(artifact.arguments, arguments)


def _run_here(
    artifact: Any, inputs: Sequence[Array], threads: Sequence[int]
) -> Iterator[list[Array]]:
    """For each number of threads, all arguments after a call."""
    arguments = [argument for argument in artifact.arguments if argument.role == "input"]
    for count in threads:
        arrays = [
            array.copy() if argument.updated is not None else array
            for argument, array in zip(arguments, inputs, strict=True)
        ]
        call = artifact.bind(*arrays, threads=count, poison=True)
        call.run()
        yield [*arrays, *map(np.asarray, call.outputs)]


def _results(arguments: Sequence[Argument], arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Outputs and what is updated, in the order of the function's results."""
    pairs = list(zip(arguments, arrays, strict=True))
    results = [array for argument, array in pairs if argument.role == "output"]
    for argument, array in pairs:
        if argument.updated is not None:
            results.insert(argument.updated, array)
    return tuple(results)


class Compiled:
    """A module compiled for a target, called as `Meaning` is; see `run_with_threads`.

    It is compiled twice where kernels have scratch memory: as for anybody, and so that they fill it
    with NaN first. Both must give the same results bit for bit.

    traffic: the most that a run moved, where a simulator runs it; see `Simulation`.
    """

    def __init__(self, module: Any, target: str) -> None:
        from headrace.compiler import compile

        self.traffic: float | None = None
        chosen, _ = targets.parse(target)
        self._artifact, *self._poisoned = (
            compile(module, target=target, keep_ir=False, cache=False, poison_scratch=poison)
            for poison in ((False,) if chosen.poisoned is None else (False, True))
        )

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        traffic: list[float] = []
        results = run_with_threads(self._artifact, inputs, traffic)
        self.traffic = max([*traffic, self.traffic or 0.0]) if traffic else None
        for poisoned in self._poisoned:
            for found in _run(poisoned, inputs, THREADS[:1], None):
                _compare(results, found, "whatever the kernels find in their scratch memory")
        return results


def tasks_of(cell: Cell, seed: int) -> list[Task]:
    """The cases that check `cell`."""
    return [
        Task(module.__name__, number, case.title)
        for module in FAMILY.modules()
        for number, case in enumerate(families.cases_of(module, seed))
        if case.op == cell.op and cell.claims(case.format or PLAIN)
    ]


def check_case(target: str, seed: int, cell: Cell, task: Task) -> list[Row]:
    """The row of one case: the worst result over its data."""
    case: Case = families.made(task, seed)
    runs = list(case.runs(generator(seed, "data", case.title)))
    error, bound, data, told = NOT_FINITE, 0.0, "-", case.reference
    traffic: float | None = None
    try:
        program = Compiled(_parsed(case), target)
        found = worst_of(program, runs)
        error, bound, data, traffic = found.error, found.bound, found.data, program.traffic
    except MachineError:
        raise
    except HeadraceError as failure:
        # A claim that does not compile is a claim that fails.
        told = families.failed_with(failure)
    return [
        Row(
            target=target,
            op=cell.op,
            format=case.format or PLAIN,
            activations=cell.activations,
            shape=case.shape,
            error=error,
            bound=bound,
            reference=told,
            data=data,
            runs=len(runs),
            operation=case.title,
            traffic=traffic,
        )
    ]


def _parsed(case: Case) -> Any:
    from headrace import ir
    from headrace.modules import parse_text

    return parse_text(case.module, ir.Context(), case.title)
