"""Errors of the compiler package.

All are `HeadraceError`s, so one `except` catches what Headrace says about its input. Messages are
lower case, name the thing, say what was expected and end with what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from headrace_runtime.errors import ArtifactError, HeadraceError, MachineError

__all__ = [
    "ArtifactError",
    "CompileError",
    "HeadraceError",
    "MachineError",
    "ToolMissingError",
    "UsageError",
    "VersionError",
    "nearest",
    "one_of",
    "unknown",
]


class UsageError(HeadraceError):
    """A request that cannot be meant: unknown names, wrong shapes, options that do not fit."""


class VersionError(HeadraceError):
    """Two parts of different versions met: compiler, plugin, IREE, torch-mlir."""


class ToolMissingError(HeadraceError):
    """A program or library that this request needs is not installed."""


class CompileError(HeadraceError):
    """A pass rejected the module.

    `reproducer` is the file with the IR before that pass and `command` the line that runs the pass
    on it again; both are None when the failure was outside a pass.
    """

    def __init__(
        self, message: str, *, reproducer: Path | None = None, command: str | None = None
    ) -> None:
        self.reproducer = reproducer
        self.command = command
        if command is not None:
            message = f"{message}\nreproduce with: {command}"
        super().__init__(message)


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `name` is probably a misspelling of, or None."""
    names = list(allowed)
    by_lower = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def one_of(allowed: Iterable[str]) -> str:
    """`a, b or c`, for the end of a message."""
    names = list(allowed)
    if len(names) < 2:
        return "".join(names) or "nothing"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def unknown(kind: str, name: str, allowed: Iterable[str]) -> UsageError:
    """The error for a name that is not in a list; names the nearest one that is."""
    names = list(allowed)
    close = nearest(name, names)
    hint = f", did you mean '{close}'" if close else ""
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    return UsageError(f"unknown {kind} '{shown}'{hint}; allowed: {', '.join(names) or 'nothing'}")
