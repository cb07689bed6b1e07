"""Spreads the tasks of a check over processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from headrace.errors import HeadraceError

__all__ = ["each"]

Task = TypeVar("Task")
Result = TypeVar("Result")

# Fewer tasks are done sooner than processes start.
_FEW = 8


def each(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    describe: Callable[[Task], str],
) -> Iterator[Result]:
    """work(task) for each task, in order.

    work: must be picklable, as tasks and results
    describe: names a task and how to do it alone, where the process that does it dies
    """
    if jobs == 1 or len(tasks) < _FEW:
        yield from map(work, tasks)
        return
    # New processes, not forks: the compiler's library starts threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = [pool.submit(work, task) for task in tasks]
        try:
            for future, task in zip(futures, tasks, strict=True):
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    raise HeadraceError(
                        f"check: a process died, probably in {describe(task)}"
                    ) from error
        finally:
            pool.shutdown(cancel_futures=True)
