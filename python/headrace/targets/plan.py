"""Reads the plan: the entry function after `<target>-form-kernels`, as the manifest writes it.

The entry is straight-line code over memrefs: allocations are transients, calls are steps, views
with a constant offset are slices of what they view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace import ir
from headrace.errors import CompileError

if TYPE_CHECKING:
    from headrace.pipeline import Trace

__all__ = ["Plan", "argument_infos", "dtype_bytes", "program_of", "read_plan", "signature_infos"]

# View-like operations that keep the first byte where it is.
_SAME_START = frozenset(
    {
        "memref.cast",
        "memref.collapse_shape",
        "memref.expand_shape",
        "builtin.unrealized_conversion_cast",
    }
)


@dataclass(frozen=True)
class Plan:
    """Transients, kernels and steps in the form of the manifest."""

    transients: list[dict[str, Any]]
    kernels: list[dict[str, Any]]
    steps: list[dict[str, Any]]


def dtype_bytes(kind: ir.Type) -> int:
    """Bytes of one element of a memref or tensor."""
    width = getattr(kind, "width", 1)  # only numbers have one
    if width % 8:
        raise CompileError(f"expected elements of whole bytes, but got {kind}")
    return int(width) // 8


def program_of(trace: Trace, plan_pass: str) -> dict[str, Any]:
    """What a manifest says of the program whatever the target: from `entry` to `plan`.

    trace: the run that lowered it; its plan is what there is after `plan_pass`.
    """
    from headrace.modules import entry_function

    module: Any = trace[plan_pass].operation
    functions = [
        op for op in module.regions[0].blocks[0].operations if op.operation.name == "func.func"
    ]
    entries = [op for op in functions if "headrace.plan" in op.operation.attributes]
    if len(entries) != 1:
        raise CompileError(
            f"expected one function with headrace.plan after {plan_pass}, but got {len(entries)}"
        )
    entry = entries[0]
    plan = read_plan(entry, [op for op in functions if op is not entry])
    return {
        "entry": entry.name.value,
        "arguments": argument_infos(entry_function(trace["input"].operation), entry),
        "transients": plan.transients,
        "kernels": plan.kernels,
        "plan": plan.steps,
    }


def argument_infos(function: Any, plan: Any) -> list[dict[str, Any]]:
    """The manifest's `arguments`: the function before kernels are formed, and the plan it became.

    Inputs in order, then those results that are arguments of the plan as outputs. A name comes from
    the attribute `headrace.name`, or is `arg0`, `y0`, ....
    """
    kind = function.type
    outputs = list(ir.DenseI64ArrayAttr(plan.operation.attributes["headrace.outputs"]))
    input_attributes = _dictionaries(function, "arg_attrs")
    result_attributes = _dictionaries(function, "res_attrs")
    named = [
        (type_, "input", _name(input_attributes, index) or f"arg{index}")
        for index, type_ in enumerate(kind.inputs)
    ] + [
        (kind.results[number], "output", _name(result_attributes, number) or f"y{number}")
        for number in outputs
    ]
    if len(named) != len(plan.type.inputs):
        raise CompileError(
            f"'{plan.name.value}': expected {len(named)} arguments of the plan, "
            f"but got {len(plan.type.inputs)}"
        )
    attributes = _dictionaries(plan, "arg_attrs")
    infos = []
    for index, (type_, role, name) in enumerate(named):
        info = _argument_info(type_, role, name, plan.type.inputs[index])
        if index < len(attributes) and "headrace.updated" in attributes[index]:
            info["updated"] = ir.IntegerAttr(attributes[index]["headrace.updated"]).value
        infos.append(info)
    _check_names(infos)
    return infos


def signature_infos(function: Any) -> list[dict[str, Any]]:
    """The same for a function that updates nothing: its inputs, then all results."""
    kind = function.type
    inputs, results = (_dictionaries(function, name) for name in ("arg_attrs", "res_attrs"))
    infos = [
        _argument_info(type_, "input", _name(inputs, index) or f"arg{index}", type_)
        for index, type_ in enumerate(kind.inputs)
    ] + [
        _argument_info(type_, "output", _name(results, index) or f"y{index}", type_)
        for index, type_ in enumerate(kind.results)
    ]
    _check_names(infos)
    return infos


def _check_names(infos: Iterable[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for info in infos:
        if info["name"] in seen:
            raise CompileError(f"two arguments are called '{info['name']}' (headrace.name)")
        seen.add(info["name"])


def _dictionaries(function: Any, attribute: str) -> list[ir.DictAttr]:
    attributes = function.operation.attributes
    return [ir.DictAttr(item) for item in attributes[attribute]] if attribute in attributes else []


def _name(attributes: list[ir.DictAttr], index: int) -> str | None:
    if index >= len(attributes) or "headrace.name" not in attributes[index]:
        return None
    return str(ir.StringAttr(attributes[index]["headrace.name"]).value)


def _argument_info(kind: ir.Type, role: str, name: str, memref: Any) -> dict[str, Any]:
    from headrace._mlir_libs._headrace import qlinear

    base: dict[str, Any] = {"name": name, "role": role}
    if str(kind).startswith("!qattn."):
        return base | {"dtype": "i8", "shape": list(memref.shape), "cache": str(kind)}
    if isinstance(kind, qlinear.PackedType):
        return base | {
            "dtype": "i8",
            "shape": [kind.storage_bytes],
            "packed": {
                "rows": kind.rows,
                "cols": kind.cols,
                "padded_rows": kind.padded_rows,
                "padded_cols": kind.padded_cols,
                "format": kind.format_name,
                "attribute": str(kind.format),
                **_packing(kind.format_name),
            },
        }
    if isinstance(kind, ir.RankedTensorType | ir.MemRefType) and kind.has_static_shape:
        return base | {"dtype": str(kind.element_type), "shape": list(kind.shape)}
    raise CompileError(
        f"argument '{name}': cannot pass {kind}; allowed: tensors and memrefs of static shape, "
        "!qlinear.packed"
    )


def _packing(format_name: str) -> dict[str, Any]:
    """How `headrace.formats.convert` makes weights in a layout of those without: `from`, the
    format that they then have, and whether that is `exact` or they are quantized again."""
    from headrace.formats import get, relayout

    inner, layout, _ = relayout.split_name(format_name)
    if not layout:
        return {}
    exact = relayout.find(get(inner), get(format_name)) is not None
    return {"packing": {"from": inner, "exact": exact}}


def read_plan(function: Any, kernels: Iterable[Any]) -> Plan:
    """Read the entry `function`; `kernels` are the functions that it may call.

    Raises `CompileError` for an operation that a plan cannot hold.
    """
    reader = _Reader(function)
    for operation in function.regions[0].blocks[0].operations:
        reader.read(operation.operation)
    called = [step["kernel"] for step in reader.steps]
    infos = [_kernel_info(kernel) for kernel in kernels if kernel.name.value in called]
    known = {info["name"] for info in infos}
    if missing := [name for name in called if name not in known]:
        raise CompileError(f"the plan calls '{missing[0]}', which is no kernel of the module")
    return Plan(reader.transients, infos, reader.steps)


def _kernel_info(function: Any) -> dict[str, Any]:
    name = function.name.value
    attributes = function.operation.attributes
    if "headrace.kernel" not in attributes:
        raise CompileError(f"function '{name}': expected the attribute headrace.kernel")
    facts: Any = ir.DictAttr(attributes["headrace.kernel"])
    info: dict[str, Any] = {"name": name}
    for item in facts:
        value = item.attr
        if isinstance(value, ir.StringAttr | ir.IntegerAttr | ir.FloatAttr):
            info[item.name] = value.value
        elif isinstance(value, ir.UnitAttr):
            info[item.name] = True
        elif isinstance(value, ir.DenseI64ArrayAttr | ir.DenseI32ArrayAttr):
            info[item.name] = list(value)
        else:
            info[item.name] = str(value)
    return info


class _Reader:
    """Walks the entry once; keeps what each value of memref type points at."""

    def __init__(self, function: Any) -> None:
        self.transients: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        # value -> (the binding it starts in, offset in bytes)
        self._places: dict[ir.Value, tuple[dict[str, int], int]] = {
            argument: ({"argument": index}, 0) for index, argument in enumerate(function.arguments)
        }
        self._integers: dict[ir.Value, int] = {}

    def read(self, op: ir.Operation) -> None:
        """Take one operation of the entry into the plan."""
        name = op.name
        if name == "arith.constant":
            value = op.attributes["value"]
            if isinstance(value, ir.IntegerAttr):
                self._integers[op.results[0]] = value.value
        elif name in ("memref.alloc", "memref.alloca"):
            self._allocate(op)
        elif name == "func.call":
            self._call(op)
        elif name == "memref.view":
            self._slice(op, self._integer(op.operands[1], op))
        elif name == "memref.subview":
            self._slice(op, _subview_offset(op))
        elif name in _SAME_START:
            self._slice(op, 0)
        elif name not in ("func.return", "memref.dealloc"):
            raise CompileError(f"{op.location}: the plan cannot hold '{name}'")

    def _allocate(self, op: ir.Operation) -> None:
        kind = ir.MemRefType(op.results[0].type)
        if not kind.has_static_shape:
            raise CompileError(f"{op.location}: expected a static size, but got {kind}")
        size = dtype_bytes(kind.element_type)
        for extent in kind.shape:
            size *= extent
        self._places[op.results[0]] = ({"transient": len(self.transients)}, 0)
        self.transients.append({"bytes": size})

    def _slice(self, op: ir.Operation, offset: int) -> None:
        base, start = self._place(op.operands[0], op)
        self._places[op.results[0]] = (base, start + offset)

    def _call(self, op: ir.Operation) -> None:
        bindings: list[dict[str, int]] = []
        constants: list[int] = []
        for operand in op.operands:
            if isinstance(operand.type, ir.MemRefType):
                base, offset = self._place(operand, op)
                bindings.append(base | ({"offset": offset} if offset else {}))
            else:
                constants.append(self._integer(operand, op))
        grid = list(ir.DenseI64ArrayAttr(op.attributes["headrace.grid"]))
        callee = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
        self.steps.append(
            {"kernel": callee, "grid": grid, "bindings": bindings, "constants": constants}
        )

    def _place(self, value: ir.Value, op: ir.Operation) -> tuple[dict[str, int], int]:
        if value not in self._places:
            raise CompileError(f"{op.location}: '{op.name}' reads a memref of unknown origin")
        return self._places[value]

    def _integer(self, value: ir.Value, op: ir.Operation) -> int:
        if value not in self._integers:
            raise CompileError(f"{op.location}: expected a constant operand of '{op.name}'")
        return self._integers[value]


def _subview_offset(op: ir.Operation) -> int:
    """Bytes from the start of the source to the start of a subview with static offsets."""
    source = ir.MemRefType(op.operands[0].type)
    strides, _ = source.get_strides_and_offset()
    offsets = list(ir.DenseI64ArrayAttr(op.attributes["static_offsets"]))
    dynamic = ir.ShapedType.get_dynamic_stride_or_offset()
    if dynamic in offsets or dynamic in strides:
        raise CompileError(f"{op.location}: expected a subview with a static offset")
    elements = sum(o * s for o, s in zip(offsets, strides, strict=True))
    return elements * dtype_bytes(source.element_type)
