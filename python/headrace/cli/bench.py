"""`headrace bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.common import JsonOption, TargetOption

__all__ = ["command"]


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
        Path | None, typer.Option(metavar="FILE", help="Draw the rows (.png, .svg).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the JSON here.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure kernels against other libraries and the memory's bandwidth, in one run."""
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
