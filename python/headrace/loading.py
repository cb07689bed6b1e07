"""Loading what compiling made: an artifact of the runtime, or a program of IREE."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from headrace.artifact import Artifact

__all__ = ["load"]


def load(path: str | PathLike[str]) -> Any:
    """Load the folder that `save` wrote: an `Artifact`, or an `IreeProgram` for a torch model.

    Raises `ArtifactError` if it is neither or is damaged, `MachineError` if it cannot run here.
    """
    if _loader(Path(path)) == "iree":
        from headrace.interop import iree

        return iree.load(path)
    return Artifact.load(path)


def _loader(folder: Path) -> object:
    """Who can load the folder, as its manifest says; None if that cannot be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None  # Artifact.load says what is wrong with it
    return manifest.get("loader") if isinstance(manifest, dict) else None
