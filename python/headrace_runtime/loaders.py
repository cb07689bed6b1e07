"""Loaders: what turns the files of an artifact into a program that runs.

A manifest names its loader. Built in are "shared-library", "metal" and "aie"; a wheel adds others
through the entry-point group `headrace_runtime.loaders`, whose entries are callables
`(folder: Path, manifest: Manifest) -> Program`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from .aie import AieProgram
from .errors import ArtifactError
from .manifest import Manifest
from .metal import MetalProgram
from .shared_library import SharedLibrary

GROUP = "headrace_runtime.loaders"


class Call(Protocol):
    """A call with its memory bound."""

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The results of the last run."""

    def run(self) -> None:
        """Runs the whole plan once, writing `outputs`."""

    def time_steps(self, repeats: int) -> list[float]:
        """Best time of each step of the plan run alone, in seconds."""


class Program(Protocol):
    """A loaded program."""

    def bind(self, values: Sequence[Any], *, threads: int | None, poison: bool) -> Call:
        """Checks the inputs and allocates the outputs; ArgumentError if an input is wrong."""


Loader = Callable[[Path, Manifest], Program]

_BUILT_IN: dict[str, Loader] = {
    "shared-library": SharedLibrary,
    "metal": MetalProgram,
    "aie": AieProgram,
}


def names() -> list[str]:
    """The loaders installed here."""
    return sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


def get(name: str) -> Loader:
    """The loader of that name; ArtifactError if it is not installed or does not import."""
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    for entry in entry_points(group=GROUP, name=name):
        try:
            loader: Loader = entry.load()
        except Exception as error:
            raise ArtifactError(
                f"loader '{name}' ({entry.value}) does not load: {error}"
            ) from error
        return loader
    raise ArtifactError(f"unknown loader '{name}'; installed are: {', '.join(names())}")
