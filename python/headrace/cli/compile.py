"""`headrace compile`."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.common import (
    JsonOption,
    SourceArgument,
    TargetOption,
    console,
    print_json,
    source_of,
    working,
)

__all__ = ["command"]


def command(
    source: SourceArgument,
    target: TargetOption = "cpu",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to write. [default: named after SOURCE, .hr]"),
    ] = None,
    dump_dir: Annotated[
        Path | None, typer.Option(help="Also write the IR after each pass here, as it is made.")
    ] = None,
    keep_ir: Annotated[bool, typer.Option(help="Keep the IR after each pass in it.")] = True,
    timing: Annotated[bool, typer.Option(help="Print the time of each pass.")] = False,
    verification: Annotated[
        bool | None,
        typer.Option(
            help="Put results to check against into it. [default: for targets that are simulated]"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compile an operation or a module to an artifact."""
    from headrace.compiler import compile
    from headrace.targets import parse

    if verification is None:
        verification = parse(target)[0].simulate is not None
    start = time.perf_counter()
    with working(f"compiling {source} for {target}"):
        artifact = compile(
            source_of(source),
            target=target,
            dump_dir=dump_dir,
            keep_ir=keep_ir,
            timing=timing,
            verification=verification,
        )
        path = artifact.save(output or Path(default_name(source)))
    seconds = time.perf_counter() - start
    manifest = artifact.manifest
    if json:
        print_json({"artifact": str(path), "seconds": round(seconds, 3), "manifest": manifest})
        return
    screen = console()
    if timing:
        for item in manifest["timing"]:
            screen.print(f"{item['seconds'] * 1e3:9.2f} ms  {item['stage']}", markup=False)
    screen.print(f"{path}  ({seconds:.2f} s)", markup=False)
    screen.print(str(artifact.report()), markup=False)


def default_name(source: str) -> str:
    """`matvec:m=4,k=256,format=q4_k` -> `matvec-m4-k256-q4_k.hr`; a file gives its stem."""
    if source.endswith(".mlir"):
        return f"{Path(source).stem}.hr"
    from headrace import ops

    name = str(ops.parse(source)).replace("format=", "").replace("activations=", "")
    return re.sub(r"[:,]", "-", name.replace("=", "")) + ".hr"
