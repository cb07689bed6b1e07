"""From the lowered module to the files of an artifact: MSL and its manifest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.targets.metal import msl, timing
from headrace.targets.metal.description import MetalDescription
from headrace.targets.plan import program_of

if TYPE_CHECKING:
    from headrace import ir
    from headrace.pipeline import Trace

__all__ = ["SOURCE", "package", "title"]

# The last pass that changes the plan.
PLAN_PASS = "simt-fuse-selection"
SOURCE = "kernels.metal"


def title(description: MetalDescription) -> str:
    """The first line of emitted text."""
    import headrace

    return f"Made by Headrace {headrace.__version__} for metal:{description.chip}."


def package(
    module: ir.Module, description: MetalDescription, folder: Path, *, trace: Trace
) -> dict[str, Any]:
    """Write `kernels.metal` into `folder`, and `bodies/KERNEL.metal` for mlx; returns the target's
    part of the manifest.

    module: the module after the last stage.
    trace: the run that made it; the plan is read from the IR after `PLAN_PASS`.
    """
    (folder / SOURCE).write_text(msl.emit(module, title(description)))
    bodies = {}
    (folder / "bodies").mkdir()
    for name, text in msl.emit_bodies(module, title(description)).items():
        bodies[name] = f"bodies/{name}.metal"
        (folder / bodies[name]).write_text(text)
    buffers = msl.buffers(module)
    program = program_of(trace, PLAN_PASS)
    workgroups = {step["kernel"]: math.prod(step["grid"]) for step in program["plan"]}
    for kernel in program["kernels"]:
        kernel["buffers"] = [buffer.to_json() for buffer in buffers[kernel["name"]]]
        kernel["modelled"] = timing.modelled(
            description, kernel["bytes"], kernel["operations"], workgroups[kernel["name"]]
        )
    return {
        "loader": "metal",
        "requires": {"os": "darwin"},
        "description": description.to_json(),
        **program,
        "files": {"metal": SOURCE, "bodies": bodies, "sources": {SOURCE: SOURCE}},
    }
