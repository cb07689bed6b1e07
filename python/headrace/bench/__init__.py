"""`headrace bench`: our kernels beside their peers and the machine's own limit, in one run.

`run` is the command; `run_suite` the same as a function that returns a `Report`. This is a
measurement, never a test: nothing in the test suite depends on a time. The suite `model` measures
nothing: its figures are simulated.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.bench.report import Report
    from headrace.bench.runner import run_suite

__all__ = ["MODEL_SUITE", "Report", "main", "run", "run_suite"]

# Of targets that run nowhere here: what is simulated and modelled, by `headrace.bench.TARGET`.
MODEL_SUITE = "model"
MODELLED_TARGETS = ("aie", "metal")


def run(
    target: str = "cpu",
    suite: str = "matvec",
    *,
    filter: str | None = None,
    quick: bool = False,
    json: bool = False,
    plot: str | Path | None = None,
    output: str | Path | None = None,
    peers: Sequence[str] | None = None,
    threads: int | None = None,
    seed: int = 0,
) -> int:
    """Measure and print; returns the exit code, 1 if a row voids the run or is wrong.

    json prints the report as JSON on stdout (the table then goes to stderr, where progress is);
    output also writes that JSON to a file. Raises `HeadraceError` for requests that cannot be met.
    """
    from rich.console import Console

    from headrace.bench import table
    from headrace.bench.plot import check_path
    from headrace.bench.plot import plot as draw
    from headrace.bench.runner import run_suite
    from headrace.errors import UsageError

    # before minutes of measuring
    if plot is not None:
        check_path(Path(plot))
    if output is not None and not Path(output).absolute().parent.is_dir():
        raise UsageError(f"bench: expected the folder of --output to exist, but got '{output}'")
    if suite == MODEL_SUITE and threads is not None:
        raise UsageError(f"bench: suite {suite} measures nothing and has no --threads")
    report: Any
    with table.Bar(Console(stderr=True)) as bar:
        common: dict[str, Any] = {"pattern": filter, "quick": quick, "peers": peers, "seed": seed}
        if suite == MODEL_SUITE:
            name = target.partition(":")[0]
            if name not in MODELLED_TARGETS:
                raise UsageError(
                    f"bench: suite {suite} is of targets {', '.join(MODELLED_TARGETS)}, "
                    f"but got '{target}'"
                )
            module = importlib.import_module(f"headrace.bench.{name}")
            report = module.run(target, **common, start=bar.start, tick=bar.tick)
        else:
            report = run_suite(target, suite, **common, threads=threads, progress=bar)
    if json:
        print(report.to_json())
    stream = sys.stderr if json else sys.stdout
    # a file has no width of its own
    console = Console(file=stream, width=None if stream.isatty() else 160)
    model = suite == MODEL_SUITE
    console.print((report.render if model else partial(table.render, report))(console.width))
    if output is not None:
        Path(output).write_text(report.to_json() + "\n")
    if plot is not None:
        report.plot(Path(plot)) if model else draw(report, Path(plot))
    for problem in report.problems:
        print(f"bench: {problem}", file=sys.stderr)
    return report.exit_code


main = run

_LAZY = {"Report": "headrace.bench.report", "run_suite": "headrace.bench.runner"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'headrace.bench' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)
