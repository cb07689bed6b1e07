"""Cycles that the functions of cores take, from the slots that their vector code needs.

A core starts in each cycle its loads, a store and one operation on 512 bits (AM020); what a piece
of straight code takes is the number of cycles of the slot that it needs most, and a loop takes its
body as often as it runs. That is a bound from below, which the compiler of the cores may miss:
nothing here waits for a result.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.aie.description import AieDescription

__all__ = ["cycles_of"]

VECTOR_BITS = 512
# A call, and a return, each with the five cycles behind a jump.
CALL = 12
# Of one vector of f32: a product is one of three parts of each factor in bf16, and what is computed
# by polynomials or steps has as many products.
_MULTIPLY = 9
_STEPS = {
    "arith.mulf": _MULTIPLY,
    "arith.divf": 4 * _MULTIPLY,
    "math.exp": 8 * _MULTIPLY,
    "math.tanh": 12 * _MULTIPLY,
}
# Other names of registers, or what the scalar unit does beside.
_FREE = (
    "arith.constant",
    "arith.index_cast",
    "vector.bitcast",
    "vector.extract",
    "vector.extract_strided_slice",
    "func.return",
    "scf.yield",
)


def cycles_of(module: ir.Module, description: AieDescription) -> dict[str, float]:
    """Of each function of `module`, by name."""
    operations: list[Any] = list(module.body.operations)
    return {
        op.name.value: CALL + _block(op.regions[0].blocks[0], description)
        for op in operations
        if op.operation.name == "func.func"
    }


def _block(block: Any, description: AieDescription) -> float:
    slots: Counter[str] = Counter()
    inside = 0.0
    for op in block.operations:
        operation = op.operation
        if operation.name == "scf.for":
            inside += _trips(operation) * _block(operation.regions[0].blocks[0], description)
        elif operation.regions:
            raise CompileError(f"cycles of a core: expected straight code and loops, but got {op}")
        else:
            _count(operation, slots, description)
    loads = slots["load"] / len(description.load_bits)
    stores = slots["store"] / len(description.store_bits)
    return inside + max(loads, stores, slots["vector"])


def _count(op: Any, slots: Counter[str], description: AieDescription) -> None:
    if op.name in ("vector.load", "memref.load"):
        slots["load"] += _pieces(op.results[0].type, description.load_bits[0])
    elif op.name in ("vector.store", "memref.store"):
        slots["store"] += _pieces(op.operands[0].type, description.store_bits[0])
    elif op.name not in _FREE and isinstance(op.results[0].type, ir.VectorType):
        # Cores multiply bf16 and add f32: a factor is made wider by the product itself.
        if op.name == "arith.extf":
            return
        pieces = _pieces(op.results[0].type, VECTOR_BITS)
        slots["vector"] += pieces * _STEPS.get(op.name, 1)


def _pieces(kind: Any, bits: int) -> int:
    """Accesses, or operations, of so many bits."""
    if not isinstance(kind, ir.VectorType):
        return 1
    lanes = 1
    for size in kind.shape:
        lanes *= size
    element: Any = kind.element_type
    return int(-(-lanes * element.width // bits))


def _trips(loop: Any) -> int:
    low, high, step = (_constant(value) for value in list(loop.operands)[:3])
    return max(0, -(-(high - low) // step))


def _constant(value: Any) -> int:
    owner = value.owner
    if not isinstance(owner, ir.Block) and owner.name == "arith.constant":
        return int(ir.IntegerAttr(owner.attributes["value"]).value)
    raise CompileError(f"cycles of a core: expected loops with constant bounds, but got {value}")
