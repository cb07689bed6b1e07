"""`headrace.run_reference`: what a module computes, by its decomposition."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from headrace.errors import UsageError, unknown
from headrace.native import native

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["ENGINES", "run_reference"]

# name -> module with a class `Meaning`
ENGINES = {"jit": "headrace.reference_jit", "iree": "headrace.reference_iree"}


def run_reference(
    module: ir.Module | str,
    inputs: Sequence[npt.NDArray[Any]],
    *,
    engine: str = "jit",
    function: str | None = None,
) -> tuple[npt.NDArray[Any], ...]:
    """The results of a module's entry function for `inputs`, by what its operations mean.

    Operations of `qlinear` and `qattn` are replaced by their decompositions to linalg, and those
    are compiled for this machine; no target takes part. Slow and exact: to compare with. To call
    one module often, keep a `headrace.reference_jit.Meaning` or `headrace.reference_iree.Meaning`.

    module: an `ir.Module`, which is left as it is, or MLIR text; operations on static tensors
    inputs: an array for each argument; packed values and caches are their bytes, int8 or uint8
    engine: "jit" for MLIR's own, "iree" for IREE's llvm-cpu
    function: the entry; without it, the only function, the only public one, or `main`
    Raises `UsageError` for wrong inputs, `CompileError` for what does not decompose or compile,
    `ToolMissingError` where the engine is not installed.
    """
    native()
    from headrace import ir
    from headrace.modules import parse_text

    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if isinstance(module, str):
        module = parse_text(module, ir.Context())
    elif not isinstance(module, ir.Module):
        raise UsageError(
            f"run_reference: expected an ir.Module or MLIR text, but got {type(module).__name__}"
        )
    if isinstance(inputs, str) or not isinstance(inputs, Sequence):
        raise UsageError(
            f"run_reference: expected a list of arrays, but got {type(inputs).__name__}"
        )
    meaning = importlib.import_module(ENGINES[engine]).Meaning(module, function)
    results: tuple[npt.NDArray[Any], ...] = meaning(*inputs)
    return results
