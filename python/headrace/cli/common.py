"""What several commands share: options, output, progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "JsonOption",
    "SourceArgument",
    "TargetOption",
    "console",
    "print_json",
    "print_table",
    "progress_bar",
    "source_of",
    "working",
]

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="An operation such as matvec:m=4096,k=14336,format=q4_k, or an .mlir file.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    str, typer.Option("--target", "-t", metavar="NAME[:OPTION]", help="See `headrace targets`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def console(*, stderr: bool = False) -> Console:
    """A console for people; plain text when it is no terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """JSON on standard output, one value."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns on standard output, never wrapped; the head is dim on a terminal."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    screen = console()
    for index, line in enumerate(lines):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        screen.print(text.rstrip(), markup=False, style="dim" if index == 0 else None)


def source_of(text: str) -> str | Path:
    """A path where `text` names a file, else the text."""
    return Path(text) if text.endswith(".mlir") else text


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on standard error while the block runs; nothing where that is no terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(what):
        yield


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, moved by calling the yielded function with (done, all).

    Where standard error is no terminal it prints a line about every tenth of the way instead.
    """
    screen = console(stderr=True)
    if not screen.is_terminal:
        last = -1

        def line(done: int, count: int) -> None:
            nonlocal last
            if count >= 20 and done * 10 // count != last:
                last = done * 10 // count
                print(f"{what}: {done} of {count}", file=sys.stderr, flush=True)

        yield line
        return

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=screen, transient=True) as bars:
        bar = bars.add_task(what, total=None)

        def move(done: int, count: int) -> None:
            bars.update(bar, completed=done, total=count)

        yield move
