"""From the lowered module to the files of an artifact: AIE text, core functions, manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace import ir
from headrace.cost.device import device as cost_device
from headrace.errors import CompileError
from headrace.modules import entry_function
from headrace.targets.aie import cpp
from headrace.targets.aie.description import AieDescription
from headrace.targets.aie.simulate import CORES, DESIGN, load_design
from headrace.targets.plan import signature_infos

if TYPE_CHECKING:
    from headrace.pipeline import Trace

__all__ = ["cores_text", "design_text", "package"]

CORES_CPP = "cores.cpp"
PRODUCTS = ("qlinear.matvec", "qlinear.gated_matvec")
# Energies are of one array, as there are figures of no other.
ENERGY_DEVICE = "ryzen-ai-npu2"


def design_text(module: ir.Module) -> str:
    """The design, as mlir-aie's tools take it."""
    return f"module {{\n{_only(module, 'aie.device', 'an aie.device')}\n}}\n"


def cores_text(module: ir.Module) -> str:
    """The functions that its cores call."""
    return f"{_only(module, 'builtin.module', 'a module of core functions')}\n"


def _only(module: ir.Module, name: str, what: str) -> Any:
    found = [op for op in module.body.operations if op.operation.name == name]
    if len(found) != 1:
        raise CompileError(
            f"target aie: expected {what}, one product in a function, but got {len(found)}"
        )
    return found[0]


def package(
    module: ir.Module, description: AieDescription, folder: Path, *, trace: Trace
) -> dict[str, Any]:
    """Write the design and its cores into `folder`; returns the target's part of the manifest.

    module: the module after the last stage.
    trace: the run that made it; the arguments are those of its input.
    """
    design, cores = design_text(module), cores_text(module)
    (folder / DESIGN).write_text(design)
    (folder / CORES).write_text(cores)
    (folder / CORES_CPP).write_text(cpp.emit(module))
    function = entry_function(trace["input"].operation)
    arguments = signature_infos(function)
    array = _array(module, function, arguments, description)
    loaded = load_design(design, cores, description.device)
    run = loaded.run([np.zeros(size, np.uint8) for size in loaded.arguments])
    kernel = _kernel(function, arguments, array)
    energy = cost_device(ENERGY_DEVICE).energy_uj(kernel["bytes"], kernel["operations"], "bf16")
    kernel["modelled"] = {
        "device": f"aie:{description.device}",
        "time_us": run.total_us,
        "energy_uj": energy,
    }
    array["modelled"] = {
        "run_us": run.us,
        "dispatch_us": run.dispatch_us,
        "read_bytes": run.ddr_read,
        "written_bytes": run.ddr_written,
    }
    bindings = [{"argument": index} for index in range(len(arguments))]
    step = {"kernel": kernel["name"], "grid": [1, 1, 1], "bindings": bindings, "constants": []}
    return {
        "loader": "aie",
        "description": description.to_json(),
        "entry": function.name.value,
        "arguments": arguments,
        "transients": [],
        "kernels": [kernel],
        "plan": [step],
        "array": array,
        "files": {"sources": {name: name for name in (DESIGN, CORES, CORES_CPP)}},
    }


def _array(
    module: ir.Module,
    function: Any,
    arguments: list[dict[str, Any]],
    description: AieDescription,
) -> dict[str, Any]:
    """How arguments become those of the runtime sequence: weights, activations, results."""
    product = _product(function)
    # The last operand is what the result is written to.
    operands = list(product.operands)[:-1]
    *weights, x = (ir.BlockArgument(value).arg_number for value in operands)
    packing: Any = ir.DictAttr(module.operation.attributes["headrace.packing"])
    recipe: Any = ir.DictAttr(packing[function.name.value])
    device = _only(module, "aie.device", "an aie.device")
    (sequence,) = (
        op
        for op in device.regions[0].blocks[0].operations
        if op.operation.name == "aie.runtime_sequence"
    )
    sizes = [value.type.shape[0] for value in sequence.regions[0].blocks[0].arguments]
    packed = arguments[weights[0]]["packed"]
    (output,) = (i for i, argument in enumerate(arguments) if argument["role"] == "output")
    return {
        "device": description.device,
        "sequence": ir.StringAttr(sequence.attributes["sym_name"]).value,
        "weights": {
            "arguments": weights,
            "format": packed["format"],
            "rows": packed["rows"],
            "cols": packed["cols"],
            "groups": list(ir.DenseI64ArrayAttr(recipe["groups"])),
            "bytes": sizes[0],
        },
        "activations": {"argument": x, "dtype": "bf16", "elements": sizes[1]},
        "results": {"argument": output, "rows": packed["rows"], "elements": sizes[2]},
    }


def _product(function: Any) -> Any:
    """What the pass that cuts products has found to be alone in its function."""
    (product,) = (
        op.operation
        for op in function.regions[0].blocks[0].operations
        if op.operation.name in PRODUCTS
    )
    return product


def _kernel(
    function: Any, arguments: list[dict[str, Any]], array: dict[str, Any]
) -> dict[str, Any]:
    op = _product(function).name
    weights, results = array["weights"], array["results"]
    rows, cols, count = weights["rows"], weights["cols"], len(weights["arguments"])
    name = f"{op.removeprefix('qlinear.')}_{weights['format']}_{rows}x{cols}_bf16"
    return {
        "name": name,
        "op": op,
        "format": weights["format"],
        "activations": "bf16",
        # What the array reads and writes, padding included.
        "bytes": weights["bytes"] + 2 * array["activations"]["elements"] + 4 * results["elements"],
        "operations": 2 * count * rows * cols,
    }
