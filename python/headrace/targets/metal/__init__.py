"""The Metal target: MSL source for the GPUs of Apple's chips, made on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.targets.base import Simulation, Stage, Target
from headrace.targets.metal.description import MetalDescription, chip_names, describe

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["CAPABILITIES", "TARGET", "MetalDescription", "describe", "stages"]

CAPABILITIES = Path(__file__).with_name("capabilities.json")


def stages(description: MetalDescription) -> list[Stage]:
    """The registered pipeline with what it asks about the chip."""
    from headrace.targets.metal import timing

    device = timing.device_of(description)
    options = (
        f'capabilities="{CAPABILITIES}" subgroup-width={description.subgroup_width} '
        f"cores={description.cores} read-bandwidth={device.read_gb_per_s:.1f} "
        f"overhead-us={device.overhead_us:.1f} "
        f"max-threads={description.max_threads} shared-memory={description.shared_memory} "
        f"max-buffers={description.max_buffers} max-buffer-bytes={description.max_buffer_bytes}"
    )
    return [Stage("metal", f"headrace-metal-pipeline{{{options}}}")]


def _package(module: ir.Module, description: MetalDescription, folder: Path, **how: Any) -> Any:
    from headrace.targets.metal.package import package

    return package(module, description, folder, **how)


def _emit(module: ir.Module, description: MetalDescription) -> str:
    from headrace.targets.metal import msl, package

    return msl.emit(module, package.title(description))


def _emit_body(module: ir.Module, description: MetalDescription) -> str:
    from headrace.targets.metal import msl, package

    return msl.emit_body(module, package.title(description))


def _simulate(artifact: Any, inputs: Any, order: int) -> Simulation:
    from headrace.targets.metal.simulate import run_counted

    return run_counted(artifact, inputs, order)


TARGET = Target(
    name="metal",
    summary="MSL for the GPUs of Apple's M1 to M5",
    capabilities=CAPABILITIES,
    describe=describe,
    stages=stages,
    package=_package,
    emitters={"msl": _emit, "msl-body": _emit_body},
    simulate=_simulate,
    options=tuple(chip_names()),
)
