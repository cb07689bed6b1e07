"""The targets that are installed, and how a target string is read.

`headrace.targets()` lists them (the module is callable). A target string is `name` or
`name:option`: `cpu`, `cpu:znver5`, `cuda:sm_90a`.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from headrace.errors import HeadraceError, UsageError, unknown
from headrace.targets.base import Cell, Stage, Target

__all__ = ["Cell", "Stage", "Target", "find", "installed", "parse"]

GROUP = "headrace.targets"


def _in_tree() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def _out_of_tree() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def installed() -> list[str]:
    """Names of all targets: the folders of this package, then entry points."""
    names = _in_tree()
    return names + sorted(name for name in _out_of_tree() if name not in names)


def find(name: str) -> Target:
    """The target called `name`; raises `UsageError` with the installed ones if there is none."""
    if name in _in_tree():
        target = importlib.import_module(f"{__name__}.{name}").TARGET
    elif (point := _out_of_tree().get(name)) is not None:
        target = _load(point)
    else:
        raise unknown("target", name, installed())
    if not isinstance(target, Target):
        raise UsageError(
            f"target '{name}': expected TARGET to be a headrace.targets.Target, "
            f"but got {type(target).__name__}"
        )
    return target


def _load(point: EntryPoint) -> Any:
    try:
        value = point.load()
    except HeadraceError:
        raise
    except Exception as error:  # a broken plugin must not look like a broken compiler
        raise UsageError(
            f"target '{point.name}': its plugin '{point.value}' does not load: "
            f"{type(error).__name__}: {error}"
        ) from error
    return value.TARGET if isinstance(value, ModuleType) else value


def parse(text: str) -> tuple[Target, Any]:
    """Read `name[:option]`: the target and its description for that option."""
    name, colon, option = text.strip().partition(":")
    if colon and not option:
        raise UsageError(f"target '{text}': expected an option after ':', or just '{name}'")
    target = find(name)
    return target, target.describe(option if colon else None)


class _Targets(ModuleType):
    """This module, callable: `headrace.targets()` is the list of capability tables."""

    def __call__(self) -> list[dict[str, Any]]:
        return [find(name).to_json() for name in installed()]


sys.modules[__name__].__class__ = _Targets
