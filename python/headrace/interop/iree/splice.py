"""Put our kernels and the parameters into an imported program: the text IREE compiles."""

from __future__ import annotations

from headrace.interop.iree.executables import Executable, dispatch_text, executable_text
from headrace.interop.iree.importer import ImportedModel, LinearCall, Parameter

# The scope of the parameter archive: its name in the program and at run time.
SCOPE = "model"


def splice(imported: ImportedModel, executables: dict[str, Executable], target: str) -> str:
    """The program with every open declaration defined.

    executables: symbol of the call -> its executable; target: `#hal.executable.target<...>`.
    """
    parts = [executable_text(e, target) for e in _unique(executables)]
    parts += [_linear_text(call, executables[call.symbol]) for call in imported.linears]
    parts += [_parameter_text(parameter) for parameter in imported.parameters]
    head, brace, tail = imported.text.partition("module {")
    if not brace:
        raise AssertionError("expected torch-mlir's text to open with 'module {'")
    device = f'#hal.device.target<"local", [{target}]> : !hal.device'
    return "\n".join(
        [head + f"module @headrace attributes {{hal.device.targets = [{device}]}} {{", *parts, tail]
    )


def _unique(executables: dict[str, Executable]) -> list[Executable]:
    return list({executable.name: executable for executable in executables.values()}.values())


def _linear_text(call: LinearCall, executable: Executable) -> str:
    return dispatch_text(executable, call.symbol, list(call.operand_types), call.result_type)


def _parameter_text(parameter: Parameter) -> str:
    """A global backed by the archive, and the function that the program calls to read it."""
    key = parameter.key.replace("\\", "\\\\").replace('"', '\\"')
    name = parameter.symbol.replace("headrace.parameter", "parameter")
    return "\n".join(
        [
            f'util.global private @"{name}" = #stream.parameter.named<"{SCOPE}"::"{key}"> : '
            f"{parameter.type}",
            f"func.func private @{parameter.symbol}() -> {parameter.type} {{",
            f'  %0 = util.global.load @"{name}" : {parameter.type}',
            f"  return %0 : {parameter.type}",
            "}",
        ]
    )
