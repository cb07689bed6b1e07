"""Artifacts that were compiled before, in a folder of the user.

An entry is an artifact under a name that stands for everything that it was made from: the module,
the target's description, and every file of this package and of the runtime, by size and time. So a
rebuilt compiler finds none of its old entries. Targets outside of this package are not cached:
which of their files matter is not known here.

`HEADRACE_CACHE` is the folder, or `off`; by default `$XDG_CACHE_HOME/headrace` or
`~/.cache/headrace`. Entries that were not used for longest go when all take more than 1 GiB.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headrace
import headrace_runtime
from headrace.artifact import Artifact
from headrace.native import native
from headrace_runtime import ArtifactError

if TYPE_CHECKING:
    from headrace import ir
    from headrace.targets import Target

__all__ = ["cache_folder", "entry_of", "load", "store"]

_LIMIT_BYTES = 1 << 30


def entry_of(module: ir.Module, target: Target, description: Any, **options: Any) -> Path | None:
    """Where the artifact of `module` is or would be; None if it is not to be cached.

    options: whatever else the files of the artifact depend on.
    """
    folder = cache_folder("artifacts")
    if folder is None or not _is_ours(target):
        return None
    parts = [_package(), target.name, repr(description), repr(sorted(options.items())), str(module)]
    digest = hashlib.sha256("\0".join(parts).encode())
    return folder / f"{digest.hexdigest()[:40]}.hr"


def load(entry: Path) -> Artifact | None:
    """A copy of an entry, as entries may go at any time; None if it is not there or damaged."""
    copy = tempfile.TemporaryDirectory(prefix="headrace-", suffix=".hr")
    try:
        shutil.copytree(entry, copy.name, dirs_exist_ok=True)
        artifact = Artifact.load(copy.name, temporary=copy)
        os.utime(entry)
    except (OSError, shutil.Error, ArtifactError):
        copy.cleanup()
        return None
    return artifact


def store(artifact: Artifact, entry: Path) -> None:
    """Keep a copy of `artifact`; where that is not possible, nothing happens."""
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        artifact.save(entry)
        _shrink(entry)
    except (OSError, ArtifactError):
        return  # a full disk, say: compiling worked all the same


def cache_folder(kind: str) -> Path | None:
    """Where things of a kind are cached; None if they are not to be."""
    chosen = os.environ.get("HEADRACE_CACHE")
    if chosen == "off":
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (Path(chosen) if chosen else home / "headrace") / kind
    if folder.exists():
        # A library that somebody else may have written must not be loaded.
        status = folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return None
    return folder


def _is_ours(target: Target) -> bool:
    functions = [target.describe, target.stages, target.package, *target.passes.values()]
    return not target.plugins and all(
        getattr(function, "__module__", "").startswith(f"{headrace.__name__}.")
        for function in functions
    )


@cache
def _package() -> str:
    """Every file of this package, its native libraries among them, and of the runtime, which packs
    and draws what some artifacts carry."""
    root, runtime = Path(headrace.__file__).parent, Path(headrace_runtime.__file__).parent
    digest = hashlib.sha256(f"{headrace.__version__} {native().llvm_version()} {root}".encode())
    for path in (*sorted(root.rglob("*")), *sorted(runtime.rglob("*"))):
        if path.is_file() and path.parent.name != "__pycache__":
            status = path.stat()
            digest.update(f"\n{path} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _shrink(kept: Path) -> None:
    """Delete the entries that were not used for longest, but not `kept`."""
    entries = []
    for entry in kept.parent.glob("*.hr"):
        size = sum(path.stat().st_size for path in entry.rglob("*"))
        entries.append((entry.stat().st_mtime, size, entry))
    total = sum(size for _, size, _ in entries)
    for _, size, entry in sorted(entries):
        if total <= _LIMIT_BYTES:
            return
        if entry != kept:
            shutil.rmtree(entry, ignore_errors=True)
            total -= size
