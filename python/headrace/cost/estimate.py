"""`estimate`: the costs of a module's operations on a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.cost.device import Device
from headrace.cost.device import device as named_device
from headrace.cost.report import Report, Row
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["estimate"]

# Weights in other orders: made when a model is loaded.
_ONCE = frozenset({"qlinear.concat", "qlinear.repack"})
# Parts of other operations, and destinations that are overwritten.
_FREE = frozenset({"linalg.fill", "linalg.index", "linalg.yield"})


def estimate(
    source: Any,
    device: str | Device | None = None,
    *,
    density: float = 1.0,
    length: int | None = None,
    sector: int = 64,
) -> Report:
    """What the operations of a module move and compute, and with a device their time and energy.

    source: what `headrace.compile` takes except torch models, or MLIR text.
    device: a name of `headrace.cost.devices()`, or a `Device`.
    density: share of the columns that sparse products select, where the operation does not say.
    length: tokens in caches; full caches if None.
    sector: bytes that memory delivers together.

    Raises `UsageError` for a module without operations that have a cost.
    """
    from headrace.modules import load_module
    from headrace.pipeline import run_pipeline

    if not 0 <= density <= 1:
        raise UsageError(f"estimate: expected a density from 0 to 1, but got {density}")
    if length is not None and length < 0:
        raise UsageError(f"estimate: expected a length of at least 0, but got {length}")
    if not 1 <= sector <= 1 << 20:
        raise UsageError(f"estimate: expected a sector of 1 to 1048576 bytes, but got {sector}")
    described = named_device(device) if isinstance(device, str) else device
    if isinstance(source, str) and ("\n" in source or "{" in source):
        source = source.encode()
    module = load_module(source)
    tokens = -1 if length is None else length
    run_pipeline(module, f"annotate-costs{{density={density!r} length={tokens} sector={sector}}}")
    found = list(_walk(module.operation))
    rows = tuple(_row(op, described) for op in found if "headrace.cost" in op.attributes)
    if not rows:
        raise UsageError(
            "estimate: expected operations of qlinear or qattn, but the module has none; passes "
            "such as raise-attention and fuse-dequant-matvec make them of linalg"
        )
    uncounted = sum(op.name.startswith("linalg.") and op.name not in _FREE for op in found)
    return Report(rows, described, density, length, uncounted)


def _walk(operation: ir.Operation) -> Iterator[ir.Operation]:
    """All operations inside of `operation`, depth first."""
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                yield op.operation
                yield from _walk(op.operation)


def _row(op: ir.Operation, device: Device | None) -> Row:
    cost: Any = op.attributes["headrace.cost"]
    count = _runs(op)
    read, written, operations, transcendentals = (
        cost[name].value * count for name in ("read", "written", "operations", "transcendentals")
    )
    row = {
        "function": _function(op),
        "op": op.name,
        "detail": _detail(op),
        "count": count,
        "read": read,
        "written": written,
        "operations": operations,
        "transcendentals": transcendentals,
        "once": op.name in _ONCE,
    }
    if device is None:
        return Row(**row)
    wanted, nbytes, computed = _precision(op), read + written, operations + transcendentals
    time = device.time_us(nbytes, computed, wanted)
    return Row(
        **row,
        precision=device.precision(wanted),
        time_us=time,
        energy_uj=device.energy_uj(nbytes, computed, wanted),
        memory_bound=time <= device.time_us(nbytes, 0, wanted),
    )


def _precision(op: ir.Operation) -> str:
    """What `op` computes in: that of its activations; fp8 where a query is quantized."""
    from headrace._mlir_libs._headrace import qlinear

    if op.name == "qlinear.lut_matvec":
        return "lookup"
    kinds = [operand.type for operand in op.operands]
    if any(isinstance(kind, qlinear.PackedType) and kind.format_name == "act_i8" for kind in kinds):
        return "i8"
    elements = {str(kind.element_type) for kind in kinds if hasattr(kind, "element_type")}
    if op.name == "qattn.mla_decode" and "i8" in elements:
        return "fp8"
    return "bf16" if "bf16" in elements else "f32"


def _detail(op: ir.Operation) -> str:
    """Weight, cache, or else the first operand."""
    from headrace._mlir_libs._headrace import qlinear

    packed = [o.type for o in op.operands if isinstance(o.type, qlinear.PackedType)]
    if packed:
        return f"{packed[0].rows}x{packed[0].cols} {packed[0].format_name}"
    caches = [str(operand.type) for operand in op.operands if "!qattn." in str(operand.type)]
    if caches:
        return caches[0].removeprefix("!qattn.")
    return str(op.operands[0].type)


def _function(op: ir.Operation) -> str:
    parent = op.parent
    while parent is not None:
        attributes: Any = parent.operation.attributes
        if "sym_name" in attributes:
            return str(attributes["sym_name"].value)
        parent = parent.operation.parent
    return ""


def _runs(op: ir.Operation) -> int:
    """How often `op` runs in a call of its function; loops with unknown bounds count as one."""
    runs = 1
    parent = op.parent
    while parent is not None:
        if parent.operation.name == "scf.for":
            bounds = [_constant(operand) for operand in parent.operation.operands[:3]]
            if None not in bounds:
                lower, upper, step = bounds
                runs *= max(0, -(-(upper - lower) // step))  # type: ignore[operator]
        parent = parent.operation.parent
    return runs


def _constant(value: ir.Value) -> int | None:
    owner: Any = value.owner
    if getattr(owner, "name", None) != "arith.constant":
        return None
    return int(owner.attributes["value"].value)
