"""Artifacts: compiled programs as folders that load, run and move between machines."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import loaders
from .errors import ArgumentError, ArtifactError
from .files import atomic_folder, check_sha256, inside
from .manifest import Argument, Kernel, Manifest, read_manifest
from .report import Report, make_report


class Artifact:
    """A compiled program: call it with arrays, save it, ask what it costs.

    `y = artifact(x, w)` takes the inputs in the order of `artifact.arguments`, NumPy arrays or
    torch tensors, and returns one array (or a tuple, if there are several outputs) of the same
    kind as the first input.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        temporary: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._temporary = temporary  # lives, and is deleted, with this object
        self._program: loaders.Program | None = None

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        temporary: tempfile.TemporaryDirectory[str] | None = None,
    ) -> Artifact:
        """Opens an artifact folder on any machine; only calling it needs the right one.

        Raises ArtifactError if the folder is not a whole, undamaged artifact of this schema.
        `temporary` is a temporary folder that holds it, to be deleted with the artifact.
        """
        folder = Path(path).absolute()
        manifest = read_manifest(folder)
        names = [*manifest.ir.values(), *manifest.sources.values()]
        names += [manifest.library] if manifest.library is not None else []
        for name in names:
            if not inside(folder, name).is_file():
                raise ArtifactError(f"artifact {folder}: file '{name}' is missing")
        check_sha256(folder, manifest.sha256)
        return cls(folder, manifest, temporary)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the artifact to the folder `path` and returns it.

        The folder appears whole or not at all. It replaces an artifact of that name, and nothing
        else: ArtifactError if something other is there.
        """
        with atomic_folder(path) as work:
            try:
                shutil.copytree(self._folder, work, dirs_exist_ok=True)
            except (OSError, shutil.Error) as error:
                raise ArtifactError(f"cannot write artifact {path}: {error}") from error
        return Path(path)

    def __call__(self, *args: Any, threads: int | None = None, poison: bool = False) -> Any:
        """Runs the program.

        threads: how many threads at most; all CPUs of this process if None.
        poison:  fill outputs and scratch memory with NaN (0xFF) first, to show memory that the
                 program reads or returns without having written it.

        Raises ArgumentError for a wrong input and MachineError if this machine cannot run it.
        """
        call = self.bind(*args, threads=threads, poison=poison)
        call.run()
        return call.outputs[0] if len(call.outputs) == 1 else call.outputs

    def bind(self, *args: Any, threads: int | None = None, poison: bool = False) -> loaders.Call:
        """Checks the arguments once, for calls that repeat on the same memory.

        `call = artifact.bind(x, w)`; then `call.run()` reads what x and w hold at that time and
        writes `call.outputs`. An input that had to be copied is read as it was when bound.
        """
        return self._load_program().bind(args, threads=threads, poison=poison)

    def _load_program(self) -> loaders.Program:
        # No lock: two threads may both load it, which is harmless, and a lock could be held
        # by another thread when this process forks.
        program = self._program
        if program is None:
            program = loaders.get(self._manifest.loader)(self._folder, self._manifest)
            self._program = program
        return program

    @property
    def path(self) -> Path:
        """The folder that holds the artifact's files."""
        return self._folder

    @property
    def manifest(self) -> dict[str, Any]:
        """The contents of manifest.json."""
        return self._manifest.data

    @property
    def target(self) -> str:
        """The target it was compiled for."""
        return self._manifest.target

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Inputs, then outputs, with dtype, shape and weight format."""
        return self._manifest.arguments

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels, with the bytes and operations of one launch."""
        return self._manifest.kernels

    def stages(self) -> list[str]:
        """The names that `ir` takes, in the order of compilation."""
        return list(self._manifest.ir)

    def ir(self, stage: str) -> str:
        """The IR at a stage of compilation, such as "input" or "after:verify-target-legality"."""
        if stage not in self._manifest.ir:
            allowed = ", ".join(self.stages()) or "none, compile with keep_ir=True"
            raise ArgumentError(f"no IR of stage '{stage}' in this artifact; stages: {allowed}")
        return self._read(self._manifest.ir[stage])

    @property
    def sources(self) -> dict[str, str]:
        """Generated source texts by name (assembly, for the CPU), empty if none were kept."""
        return {name: self._read(path) for name, path in self._manifest.sources.items()}

    def _read(self, name: str) -> str:
        try:
            return inside(self._folder, name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"artifact {self._folder}: cannot read '{name}': {error}"
            ) from error

    def report(
        self,
        *,
        measure: bool = False,
        args: Sequence[Any] = (),
        threads: int | None = None,
        repeats: int = 10,
        bandwidth_gb_per_s: float | None = None,
    ) -> Report:
        """What each kernel launch costs; with `measure`, also its time on `args`.

        Each step is run `repeats` times and the best time is kept. With a memory bandwidth
        (1e9 bytes per second) every row also says how long its bytes take at least.
        """
        seconds = None
        if measure:
            if repeats < 1:
                raise ArgumentError(f"repeats: expected a number from 1, but got {repeats}")
            seconds = self.bind(*args, threads=threads).time_steps(repeats)
        return make_report(self._manifest, seconds, bandwidth_gb_per_s)

    def __repr__(self) -> str:
        return (
            f"<Artifact {self._manifest.entry} for {self._manifest.target}, "
            f"{len(self._manifest.kernels)} kernels, {self._folder}>"
        )
