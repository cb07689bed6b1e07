"""Templates to files: substitution, edits of files that exist, all or nothing.

A template is a file `NAME.in` of `headrace/new/templates`; `@word@` in its text and its path is
replaced. Everything is rendered and checked before the first file is written.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from headrace.errors import UsageError

__all__ = ["Made", "Scaffold", "banner", "replace_once", "substitute", "template"]

_TOKEN = re.compile(r"@(\w+)@")


@dataclass(frozen=True)
class Made:
    """What a scaffold wrote: paths, and what its author does next."""

    written: tuple[Path, ...]
    edited: tuple[Path, ...]
    next_steps: str


def substitute(text: str, words: Mapping[str, str]) -> str:
    """Replace each `@word@`; KeyError for a word that has no value."""
    return _TOKEN.sub(lambda match: words[match[1]], text)


def template(path: str) -> str:
    """The text of one template, given its path below `templates` without `.in`."""
    return files("headrace.new").joinpath("templates", *f"{path}.in".split("/")).read_text()


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    """(path without `.in`, text) of every template below `folder`."""
    found: list[tuple[str, str]] = []
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.is_dir():
            found += _walk(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".in"):
            name = re.sub(r"^dot_", ".", item.name.removesuffix(".in"))
            found.append((prefix + name, item.read_text()))
    return found


@dataclass
class Scaffold:
    """Files to write and edit below `root`, with the words of the templates."""

    root: Path
    words: Mapping[str, str]
    _new: dict[Path, str] = field(default_factory=dict)
    _edits: dict[Path, str] = field(default_factory=dict)

    def add(self, path: str, source: str) -> None:
        """Write the template `source` to `path` (which may hold `@word@`); must not exist yet."""
        target = self.root / substitute(path, self.words)
        if target.exists():
            raise UsageError(f"{target} exists already; expected a name that is not taken")
        self._new[target] = substitute(template(source), self.words)

    def add_folder(self, name: str) -> None:
        """Write every template below the folder `name`; later folders win over earlier ones."""
        for path, text in _walk(files("headrace.new").joinpath("templates", name)):
            self._new[self.root / substitute(path, self.words)] = substitute(text, self.words)

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Apply `change` to the text of a file that exists.

        A ValueError of `change` becomes a `UsageError` that names the file.
        """
        target = self.root / path
        try:
            text = self._edits.get(target) or target.read_text()
            self._edits[target] = change(text)
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot edit {target}: {error}") from error

    def write_folder(self, next_steps: str) -> Made:
        """Write everything as the new folder `root`, whole or not at all."""
        if self.root.exists():
            raise UsageError(f"{self.root} exists already; expected a folder that does not")
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f".{self.root.name}-", dir=self.root.parent))
        except OSError as error:
            raise UsageError(f"cannot write to {self.root.parent}: {error.strerror}") from error
        try:
            for path, text in self._new.items():
                _write(work / path.relative_to(self.root), text)
            work.chmod(0o755)  # mkdtemp makes it private
            work.rename(self.root)
        except OSError as error:
            raise UsageError(f"cannot write {self.root}: {error.strerror}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return Made(tuple(self._new), (), substitute(next_steps, self.words))

    def write_into(self, next_steps: str) -> Made:
        """Write new files and edits into the tree at `root`; undone if one cannot be written."""
        before = {path: path.read_text() for path in self._edits}
        try:
            for path, text in (self._new | self._edits).items():
                _write(path, text)
        except OSError as error:
            for path in self._new:
                with suppress(OSError):
                    path.unlink()
            for path, text in before.items():
                path.write_text(text)
            raise UsageError(f"cannot write {error.filename}: {error.strerror}") from error
        return Made(tuple(self._new), tuple(self._edits), substitute(next_steps, self.words))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def banner(title: str, *, close: bool = True) -> str:
    """The first line of a C++ file, 80 columns wide; with `close`, an empty line follows."""
    line = f"//===- {title} "
    return f"{line}{'-' * max(75 - len(line), 3)}===//" + ("\n" if close else "")


def replace_once(text: str, pattern: str, replacement: str) -> str:
    """Replace the first match of a regular expression; ValueError if there is none."""
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    if not count:
        raise ValueError(f"expected text like '{pattern}', but found none")
    return changed
