"""`headrace check`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.common import (
    JsonOption,
    TargetOption,
    console,
    print_json,
    print_table,
    progress_bar,
)
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace.check import Report, Row

__all__ = ["command"]


def command(
    target: TargetOption = "cpu",
    formats: Annotated[
        bool, typer.Option("--formats", help="Check the storage formats instead of a target.")
    ] = False,
    ops: Annotated[
        bool, typer.Option("--ops", help="Check what every operation decomposes to instead.")
    ] = False,
    passes: Annotated[
        bool, typer.Option("--passes", help="Check every common pass instead.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Draws shapes and data.", min=0)] = 0,
    filter: Annotated[
        str | None,
        typer.Option(
            metavar="CELL",
            help="Only cells such as matvec/q4_k/i8, or a part of it; of formats such as "
            "decode/q4_k, of operations qattn.decode/ring, of passes split-kv/ring.",
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", help="Only N operations, drawn from the seed.", min=1)
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Two shapes per cell or format; one case per operation or pass."
        ),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Processes. [default: all CPUs]", min=1)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check every claimed cell of a target numerically, or formats, operations or passes.

    Each operation runs on fresh and on hard data, with outputs and scratch memory poisoned, and is
    compared with float64 on the dequantized weights. With --formats, what codecs and the compiler
    decode, from random bytes and from encoded weights, is compared with the decoders of others, bit
    for bit. With --ops, what every operation of qlinear and qattn decomposes to, run by MLIR's JIT
    and by IREE, is compared with NumPy in float64. With --passes, the IR before and after every
    common pass is run by the JIT, and compared. Exit code 1 if an error is above its bound.
    """
    from headrace import check
    from headrace_runtime import default_threads

    chosen = {"formats": formats, "ops": ops, "passes": passes}
    asked = [f"--{name}" for name, given in chosen.items() if given]
    if target != "cpu":
        asked.append(f"--target {target}")
    if len(asked) > 1:
        raise UsageError(
            f"check: expected one of {', '.join(asked)}, as each is a check of its own"
        )
    what = next((name for name, given in chosen.items() if given), "target")
    runs: dict[str, Callable[..., Report]] = {
        "formats": check.run_formats,
        "ops": check.run_ops,
        "passes": check.run_passes,
        "target": partial(check.run, target),
    }
    with progress_bar(f"checking {target if what == 'target' else what}") as progress:
        report = runs[what](
            seed,
            filter=filter,
            sample=sample,
            quick=quick,
            jobs=jobs or default_threads(),
            progress=progress,
        )
    if json:
        print_json(report.to_json())
    else:
        printers = {"formats": _print_formats, "target": _print}
        printers.get(what, _print_cases)(list(report.rows))
        console().print(
            f"{len(report.rows)} rows, {sum(row.runs for row in report.rows)} runs, "
            f"{len(report.failed)} above the bound (seed {seed})"
        )
    if not report.ok:
        raise typer.Exit(1)


def _print(rows: list[Row]) -> None:
    what = ("operation", "format", "x", "shape")
    head = (*what, "error", "bound", "", "traffic", "worst data", "against")
    print_table(
        head,
        [
            (
                row.op.removeprefix("qlinear."),
                row.format,
                row.activations,
                row.shape,
                f"{row.error:.2g}",
                f"{row.bound:.2g}",
                "ok" if row.ok else "FAILED",
                "-" if row.traffic is None else f"{row.traffic:.2f}",
                row.data,
                row.reference,
            )
            for row in rows
        ],
    )


def _print_formats(rows: list[Row]) -> None:
    head = ("operation", "format", "shape", "differ", "", "error", "worst data", "against")
    print_table(
        head,
        [
            (
                row.op,
                row.format,
                row.shape,
                f"{row.error:g}",
                "ok" if row.ok else "FAILED",
                "" if row.relative_rmse is None else f"{row.relative_rmse:.2%}",
                row.data,
                row.reference,
            )
            for row in rows
        ],
    )


def _print_cases(rows: list[Row]) -> None:
    head = ("case", "format", "shape", "by", "error", "bound", "", "worst data", "against")
    print_table(
        head,
        [
            (
                row.operation,
                row.format,
                row.shape,
                row.engine or "-",
                f"{row.error:.2g}",
                f"{row.bound:.2g}",
                "ok" if row.ok else "FAILED",
                row.data,
                row.reference,
            )
            for row in rows
        ],
    )
