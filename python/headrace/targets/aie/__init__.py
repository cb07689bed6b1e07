"""The AIE target: designs for the AI Engine arrays of Ryzen AI, as text of mlir-aie's dialects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.targets.aie.description import DEVICES, AieDescription, describe, device_names
from headrace.targets.base import Simulation, Stage, Target

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["CAPABILITIES", "TARGET", "AieDescription", "describe", "stages"]

CAPABILITIES = Path(__file__).with_name("capabilities.json")

# (rows, columns) of the products of Gemma 3 1B and 4B and of Llama 3.2 1B.
PLAIN = (
    *((1024, 1152), (256, 1152), (1152, 1024), (1152, 6912)),
    *((2048, 2560), (1024, 2560), (2560, 2048), (2560, 10240)),
    *((2048, 2048), (512, 2048), (2048, 8192)),
)
GATED = ((6912, 1152), (10240, 2560), (8192, 2048))
PROJECTIONS = {
    "qlinear.matvec": PLAIN,
    "qlinear.gated_matvec": GATED,
    "qlinear.matmul": (*PLAIN, *GATED),
}


def stages(description: AieDescription) -> list[Stage]:
    """The registered pipeline with what it asks about the array."""
    options = (
        f"device={description.device} columns={description.columns} rows={description.rows} "
        f"channels={description.channels} core-memory={description.core_memory} "
        f"multiply-tokens={description.multiply[0]} multiply-rows={description.multiply[2]} "
        f'devices="{DEVICES}"'
    )
    return [
        # Refuse early: everything below may assume a claimed cell.
        Stage("legality", f'verify-target-legality{{capabilities="{CAPABILITIES}"}}'),
        Stage("aie", f"headrace-aie-pipeline{{{options}}}"),
    ]


def _package(module: ir.Module, description: AieDescription, folder: Path, **how: Any) -> Any:
    from headrace.targets.aie.package import package

    return package(module, description, folder, **how)


def _emit(module: ir.Module, description: AieDescription) -> str:
    from headrace.targets.aie.package import design_text

    return design_text(module)


def _emit_cores(module: ir.Module, description: AieDescription) -> str:
    from headrace.targets.aie.package import cores_text

    return cores_text(module)


def _emit_cpp(module: ir.Module, description: AieDescription) -> str:
    from headrace.targets.aie.cpp import emit

    return emit(module)


def _simulate(artifact: Any, inputs: Any, order: int) -> Simulation:
    from headrace.targets.aie.simulate import run_plan

    return run_plan(artifact, inputs, order)


def _finish(manifest: dict[str, Any], folder: Path, verification: bool) -> None:
    from headrace.targets.aie.hardware import finish

    finish(manifest, folder, verification)


TARGET = Target(
    name="aie",
    summary="AIE text for the NPUs of Ryzen AI",
    capabilities=CAPABILITIES,
    describe=describe,
    stages=stages,
    package=_package,
    finish=_finish,
    emitters={"aie": _emit, "aie-cores": _emit_cores, "aie-cpp": _emit_cpp},
    simulate=_simulate,
    activations="bf16",
    shapes=PROJECTIONS,
    options=tuple(device_names()),
)
