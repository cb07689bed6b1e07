"""The command line of the scaffolds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headrace.errors import HeadraceError, UsageError
from headrace.new.formats import new_format
from headrace.new.passes import new_cpp_pass, new_python_pass
from headrace.new.render import Made
from headrace.new.targets import new_target

__all__ = ["app", "main"]

app = typer.Typer(
    name="python -m headrace.new",
    help="Write a working start for a target, a pass or a format.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


@app.command("target")
def target(
    name: _Name,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where to make the folder headrace-NAME.")
    ] = Path(),
    cpp: Annotated[bool, typer.Option("--cpp", help="With its pass in C++, as a plugin.")] = False,
) -> None:
    """A target as a wheel of its own, outside of Headrace's tree."""
    _report(new_target(name, directory, cpp=cpp))


@app.command("pass")
def pass_(
    name: _Name,
    directory: Annotated[
        Path, typer.Option("--dir", help="A source tree of Headrace, or with --python a target.")
    ] = Path(),
    group: Annotated[
        str | None,
        typer.Option(help="The folder of passes/ [default: the name up to its first dash]."),
    ] = None,
    python: Annotated[
        bool, typer.Option("--python", help="A pass in Python, for a target outside of the tree.")
    ] = False,
) -> None:
    """A pass: in C++ in a source tree, or in Python in a target."""
    if python and group is not None:
        raise UsageError("pass: --group goes with a C++ pass; allowed with --python: --dir")
    if python:
        _report(new_python_pass(name, directory))
    else:
        _report(new_cpp_pass(name, directory, group=group))


@app.command("format")
def format_(
    name: _Name,
    directory: Annotated[Path, typer.Option("--dir", help="A source tree of Headrace.")] = Path(),
) -> None:
    """A storage format: NumPy codec, attribute, decoding in IR, tests."""
    _report(new_format(name, directory))


def _report(made: Made) -> None:
    for path in made.written:
        typer.echo(f"wrote   {path}")
    for path in made.edited:
        typer.echo(f"edited  {path}")
    typer.echo(f"\n{made.next_steps}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 cannot be meant."""
    try:
        app(args=arguments, standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except HeadraceError as error:
        print(f"headrace.new: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
