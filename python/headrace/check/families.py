"""Checks that are families of cases: one module for each family, one task for each case.

A family is a module with `cases(draw)`, which yields cases with a `title`; shapes are drawn from
`draw`, data later. So a task is small: which case of which family, made again where it runs.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from headrace.check.pool import each
from headrace.check.rows import Report, Row
from headrace.check.shapes import generator
from headrace.errors import HeadraceError, UsageError

__all__ = ["Family", "Task", "cases_of", "failed_with", "made", "one_line", "run"]


class Titled(Protocol):
    """What every case has."""

    @property
    def title(self) -> str:
        """`OP/what`: what is checked, then what is special about it."""
        ...


class Task(NamedTuple):
    """A case of a family."""

    module: str
    number: int
    title: str


class Family:
    """The modules of a package that have `cases`.

    package: the package whose modules they are
    flag: the option of `headrace check` that runs them
    """

    def __init__(self, package: ModuleType, flag: str) -> None:
        self.target = flag
        self._package = package

    def modules(self) -> list[ModuleType]:
        """All modules of cases, in order of their names."""
        names = sorted(info.name for info in pkgutil.iter_modules(self._package.__path__))
        found = (importlib.import_module(f"{self._package.__name__}.{name}") for name in names)
        return [module for module in found if hasattr(module, "cases")]

    def tasks(self, seed: int) -> list[Task]:
        """Every case, as a task."""
        return [
            Task(module.__name__, index, case.title)
            for module in self.modules()
            for index, case in enumerate(cases_of(module, seed))
        ]

    def select(
        self, seed: int, filter: str | None = None, sample: int | None = None, quick: bool = False
    ) -> list[Task]:
        """What `run` would check; UsageError if `filter` matches nothing."""
        every = self.tasks(seed)
        tasks = [task for task in every if filter is None or _matches(task.title, filter)]
        if not tasks:
            names = dict.fromkeys(task.title.partition("/")[0] for task in every)
            raise UsageError(
                f"check: no case of --{self.target} matches '{filter}'; allowed: a part of "
                f"NAME/CASE with NAME one of {', '.join(names)}"
            )
        if quick:
            tasks = _first_of_each(tasks)
        if sample is not None and sample < len(tasks):
            if sample < 1:
                raise UsageError(f"check: expected sample to be at least 1, but got {sample}")
            chosen = generator(seed, "sample").choice(len(tasks), sample, replace=False)
            tasks = [tasks[index] for index in sorted(chosen)]
        return tasks


def _first_of_each(tasks: Sequence[Task]) -> list[Task]:
    first: dict[str, Task] = {}
    for task in tasks:
        first.setdefault(task.title.partition("/")[0], task)
    return list(first.values())


def _matches(title: str, pattern: str) -> bool:
    return fnmatchcase(title, pattern) or pattern in title


def cases_of(module: ModuleType, seed: int) -> Iterator[Any]:
    """The cases of a family, with the shapes that `seed` draws."""
    yield from module.cases(generator(seed, module.__name__))


def made(task: Task, seed: int) -> Any:
    """The case of a task."""
    return list(cases_of(importlib.import_module(task.module), seed))[task.number]


def run(
    family: Family,
    check: Callable[[int, Task], list[Row]],
    seed: int,
    *,
    filter: str | None,
    sample: int | None,
    quick: bool,
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> Report:
    """check(seed, task) for the selected tasks; see `check.run` for the options."""
    tasks = family.select(seed, filter, sample, quick)
    rows: list[Row] = []
    alone = f"headrace check --{family.target} --seed {seed} --jobs 1 --filter"
    results = each(
        functools.partial(check, seed),
        tasks,
        jobs,
        lambda task: f"{task.title}; run it alone: {alone} {task.title}",
    )
    for done, found in enumerate(results, start=1):
        rows += found
        if progress is not None:
            progress(done, len(tasks))
    return Report(family.target, seed, tuple(rows))


def one_line(error: Exception) -> str:
    """The part of an error that says what is wrong, of MLIR's the first diagnostic."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if "error:" in line), lines[0]).strip()[:300]


def failed_with(error: HeadraceError) -> str:
    """The `reference` of a row that has none."""
    return f"none: {one_line(error)}"
