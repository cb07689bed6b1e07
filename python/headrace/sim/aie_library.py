"""Functions that cores call, compiled for this machine: what the array simulator runs.

    library = compile_cores(module, "cores.so")

`module` is one with the bodies that `aie-generate-cores` makes, in a module `cores`. In the library
each is a C symbol of its name that takes a bare pointer for each memref. Results are those of the
vector code, operation by operation: nothing is reassociated.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from headrace import ir
from headrace.errors import CompileError, UsageError
from headrace.native import native
from headrace.passmanager import PassManager
from headrace.targets.cpu.description import describe
from headrace.targets.cpu.package import emit_object

__all__ = ["PIPELINE", "compile_cores"]

# To the llvm dialect. bf16 is rounded by integer arithmetic: there is no library to call.
PIPELINE = (
    "builtin.module(inline,aie-expand-products,cpu-approximate-math,arith-expand{include-bf16=true},"
    "canonicalize,cse,convert-vector-to-scf,convert-scf-to-cf,convert-vector-to-llvm,"
    "expand-strided-metadata,finalize-memref-to-llvm,convert-math-to-llvm,convert-arith-to-llvm,"
    "convert-index-to-llvm,convert-ub-to-llvm,convert-cf-to-llvm,"
    "convert-func-to-llvm{use-bare-ptr-memref-call-conv=true},reconcile-unrealized-casts)"
)


def compile_cores(module: ir.Module, path: str | PathLike[str]) -> Path:
    """Write the shared library of the functions in `module`'s module `cores` to `path`.

    `module` is left as it is. Raises `UsageError` if it has no such functions, and `CompileError`
    if they cannot be compiled.
    """
    library = Path(path)
    with module.context:
        cores = ir.Module.parse(str(_find(module)))
        try:
            PassManager.parse(PIPELINE).run(cores.operation)
        except ir.MLIRError as error:
            raise CompileError(
                f"simulator: cannot compile the cores' functions: {error}"
            ) from error
    kernels = library.with_suffix(".o")
    kernels.write_bytes(emit_object(cores, describe(None)))
    try:
        native().link_shared([str(kernels)], str(library))
    except RuntimeError as error:
        raise CompileError(f"simulator: linking the cores' functions failed: {error}") from error
    finally:
        kernels.unlink()
    return library


def _find(module: ir.Module) -> Any:
    for op in module.body.operations:
        attributes = op.operation.attributes
        named = op.operation.name == "builtin.module" and "sym_name" in attributes
        if named and ir.StringAttr(attributes["sym_name"]).value == "cores":
            return op
    raise UsageError(
        "simulator: expected a module 'cores' with the functions that cores call, but found none; "
        "run aie-generate-cores first"
    )
