"""Modules from what a user gives: operations, files, text; and their entry function."""

from __future__ import annotations

import io
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import ops
from headrace.errors import CompileError, UsageError
from headrace.native import native

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["entry_function", "load_module", "parse_text"]


def load_module(source: Any) -> ir.Module:
    """A new module made from `source`, which is never changed; see `compile` for what it may be.

    Raises `UsageError` with the diagnostics if it does not parse or verify.
    """
    native()
    from headrace import ir

    text: str | bytes
    if isinstance(source, ops.Operation):
        text, origin = source.text(), str(source)
    elif isinstance(source, ir.Module):
        buffer = io.BytesIO()
        source.operation.write_bytecode(buffer)
        return ir.Module.parse(buffer.getvalue(), source.context)
    elif isinstance(source, bytes):
        text, origin = source, "the given text"
    elif isinstance(source, PathLike) or (isinstance(source, str) and source.endswith(".mlir")):
        path = Path(source)
        if not path.is_file():
            raise UsageError(f"compile: no such file: {path}")
        text, origin = path.read_bytes(), str(path)
    elif isinstance(source, str):
        return load_module(ops.parse(source))
    else:
        raise UsageError(
            f"compile: cannot compile {type(source).__name__}; allowed: an operation or its text, "
            "an ir.Module, the path of an .mlir file, bytes of MLIR, a torch.nn.Module"
        )
    context = ir.Context()
    # Diagnostics go through Python handlers, which a second thread could only wait for.
    context.enable_multithreading(False)
    return parse_text(text, context, origin)


def parse_text(text: str | bytes, context: ir.Context, origin: str = "the given text") -> ir.Module:
    """Parse MLIR text or bytecode; `UsageError` with the diagnostics if it does not verify."""
    from headrace import ir

    try:
        return ir.Module.parse(text, context)
    except ir.MLIRError as error:
        details = "\n".join(_messages(error, origin)) or str(error)
        raise UsageError(f"cannot parse {origin}:\n{details}") from error


def _messages(error: ir.MLIRError, origin: str) -> list[str]:
    messages = []
    for item in error.error_diagnostics:
        where = re.sub(r'^loc\("-":(\d+:\d+)\)$', rf"{origin}:\1", str(item.location))
        messages.append(f"{where}: {item.message}")
        messages += [f"  note: {note.message}" for note in item.notes]
    return messages


def entry_function(module: ir.Operation) -> Any:
    """The function that an artifact calls: the only one, the only public one, or `main`."""
    body: Any = module.regions[0].blocks[0].operations
    functions = [op for op in body if op.operation.name == "func.func"]
    public = [op for op in functions if "sym_visibility" not in op.operation.attributes]
    named = [op for op in public if op.name.value == "main"]
    for choice in (named, public, functions):
        if len(choice) == 1:
            return choice[0]
    raise CompileError(
        f"expected one public function or one called 'main', but got {len(public)} public functions"
    )
