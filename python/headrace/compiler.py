"""`compile`: from an operation, a module or a torch model to an artifact."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import headrace
from headrace import artifact_cache, ops, targets
from headrace.artifact import Artifact
from headrace.errors import UsageError
from headrace.modules import load_module
from headrace.native import native
from headrace_runtime.manifest import SCHEMA

if TYPE_CHECKING:
    from headrace import ir
    from headrace.pipeline import Trace
    from headrace.quantize import Quantize
    from headrace.targets import Target

__all__ = ["build", "compile"]


def compile(
    source: Any,
    example_inputs: Sequence[Any] | None = None,
    *,
    target: str = "cpu",
    quantize: Quantize | None = None,
    dump_dir: str | PathLike[str] | None = None,
    keep_ir: bool = True,
    timing: bool = False,
    cache: bool = True,
    poison_scratch: bool = False,
    verification: bool = False,
    **options: Any,
) -> Any:
    """Compile `source` for `target`.

    source: an operation of `headrace.ops` or its written form
        (`"matvec:m=64,k=256,format=q4_k"`), an `ir.Module`, the path of an `.mlir` file (`Path`,
        or a string that ends in `.mlir`), or MLIR text or bytecode as `bytes`. The module has one
        public function. The result is an `Artifact`.
        A `torch.nn.Module` with `example_inputs` compiles to an IREE module with these kernels
        inside; see `headrace.interop.iree.compile`, which also takes `options`.
    target: `"cpu"` (this machine), `"cpu:znver5"`, ...; see `headrace.targets()`.
    quantize: how to quantize a torch model.
    dump_dir: a folder that gets the IR after each pass, also when a pass fails.
    keep_ir: keep the IR after each pass (`artifact.ir(stage)`) and generated texts
        (`artifact.sources`) in the artifact.
    timing: record the seconds of each stage in the manifest (`timing`).
    cache: take the artifact of an equal module that was compiled before for the same target, see
        `headrace.artifact_cache`; never done with `dump_dir` or `timing`.
    poison_scratch: kernels fill scratch memory of their own with NaN (0xFF) first, to show whether
        they read what they did not write; nothing changes where the target's kernels have none.
    verification: for single operations, and for products on an array, put into the artifact what
        their results should be on inputs that the runtime can draw (`headrace.verification`).

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
        if dump_dir is not None or timing or poison_scratch or verification:
            raise UsageError(
                "compile: dump_dir, timing, poison_scratch and verification go with single "
                "modules, not with a torch.nn.Module"
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
    if poison_scratch and target_object.poisoned is not None:
        description = target_object.poisoned(description)
    if isinstance(source, str) and not source.endswith(".mlir"):
        source = ops.parse(source, target_object.activations)
    if isinstance(source, ops.SelectSpec):
        source = source.laid_out(target_object.sparse_band)
    module = load_module(source)
    written = str(source) if isinstance(source, ops.Operation) else None
    entry = None
    if cache and dump_dir is None and not timing:
        entry = artifact_cache.entry_of(
            module,
            target_object,
            description,
            source=written,
            keep_ir=keep_ir,
            verification=verification,
        )
    if entry is not None and (known := artifact_cache.load(entry)) is not None:
        return known
    folder = tempfile.TemporaryDirectory(prefix="headrace-", suffix=".hr")
    try:
        build(
            module,
            target_object,
            description,
            Path(folder.name),
            source=written,
            dump_dir=dump_dir,
            keep_ir=keep_ir,
            timing=timing,
            verification=verification,
        )
        artifact = Artifact.load(folder.name, temporary=folder)
    except BaseException:
        folder.cleanup()
        raise
    if entry is not None:
        artifact_cache.store(artifact, entry)
    return artifact


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
    verification: bool = False,
) -> dict[str, Any]:
    """Lower `module` in place and write the files of an artifact into `folder`.

    source: the operation in its written form, if the module is one; kept in the manifest.
    verification: whether the manifest says what results should be.
    Returns the manifest, which is also in `folder/manifest.json`.
    """
    from headrace.cost.kernels import model_kernels
    from headrace.pipeline import lower

    trace = lower(module, target, description, dump_dir=dump_dir)
    # Before the package, which may be made from them.
    sources = target.sources if keep_ir else {}
    for name, kind in sources.items():
        (folder / name).write_text(str(target.emitters[kind](module, description)))
    made = target.package(module, description, folder, trace=trace)
    model_kernels(made)
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
        files["sources"] = files.get("sources", {}) | {name: name for name in sources}
    if timing:
        manifest["timing"] = [
            {"stage": snapshot.name, "seconds": round(snapshot.seconds, 6)} for snapshot in trace
        ]
    if verification and source:
        _add_verification(source, manifest, folder)
    if target.finish is not None:
        target.finish(manifest, folder, verification)
    manifest["sha256"] = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _add_verification(source: str, manifest: dict[str, Any], folder: Path) -> None:
    from headrace import verification
    from headrace_runtime import parse_manifest

    whole = parse_manifest(manifest | {"sha256": {}})
    described = verification.describe(ops.parse(source), whole, folder)
    if described is not None:
        manifest["verification"] = described


def _write_ir(trace: Trace, folder: Path) -> dict[str, str]:
    (folder / "ir").mkdir(exist_ok=True)
    paths: dict[str, str] = {}
    for index, snapshot in enumerate(trace):
        path = f"ir/{index:02d}-{snapshot.name.removeprefix('after:')}.mlir"
        (folder / path).write_text(snapshot.text + "\n")
        paths[snapshot.name] = path
    return paths


def _is_torch_module(source: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)
