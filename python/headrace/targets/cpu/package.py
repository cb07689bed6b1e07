"""From the lowered module to the files of an artifact: one shared library and its manifest."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import CompileError, ToolMissingError
from headrace.native import native
from headrace.targets.cpu.description import CpuDescription
from headrace.targets.cpu.elf import undefined_symbols
from headrace_runtime import host

if TYPE_CHECKING:
    from headrace import ir
    from headrace.pipeline import Trace

__all__ = ["assemble", "emit_assembly", "emit_llvm_ir", "emit_object", "package", "plan_manifest"]

PLAN_PASS = "cpu-form-kernels"
OPT_LEVEL = 3
LISTING = "kernels.s"


def package(
    module: ir.Module, description: CpuDescription, folder: Path, *, trace: Trace
) -> dict[str, Any]:
    """Write `kernels.so` into `folder`; returns the target's part of the manifest.

    Where the folder has the kernels' assembly, their code is not generated once more.

    module: the module after the last stage, in the llvm dialect.
    trace: the run that made it; the plan is read from the IR after `cpu-form-kernels`.
    """
    manifest = plan_manifest(trace, description)
    listing = folder / LISTING
    data = (
        assemble(listing.read_text(), description)
        if listing.exists()
        else emit_object(module, description)
    )
    kernels = folder / "kernels.o"
    kernels.write_bytes(data)
    library = folder / "kernels.so"
    source = _executor(description.machine)
    with as_file(source) as executor:
        try:
            native().link_shared([str(kernels), str(executor)], str(library))
        except RuntimeError as error:
            raise CompileError(f"target cpu: linking the kernels failed: {error}") from error
        finally:
            kernels.unlink()
    manifest["files"] = {"library": library.name}
    return manifest


def _executor(machine: str) -> Traversable:
    """The object of the plan executor for a kind of machine."""
    name = "executor.o" if machine == host().machine else f"{machine}/executor.o"
    source = files("headrace.targets.cpu") / "native" / name
    if source.is_file():
        return source
    cross = " where clang, lld and Debian's libc6-dev-arm64-cross are installed"
    how = cross if name.startswith("aarch64/") else ""
    raise ToolMissingError(
        f"target cpu: the plan executor 'native/{name}' is missing from this installation; "
        f"reinstall headrace (`make build` in a source tree){how}"
    )


def plan_manifest(trace: Trace, description: CpuDescription) -> dict[str, Any]:
    """Everything of the manifest that does not depend on files."""
    from headrace.targets.plan import program_of

    return {
        "loader": "shared-library",
        "requires": {
            "machine": description.machine,
            "os": "linux",
            "features": description.required_features,
        },
        "description": description.to_json(),
        **program_of(trace, PLAN_PASS),
    }


def emit_object(module: ir.Module, description: CpuDescription) -> bytes:
    """A relocatable ELF object of a module in the llvm dialect.

    Raises `CompileError` if the kernels would call a library: there is none where they run.
    """
    return _closed(bytes(_emit(native().emit_object, module, description)))


def assemble(text: str, description: CpuDescription) -> bytes:
    """The object of what `emit_assembly` gave; raises `CompileError` as `emit_object` does."""
    try:
        data = native().assemble(
            text, description.triple, description.name, description.feature_string
        )
    except RuntimeError as error:
        raise CompileError(f"target cpu: assembling the kernels failed: {error}") from error
    return _closed(bytes(data))


def _closed(data: bytes) -> bytes:
    """An object, unless it calls a library."""
    if missing := undefined_symbols(data):
        raise CompileError(
            f"target cpu: expected kernels that call nothing, but they call {', '.join(missing)}"
        )
    return data


def emit_assembly(module: ir.Module, description: CpuDescription) -> str:
    """Assembly text of a module in the llvm dialect."""
    return str(_emit(native().emit_assembly, module, description))


def emit_llvm_ir(module: ir.Module, description: CpuDescription) -> str:
    """Optimized LLVM IR of a module in the llvm dialect."""
    return str(_emit(native().emit_llvm_ir, module, description))


def _emit(generate: Callable[..., Any], module: ir.Module, description: CpuDescription) -> Any:
    try:
        return generate(
            module.operation,
            description.triple,
            description.name,
            description.feature_string,
            OPT_LEVEL,
        )
    except (RuntimeError, ValueError) as error:
        raise CompileError(f"target cpu: code generation failed: {error}") from error
