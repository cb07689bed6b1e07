"""From the lowered module to the files of an artifact: AIE text, core functions, manifest."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import ir
from headrace.errors import CompileError
from headrace.modules import entry_function
from headrace.ops import OpSpec
from headrace.targets.aie import cpp, hardware
from headrace.targets.aie.description import AieDescription
from headrace.targets.aie.simulate import CORES, DESIGN
from headrace.targets.plan import dtype_bytes, signature_infos
from headrace_runtime import aie_packing

if TYPE_CHECKING:
    from headrace.pipeline import Trace

__all__ = ["cores_text", "design_text", "package"]

CORES_CPP = "cores.cpp"
PRODUCTS = ("qlinear.matvec", "qlinear.gated_matvec", "qlinear.matmul")
# What the arguments of a runtime sequence hold.
KINDS = ("weights", "activations", "results")


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
    """Write the design and its cores into `folder`; returns the target's part of the manifest, but
    for what `hardware.finish` adds.

    module: the module after the last stage.
    trace: the run that made it; the arguments are those of its input.
    """
    design, cores = design_text(module), cores_text(module)
    (folder / DESIGN).write_text(design)
    (folder / CORES).write_text(cores)
    (folder / CORES_CPP).write_text(cpp.emit(module))
    hardware.write_build_script(folder, design, description.device)
    function = entry_function(trace["input"].operation)
    arguments = signature_infos(function)
    array = _array(module, function, arguments, description)
    kernel = _kernel(arguments, array)
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
    """How arguments become those of the runtime sequence."""
    device = _only(module, "aie.device", "an aie.device")
    (sequence,) = (
        op
        for op in device.regions[0].blocks[0].operations
        if op.operation.name == "aie.runtime_sequence"
    )
    memory = [value.type for value in sequence.regions[0].blocks[0].arguments]
    packing: Any = ir.DictAttr(module.operation.attributes["headrace.packing"])
    recipe: Any = ir.DictAttr(packing[function.name.value])
    recipes = list(recipe["products"])
    products = _products(function)
    described = [
        _described(product, ir.DictAttr(part), memory, _returned(function), arguments)
        for product, part in zip(products, recipes, strict=True)
    ]
    return {
        "device": description.device,
        "sequence": ir.StringAttr(sequence.attributes["sym_name"]).value,
        "memory": [
            {"name": name, "bytes": _bytes(kind)}
            for name, kind in zip(_names(described, len(memory)), memory, strict=True)
        ],
        "products": described,
    }


def _described(
    product: Any,
    recipe: Any,
    memory: list[Any],
    returned: list[Any],
    arguments: list[dict[str, Any]],
) -> dict[str, Any]:
    # The last operand is what the result is written to.
    operands = list(product.operands)[:-1]
    *weights, x = (ir.BlockArgument(value).arg_number for value in operands)
    outputs = [i for i, argument in enumerate(arguments) if argument["role"] == "output"]
    y = outputs[returned.index(product.results[0])]
    packed = arguments[weights[0]]["packed"]
    order: dict[str, Any] = {
        key: list(ir.DenseI64ArrayAttr(recipe[key]))
        for key in ("groups", "channels", "rounds")
        if key in recipe
    }
    order["columns"] = ir.IntegerAttr(recipe["columns"]).value
    places = {name: _place(recipe[name]) for name in KINDS}
    return {
        "op": product.name,
        "operation": _written(product, packed, arguments[x]["shape"]),
        "weights": {
            "arguments": weights,
            "format": packed["format"],
            "rows": packed["rows"],
            "cols": packed["cols"],
            **order,
            **places["weights"],
        },
        "activations": {
            "argument": x,
            "dtype": "bf16",
            "shape": arguments[x]["shape"],
            "padded": _padded(places["activations"], memory, 2),
            **places["activations"],
        },
        "results": {
            "argument": y,
            "shape": arguments[y]["shape"],
            "padded": _padded(places["results"], memory, 4),
            **places["results"],
        },
    }


def _written(product: Any, packed: dict[str, Any], x: list[int]) -> str:
    """The written form of one product: `matvec:m=...`."""
    spec = OpSpec(
        op=product.name.removeprefix("qlinear."),
        m=packed["rows"],
        k=packed["cols"],
        n=math.prod(x[:-1]),
        format=packed["format"],
        activations="bf16",
    )
    if "activation" in product.attributes:
        # `#qlinear<activation silu>`
        gate = str(product.attributes["activation"]).removesuffix(">").split()[-1]
        spec = replace(spec, act=gate)
    return str(spec)


def _place(numbers: Any) -> dict[str, int]:
    memory, offset, size = ir.DenseI64ArrayAttr(numbers)
    return {"memory": memory, "offset": offset, "bytes": size}


def _padded(place: dict[str, int], memory: list[Any], size: int) -> list[int]:
    """The shape in which the sequence takes an argument: that of a matrix, or of a vector in
    memory of several."""
    shape = list(memory[place["memory"]].shape)
    return shape if len(shape) > 1 else [place["bytes"] // size]


def _bytes(kind: Any) -> int:
    return math.prod(kind.shape) * dtype_bytes(kind.element_type)


def _names(products: list[dict[str, Any]], count: int) -> list[str]:
    """Of the sequence's arguments: what they hold, with a number where several hold it."""
    kinds = {product[kind]["memory"]: kind for kind in KINDS for product in products}
    names = [kinds[index] for index in range(count)]
    return [
        name if names.count(name) == 1 else f"{name}{names[:index].count(name)}"
        for index, name in enumerate(names)
    ]


def _products(function: Any) -> list[Any]:
    return [
        op.operation
        for op in function.regions[0].blocks[0].operations
        if op.operation.name in PRODUCTS
    ]


def _returned(function: Any) -> list[Any]:
    """The results of the function, in order."""
    *_, last = function.regions[0].blocks[0].operations
    return list(last.operation.operands)


def _kernel(arguments: list[dict[str, Any]], array: dict[str, Any]) -> dict[str, Any]:
    """All products: they run as one sequence."""
    products = array["products"]
    ops = list(dict.fromkeys(product["op"] for product in products))
    first = products[0]["weights"]
    form, rows, cols = first["format"], first["rows"], first["cols"]
    name = f"{ops[0].removeprefix('qlinear.')}_{form}_{rows}x{cols}_bf16"
    if len(products) > 1:
        name = f"{len(products)}_products_{form}_bf16"
    return {
        "name": name,
        "op": ", ".join(ops),
        "format": form,
        "activations": "bf16",
        # What the array reads and writes, padding included.
        "bytes": sum(aie_packing.sizes(array).values()),
        "operations": sum(_operations(product) for product in products),
    }


def _operations(product: dict[str, Any]) -> int:
    weights = product["weights"]
    tokens = math.prod(product["activations"]["shape"][:-1])
    return 2 * tokens * len(weights["arguments"]) * weights["rows"] * weights["cols"]
