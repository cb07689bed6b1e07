"""Headrace runtime: loads, checks and runs compiled artifacts. Needs only NumPy.

>>> import headrace_runtime as hr
>>> matvec = hr.load("matvec.hr")
>>> y = matvec(x, w)
"""

import os

from .artifact import Artifact
from .errors import ArgumentError, ArtifactError, HeadraceError, MachineError
from .files import atomic_folder
from .machine import Machine, default_threads, host
from .manifest import Argument, Kernel, Manifest, parse_manifest
from .report import Report

__version__ = "0.1.0"

__all__ = [
    "Argument",
    "ArgumentError",
    "Artifact",
    "ArtifactError",
    "HeadraceError",
    "Kernel",
    "Machine",
    "MachineError",
    "Manifest",
    "Report",
    "atomic_folder",
    "default_threads",
    "host",
    "load",
    "parse_manifest",
]


def load(path: str | os.PathLike[str]) -> Artifact:
    """Opens an artifact folder; the same as `Artifact.load(path)`."""
    return Artifact.load(path)
