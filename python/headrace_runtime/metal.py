"""Loader "metal": artifacts whose kernels are Metal Shading Language, which a Mac compiles.

They load on any machine. Calling one needs a Mac with one of the packages that
`metal_backends` knows; `python -m headrace_runtime.metal_verify` checks and measures one there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import machine, metal_backends
from .arrays import bytes_of, check_count, input_buffer, is_torch, output_buffer
from .errors import ArgumentError, ArtifactError, MachineError
from .files import check_sha256
from .manifest import Argument, Manifest, Step
from .metal_backends import Backend, Launch

__all__ = ["Call", "MetalProgram"]


class MetalProgram:
    """The program of an artifact; a backend compiles its kernels at the first call that wants it.

    Raises MachineError where this is no Mac.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        _check_machine(folder, manifest)
        self.manifest = manifest
        check_sha256(folder, _sums_of_kernels(folder, manifest))
        self._source, self._kernels = metal_backends.kernels_of(folder, manifest)
        self._backends: dict[str, Backend] = {}

    def backend(self, name: str) -> Backend:
        """A backend by name (`metal_backends.NAMES`) with the compiled kernels."""
        if name not in self._backends:
            made = metal_backends.make(name, self._source, self._kernels.values())
            self._backends[name] = made
        return self._backends[name]

    def bind(
        self,
        values: Sequence[Any],
        *,
        threads: int | None = None,
        poison: bool = False,
        backend: str | None = None,
    ) -> Call:
        """Checks the inputs and allocates memory of the device for a call that can run repeatedly.

        Arrays of torch and mlx that are on the device are used there, and results are such arrays
        if the first input is one. Others are copied to the device by each run.
        backend: which; that of the inputs, else the first that is installed, if None.
        """
        if threads is not None:
            raise ArgumentError("threads: a program for Metal has none to choose")
        check_count(self.manifest, values)
        chosen = self.backend(backend or metal_backends.wanted(values))
        return Call(self, chosen, values, poison)

    def launches(self, slots: dict[str, list[Any]]) -> list[Launch]:
        """The plan on memory by kind, `argument` or `transient`."""
        return [self._launch(step, slots) for step in self.manifest.plan]

    def _launch(self, step: Step, slots: dict[str, list[Any]]) -> Launch:
        return Launch(
            kernel=self._kernels[step.kernel],
            grid=step.grid,
            memories=tuple(slots[item.kind][item.index] for item in step.bindings),
            offsets=tuple(item.offset for item in step.bindings),
            constants=step.constants,
        )


class Call:
    """A call with its memory bound: `run()` it as often as needed, then read `outputs`."""

    def __init__(
        self, program: MetalProgram, backend: Backend, values: Sequence[Any], poison: bool
    ) -> None:
        manifest = program.manifest
        self._backend = backend
        self._poison = poison
        self._arguments = manifest.arguments
        self._host: list[Any] = []  # arrays that are copied; None where memory is the caller's
        memories = []
        rest = iter(enumerate(values))
        for argument in manifest.arguments:
            memory, array = self._bound(manifest, argument, rest, values)
            memories.append(memory)
            self._host.append(array)
        self._transients = list(
            zip(map(backend.allocate, manifest.transients), manifest.transients, strict=True)
        )
        scratch = [memory for memory, _ in self._transients]
        self.memories: list[Any] = memories
        self.launches = program.launches({"argument": memories, "transient": scratch})

    def _bound(
        self, manifest: Manifest, argument: Argument, rest: Any, values: Sequence[Any]
    ) -> tuple[Any, Any]:
        """Memory of the device for an argument, and the array that is copied to or from it."""
        if argument.role == "output":
            on_device = bool(self._host) and self._host[0] is None
            array = None if on_device else output_buffer(argument, is_torch(values[0])).owner
            return self._backend.allocate(argument.bytes), array
        index, value = next(rest)
        try:
            memory = self._backend.adopt(argument, value)
            if memory is not None:
                return memory, None
            array = input_buffer(argument, value).owner
        except ArgumentError as error:
            op = manifest.op_of(argument)
            raise ArgumentError(f"argument {index} '{argument.name}' of {op}: {error}") from None
        return self._backend.allocate(argument.bytes), array

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The results of the last run."""
        return tuple(
            self._backend.result(argument, memory) if array is None else array
            for argument, memory, array in self._places()
            if argument.role == "output"
        )

    def _places(self) -> list[tuple[Argument, Any, Any]]:
        return list(zip(self._arguments, self.memories, self._host, strict=True))

    def upload(self) -> None:
        """Copies the inputs that lie with the CPU to the device."""
        for argument, memory, array in self._places():
            if argument.role == "input" and array is not None:
                self._backend.write(memory, bytes_of(array))
            elif argument.role == "output" and self._poison:
                self._backend.write(memory, np.full(argument.bytes, 0xFF, np.uint8))
        for memory, size in self._transients if self._poison else ():
            self._backend.write(memory, np.full(size, 0xFF, np.uint8))

    def run(self) -> None:
        """Runs the whole plan once, writing `outputs`."""
        self.upload()
        self._backend.run(self.launches)
        for argument, memory, array in self._places():
            wanted = argument.role == "output" or argument.updated is not None
            if wanted and array is not None:
                bytes_of(array)[:] = self._backend.read(memory, argument.bytes)

    def time_steps(self, repeats: int) -> list[float]:
        """Runs the plan, then each step alone; returns the best time of each in seconds."""
        self.run()
        return [min(self._backend.time([launch] * repeats)) for launch in self.launches]


def _check_machine(folder: Path, manifest: Manifest) -> None:
    host = machine.host()
    if host.system == "darwin":
        return
    raise MachineError(
        f"artifact {folder} is for the GPU of an Apple {_chip(manifest)}, and this machine runs "
        f"{host.system}; its kernels are in {folder / 'kernels.metal'}. Copy the folder to a Mac "
        "and run there: pip install headrace-runtime pyobjc-framework-Metal && "
        f"python -m headrace_runtime.metal_verify {folder.name}"
    )


def _chip(manifest: Manifest) -> str:
    described = manifest.data.get("description")
    chip = described.get("chip") if isinstance(described, dict) else None
    return str(chip).replace("-", " ").title() if chip else "chip"


def _sums_of_kernels(folder: Path, manifest: Manifest) -> dict[str, str]:
    files = manifest.data["files"]
    names = [files.get("metal"), *(files.get("bodies") or {}).values()]
    for name in names:
        if not isinstance(name, str) or name not in manifest.sha256:
            raise ArtifactError(f"artifact {folder}: the text of its kernels has no sha256")
    return {name: manifest.sha256[name] for name in names}
