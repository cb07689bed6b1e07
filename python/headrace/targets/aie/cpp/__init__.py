"""C++ on aie_api from the core functions of a design, for the compilers of AI Engines.

    text = emit(module)

The header of the vendor and that in runtime/aie_api, which is for a host, both have what the text
uses. On a host its results are those of the vector code, bit for bit.
"""

from __future__ import annotations

from headrace import ir
from headrace.errors import CompileError
from headrace.passmanager import PassManager
from headrace.targets.aie.cpp.printer import FunctionPrinter

__all__ = ["emit"]

# Functions such as exp become polynomials: the same as on the host.
_PIPELINE = "builtin.module(cpu-approximate-math,canonicalize,cse)"


def emit(module: ir.Module) -> str:
    """A source with the functions in the module `cores` of `module`, or in `module` if it is that.

    `module` is left as it is. Raises `CompileError` for an operation that has no form in C++.
    """
    with module.context:
        cores = ir.Module.parse(str(_find(module)))
        try:
            PassManager.parse(_PIPELINE).run(cores.operation)
        except ir.MLIRError as error:
            raise CompileError(f"aie-cpp: cannot expand the cores' functions: {error}") from error
        printers = [
            FunctionPrinter(op)
            for op in cores.body.operations
            # Others are called by these, which name what they are in C++.
            if op.operation.name == "func.func" and "sym_visibility" not in op.attributes
        ]
    lines = ["// What cores of an AI Engine array compute.", "#include <aie_api/aie.hpp>", ""]
    for helper in sorted(set().union(*(printer.helpers for printer in printers))):
        lines += [helper, ""]
    lines.append('extern "C" {')
    for printer in printers:
        lines += [*printer.lines, ""]
    lines[-1] = '} // extern "C"'
    return "\n".join(lines) + "\n"


def _find(module: ir.Module) -> ir.Operation:
    top: ir.Operation = module.operation
    for op in [top, *(item.operation for item in module.body.operations)]:
        named = op.name == "builtin.module" and "sym_name" in op.attributes
        if named and ir.StringAttr(op.attributes["sym_name"]).value == "cores":
            return op
    raise CompileError(
        "aie-cpp: expected a module 'cores' with the functions that cores call, but found none; "
        "run aie-generate-cores first"
    )


def _is_public(function: ir.OpView) -> bool:
    attributes = function.operation.attributes
    return (
        "sym_visibility" not in attributes
        or ir.StringAttr(attributes["sym_visibility"]).value == "public"
    )
