"""Loader "aie": artifacts for the NPU of a Ryzen AI, whose design AMD's tools build.

They load on any machine. Calling one needs the device, XRT, and what `build.sh` of the artifact
makes; `python -m headrace_runtime.aie_verify` checks and measures one there.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import aie_packing
from .aie_xrt import Npu, check_built
from .arrays import bytes_of, check_count, input_buffer, is_torch, output_buffer
from .checked_json import Table
from .errors import ArgumentError, ArtifactError, MachineError
from .manifest import Manifest

__all__ = ["TIMEOUT_MS", "AieProgram", "Call", "array_of", "download", "timed", "upload"]

U8 = npt.NDArray[np.uint8]

# Of a run; none takes a second.
TIMEOUT_MS = 10_000
_CHIPS = {"npu1": "Phoenix or Hawk Point", "npu2": "Strix or Krackan"}


class AieProgram:
    """The program of an artifact; the design goes to the device with the first call.

    Raises MachineError where there is no device, or the design is not built.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.array = array_of(folder, manifest)
        _check_machine(folder, self.array["device"])
        check_built(folder)
        self._folder = folder
        self.manifest = manifest
        self._npu: Npu | None = None

    @property
    def npu(self) -> Npu:
        """The device with the design."""
        if self._npu is None:
            count = len(aie_packing.sizes(self.array))
            self._npu = Npu(self._folder, self.array["device"], count)
        return self._npu

    def bind(
        self, values: Sequence[Any], *, threads: int | None = None, poison: bool = False
    ) -> Call:
        """Checks the inputs and puts them into memory of the device, in the design's order.

        Weights are read now, activations by each run.
        """
        if threads is not None:
            raise ArgumentError("threads: a program for an NPU has none to choose")
        check_count(self.manifest, values)
        arrays = []
        for index, (argument, value) in enumerate(zip(self.manifest.inputs, values, strict=True)):
            try:
                arrays.append(input_buffer(argument, value).owner)
            except ArgumentError as error:
                raise ArgumentError(
                    f"argument {index} '{argument.name}' of {self._op_of(index)}: {error}"
                ) from None
        outputs = [output_buffer(a, is_torch(values[0])).owner for a in self.manifest.outputs]
        return Call(self.npu, self.array, arrays, outputs, poison)

    def _op_of(self, index: int) -> str:
        """The first product that takes an argument."""
        for product in self.array["products"]:
            if index in (*product["weights"]["arguments"], product["activations"]["argument"]):
                return str(product["op"])
        return self.manifest.entry


class Call:
    """A call with its memory bound: `run()` it as often as needed, then read `outputs`."""

    def __init__(
        self,
        npu: Npu,
        array: dict[str, Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        poison: bool,
    ) -> None:
        self._npu = npu
        self._array = array
        self._inputs = inputs
        self._poison = poison
        self.outputs = tuple(outputs)
        self._memory = aie_packing.pack(array, [bytes_of(value) for value in inputs])
        self._on_device = upload(npu, self._memory)

    def run(self) -> None:
        """Runs the design once, writing `outputs`."""
        memory, array = self._memory, self._array
        aie_packing.put_activations(array, [bytes_of(value) for value in self._inputs], memory)
        for index in aie_packing.memories_of(array, "activations"):
            self._npu.write(self._on_device[index], memory[index])
        for index in aie_packing.memories_of(array, "results") if self._poison else ():
            self._npu.write(self._on_device[index], np.full(memory[index].size, 0xFF, np.uint8))
        self._npu.run(self._on_device, TIMEOUT_MS)
        found = download(self._npu, array, memory, self._on_device)
        for output, values in zip(self.outputs, found, strict=True):
            bytes_of(output)[:] = bytes_of(values)

    def time_steps(self, repeats: int) -> list[float]:
        """Best time of the design's only step in seconds: from the CPU, launch included."""
        self.run()
        return [min(timed(self._npu, [self._on_device], repeats, TIMEOUT_MS))]


def upload(npu: Npu, memory: Sequence[U8]) -> list[Any]:
    """New memory of the device for each argument of the runtime sequence, filled."""
    found = []
    for index, data in enumerate(memory):
        found.append(npu.allocate(index, data.size))
        npu.write(found[-1], data)
    return found


def download(
    npu: Npu, array: dict[str, Any], memory: Sequence[U8], on_device: Sequence[Any]
) -> list[npt.NDArray[np.float32]]:
    """The artifact's outputs. memory: what the arguments of the sequence were before the run."""
    after = list(memory)
    for index in aie_packing.memories_of(array, "results"):
        after[index] = npu.read(on_device[index], memory[index].size)
    return aie_packing.results(array, after)


def timed(npu: Npu, copies: Sequence[list[Any]], repeats: int, timeout_ms: int) -> list[float]:
    """Seconds of each run, which take the copies of memory in turn."""
    seconds = []
    for turn in range(repeats):
        start = time.perf_counter()
        npu.run(copies[turn % len(copies)], timeout_ms)
        seconds.append(time.perf_counter() - start)
    return seconds


def _check_machine(folder: Path, device: str) -> None:
    if importlib.util.find_spec("pyxrt") is not None:
        return
    raise MachineError(
        f"artifact {folder} is for the NPU of a Ryzen AI ({device}: {_CHIPS[device]}), and this "
        f"machine has no pyxrt, XRT's Python package; the design is in {folder / 'design.mlir'}. "
        "Copy the folder to a machine that has both, and run there what its README.md says: "
        "./build.sh && python -m headrace_runtime.aie_verify ."
    )


def array_of(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """The `array` of a manifest, with what is used of it checked; ArtifactError if it is wrong."""
    if manifest.loader != "aie":
        raise ArtifactError(f"artifact {folder} is for {manifest.target}; expected one for aie")
    top = Table(manifest.data, "").table("array")
    top.text("device", tuple(_CHIPS))
    memory = [table.count("bytes") for table in top.tables("memory") if table.text("name")]
    for product in top.tables("products"):
        _check_product(product, memory, len(manifest.arguments))
    return top.data


def _check_product(product: Table, memory: Sequence[int], arguments: int) -> None:
    weights = product.table("weights")
    for key in ("rows", "cols"):
        weights.count(key)
    weights.text("format")
    if "groups" not in weights.data:
        for key in ("channels", "rounds"):
            weights.counts(key)
    elif len(weights.counts("groups")) % 2:
        raise ArtifactError(f"{weights.where('groups')}: expected pairs of numbers")
    if weights.count("columns") not in (64, 128, 256):
        raise ArtifactError(f"{weights.where('columns')}: expected 64, 128 or 256")
    parts = [product.table("activations"), product.table("results")]
    for part, size in zip(parts, (2, 4), strict=True):
        shape, padded = part.counts("shape"), part.counts("padded")
        if len(shape) != len(padded) or any(a > b for a, b in zip(shape, padded, strict=True)):
            raise ArtifactError(f"{part.path}: expected a shape within {padded}, but got {shape}")
        if size * math.prod(padded) != part.count("bytes"):
            raise ArtifactError(f"{part.path}: expected {size * math.prod(padded)} bytes")
    for part in (weights, *parts):
        index, end = part.count("memory"), part.count("offset") + part.count("bytes")
        if index >= len(memory) or end > memory[index]:
            raise ArtifactError(f"{part.path}: lies outside of the memory of the sequence")
    for index in [*weights.counts("arguments"), *(part.count("argument") for part in parts)]:
        if index >= arguments:
            raise ArtifactError(f"{product.path}: argument {index} does not exist")
