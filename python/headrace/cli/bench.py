"""`headrace bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from headrace.cli.common import JsonOption, TargetOption

__all__ = ["BenchCommand", "command"]

PLOT = "bench.png"


class BenchCommand(TyperCommand):
    """`--plot` without a file draws into `bench.png`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Gives `--plot` the file that it lacks."""
        for index in reversed([i for i, text in enumerate(args) if text == "--plot"]):
            if index + 1 == len(args) or args[index + 1].startswith("-"):
                args = [*args[: index + 1], PLOT, *args[index + 1 :]]
        return super().parse_args(ctx, args)


def command(
    target: TargetOption = "cpu",
    suite: Annotated[str, typer.Option(help="Which kernels and shapes.")] = "matvec",
    filter: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only rows that match this.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer shapes, shorter.")] = False,
    peers: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these peers. [default: all installed]")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="[default: all CPUs]")] = None,
    seed: Annotated[int, typer.Option(help="Draws the data.", min=0)] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the rows (.png, .svg). [without FILE: bench.png]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the JSON here.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure kernels against other libraries and the memory's bandwidth, in one run.

    With --suite model, of targets aie and metal, figures are simulated and modelled, not measured.
    """
    from headrace.bench import run

    code = run(
        target,
        suite,
        filter=filter,
        quick=quick,
        json=json,
        plot=plot,
        output=output,
        peers=None if peers is None else [name.strip() for name in peers.split(",")],
        threads=threads,
        seed=seed,
    )
    raise typer.Exit(code)
