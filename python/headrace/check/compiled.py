"""Cases of `check.operations`, compiled for a target: the check of cells that are no `OpSpec`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.check import families
from headrace.check.families import Task
from headrace.check.operations.case import Case
from headrace.check.operations.running import FAMILY, worst_of
from headrace.check.rows import Row
from headrace.check.shapes import generator
from headrace.errors import HeadraceError, MachineError
from headrace.reference import NOT_FINITE
from headrace.targets.base import Cell

__all__ = ["PLAIN", "Compiled", "check_case", "tasks_of"]

Array = npt.NDArray[Any]

#: The format of a cell whose operation has no weights and no cache.
PLAIN = "f32"


class Compiled:
    """A module compiled for a target, called as `Meaning` is: all results, inputs unchanged.

    Outputs and scratch memory are poisoned, and each call takes another number of threads.
    """

    def __init__(self, module: Any, target: str) -> None:
        from headrace.compiler import compile

        self._artifact = compile(module, target=target, keep_ir=False)
        self._calls = 0

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        arguments = [argument for argument in self._artifact.arguments if argument.role == "input"]
        arrays = [
            array.copy() if argument.updated is not None else array
            for argument, array in zip(arguments, inputs, strict=True)
        ]
        self._calls += 1
        call = self._artifact.bind(*arrays, threads=1 + self._calls % 3, poison=True)
        call.run()
        results = list(call.outputs)
        for argument, array in zip(arguments, arrays, strict=True):
            if argument.updated is not None:
                results.insert(argument.updated, array)
        return tuple(np.asarray(result) for result in results)


def tasks_of(cell: Cell, seed: int) -> list[Task]:
    """The cases that check `cell`."""
    return [
        Task(module.__name__, number, case.title)
        for module in FAMILY.modules()
        for number, case in enumerate(families.cases_of(module, seed))
        if case.op == cell.op and (case.format or PLAIN) == cell.format
    ]


def check_case(target: str, seed: int, cell: Cell, task: Task) -> list[Row]:
    """The row of one case: the worst result over its data."""
    case: Case = families.made(task, seed)
    runs = list(case.runs(generator(seed, "data", case.title)))
    error, bound, data, told = NOT_FINITE, 0.0, "-", case.reference
    try:
        found = worst_of(Compiled(_parsed(case), target), runs)
        error, bound, data = found.error, found.bound, found.data
    except MachineError:
        raise
    except HeadraceError as failure:
        # A claim that does not compile is a claim that fails.
        told = families.failed_with(failure)
    return [
        Row(
            target=target,
            op=cell.op,
            format=cell.format,
            activations=cell.activations,
            shape=case.shape,
            error=error,
            bound=bound,
            reference=told,
            data=data,
            runs=len(runs),
            operation=case.title,
        )
    ]


def _parsed(case: Case) -> Any:
    from headrace import ir
    from headrace.modules import parse_text

    return parse_text(case.module, ir.Context(), case.title)
