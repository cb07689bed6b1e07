"""MSL from a lowered module: whole sources, or the body of one kernel."""

from __future__ import annotations

from typing import Any

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.metal.msl.buffers import Buffer
from headrace.targets.metal.msl.printer import KernelPrinter

__all__ = ["Buffer", "buffers", "emit", "emit_bodies", "emit_body", "kernels_of"]

# Kernels lose what they are for without infinities and the order of additions that they chose.
_SAFE = ["#if __METAL_VERSION__ >= 320", "#pragma METAL fp math_mode(safe)", "#endif"]
# Names in the text of a kernel, and the attributes that make them.
_ATTRIBUTES = {
    "workgroup": "threadgroup_position_in_grid",
    "subgroup": "simdgroup_index_in_threadgroup",
    "lane": "thread_index_in_simdgroup",
    "thread_index": "thread_index_in_threadgroup",
}


def kernels_of(module: ir.Module) -> list[Any]:
    """The functions of a module that are kernels."""
    return [
        item
        for item in module.body.operations
        if item.operation.name == "func.func" and "headrace.kernel" in item.operation.attributes
    ]


def emit(module: ir.Module, title: str) -> str:
    """A source with every kernel of the module; `title` says for which device it is.

    Raises `CompileError` for an operation that has no form in MSL.
    """
    lines = [f"// {title}", "#include <metal_stdlib>", "using namespace metal;", *_SAFE]
    for function in _some_kernels(module):
        printer = KernelPrinter(function)
        arguments = [
            f"{buffer.pointer} [[buffer({index})]]" for index, buffer in enumerate(printer.buffers)
        ]
        arguments += [
            f"{kind} {name} [[{_ATTRIBUTES[name]}]]"
            for name, kind in sorted(printer.places.items(), key=lambda item: _order(item[0]))
        ]
        head = f"kernel void {function.name.value}("
        lines += ["", f"// {_comment(function)}"]
        lines.append(head)
        lines += [f"    {argument}," for argument in arguments[:-1]]
        lines += [f"    {arguments[-1]}) {{" if arguments else ") {", *printer.lines, "}"]
    return "\n".join(lines) + "\n"


def emit_body(module: ir.Module, title: str) -> str:
    """The statements of the one kernel of a module, as `mlx.core.fast.metal_kernel` takes them."""
    found = emit_bodies(module, title)
    if len(found) > 1:
        raise CompileError(f"msl: expected one kernel for a body alone, but got {', '.join(found)}")
    return next(iter(found.values()))


def emit_bodies(module: ir.Module, title: str) -> dict[str, str]:
    """The same of each kernel, by name."""
    return {function.name.value: _body(function, title) for function in _some_kernels(module)}


def buffers(module: ir.Module) -> dict[str, list[Buffer]]:
    """The buffers of each kernel, by its name."""
    return {
        function.name.value: KernelPrinter(function).buffers for function in _some_kernels(module)
    }


def _body(function: Any, title: str) -> str:
    printer = KernelPrinter(function)
    inputs = [buffer.name for buffer in printer.buffers if not buffer.written]
    outputs = [buffer.name for buffer in printer.buffers if buffer.written]
    lines = [
        f"// {title}",
        f"// {_comment(function)}",
        f"// inputs: {', '.join(inputs)}; outputs: {', '.join(outputs)}",
        *_SAFE,
    ]
    lines += [
        f"const {kind} {name} = {_ATTRIBUTES[name]};"
        for name, kind in sorted(printer.places.items(), key=lambda item: _order(item[0]))
    ]
    lines += [line.removeprefix("    ") for line in printer.lines]
    return "\n".join(lines) + "\n"


def _order(name: str) -> int:
    return list(_ATTRIBUTES).index(name)


def _some_kernels(module: ir.Module) -> list[Any]:
    functions = kernels_of(module)
    if not functions:
        raise CompileError(
            "msl: expected functions with headrace.kernel, but the module has none; run the "
            "pipeline headrace-metal-pipeline first"
        )
    return functions


def _comment(function: Any) -> str:
    """What a kernel computes and how it is launched."""
    facts: Any = ir.DictAttr(function.operation.attributes["headrace.kernel"])
    known = {item.name: item.attr for item in facts}

    def text(name: str) -> str:
        return str(known[name]).partition(" : ")[0].strip('"')

    parts = [text("op")] if "op" in known else ["kernel"]
    if "format" in known:
        parts.append(f"weights in {text('format')}")
    if "m" in known:
        parts.append(f"{text('m')} rows of {text('k')} columns")
    if "workgroup" in known:
        sizes = [str(size) for size in ir.DenseI32ArrayAttr(known["workgroup"])]
        launch = f"threadgroups of {sizes[0]} threads"
        if "workgroup_rows" in known:
            launch += f" for {text('workgroup_rows')} rows"
        parts.append(launch)
    return ", ".join(parts)
