"""`headrace inspect`."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.common import JsonOption, console, print_json

if TYPE_CHECKING:
    from headrace_runtime import Argument, Artifact

__all__ = ["command"]


def command(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="An artifact folder (.hr).")],
    ir: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Print the IR at a stage.")
    ] = None,
    stages: Annotated[bool, typer.Option("--stages", help="List the stages.")] = False,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print a generated source.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw bytes per kernel (.png, .svg).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what is in an artifact: arguments, kernels, costs, IR, sources."""
    from headrace.artifact import load
    from headrace.errors import UsageError

    loaded = load(artifact)
    if plot is not None:
        loaded.report().plot(plot)
    if ir is not None:
        typer.echo(loaded.ir(ir))
    elif source is not None:
        if source not in loaded.sources:
            allowed = ", ".join(loaded.sources) or "none are kept in this artifact"
            raise UsageError(f"inspect: unknown source '{source}'; allowed: {allowed}")
        typer.echo(loaded.sources[source])
    elif stages:
        if json:
            print_json({"stages": loaded.stages()})
        else:
            typer.echo("\n".join(loaded.stages()))
    elif json:
        report = json_module.loads(loaded.report().to_json())
        print_json({"manifest": loaded.manifest, "report": report})
    else:
        _print(loaded)


def _print(artifact: Artifact) -> None:
    manifest = artifact.manifest
    screen = console()
    lines = [str(artifact.path)]
    if "source" in manifest:
        lines.append(f"operation {manifest['source']}")
    lines.append(f"headrace {manifest['headrace']}, llvm {manifest.get('llvm', '-')}")
    if features := manifest.get("requires", {}).get("features"):
        lines.append(f"requires {' '.join(features)}")
    lines += [_argument(argument) for argument in artifact.arguments]
    scratch = sum(item["bytes"] for item in manifest.get("transients", []))
    lines.append(f"scratch  {scratch} bytes")
    lines.append("")
    lines.append(str(artifact.report()))
    stages = artifact.stages()
    lines.append("")
    lines.append(f"{len(stages)} IR stages (--stages, --ir STAGE)" if stages else "no IR kept")
    screen.print("\n".join(lines), markup=False)


def _argument(argument: Argument) -> str:
    shape = "x".join(map(str, argument.shape))
    text = f"{argument.role:8} {argument.name}: {argument.dtype} [{shape}]"
    if argument.packed is not None:
        packed = argument.packed
        text += f" = {packed.rows}x{packed.cols} {packed.format}"
        if (packed.padded_rows, packed.padded_cols) != (packed.rows, packed.cols):
            text += f" padded to {packed.padded_rows}x{packed.padded_cols}"
    return text
