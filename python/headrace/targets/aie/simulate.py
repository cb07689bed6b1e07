"""Runs an artifact for AI Engines in the simulator of the array: the text that it carries."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import ir
from headrace.errors import UsageError
from headrace.sim import aie
from headrace.sim.aie_library import compile_cores
from headrace.targets.aie.cycles import cycles_of
from headrace.targets.aie.description import describe
from headrace.targets.base import Simulation
from headrace_runtime import Artifact, aie_packing

__all__ = ["CORES", "DESIGN", "load_design", "run_plan", "run_timed"]

Array = npt.NDArray[Any]

# Files of an artifact: AIE text, and the functions that its cores call.
DESIGN, CORES = "design.mlir", "cores.mlir"
# Cores as fast as modelled, of no time and slow: what waits for what is another in each.
SPEEDS = (1.0, 0.0, 4.0)


def load_design(design: str, cores: str, device: str, speed: float = 1.0) -> aie.AieDesign:
    """The texts of an artifact, ready to run; calls take `speed` times what is modelled."""
    loaded = _loaded(design, cores, device)
    functions = {name: (entry, speed * count) for name, (entry, count) in loaded.functions.items()}
    return replace(loaded, functions=functions)


@functools.lru_cache(maxsize=8)
def _loaded(design: str, cores: str, device: str) -> aie.AieDesign:
    """At the speed that is modelled. A check runs a design many times, at each speed."""
    with ir.Context(), tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        # The text is a module with a module in it.
        module = ir.Module.parse(f"module {{\n{cores}\n}}")
        library = ctypes.CDLL(str(compile_cores(module, Path(folder) / "cores.so")))
        cycles = cycles_of(ir.Module.parse(cores), describe(device))
    return aie.load(design, kernels=library, cycles=cycles)


def run_plan(artifact: Artifact, inputs: Sequence[Array], order: int) -> Simulation:
    """All arguments after a run, and its traffic with the memory of the host; outputs start as NaN.

    order: which of `SPEEDS` the cores have.
    Raises `ArraySimulationError` where an array would give no result.
    """
    arguments, run = run_timed(artifact, inputs, SPEEDS[order])
    moved = run.ddr_read + run.ddr_written
    return Simulation(arguments, moved / sum(array.nbytes for array in arguments))


def run_timed(
    artifact: Artifact, inputs: Sequence[Array], speed: float = 1.0
) -> tuple[list[Array], aie.Run]:
    """Both: all arguments after a run, and what it took."""
    given = [argument for argument in artifact.arguments if argument.role == "input"]
    if len(inputs) != len(given):
        raise UsageError(f"expected {len(given)} inputs, but got {len(inputs)}")
    for argument, value in zip(given, inputs, strict=True):
        if value.nbytes != argument.bytes:
            raise UsageError(
                f"argument '{argument.name}': expected {argument.bytes} bytes, "
                f"but got {value.nbytes}"
            )
    arrays = [np.ascontiguousarray(value) for value in inputs]
    array = artifact.manifest["array"]
    memory = aie_packing.pack(array, arrays)
    sources = artifact.sources
    design = load_design(sources[DESIGN], sources[CORES], array["device"], speed)
    run = design.run(memory)
    return [*arrays, *aie_packing.results(array, memory)], run
