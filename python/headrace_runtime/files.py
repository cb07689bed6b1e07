"""Writing folders whole or not at all, and reading files that may be damaged."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from .errors import ArtifactError

MANIFEST = "manifest.json"


def inside(folder: Path, relative: str) -> Path:
    """The file `relative` of an artifact; ArtifactError if it would lie outside of `folder`."""
    parts = PurePosixPath(relative)
    if not relative or parts.is_absolute() or ".." in parts.parts or "\\" in relative:
        raise ArtifactError(
            f"artifact {folder}: file name '{relative}' in the manifest must be a relative path "
            "inside the artifact"
        )
    return folder.joinpath(*parts.parts)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file, read piecewise."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def check_sha256(folder: Path, checksums: dict[str, str]) -> None:
    """Checks the listed files against their sha256; ArtifactError names the first bad one."""
    for name, expected in checksums.items():
        path = inside(folder, name)
        if not path.is_file():
            raise ArtifactError(f"artifact {folder}: file '{name}' is missing")
        actual = sha256_of(path)
        if actual != expected:
            raise ArtifactError(
                f"artifact {folder}: file '{name}' is damaged or truncated: expected sha256 "
                f"{expected}, but got {actual} ({path.stat().st_size} bytes)"
            )


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a new folder beside `path` that takes its place when the block ends well.

    If the block raises, nothing is left behind and what was at `path` stays. An existing
    artifact at `path` is replaced; anything else there is never touched (ArtifactError).
    """
    target = Path(path).absolute()
    _check_replaceable(target)
    work = _sibling(target)
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise ArtifactError(f"cannot write artifact {target}: {error}") from error
    try:
        yield work
        _put_in_place(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _sibling(target: Path) -> Path:
    """An unused hidden name in the same folder, hence on the same file system."""
    return target.parent / f".{target.name}.{secrets.token_hex(8)}"


def _check_replaceable(target: Path) -> None:
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise ArtifactError(f"cannot write artifact {target}: it exists and is not a folder")
    if any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise ArtifactError(
            f"cannot write artifact {target}: the folder exists and is not an artifact "
            f"(no {MANIFEST}); choose another name or remove it"
        )


def _put_in_place(work: Path, target: Path) -> None:
    # A folder cannot be renamed over one with files in it, so an old artifact first steps
    # aside; it comes back if the second rename fails.
    _check_replaceable(target)
    aside = _sibling(target)
    try:
        if not target.is_dir():
            work.replace(target)
            return
        target.replace(aside)
        try:
            work.replace(target)
        except BaseException:
            aside.replace(target)
            raise
    except OSError as error:
        raise ArtifactError(f"cannot write artifact {target}: {error}") from error
    shutil.rmtree(aside, ignore_errors=True)
