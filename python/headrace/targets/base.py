"""What a target is: a name, a capability table, a pipeline, a packager.

A target in this tree is a folder `headrace/targets/<name>`; one outside is a wheel with an entry
point in the group `headrace.targets`. Either way it is one `Target` object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.errors import UsageError
from headrace.ops_sparse import default_band

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["Cell", "PythonPass", "Simulation", "Stage", "Target", "read_capabilities"]

# A pass in Python: called with the operation and a handle that has `signal_pass_failure()`.
PythonPass = Callable[[Any, Any], None]


@dataclass(frozen=True)
class Stage:
    """A step of a target's pipeline.

    run: pass pipeline text (the inside of `builtin.module(...)`; it may name Python passes of the
        target), or a Python pass, which the target should also have in `passes` under this name,
        so that `headrace opt` can run it. Text with several passes becomes several IR stages.
    """

    name: str
    run: str | PythonPass


class Simulation(NamedTuple):
    """A run of an artifact in a simulator.

    arguments: all of them, after the run.
    traffic: bytes that it reads from memory and writes to it, over those of the arguments: 1 where
        each byte moves once, less where some of the weights are never looked at.
    """

    arguments: list[Any]
    traffic: float


@dataclass(frozen=True)
class Cell:
    """One claim of a target: an operation, a format, an activation type, and its conditions.

    format: its name, or `codebook:*` for every format whose name starts so.
    activations: "f32", "bf16" or "i8"; "" where the operation has none.
    proof: "executed" if a check on this machine runs it, "simulated" or "compiled" otherwise.
    """

    op: str
    format: str
    activations: str
    constraints: Mapping[str, Any] = field(default_factory=dict)
    proof: str = "executed"

    @property
    def name(self) -> str:
        """`matvec/q4_k/i8`: what `--filter` matches."""
        parts = [self.op.removeprefix("qlinear."), self.format, self.activations]
        return "/".join(part for part in parts if part)

    def claims(self, format: str) -> bool:
        """Whether the cell is about a format of that name."""
        if self.format.endswith("*"):
            return format.startswith(self.format[:-1])
        return format == self.format

    def to_json(self) -> dict[str, Any]:
        """The row of `headrace targets --json`."""
        row: dict[str, Any] = {"op": self.op, "format": self.format}
        if self.activations:
            row["activations"] = self.activations
        return row | {"constraints": dict(self.constraints), "proof": self.proof}


@dataclass(frozen=True)
class Target:
    """A target: everything the compiler needs to know of it.

    capabilities: path of the capability table (JSON), the same file that the pass
        `verify-target-legality` reads.
    describe: turns the part of the target string after the colon (None if there is none) into the
        target's own description; raises `UsageError` for an option that it does not know.
    stages: the pipeline for a description, from `qlinear` to the form that `package` takes.
    package: writes the files of an artifact into a folder and returns its manifest; called as
        `package(module, description, folder, trace=...)` with the module after the last stage and
        the trace of the run, which has the module after each stage.
    passes: Python passes by name, for pipelines and `headrace opt`.
    plugins: pass plugins in C++ (shared libraries), for the same; see `headrace.plugins`.
    emitters: text or bytes made from a lowered module, for `headrace translate --to NAME`; called
        as `emitter(module, description)`.
    sources: text that artifacts keep: file name -> name of its emitter.
    poisoned: makes of a description one of the same kernels that fill scratch memory of their own
        with NaN before they use it; None where no kernel has such memory. `headrace check` compares
        the results of both.
    finish: adds what depends on the whole manifest to the files of an artifact, called as
        `finish(manifest, folder, verification)`, and may add to the manifest; `verification` says
        whether results to compare with are wanted. None where there is no such thing.
    simulate: runs an artifact where there is no device, called as `simulate(artifact, inputs,
        order)`; returns a `Simulation`, with outputs poisoned before it. `order` from 0 to 2 is
        one of the orders that threads may run in. None where `headrace check` runs artifacts as
        anybody does.
    sparse_band: rows of a band of a weight of so many rows, where a product that skips columns is
        asked for by name and its format says nothing of bands.
    activations: what those of a product are in where it is asked for by name without saying it.
    shapes: by operation, rows and columns that `headrace check` takes beside those that it draws,
        unless it is to be quick.
    options: some options that `describe` takes, for messages and `headrace targets`.
    """

    name: str
    capabilities: Path
    describe: Callable[[str | None], Any]
    stages: Callable[[Any], Sequence[Stage]]
    package: Callable[..., dict[str, Any]]
    passes: Mapping[str, PythonPass] = field(default_factory=dict)
    plugins: tuple[Path, ...] = ()
    emitters: Mapping[str, Callable[[ir.Module, Any], str | bytes]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    poisoned: Callable[[Any], Any] | None = None
    finish: Callable[[dict[str, Any], Path, bool], None] | None = None
    simulate: Callable[..., Simulation] | None = None
    sparse_band: Callable[[int], int] = default_band
    activations: str = "f32"
    shapes: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    summary: str = ""

    def cells(self) -> list[Cell]:
        """Every claimed cell of the capability table."""
        return read_capabilities(self.capabilities)

    def to_json(self) -> dict[str, Any]:
        """The entry of `headrace targets --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "options": list(self.options),
            "cells": [cell.to_json() for cell in self.cells()],
        }


def read_capabilities(path: Path) -> list[Cell]:
    """The cells of a capability table, one per format and activation type."""
    try:
        table = json.loads(Path(path).read_text())
        return [
            Cell(
                op=group["op"],
                format=name,
                activations=activations,
                constraints=group.get("constraints", {}),
                proof=group["proof"],
            )
            for group in table["cells"]
            for name in group["formats"]
            for activations in group.get("activations") or [""]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"capability table {path}: expected {{'cells': [{{'op', 'formats', 'proof', ...}}]}}, "
            f"but got {type(error).__name__}: {error}"
        ) from error
