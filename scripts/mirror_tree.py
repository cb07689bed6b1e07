"""Mirror source folders into the build tree with one symbolic link per file.

The development install puts ``build/python_packages`` on Python's path. Generated files (MLIR's
bindings, op builders, type stubs, objects) are real files there; everything written by hand is a
link to the source tree, so an edit needs no build and a new file needs only this script, which
runs with every build and takes some milliseconds.

usage: mirror_tree.py SOURCE DESTINATION [SOURCE DESTINATION ...]
"""

import os
import sys
from pathlib import Path

SKIPPED_FOLDERS = {"__pycache__", ".mypy_cache", ".ruff_cache"}
SKIPPED_SUFFIXES = {".pyc", ".td"}


def mirror(source: Path, destination: Path) -> None:
    """Link every file of ``source`` below ``destination``; drop links to files that are gone."""
    wanted: set[Path] = set()
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        target_folder = destination / Path(folder).relative_to(source)
        target_folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            if Path(name).suffix in SKIPPED_SUFFIXES or name == "pyproject.toml":
                continue
            link, file = target_folder / name, Path(folder) / name
            wanted.add(link)
            if link.is_symlink() and link.readlink() == file:
                continue
            link.unlink(missing_ok=True)
            link.symlink_to(file)
    for folder, _, files in os.walk(destination):
        for name in files:
            link = Path(folder) / name
            if link.is_symlink() and link.readlink().is_relative_to(source) and link not in wanted:
                link.unlink()


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) % 2:
        print(__doc__, file=sys.stderr)
        return 2
    for source, destination in zip(arguments[::2], arguments[1::2], strict=True):
        mirror(Path(source).resolve(), Path(destination))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
