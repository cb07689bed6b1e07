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
    source_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="ARTIFACT|FILE.mlir",
            help="An artifact folder (.hr), or a module.",
            show_default=False,
        ),
    ] = None,
    ir: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Print the IR at a stage.")
    ] = None,
    stages: Annotated[bool, typer.Option("--stages", help="List the stages.")] = False,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print a generated source.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Model time and energy on this device; `list` names them."
        ),
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the columns that sparse products select."),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(metavar="TOKENS", help="Tokens in caches; all slots if left out."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw bytes and times (.png, .svg).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what is in an artifact (arguments, kernels, costs, IR), or what a module costs."""
    from headrace.errors import UsageError

    if device == "list":
        _print_devices(json)
        return
    if source_path is None:
        raise UsageError("inspect: expected an artifact folder or an .mlir file, but got none")
    if source_path.suffix == ".mlir":
        given = {"--ir": ir, "--stages": stages or None, "--source": source}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise UsageError(f"inspect: {', '.join(wrong)} go with an artifact, not with a module")
        _module(source_path, device, density, length, plot, json)
        return
    if density is not None or length is not None:
        raise UsageError(
            "inspect: --density and --length go with a module (.mlir); an artifact has the costs "
            "that it was compiled with"
        )
    _artifact(source_path, ir, stages, source, device, plot, json)


def _print_devices(json: bool) -> None:
    from dataclasses import asdict

    from headrace import cost

    found = [cost.device(name) for name in cost.devices()]
    if json:
        print_json({"devices": [asdict(item) for item in found]})
        return
    lines = [f"{item.name:21} {item.read_gb_per_s:6g} GB/s  {item.summary}" for item in found]
    console().print("\n".join(lines), markup=False)


def _module(
    path: Path,
    device: str | None,
    density: float | None,
    length: int | None,
    plot: Path | None,
    json: bool,
) -> None:
    from headrace import cost

    report = cost.estimate(path, device, density=1.0 if density is None else density, length=length)
    if plot is not None:
        report.plot(plot)
    if json:
        print_json(json_module.loads(report.to_json()))
        return
    screen = console()
    screen.print(str(report), markup=False)
    if device is None:
        screen.print("time and energy: --device NAME; names: --device list", markup=False)


def _artifact(
    path: Path,
    ir: str | None,
    stages: bool,
    source: str | None,
    device: str | None,
    plot: Path | None,
    json: bool,
) -> None:
    from headrace.artifact import load
    from headrace.cost.kernels import remodelled
    from headrace.errors import UsageError

    loaded = load(path)
    report = loaded.report()
    if device is not None:
        report = remodelled(report, device)
    if plot is not None:
        report.plot(plot)
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
        print_json({"manifest": loaded.manifest, "report": json_module.loads(report.to_json())})
    else:
        _print(loaded, str(report))


def _print(artifact: Artifact, report: str) -> None:
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
    lines.append(report)
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
