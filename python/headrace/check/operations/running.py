"""`headrace check --ops`: the decomposition of every operation, by two compilers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from headrace import reference, reference_run
from headrace.check import families, operations
from headrace.check.difference import difference
from headrace.check.families import Family, Task
from headrace.check.operations.case import EXACT, Case, Run
from headrace.check.rows import Report, Row
from headrace.check.shapes import generator
from headrace.errors import HeadraceError, ToolMissingError

__all__ = ["FAMILY", "Found", "check_task", "row", "run", "worst_of"]

FAMILY = Family(operations, "ops")


def run(
    seed: int = 0,
    *,
    filter: str | None = None,
    sample: int | None = None,
    quick: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check the decomposition of every operation on shapes and data drawn from `seed`.

    filter: only cases whose title (`qattn.decode/ring`) contains it, or matches it as a pattern.
    sample: only so many cases, drawn from the seed.
    quick: one case of each operation.
    jobs: how many processes; a script that asks for more than one needs the usual
        `if __name__ == "__main__":`.
    progress: called with (done, all) after each case.
    """
    return families.run(
        FAMILY,
        check_task,
        seed,
        filter=filter,
        sample=sample,
        quick=quick,
        jobs=jobs,
        progress=progress,
    )


class Found(NamedTuple):
    """An error, ordered by how bad it is."""

    excess: float  # relative to the bound
    error: float
    bound: float
    data: str


def check_task(seed: int, task: Task) -> list[Row]:
    """A row for each engine: the worst result of the case over its data."""
    case: Case = families.made(task, seed)
    runs = list(case.runs(generator(seed, "data", case.title)))
    return [row(case, engine, runs) for engine in reference_run.ENGINES]


def row(case: Case, engine: str, runs: Sequence[Run]) -> Row:
    """The worst result of a case by one engine."""
    told = case.reference
    found = Found(reference.NOT_FINITE, reference.NOT_FINITE, EXACT, "-")
    try:
        # IREE's programs flush numbers below the least normal f32 to zero.
        kept = [item for item in runs if not (item.denormals and engine == "iree")]
        found = worst_of(_meaning(case, engine), kept)
    except ToolMissingError:
        raise
    except HeadraceError as error:
        # What does not decompose or compile has failed.
        told = families.failed_with(error)
    return Row(
        target=FAMILY.target,
        op=case.op,
        format=case.format,
        activations="",
        shape=case.shape,
        error=found.error,
        bound=found.bound,
        reference=told,
        data=found.data,
        runs=len(runs),
        operation=case.title,
        engine=engine,
    )


def _meaning(case: Case, engine: str) -> Any:
    from headrace import ir
    from headrace.modules import parse_text

    module = parse_text(case.module, ir.Context(), case.title)
    return importlib.import_module(reference_run.ENGINES[engine]).Meaning(module)


def worst_of(program: Callable[..., Sequence[Any]], runs: Sequence[Run]) -> Found:
    """The worst result of `program`, which takes the inputs of a run and returns all results."""
    found = []
    for item in runs:
        for index, (got, want) in enumerate(zip(program(*item.inputs), item.wants, strict=True)):
            error = difference(got, want.value, want.bound, want.floor)
            excess = error / want.bound if want.bound else error * reference.NOT_FINITE
            data = f"{item.name}, result {index}" if len(item.wants) > 1 else item.name
            found.append(Found(excess, error, want.bound, data))
    return max(found)
