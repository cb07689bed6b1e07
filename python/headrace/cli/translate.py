"""`headrace translate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import mlirfile
from headrace.errors import UsageError, unknown

if TYPE_CHECKING:
    from headrace.targets import Target

__all__ = ["command"]


def command(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="An operation, an MLIR file, - for standard input."),
    ] = "-",
    to: Annotated[
        str,
        typer.Option("--to", metavar="KIND", help="What to emit, such as llvm, asm, object, msl."),
    ] = "llvm",
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", metavar="NAME[:OPTION]", help="[default: any with KIND]"),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write.")] = "-",
    lower: Annotated[
        bool, typer.Option(help="Run the target's pipeline first, or emit SOURCE as it is.")
    ] = True,
    body_only: Annotated[
        bool,
        typer.Option(
            "--body-only", help="Of MSL, only the statements of the one kernel, as mlx takes them."
        ),
    ] = False,
) -> None:
    """Emit what a target makes of an operation: LLVM IR, assembly, an object, sources."""
    from headrace.modules import load_module

    if body_only:
        to = f"{to}-body"
    chosen, description = _choose(to, target)
    given: Any = source
    if source == "-" or source.endswith(".mlir"):
        given = mlirfile.read(source).encode()
    else:
        given = _laid_out(source, chosen)
    module = load_module(given)
    if lower:
        from headrace import pipeline

        pipeline.lower(module, chosen, description)
    mlirfile.write(output, chosen.emitters[to](module, description))


def _laid_out(source: str, target: Target) -> Any:
    """The operation, with what the target says where it says nothing."""
    from headrace import ops

    operation = ops.parse(source, target.activations)
    if isinstance(operation, ops.SelectSpec):
        return operation.laid_out(target.sparse_band)
    return operation


def _choose(kind: str, target: str | None) -> tuple[Target, Any]:
    """The target that emits `kind`, and its description."""
    from headrace.targets import find, installed, parse

    if target is not None:
        chosen, description = parse(target)
        if kind not in chosen.emitters:
            raise unknown(f"kind of output of target {chosen.name}", kind, sorted(chosen.emitters))
        return chosen, description
    emitting = [name for name in installed() if kind in find(name).emitters]
    if not emitting:
        kinds = {kind for name in installed() for kind in find(name).emitters}
        raise unknown("kind of output", kind, sorted(kinds))
    if len(emitting) > 1 and "cpu" not in emitting:
        raise UsageError(f"translate: {', '.join(emitting)} emit '{kind}'; choose with --target")
    return parse("cpu" if "cpu" in emitting else emitting[0])
