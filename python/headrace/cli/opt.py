"""`headrace opt`: `headrace-opt` that also knows the Python passes of installed targets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli import mlirfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headrace.targets.base import PythonPass

__all__ = ["CONTEXT", "command"]

# Other options are passes: --canonicalize, --headrace-cpu-pipeline="dot=vnni".
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def command(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="An MLIR file, - for standard input.")] = "-",
    pass_pipeline: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="For example 'builtin.module(canonicalize,cse)'."),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write.")] = "-",
    split_input_file: Annotated[
        bool, typer.Option("--split-input-file", help="Process parts between // ----- apart.")
    ] = False,
    verify_diagnostics: Annotated[
        bool, typer.Option("--verify-diagnostics", help="Check expected-error comments.")
    ] = False,
    allow_unregistered_dialect: Annotated[
        bool, typer.Option("--allow-unregistered-dialect", help="Accept unknown operations.")
    ] = False,
    generic: Annotated[
        bool, typer.Option("--mlir-print-op-generic", help="Print the generic form.")
    ] = False,
    dump_dir: Annotated[
        Path | None, typer.Option(help="Write the IR after each pass here.")
    ] = None,
    load_pass_plugin: Annotated[
        list[Path] | None, typer.Option(metavar="LIBRARY", help="Load passes in C++ from here.")
    ] = None,
    show_passes: Annotated[
        bool, typer.Option("--show-python-passes", help="List the passes written in Python.")
    ] = False,
) -> None:
    """Run passes over MLIR, as headrace-opt does, those of installed targets included.

    --NAME or --NAME="option=value ..." runs the pass or pipeline NAME.
    """
    from headrace.targets import find, installed

    targets = [find(name) for name in installed()]
    passes = {name: run for target in targets for name, run in target.passes.items()}
    if show_passes:
        typer.echo("\n".join(sorted(passes)))
        return
    plugins = _load(load_pass_plugin or [], [path for t in targets for path in t.plugins])
    files, pipeline = _pipeline(context.args, file, pass_pipeline)
    text = mlirfile.read(files)
    chunks = mlirfile.split_chunks(text) if split_input_file else [text]
    printed: list[str] = []
    problems: list[str] = []
    for chunk in chunks:
        result, found = _process(
            chunk,
            pipeline,
            passes,
            plugins,
            verify=verify_diagnostics,
            unregistered=allow_unregistered_dialect,
            generic=generic,
            dump_dir=dump_dir,
        )
        printed.append(result)
        problems += found
    if problems:
        print("\n".join(f"{files}: {problem}" for problem in problems), file=sys.stderr)
        raise typer.Exit(1)
    if not verify_diagnostics:
        mlirfile.write(output, "// -----\n".join(printed))


def _load(asked: Iterable[Path], installed: Iterable[Path]) -> list[Path]:
    """Load pass plugins; returns those that did. An installed one that does not is a warning."""
    from headrace.errors import HeadraceError
    from headrace.plugins import load_pass_plugin

    loaded = list(asked)
    for path in loaded:
        load_pass_plugin(path)
    for path in installed:
        try:
            load_pass_plugin(path)
            loaded.append(path)
        except HeadraceError as error:
            print(f"headrace: warning: {error}", file=sys.stderr)
    return loaded


def _pipeline(extra: list[str], file: str, text: str | None) -> tuple[str, str]:
    """The input file, and the inside of the pipeline from `--pass-pipeline` and `--NAME`."""
    from headrace.errors import UsageError
    from headrace.pipeline_text import unwrap

    # An unknown option may have been taken for the file, and the file for an extra argument.
    words = [file, *extra] if file != "-" else list(extra)
    files = [word for word in words if not word.startswith("--")]
    if len(files) > 1:
        raise UsageError(f"opt: expected one file, but got {', '.join(files)}")
    parts = [] if text is None else [unwrap(text)]
    for word in words:
        if word.startswith("--"):
            name, _, options = word[2:].partition("=")
            parts.append(f"{name}{{{options}}}" if options else name)
    return (files[0] if files else "-"), ",".join(part for part in parts if part.strip())


def _process(
    text: str,
    pipeline: str,
    passes: Mapping[str, PythonPass],
    plugins: Sequence[Path],
    *,
    verify: bool,
    unregistered: bool,
    generic: bool,
    dump_dir: Path | None,
) -> tuple[str, list[str]]:
    """One module: its text after the pipeline, and mismatches if diagnostics are verified."""
    from headrace.cli.diagnostics import capture, expected, from_error, mismatches
    from headrace.errors import CompileError, UsageError
    from headrace.modules import parse_text
    from headrace.native import native
    from headrace.pipeline import run_pipeline

    native()
    from headrace import ir

    context = ir.Context()
    context.enable_multithreading(False)
    context.allow_unregistered_dialects = unregistered
    printed = ""
    with capture(context) as messages:
        try:
            module = parse_text(text, context)
            run_pipeline(module, pipeline, passes=passes, plugins=plugins, dump_dir=dump_dir)
            printed = str(module.operation.get_asm(print_generic_op_form=generic))
        except (CompileError, UsageError) as error:
            cause = error.__cause__
            if not verify or not isinstance(cause, ir.MLIRError):
                raise
            if isinstance(error, CompileError) and error.reproducer is not None:
                error.reproducer.unlink(missing_ok=True)  # the failure is expected
            messages += from_error(cause)
    if not verify:
        for message in messages:
            print(f"{message.kind}: line {message.line}: {message.text}", file=sys.stderr)
        return printed, []
    return printed, mismatches(messages, expected(text))
