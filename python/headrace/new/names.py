"""Names: which are allowed, which are taken, and their spellings in each language."""

from __future__ import annotations

import keyword
import re
import tomllib
from pathlib import Path
from typing import Any

from headrace.errors import ToolMissingError, UsageError, nearest

__all__ = [
    "camel",
    "check_format_name",
    "check_pass_name",
    "check_target_name",
    "group_of",
    "source_tree",
    "target_project",
]

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_DASHED = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")


def camel(name: str) -> str:
    """`cpu-form-kernels` -> `CpuFormKernels`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]", name) if part)


def _check_identifier(kind: str, name: str) -> None:
    if not _IDENTIFIER.fullmatch(name) or name.endswith("_") or "__" in name:
        raise UsageError(
            f"{kind}: bad name '{name}'; allowed: a lower case letter, then lower case letters, "
            "digits and single underscores"
        )
    if keyword.iskeyword(name):
        raise UsageError(f"{kind}: bad name '{name}'; it is a keyword of Python")


def check_target_name(name: str) -> None:
    """Raises `UsageError` for a name that no target can have, or that one has."""
    from headrace import targets

    _check_identifier("target", name)
    if name in targets.installed():
        raise UsageError(
            f"target: '{name}' is taken; expected another name than "
            f"{', '.join(targets.installed())}"
        )


def check_format_name(name: str, root: Path) -> None:
    """Raises `UsageError` for a name that no format can have, or that one has in the tree `root`.

    Modules beside the codecs count, and the other attributes and types of the dialect.
    """
    _check_identifier("format", name)
    codecs = {path.stem for path in (root / "python/headrace/formats").glob("[a-z]*.py")}
    folder = root / "dialects/QLinear"
    files = ("QLinearDialect.td", "QLinearFormats.td")
    dialect = "".join((folder / file).read_text() for file in files)
    words = re.findall(r'QLinear_Format<"\w+", "(\w+)"|mnemonic = "(\w+)"|, "(\w+)">', dialect)
    taken = sorted(codecs.union(*words) - {""})
    if name in taken:
        raise UsageError(
            f"format: '{name}' is taken; expected another name than {', '.join(taken)}"
        )


def check_pass_name(name: str, root: Path | None = None) -> None:
    """Raises `UsageError` for a name that no pass can have, or that one has.

    root: a source tree whose passes count too, built or not.
    """
    if not _DASHED.fullmatch(name):
        raise UsageError(
            f"pass: bad name '{name}'; allowed: words of lower case letters and digits, joined by "
            "dashes, that say what the pass does (cpu-fold-scales)"
        )
    tables = [] if root is None else root.glob("passes/*/*.td")
    described = "".join(path.read_text() for path in tables)
    if f'"{name}"' in described or name in _python_passes() or _is_registered(name):
        raise UsageError(f"pass: '{name}' is taken; expected a name that no pass has")


def _python_passes() -> set[str]:
    from headrace.targets import find, installed

    return {name for target in installed() for name in find(target).passes}


def _is_registered(name: str) -> bool:
    """Whether the native library, if it is built, knows a pass or pipeline of that name."""
    from headrace.native import native

    try:
        native()
    except ToolMissingError:
        return False
    from headrace import ir
    from headrace.passmanager import PassManager

    with ir.Context():
        try:
            PassManager.parse(f"builtin.module({name})")
        except ValueError as error:
            # A pass for another operation than the module is known, too.
            return "does not refer to a registered pass" not in str(error)
    return True


def source_tree(folder: Path) -> Path:
    """The source tree of Headrace that `folder` is or lies in; `UsageError` if it is in none."""
    start = folder.resolve()
    for root in (start, *start.parents):
        lists = root / "CMakeLists.txt"
        if lists.is_file() and "project(headrace" in lists.read_text():
            return root
    raise UsageError(
        f"{start} is not in a source tree of headrace (a CMakeLists.txt with project(headrace)); "
        "allowed: run this inside one, or --dir; passes outside of it are written with --python, "
        "in a target made by 'python -m headrace.new target'"
    )


def target_project(folder: Path) -> tuple[Path, str, str]:
    """A target outside of the tree, at `folder` or above: (root, name, its Python package).

    Raises `UsageError` if there is none.
    """
    start = folder.resolve()
    for root in (start, *start.parents):
        project = root / "pyproject.toml"
        if not project.is_file():
            continue
        points = _entry_points(project)
        if len(points) == 1:
            ((name, value),) = points.items()
            return root, name, value.partition(":")[0]
    raise UsageError(
        f"{start} is not in a target's project (a pyproject.toml with one entry point in the "
        "group headrace.targets); allowed: run this inside one, or --dir"
    )


def _entry_points(project: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(project.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{project} is no TOML: {error}") from error
    points = table.get("project", {}).get("entry-points", {}).get("headrace.targets", {})
    return points if isinstance(points, dict) else {}


def group_of(name: str, group: str | None, groups: list[str]) -> str:
    """The folder of passes/ for a pass: `group`, or the one that the name starts with."""
    chosen = group if group is not None else name.partition("-")[0]
    if group is None and chosen not in groups:
        chosen = "common"
    if chosen not in groups:
        close = nearest(chosen, groups)
        hint = f", did you mean '{close}'" if close else ""
        raise UsageError(f"pass: unknown group '{chosen}'{hint}; allowed: {', '.join(groups)}")
    return chosen
