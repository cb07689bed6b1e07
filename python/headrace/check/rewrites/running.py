"""`headrace check --passes`: the IR before and after a pass computes the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from headrace import reference
from headrace.check import families, rewrites
from headrace.check.difference import difference
from headrace.check.families import Family, Task
from headrace.check.rewrites.rewrite import Rewrite
from headrace.check.rows import Report, Row
from headrace.check.shapes import generator
from headrace.errors import CompileError, HeadraceError, ToolMissingError

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["FAMILY", "check_task", "run"]

FAMILY = Family(rewrites, "passes")


def run(
    seed: int = 0,
    *,
    filter: str | None = None,
    sample: int | None = None,
    quick: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check every common pass on modules and data drawn from `seed`.

    filter: only cases whose title (`split-kv/ring`) contains it, or matches it as a pattern.
    sample: only so many cases, drawn from the seed.
    quick: one case of each pass.
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


def check_task(seed: int, task: Task) -> list[Row]:
    """The row of one case: the worst error of a result over the drawn inputs."""
    case: Rewrite = families.made(task, seed)
    error, told, runs = reference.NOT_FINITE, "IR before the pass", 1
    worst = "-"
    try:
        errors = list(_errors(case, seed))
        error, worst, runs = *max(errors), len(errors)
    except ToolMissingError:
        raise
    except HeadraceError as failure:
        # What does not compile, or is not rewritten, has failed.
        told = families.failed_with(failure)
    shape = "x".join(re.findall(r"%\w+: tensor<([\dx]+)x\w+>", case.module)[:1])
    return [
        Row(
            target=FAMILY.target,
            op=case.name,
            format="",
            activations="",
            shape=shape or "-",
            error=error,
            bound=case.bound,
            reference=told,
            data=worst,
            runs=runs,
            operation=task.title,
            engine="jit",
        )
    ]


def _errors(case: Rewrite, seed: int) -> Iterator[tuple[float, str]]:
    """(error, data and result) of each result for each of the drawn inputs."""
    from headrace import ir
    from headrace.modules import parse_text
    from headrace.passmanager import PassManager
    from headrace.reference_jit import Meaning

    context = ir.Context()
    before = parse_text(case.module, context, case.title)
    after = parse_text(str(before), context)
    try:
        with context:
            PassManager.parse(f"builtin.module({case.pipeline or case.name})").run(after.operation)
    except (ir.MLIRError, ValueError) as error:
        raise CompileError(f"the pass fails: {families.one_line(error)}") from error
    _check_structure(case, before, after)
    means = parse_text(case.meaning, context, case.title) if case.meaning else before
    first = Meaning(means)
    if case.whole:
        after = parse_text(str(after).rstrip().removesuffix("}") + case.whole + "}", context)
    second = Meaning(after, "whole" if case.whole else None)
    if (first.inputs, first.outputs) != (second.inputs, second.outputs):
        raise CompileError("expected the same arguments and results after the pass")
    for index in range(case.runs):
        draw = generator(seed, "data", case.title, index)
        inputs = [array.copy() for array in case.inputs(draw)]
        results = zip(first(*inputs), second(*inputs), strict=True)
        for number, (want, got) in enumerate(results):
            found = difference(got, want, case.bound, case.floor)
            yield found, f"inputs {index}, result {number}"


def _check_structure(case: Rewrite, before: ir.Module, after: ir.Module) -> None:
    if case.unchanged:
        if str(before) != str(after):
            raise CompileError("expected the pass to leave the module as it is")
        return
    counted, was = _operations(after), _operations(before)
    for name, count in case.after.items():
        if counted[name] != count:
            raise CompileError(
                f"expected {count} of {name} after the pass, but got {counted[name]}"
            )
    for text in case.mentions:
        if text not in str(after):
            raise CompileError(f"expected '{text}' after the pass, but it is not there")
    if all(was[name] == count for name, count in case.after.items()) and all(
        text in str(before) for text in case.mentions
    ):
        raise CompileError("expected something that the pass changes, but it is so before")


def _operations(module: ir.Module) -> Counter[str]:
    """How many operations of each name there are, nested ones too."""
    from headrace import ir

    counts: Counter[str] = Counter()

    def count(operation: ir.Operation) -> ir.WalkResult:
        counts[operation.name] += 1
        return ir.WalkResult.ADVANCE

    module.operation.walk(count, ir.WalkOrder.PRE_ORDER)
    return counts
