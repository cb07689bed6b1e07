"""torch model -> IREE program with Headrace kernels inside."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from headrace import ops, targets
from headrace.errors import UsageError
from headrace.interop.iree import toolchain, versions
from headrace.interop.iree.describe import make_manifest
from headrace.interop.iree.executables import Executable, make_executable
from headrace.interop.iree.importer import ImportedModel, LinearCall, import_model
from headrace.interop.iree.runtime import PROGRAM, WEIGHTS, IreeProgram, load
from headrace.interop.iree.splice import splice
from headrace.quantize import Quantize
from headrace.quantize.linear import quantize_linears
from headrace.targets.cpu.description import CpuDescription
from headrace.targets.cpu.objects import compile_object
from headrace_runtime.files import MANIFEST, atomic_folder, sha256_of

Progress = Callable[[str], None]


def compile(
    model: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor],
    *,
    weights: str | Mapping[str, str | None] = "q8_0",
    activations: str = "i8",
    quantize: Quantize | None = None,
    target: str = "cpu",
    output: str | Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> IreeProgram:
    """Quantize the linear layers of `model` and compile it to one IREE module.

    model: a module whose outputs are a tensor, a tuple or a dict of tensors. It is not changed.
    example_inputs: tensors, by position; their shapes and types become those of the program.
    weights, activations: see `headrace.Quantize`; `quantize` gives both as one object.
    target: `"cpu"` (this machine) or `"cpu:NAME"` with a CPU name of LLVM.
    output: folder to write; without it the program lives in a temporary folder until saved.
    threads: see `load`.
    progress: called with a line of text before each long step.

    Raises UsageError (nothing to quantize, shapes a format cannot hold), CompileError,
    VersionError and ToolMissingError.
    """
    versions.check_compiler()
    _, description = targets.parse(target)
    if not isinstance(description, CpuDescription):
        raise UsageError(f"iree: expected a cpu target, but got '{target}'")
    if quantize is not None:
        weights, activations = quantize.weights, quantize.activations
    say = progress or (lambda text: None)
    say("quantize the linear layers")
    quantized = quantize_linears(model, weights, activations)
    say("import through torch.export and torch-mlir")
    imported = import_model(quantized, example_inputs)
    with tempfile.TemporaryDirectory(prefix="headrace-") as scratch:
        folder = Path(scratch)
        say(f"compile kernels for {len(imported.linears)} layer shapes")
        executables = _compile_kernels(imported.linears, target, folder)
        say("compile the program with iree-compile")
        flags = toolchain.target_flags(description.name, description.feature_string)
        source = folder / "program.mlir"
        source.write_text(splice(imported, executables, toolchain.executable_target(flags)))
        flow = folder / "flow.mlir"
        flags.append(toolchain.OPTIMIZE)
        toolchain.run_compiler([source.name, "--compile-to=flow", "-o", flow.name, *flags], source)
        program = folder / PROGRAM
        toolchain.run_compiler([flow.name, "--compile-from=flow", "-o", program.name, *flags], flow)
        say("write the weights")
        manifest = make_manifest(imported, executables, flow.read_text(), target)
        manifest["requires"] = {
            "machine": description.machine,
            "os": "linux",
            "features": description.required_features,
        }
        final = Path(output) if output is not None else Path(tempfile.mkdtemp(prefix="headrace-"))
        with atomic_folder(final) as fresh:
            _fill(fresh, folder, imported, manifest)
    return load(final, threads=threads, temporary=output is None)


def _compile_kernels(linears: list[LinearCall], target: str, folder: Path) -> dict[str, Executable]:
    """Compile one object for each outlined call into `folder`; symbol -> executable."""
    executables = {}
    for index, call in enumerate(linears):
        shape = call.shape
        options = {"format": shape.format, "activations": shape.activations}
        # One token is a vector; tensors of the same bytes may meet at a dispatch.
        if shape.tokens == 1:
            spec = ops.matvec(shape.rows, shape.cols, **options)
        else:
            spec = ops.matmul(shape.rows, shape.cols, shape.tokens, **options)
        name = f"headrace_{index}"
        data, manifest = compile_object(spec, target, prefix=f"{name}_")
        (folder / f"{name}.o").write_bytes(data)
        executables[call.symbol] = make_executable(name, f"{name}.o", manifest)
    return executables


def _fill(to: Path, built: Path, imported: ImportedModel, manifest: dict[str, Any]) -> None:
    """Write the files of a program into the folder `to`."""
    import iree.runtime as rt

    shutil.copy(built / PROGRAM, to / PROGRAM)
    (to / "ir").mkdir()
    (to / "ir" / "imported.mlir").write_text(imported.text)
    shutil.copy(built / "program.mlir", to / "ir" / "program.mlir")
    index = rt.ParameterIndex()
    for key, value in imported.data.items():
        rt.parameter_index_add_numpy_ndarray(index, key, value)
    index.create_archive_file(str(to / WEIGHTS))
    (to / WEIGHTS).chmod(0o644)  # IREE makes it private
    manifest["sha256"] = {name: sha256_of(to / name) for name in (PROGRAM, WEIGHTS)}
    (to / MANIFEST).write_text(json.dumps(manifest, indent=1))
