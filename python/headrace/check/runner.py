"""Runs the check: compiles each operation, feeds it the drawn data, compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats, reference, targets
from headrace.check import data as drawn
from headrace.check import families
from headrace.check.compiled import Compiled, check_case, tasks_of
from headrace.check.pool import each
from headrace.check.rows import Report, Row, worst
from headrace.check.shapes import generator, specs
from headrace.errors import HeadraceError, MachineError, UsageError
from headrace.ops import OpSpec
from headrace.targets.base import Cell

__all__ = ["Task", "check_task", "comparisons", "run", "select"]

# A cell and what checks it: an operation, a case of `check.operations`, None where nothing does.
Task = tuple[Cell, OpSpec | families.Task | None]

# Matrices of more numbers get the first sets of data only: random and encoded ones, and zeros.
_LARGE, _LARGE_SETS = 1 << 20, 3


def select(
    target: str,
    seed: int,
    *,
    filter: str | None = None,
    sample: int | None = None,
    quick: bool = False,
) -> list[Task]:
    """What a check would run; see `run` for the options.

    Raises `UsageError` if `filter` matches no claimed cell.
    """
    found = targets.find(target.partition(":")[0])
    cells = found.cells()
    chosen = [cell for cell in cells if filter is None or _matches(cell.name, filter)]
    if not chosen:
        names = ", ".join(sorted({cell.name for cell in cells}))
        raise UsageError(f"check: no claimed cell matches '{filter}'; claimed: {names}")
    tasks: list[Task] = []
    for cell in chosen:
        shapes = () if quick else found.shapes.get(cell.op, ())
        work: Sequence[OpSpec | families.Task | None] = (
            specs(cell, seed, quick=quick, shapes=shapes)
            or tasks_of(cell, seed)[: 2 if quick else None]
            or [None]
        )
        tasks += [(cell, item) for item in work]
    if sample is not None and sample < len(tasks):
        if sample < 1:
            raise UsageError(f"check: expected sample to be at least 1, but got {sample}")
        tasks = _sampled(tasks, sample, generator(seed, "sample"))
    return tasks


def _sampled(tasks: Sequence[Task], count: int, draw: np.random.Generator) -> list[Task]:
    """So many tasks in their order: of each operation the first drawn, then the second, ..."""
    ranks: Counter[str] = Counter()
    order: list[tuple[int, int, int]] = []
    for index in map(int, draw.permutation(len(tasks))):
        op = tasks[index][0].op
        order.append((ranks[op], len(order), index))
        ranks[op] += 1
    return [tasks[index] for index in sorted(index for *_, index in sorted(order)[:count])]


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or pattern in name


def run(
    target: str = "cpu",
    seed: int = 0,
    *,
    filter: str | None = None,
    sample: int | None = None,
    quick: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check every claimed cell of `target` on data drawn from `seed`.

    filter: only cells whose name (`matvec/q4_k/i8`) contains it, or matches it as a pattern.
    sample: only so many, drawn from the seed, of every operation about as many.
    quick: two shapes per cell instead of all.
    jobs: how many processes; a script that asks for more than one needs the usual
        `if __name__ == "__main__":`.
    progress: called with (done, all) after each operation.
    Raises `MachineError` where this machine cannot run the target's kernels.
    """
    tasks = select(target, seed, filter=filter, sample=sample, quick=quick)
    rows: list[Row] = []
    work = partial(check_task, target, seed)
    results = each(work, tasks, jobs, partial(_describe, target))
    for done, made in enumerate(results, start=1):
        rows += made
        if progress is not None:
            progress(done, len(tasks))
    return Report(target, seed, tuple(rows))


def _describe(target: str, task: Task) -> str:
    cell, work = task
    if isinstance(work, families.Task):
        return f"{work.title}; run it alone: headrace check -t {target} --filter {cell.name}"
    return f"{work} ({cell.name}); run it alone: headrace run {work} --target {target}"


def check_task(target: str, seed: int, task: Task) -> list[Row]:
    """The rows of one operation: its worst error against each reference."""
    cell, spec = task
    if isinstance(spec, families.Task):
        return check_case(target, seed, cell, spec)
    if spec is None:
        reason = f"none: no check is known for {cell.op}"
        return [_row(target, cell, "-", "-", reference.NOT_FINITE, 0.0, reason, "-")]
    by_reference: dict[str, list[Row]] = {}
    try:
        program = Compiled(spec, target)
        sets = drawn.draw(spec, generator(seed, "data", str(spec)))
        for data in islice(sets, _LARGE_SETS if spec.m * spec.k > _LARGE else None):
            (result,) = program(*data.inputs)
            found = comparisons(spec, data.x, data.weights, result)
            for name, error, bound in found:
                row = _row(target, cell, _shape(spec), str(spec), error, bound, name, data.name)
                by_reference.setdefault(name, []).append(row)
    except MachineError:
        raise
    except HeadraceError as error:
        # A claim that does not compile is a claim that fails.
        reason = f"none: {str(error).splitlines()[0]}"
        return [_row(target, cell, _shape(spec), str(spec), reference.NOT_FINITE, 0.0, reason, "-")]
    return [replace(worst(rows), traffic=program.traffic) for rows in by_reference.values()]


def _row(
    target: str,
    cell: Cell,
    shape: str,
    operation: str,
    error: float,
    bound: float,
    name: str,
    data: str,
) -> Row:
    return Row(
        target=target,
        op=cell.op,
        format=cell.format,
        activations=cell.activations,
        shape=shape,
        error=error,
        bound=bound,
        reference=name,
        data=data,
        runs=1,
        operation=operation,
    )


def _shape(spec: OpSpec) -> str:
    sizes = {"matmul": (spec.m, spec.k, spec.n), "quantize": (spec.n, spec.k)}
    return "x".join(map(str, sizes.get(spec.op, (spec.m, spec.k))))


def comparisons(
    spec: OpSpec,
    x: npt.NDArray[Any] | None,
    weights: Sequence[npt.NDArray[Any]],
    result: npt.NDArray[Any],
) -> Iterator[tuple[str, float, float]]:
    """(reference, error, bound) for each reference of the operation.

    x and weights are the inputs of the run (x None for dequantize), `result` its output.
    """
    exact = reference.BOUNDS["exact"]
    packed = [np.asarray(data).view(np.uint8).reshape(-1) for data in weights]
    if spec.op == "quantize":
        assert x is not None
        bytes_ = formats.get(spec.format).encode(np.atleast_2d(x))
        got = result.view(np.uint8).reshape(-1)
        yield "headrace.formats", reference.count_differences(got, bytes_.reshape(-1)), exact
        return
    who = reference.decoder(spec.format)
    if spec.op == "dequantize":
        values = reference.decode(spec.format, packed[0], spec.m, spec.k)
        yield who, reference.count_differences(result, values), exact
        return
    assert x is not None
    want = reference.evaluate(spec, x, packed)
    bound = reference.BOUNDS[spec.activations]
    yield f"float64, weights by {who}", reference.relative_l2(result, want), bound
    if spec.activations == "i8":
        want = reference.evaluate(spec, reference.quantized_activations(x), packed)
        name = f"float64, weights by {who}, activations by act_i8"
        yield name, reference.relative_l2(result, want), reference.BOUNDS["f32"]
