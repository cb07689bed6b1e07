"""The command's top level: version and the list of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace import __version__
from headrace.cli import (
    bench,
    check,
    compile,
    formats,
    inspect,
    opt,
    quantize,
    run,
    targets,
    translate,
)

__all__ = ["app"]

app = typer.Typer(
    name="headrace",
    help=(
        "Compile quantized attention and matrix-vector products.\n\n"
        "An operation is written [bold]matvec:m=4096,k=14336,format=q4_k[/], a target "
        "[bold]cpu[/] or [bold]cpu:znver5[/]."
    ),
    epilog="Example: headrace run matvec:m=4096,k=14336,format=q4_k,activations=i8",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"headrace {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command("compile")(compile.command)
app.command("run")(run.command)
app.command("inspect")(inspect.command)
app.command("check")(check.command)
app.command("bench", cls=bench.BenchCommand)(bench.command)
app.command("quantize")(quantize.command)
app.command("targets")(targets.command)
app.command("formats")(formats.command)
app.command("opt", context_settings=opt.CONTEXT)(opt.command)
app.command("translate")(translate.command)
