"""Kernels as one object file, for programs of IREE."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import headrace
from headrace import targets
from headrace.errors import UsageError
from headrace.modules import load_module
from headrace.native import native
from headrace.targets.cpu import stages
from headrace.targets.cpu.description import CpuDescription
from headrace.targets.cpu.package import emit_object, plan_manifest
from headrace_runtime.manifest import SCHEMA

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["compile_object"]


def compile_object(
    source: Any,
    target: str = "cpu",
    *,
    prefix: str = "",
    dump_dir: str | PathLike[str] | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """Compile `source` to a relocatable object whose kernels IREE can call.

    source: what `headrace.compile` takes, except torch models.
    prefix: goes before the name of every function. IREE links all objects of a program into one
        library and takes the first of two functions with the same name without a word, so
        objects that meet in a program need prefixes of their own.
    Returns the bytes of the object and a manifest like an artifact's, without `files`; each kernel
    has a `symbol`, the name of its function in the object.
    """
    target_object, description = targets.parse(target)
    if not isinstance(description, CpuDescription):
        raise UsageError(f"compile_object: expected a cpu target, but got '{target}'")
    from headrace.pipeline import lower

    module = load_module(source)
    trace = lower(
        module,
        target_object,
        description,
        stages=stages(description, abi="iree"),
        dump_dir=dump_dir,
    )
    manifest = plan_manifest(trace, description)
    for kernel in manifest["kernels"]:
        kernel["symbol"] = f"{prefix}{kernel['name']}_iree"
    if prefix:
        _rename_functions(module, prefix)
    header = {
        "schema": SCHEMA,
        "headrace": headrace.__version__,
        "llvm": native().llvm_version(),
        "target": target_object.name,
        "abi": "iree",
    }
    return emit_object(module, description), header | manifest


def _rename_functions(module: ir.Module, prefix: str) -> None:
    """Put `prefix` before the name of every function that `module` defines."""
    from headrace import ir

    for op in module.body.operations:
        if op.operation.name == "llvm.func" and len(op.regions[0].blocks):
            old = ir.SymbolTable.get_symbol_name(op.operation).value
            ir.SymbolTable.replace_all_symbol_uses(old, prefix + old, module.operation)
            ir.SymbolTable.set_symbol_name(op.operation, prefix + old)
