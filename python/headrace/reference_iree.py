"""Runs what a module means: its decomposition to linalg, compiled by IREE for this machine's CPU.

The same meaning as `headrace.reference_jit`, through a compiler that is not MLIR's own:

    meaning = Meaning(hr.ops.matvec(4, 256, format="q4_k").build())
    (y,) = meaning(x, w)

Its programs flush numbers below the least normal float32 to zero. It needs the packages
`iree-base-compiler` and `iree-base-runtime`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace import ir
from headrace.decomposition import Array, checked, decompose
from headrace.errors import CompileError, ToolMissingError

__all__ = ["Meaning"]


class Meaning:
    """The entry function of a module, compiled by IREE's llvm-cpu back end.

    Arguments, fields and errors are those of `headrace.reference_jit.Meaning`, and
    `ToolMissingError` where IREE is not installed.
    """

    def __init__(self, module: ir.Module, function: str | None = None) -> None:
        lowered, name, self.inputs, self.outputs = decompose(module, function)
        try:
            import iree.compiler as compiler
            import iree.runtime as runtime
        except ImportError as error:
            raise ToolMissingError(
                f"the iree engine needs the python package '{error.name}' (`pip install "
                f"iree-base-compiler iree-base-runtime`): {error}"
            ) from error
        leave_only_what_iree_knows(lowered, name)
        try:
            program = compiler.compile_str(
                str(lowered),
                target_backends=["llvm-cpu"],
                extra_args=["--iree-llvmcpu-target-cpu=host"],
            )
        except compiler.CompilerToolError as error:
            raise CompileError(f"reference: cannot be compiled by iree: {error}") from error
        config = runtime.Config("local-sync")
        vm = runtime.VmModule.copy_buffer(config.vm_instance, program)
        self._function: Any = runtime.load_vm_module(vm, config)[name]

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """The results for `inputs`; raises `UsageError` for arrays of another shape or type."""
        got = self._function(*checked(inputs, self.inputs))
        results = got if isinstance(got, tuple | list) else [got]
        return tuple(np.array(result.to_host()) for result in results)


def leave_only_what_iree_knows(module: ir.Module, entry: str) -> None:
    """Drops our attributes of arguments, and exports nothing but the entry."""
    body: Any = module.body.operations
    for function in body:
        if function.operation.name != "func.func":
            continue
        attributes = function.operation.attributes
        for name in ("arg_attrs", "res_attrs"):
            if name in attributes:
                del attributes[name]
        if function.name.value == entry:
            if "sym_visibility" in attributes:
                del attributes["sym_visibility"]
        elif not function.is_external:
            with module.context:
                attributes["sym_visibility"] = ir.StringAttr.get("private")
