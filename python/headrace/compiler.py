"""`compile`: from an operation, a module or a torch model to an artifact."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headrace
from headrace import targets
from headrace.artifact import Artifact
from headrace.errors import CompileError, UsageError
from headrace.native import native
from headrace.ops import OpSpec
from headrace_runtime.manifest import SCHEMA

if TYPE_CHECKING:
    from headrace import ir
    from headrace.pipeline import Trace
    from headrace.quantize import Quantize
    from headrace.targets import Stage, Target

__all__ = ["build", "compile", "entry_function", "load_module", "lower", "parse_text"]


def compile(
    source: Any,
    example_inputs: Sequence[Any] | None = None,
    *,
    target: str = "cpu",
    quantize: Quantize | None = None,
    dump_dir: str | PathLike[str] | None = None,
    keep_ir: bool = True,
    timing: bool = False,
    **options: Any,
) -> Any:
    """Compile `source` for `target`.

    source: an `OpSpec` or its written form (`"matvec:m=64,k=256,format=q4_k"`), an `ir.Module`,
        the path of an `.mlir` file (`Path`, or a string that ends in `.mlir`), or MLIR text or
        bytecode as `bytes`. The module has one public function. The result is an `Artifact`.
        A `torch.nn.Module` with `example_inputs` compiles to an IREE module with these kernels
        inside; see `headrace.interop.iree.compile`, which also takes `options`.
    target: `"cpu"` (this machine), `"cpu:znver5"`, ...; see `headrace.targets()`.
    quantize: how to quantize a torch model.
    dump_dir: a folder that gets the IR after each pass, also when a pass fails.
    keep_ir: keep the IR after each pass (`artifact.ir(stage)`) and generated texts
        (`artifact.sources`) in the artifact.
    timing: record the seconds of each stage in the manifest (`timing`).

    Raises `UsageError` for a request that cannot be meant and `CompileError` when a pass fails.
    """
    if isinstance(example_inputs, str):
        raise UsageError(
            f"compile: expected example inputs, but got '{example_inputs}'; "
            f"a target is given by keyword: target='{example_inputs}'"
        )
    if _is_torch_module(source):
        from headrace.interop import iree

        if example_inputs is None:
            raise UsageError(
                "compile: a torch.nn.Module needs example inputs: compile(model, (x,), target=...)"
            )
        if dump_dir is not None or timing:
            raise UsageError(
                "compile: dump_dir and timing go with single modules, not with a torch.nn.Module"
            )
        if quantize is not None:
            options["quantize"] = quantize
        return iree.compile(source, example_inputs, target=target, **options)
    given = {"example_inputs": example_inputs, "quantize": quantize, **options}
    unused = [name for name, value in given.items() if value is not None]
    if unused:
        raise UsageError(
            f"compile: {', '.join(unused)} go with a torch.nn.Module, "
            f"but the source is {type(source).__name__}"
        )
    target_object, description = targets.parse(target)
    if isinstance(source, str) and not source.endswith(".mlir"):
        source = OpSpec.parse(source)
    module = load_module(source)
    folder = tempfile.TemporaryDirectory(prefix="headrace-", suffix=".hr")
    try:
        build(
            module,
            target_object,
            description,
            Path(folder.name),
            source=str(source) if isinstance(source, OpSpec) else None,
            dump_dir=dump_dir,
            keep_ir=keep_ir,
            timing=timing,
        )
        return Artifact.load(folder.name, temporary=folder)
    except BaseException:
        folder.cleanup()
        raise


def lower(
    module: ir.Module,
    target: Target,
    description: Any,
    *,
    stages: Sequence[Stage] | None = None,
    dump_dir: str | PathLike[str] | None = None,
) -> Trace:
    """Run the target's pipeline (or `stages`) over `module` in place."""
    from headrace.pipeline import run_stages

    folder = None if dump_dir is None else Path(dump_dir)
    chosen = target.stages(description) if stages is None else stages
    return run_stages(module, chosen, passes=target.passes, plugins=target.plugins, dump_dir=folder)


def build(
    module: ir.Module,
    target: Target,
    description: Any,
    folder: Path,
    *,
    source: str | None = None,
    dump_dir: str | PathLike[str] | None = None,
    keep_ir: bool = True,
    timing: bool = False,
) -> dict[str, Any]:
    """Lower `module` in place and write the files of an artifact into `folder`.

    source: the operation in its written form, if the module is one; kept in the manifest.
    Returns the manifest, which is also in `folder/manifest.json`.
    """
    trace = lower(module, target, description, dump_dir=dump_dir)
    made = target.package(module, description, folder, trace=trace)
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "headrace": headrace.__version__,
        "llvm": native().llvm_version(),
        "target": target.name,
        **({"source": source} if source else {}),
        **made,
    }
    files = manifest.setdefault("files", {})
    if keep_ir:
        files["ir"] = _write_ir(trace, folder)
        emitters = {name: target.emitters[kind] for name, kind in target.sources.items()}
        for name, emitter in emitters.items():
            (folder / name).write_text(str(emitter(module, description)))
        files["sources"] = files.get("sources", {}) | {name: name for name in emitters}
    if timing:
        manifest["timing"] = [
            {"stage": snapshot.name, "seconds": round(snapshot.seconds, 6)} for snapshot in trace
        ]
    manifest["sha256"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _write_ir(trace: Trace, folder: Path) -> dict[str, str]:
    (folder / "ir").mkdir(exist_ok=True)
    paths: dict[str, str] = {}
    for index, snapshot in enumerate(trace):
        path = f"ir/{index:02d}-{snapshot.name.removeprefix('after:')}.mlir"
        (folder / path).write_text(snapshot.text + "\n")
        paths[snapshot.name] = path
    return paths


def load_module(source: Any) -> ir.Module:
    """A new module made from `source`, which is never changed; see `compile` for what it may be.

    Raises `UsageError` with the diagnostics if it does not parse or verify.
    """
    native()
    from headrace import ir

    text: str | bytes
    if isinstance(source, OpSpec):
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
        return load_module(OpSpec.parse(source))
    else:
        raise UsageError(
            f"compile: cannot compile {type(source).__name__}; allowed: an OpSpec or its text, an "
            "ir.Module, the path of an .mlir file, bytes of MLIR, a torch.nn.Module"
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


def _is_torch_module(source: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


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
