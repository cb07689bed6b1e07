"""Load and run a compiled program. Needs IREE's runtime and NumPy, and no compiler or torch."""

from __future__ import annotations

import json
import shutil
import weakref
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import ArtifactError, UsageError
from headrace.interop.iree import versions
from headrace_runtime import machine
from headrace_runtime.errors import ArgumentError
from headrace_runtime.files import MANIFEST, atomic_folder, check_sha256

SCHEMA = 1
LOADER = "iree"
PROGRAM = "program.vmfb"
WEIGHTS = "weights.irpa"

# How many workers local-task has in this process; None until the first device exists.
_workers: int | None = None


@dataclass(frozen=True)
class Kernel:
    """One of our kernels in a program.

    dispatches: how often one call of the program runs it. weight_bytes: packed weight bytes that
    these dispatches read together. grid: workgroups of one dispatch.
    """

    name: str
    op: str
    format: str
    rows: int
    cols: int
    tokens: int
    grid: tuple[int, int, int]
    dispatches: int
    weight_bytes: int


class IreeProgram:
    """A whole model: IREE's host program with our kernels inside, and its weights.

    Call it with what the model takes, by position, as NumPy arrays or torch tensors; the results
    come back as the same kind, in the structure that the model returns.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        versions.check_runtime()
        self.folder = folder
        self.manifest = _read_manifest(folder)
        self.threads = threads
        self._main = _load_main(folder, self.manifest, threads)

    @property
    def kernels(self) -> list[Kernel]:
        """Our kernels, each once, with how often a call runs it and the bytes it reads."""
        return [
            Kernel(**{**entry, "grid": tuple(entry["grid"])}) for entry in self.manifest["kernels"]
        ]

    @property
    def dispatches(self) -> dict[str, int]:
        """Dispatches per call: of our kernels (`headrace`) and of generated ones (`iree`)."""
        return dict(self.manifest["dispatches"])

    def ir(self, stage: str) -> str:
        """The program as text: `"imported"` from torch-mlir, `"program"` as given to IREE."""
        path = self.folder / "ir" / f"{stage}.mlir"
        if not path.is_file():
            stages = sorted(p.stem for p in (self.folder / "ir").glob("*.mlir"))
            raise UsageError(
                f"iree: expected a stage, but got {stage!r}. Allowed: {', '.join(stages)}"
            )
        return path.read_text()

    def save(self, folder: str | Path) -> Path:
        """Write the program to `folder`, replacing it as a whole; returns the folder."""
        target = Path(folder)
        if target.resolve() != self.folder.resolve():
            with atomic_folder(target) as fresh:
                shutil.copytree(self.folder, fresh, dirs_exist_ok=True)
        return target

    def __call__(self, *inputs: Any) -> Any:
        expected = self.manifest["inputs"]
        if len(inputs) != len(expected):
            raise ArgumentError(
                f"iree: expected {len(expected)} inputs, but got {len(inputs)}. "
                f"Allowed: {', '.join(_type_text(e) for e in expected)}"
            )
        torch_in = any(type(value).__module__.partition(".")[0] == "torch" for value in inputs)
        arrays = [_to_array(i, v, e) for i, (v, e) in enumerate(zip(inputs, expected, strict=True))]
        returned = self._main(*arrays)
        flat = list(returned) if isinstance(returned, (tuple, list)) else [returned]
        results = [value.to_host() for value in flat]
        if torch_in:
            import torch

            results = [torch.from_numpy(np.array(value)) for value in results]
        kind = self.manifest["outputs"]["kind"]
        if kind == "tensor":
            return results[0]
        if kind == "dict":
            return dict(zip(self.manifest["outputs"]["names"], results, strict=True))
        return tuple(results)


def load(
    folder: str | PathLike[str], *, threads: int | None = None, temporary: bool = False
) -> IreeProgram:
    """Load a saved program.

    threads: None for one worker per core, 1 to run on the calling thread, more for that many
        workers. IREE makes its workers once per process, so the first program decides.
    temporary: remove the folder when the program is no longer used.
    """
    program = IreeProgram(Path(folder), threads=threads)
    if temporary:
        weakref.finalize(program, shutil.rmtree, Path(folder), ignore_errors=True)
    return program


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The checked contents of manifest.json.

    Raises ArtifactError for a folder that is no program or is damaged, MachineError for one made
    for another machine.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise ArtifactError(f"iree: {folder} is not a saved program: {error}") from error
    except ValueError as error:
        raise ArtifactError(f"iree: {path} is not valid JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ArtifactError(f"iree: {path}: expected a JSON object")
    found = (manifest.get("loader"), manifest.get("schema"))
    if found != (LOADER, SCHEMA):
        raise ArtifactError(
            f"iree: {path}: expected loader '{LOADER}' and schema {SCHEMA}, but got {found[0]!r} "
            f"and {found[1]!r}. Allowed: programs that this version of Headrace compiled"
        )
    requires = manifest["requires"]
    machine.host().check(requires["machine"], requires["os"], requires["features"])
    check_sha256(folder, manifest["sha256"])
    return manifest


def _load_main(folder: Path, manifest: dict[str, Any], threads: int | None) -> Any:
    import iree.runtime as rt

    context = rt.SystemContext(config=rt.Config(device=_device(threads)))
    index = rt.ParameterIndex()
    try:
        index.load(str(folder / WEIGHTS))
        provider = index.create_provider(scope=manifest["scope"])
        program = rt.VmModule.mmap(context.instance, str(folder / PROGRAM))
        context.add_vm_modules(
            (rt.create_io_parameters_module(context.instance, provider), program)
        )
    except (ValueError, RuntimeError, KeyError) as error:
        raise ArtifactError(f"iree: cannot load {folder}: {error}") from error
    return context.modules[program.name]["main"]


def _device(threads: int | None) -> Any:
    import iree.runtime as rt

    global _workers
    if threads == 1:
        return rt.get_device("local-sync")
    wanted = threads or 0
    if wanted < 0:
        raise UsageError(f"iree: expected threads to be positive, but got {threads}")
    if _workers is None:
        if wanted:
            rt.flags.parse_flags(f"--task_topology_group_count={wanted}")
        _workers = wanted
    elif wanted and wanted != _workers:
        raise UsageError(
            f"iree: expected threads={_workers or None}, but got {wanted}: IREE's workers exist "
            "already in this process. Allowed: None, 1, or a new process"
        )
    return rt.get_device("local-task")


def _to_array(index: int, value: Any, expected: dict[str, Any]) -> np.ndarray[Any, Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.ascontiguousarray(value)
    if list(array.shape) != expected["shape"] or str(array.dtype) != expected["dtype"]:
        got = _type_text({"dtype": str(array.dtype), "shape": list(array.shape)})
        raise ArgumentError(
            f"iree: input {index}: expected {_type_text(expected)}, but got {got}. "
            "Tip: pad to the compiled shape, or compile for this one"
        )
    return array


def _type_text(entry: dict[str, Any]) -> str:
    return f"{entry['dtype']}[{', '.join(str(d) for d in entry['shape'])}]"
