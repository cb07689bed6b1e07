"""Runs an artifact for Metal in the simulator: the MSL that it carries, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError
from headrace.sim import msl
from headrace.targets.base import Simulation
from headrace.targets.metal.package import SOURCE
from headrace_runtime import Artifact, Manifest, parse_manifest

__all__ = ["Traffic", "run_counted", "run_plan", "run_traced", "sectors", "traffic_of"]

Array = npt.NDArray[Any]
Traffic = msl.Traffic

# Bytes of a sector: what a load from memory brings.
SECTOR = 64
# Threads of a workgroup take turns in their order, against it, and as a seed draws it.
SCHEDULES = (
    msl.Schedule(order="forward", seed=0),
    msl.Schedule(order="reverse", seed=0),
    msl.Schedule(order="random", seed=1),
)


def run_plan(artifact: Artifact, inputs: Sequence[Array], schedule: int) -> list[Array]:
    """All arguments after a run; outputs and what lies between kernels start as NaN.

    schedule: which of `SCHEDULES` threads run in.
    Raises `SimulationError` for what no device promises, such as a race.
    """
    arguments, _ = _run(artifact, inputs, msl.build(artifact.sources[SOURCE]), schedule)
    return arguments


def run_counted(artifact: Artifact, inputs: Sequence[Array], schedule: int) -> Simulation:
    """The same, and its traffic: the sectors that each launch touches, each counted once."""
    library = msl.build(artifact.sources[SOURCE], trace=True)
    arguments, runs = _run(artifact, inputs, library, schedule)
    moved = sum(sectors(part) for run in runs for part in run.traffic or ())
    return Simulation(arguments, moved / sum(array.nbytes for array in arguments))


def sectors(traffic: Traffic) -> int:
    """Bytes of the sectors that a buffer's loads and stores touch."""
    return SECTOR * (traffic.distinct_loaded_64 + traffic.distinct_stored_64)


def traffic_of(artifact: Artifact, inputs: Sequence[Array]) -> list[tuple[Traffic, ...]]:
    """What each launch of the plan moves, buffer by buffer."""
    return run_traced(artifact, inputs)[1]


def run_traced(
    artifact: Artifact, inputs: Sequence[Array]
) -> tuple[list[Array], list[tuple[Traffic, ...]]]:
    """Both: all arguments after a run, and what each launch moves."""
    library = msl.build(artifact.sources[SOURCE], trace=True)
    arguments, runs = _run(artifact, inputs, library, 0)
    return arguments, [run.traffic for run in runs if run.traffic is not None]


def _run(
    artifact: Artifact, inputs: Sequence[Array], library: msl.Library, schedule: int
) -> tuple[list[Array], list[msl.Run]]:
    manifest = parse_manifest(artifact.manifest)
    threads = {kernel["name"]: tuple(kernel["workgroup"]) for kernel in manifest.data["kernels"]}
    arguments = _arguments(manifest, inputs)
    slots = {
        "argument": arguments,
        "transient": [np.full(size, 0xFF, np.uint8) for size in manifest.transients],
    }
    runs = []
    for step in manifest.plan:
        buffers = [
            slots[binding.kind][binding.index].reshape(-1).view(np.uint8)[binding.offset :]
            for binding in step.bindings
        ]
        runs.append(
            library.launch(
                step.kernel,
                buffers=buffers,
                constants=step.constants,
                grid=step.grid,
                threads=threads[step.kernel],
                schedule=SCHEDULES[schedule],
            )
        )
    return arguments, runs


def _arguments(manifest: Manifest, inputs: Sequence[Array]) -> list[Array]:
    """Inputs, those that are updated as copies, then poisoned outputs."""
    given = iter(inputs)
    arrays = []
    for argument in manifest.arguments:
        if argument.role == "input":
            array = np.ascontiguousarray(next(given))
            if array.nbytes != argument.bytes:
                raise UsageError(
                    f"argument '{argument.name}': expected {argument.bytes} bytes, "
                    f"but got {array.nbytes}"
                )
            arrays.append(array.copy() if argument.updated is not None else array)
        else:
            data = np.full(argument.bytes, 0xFF, np.uint8)
            arrays.append(data.view(_dtype(argument.dtype)).reshape(argument.shape))
    return arrays


def _dtype(name: str) -> npt.DTypeLike:
    from ml_dtypes import bfloat16

    return {"bf16": bfloat16}.get(name) or np.dtype(f"{name[0]}{int(name[1:]) // 8}")
