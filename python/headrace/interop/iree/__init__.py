"""Whole models through IREE, with Headrace kernels inside.

    program = headrace.interop.iree.compile(model, (ids, mask), weights="q4_0")
    embedding = program(ids, mask)
    program.save("encoder"); headrace.interop.iree.load("encoder")

`load` needs only IREE's runtime and NumPy; `compile` needs torch, torch-mlir and IREE's compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.interop.iree import versions
from headrace.interop.iree.runtime import IreeProgram, load

if TYPE_CHECKING:
    from headrace.interop.iree.build import compile

__all__ = ["IreeProgram", "compile", "load"]


def __getattr__(name: str) -> Any:
    if name == "compile":
        # What is missing should be said before `build` imports it.
        versions.check_compiler()
        from headrace.interop.iree.build import compile as function

        return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
