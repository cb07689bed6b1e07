"""Runs a pipeline pass by pass and keeps the IR after each.

A registered pipeline is expanded to the passes it stands for, so each pass becomes a named stage:
`after:<pass>`, and `after:<pass>.2` when it runs again. When a pass fails, the IR before it is
written to a file and the error says which command runs that pass on it.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from headrace import ir
from headrace.errors import CompileError, UsageError, unknown
from headrace.native import native
from headrace.passmanager import PassManager
from headrace.pipeline_text import nest, pass_name, split, unwrap
from headrace.plugins import load_pass_plugin
from headrace.targets.base import PythonPass, Stage, Target

__all__ = ["Snapshot", "Trace", "expand", "lower", "run_pipeline", "run_stages"]

# One pass: pipeline text with a single pass in it, or a Python pass with its name.
Step = str | tuple[str, PythonPass]


@dataclass
class Snapshot:
    """The module as it was at one point. `text` is printed when first asked for."""

    name: str
    seconds: float
    operation: ir.Operation
    # An earlier stage that is the same.
    same: Snapshot | None = None
    _text: str | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The module in MLIR's pretty form."""
        if self.same is not None:
            return self.same.text
        if self._text is None:
            self._text = native().print_operation(self.operation)
        return self._text


class Trace:
    """The stages of one run, in order; the first is `input`."""

    def __init__(self, snapshots: Sequence[Snapshot] = ()) -> None:
        self._snapshots = list(snapshots)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self._snapshots)

    def __len__(self) -> int:
        return len(self._snapshots)

    def __getitem__(self, name: str) -> Snapshot:
        """The stage called `name`; a pass name alone means the last time that pass ran."""
        for snapshot in reversed(self._snapshots):
            if snapshot.name == name or _base(snapshot.name) in (name, f"after:{name}"):
                return snapshot
        raise unknown("stage", name, self.names())

    def names(self) -> list[str]:
        """Names of all stages in order."""
        return [snapshot.name for snapshot in self._snapshots]

    def append(self, name: str, seconds: float, operation: ir.Operation) -> Snapshot:
        """Add a stage; a name that is taken gets a number.

        What is the very operation of the stage before is printed with it, once.
        """
        count = sum(_base(taken) == name for taken in self.names())
        last = self._snapshots[-1] if self._snapshots else None
        same = (last.same or last) if last and last.operation is operation else None
        full = f"{name}.{count + 1}" if count else name
        snapshot = Snapshot(full, seconds, operation, same)
        self._snapshots.append(snapshot)
        return snapshot


def _base(name: str) -> str:
    return re.sub(r"\.\d+$", "", name)


def expand(
    pipeline: str, context: ir.Context, passes: Mapping[str, PythonPass] | None = None
) -> list[Step]:
    """The single passes of `pipeline` (text inside `builtin.module(...)`), in order.

    Raises `UsageError` for a pass that does not exist or an option that it does not have.
    """
    passes = passes or {}
    steps: list[Step] = []
    for item in split(pipeline):
        if item in passes:
            steps.append((item, passes[item]))
            continue
        try:
            expanded = str(PassManager.parse(f"builtin.module({item})", context))
        except ValueError as error:
            hint = f"; passes in python: {', '.join(sorted(passes))}" if passes else ""
            raise UsageError(f"pipeline '{item}': {_parse_message(error)}{hint}") from error
        for part in split(unwrap(expanded)):
            steps.extend(nest(part))
    return steps


def run_pipeline(
    module: ir.Module,
    pipeline: str,
    *,
    passes: Mapping[str, PythonPass] | None = None,
    plugins: Sequence[Path] = (),
    dump_dir: Path | str | None = None,
) -> Trace:
    """Run pipeline text over `module` in place; see `run_stages`."""
    stage = Stage("pipeline", pipeline)
    return run_stages(module, [stage], passes=passes, plugins=plugins, dump_dir=dump_dir)


def lower(
    module: ir.Module,
    target: Target,
    description: Any,
    *,
    stages: Sequence[Stage] | None = None,
    dump_dir: str | PathLike[str] | None = None,
) -> Trace:
    """Run the target's pipeline (or `stages`) over `module` in place."""
    folder = None if dump_dir is None else Path(dump_dir)
    chosen = target.stages(description) if stages is None else stages
    return run_stages(module, chosen, passes=target.passes, plugins=target.plugins, dump_dir=folder)


def run_stages(
    module: ir.Module,
    stages: Sequence[Stage],
    *,
    passes: Mapping[str, PythonPass] | None = None,
    plugins: Sequence[Path] = (),
    dump_dir: Path | str | None = None,
) -> Trace:
    """Run `stages` over `module` in place, one pass at a time.

    passes: Python passes that the text of a stage may name.
    plugins: pass plugins in C++ whose passes it may name.
    dump_dir: a folder that gets `NN-<pass>.mlir` after each pass, made if it is not there.
    Raises `CompileError` with the diagnostics and the command that reproduces a failed pass.
    """
    for plugin in plugins:
        load_pass_plugin(plugin)
    steps: list[Step] = []
    for stage in stages:
        if callable(stage.run):
            steps.append((stage.name, stage.run))
        else:
            steps.extend(expand(stage.run, module.context, passes))
    folder = None if dump_dir is None else Path(dump_dir)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    trace = Trace()
    before = module.operation.clone()
    _dump(folder, trace, trace.append("input", 0.0, before))
    fingerprint = native().fingerprint
    stamp = fingerprint(module.operation)
    for step in steps:
        seconds = _run_step(module, step, before, plugins, folder)
        # Most passes find nothing to do in most modules.
        if (now := fingerprint(module.operation)) != stamp:
            stamp = now
            before = module.operation.clone()
        name = f"after:{step[0] if isinstance(step, tuple) else pass_name(step)}"
        _dump(folder, trace, trace.append(name, seconds, before))
    return trace


def _dump(folder: Path | None, trace: Trace, snapshot: Snapshot) -> None:
    if folder is not None:
        name = snapshot.name.removeprefix("after:")
        (folder / f"{len(trace) - 1:02d}-{name}.mlir").write_text(snapshot.text + "\n")


def _run_step(
    module: ir.Module,
    step: Step,
    before: ir.Operation,
    plugins: Sequence[Path],
    folder: Path | None,
) -> float:
    """Run one pass over the module; returns the seconds it took."""
    raised: list[Exception] = []
    if isinstance(step, tuple):
        name, function = step
        manager = PassManager("builtin.module", module.context)

        def guarded(operation: object, handle: object) -> None:
            # An exception must not cross the C++ frames of the pass manager.
            try:
                with module.context:
                    function(operation, handle)
            except Exception as error:
                raised.append(error)
                handle.signal_pass_failure()  # type: ignore[attr-defined]

        manager.add(guarded, name=name, argument=name)
        text = name
    else:
        text = step
        manager = PassManager.parse(f"builtin.module({text})", module.context)
    start = time.perf_counter()
    try:
        manager.run(module.operation)
    except ir.MLIRError as error:
        cause = raised[0] if raised else error
        message = _describe(error) if not raised else f"{type(cause).__name__}: {cause}"
        tool = "headrace opt"  # which knows the passes in Python
        if not isinstance(step, tuple):
            options = [f"--load-pass-plugin={shlex.quote(str(path))}" for path in plugins]
            tool = " ".join(["headrace-opt", *options])
        reproducer, command = _reproducer(tool, text, before, folder)
        raise CompileError(
            f"pass '{pass_name(text)}' failed: {message}", reproducer=reproducer, command=command
        ) from cause
    return time.perf_counter() - start


def _describe(error: ir.MLIRError) -> str:
    """The diagnostics of a failed pass, one a line, with their notes."""
    lines: list[str] = []
    for diagnostic in error.error_diagnostics:
        lines.append(f"{diagnostic.location}: {diagnostic.message}")
        lines += [f"  note: {note.location}: {note.message}" for note in diagnostic.notes]
    return "\n".join(lines) or str(error)


def _reproducer(
    tool: str, pipeline: str, before: ir.Operation, folder: Path | None
) -> tuple[Path, str]:
    """Write the IR before a pass to a new file; returns it and the command that runs the pass."""
    handle, path = tempfile.mkstemp(
        prefix=f"headrace-{pass_name(pipeline)}-", suffix=".mlir", dir=folder
    )
    options = f"--pass-pipeline={shlex.quote(f'builtin.module({pipeline})')}"
    if before.context.allow_unregistered_dialects:
        options += " --allow-unregistered-dialect"
    command = f"{tool} {shlex.quote(path)} {options}"
    with os.fdopen(handle, "w") as file, suppress(UnicodeEncodeError):
        file.write(f"// {command}\n{before.get_asm(assume_verified=True)}\n")
    return Path(path), command


def _parse_message(error: ValueError) -> str:
    """What the pipeline parser says, without its echo of the text."""
    message = re.sub(r"^.*?:\d+:\d+: error: ", "", str(error).strip())
    return message.partition("\n")[0]
