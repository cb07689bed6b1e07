"""Cycles that the functions of cores take, from the slots that their vector code needs.

An instruction of a core has slots: two for loads, one each for a store, a move and a product. What
a piece of straight code takes is the number of cycles of the slot that it needs most, and a loop
takes its body as often as it runs. That is a bound from below, which the compiler of the cores may
miss: nothing here waits for a result, and no register is wanting.

    load   loads; what widens bf16 on its way to a sum
    store  stores, and what makes sums bf16 or bfp16, unless a store does
    move   shuffles, broadcasts, bits, integers, comparisons
    mac    products and sums of f32
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

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
_MACS = {
    "arith.addf": 1,
    "arith.divf": 4 * _MULTIPLY,
    "arith.mulf": _MULTIPLY,
    "arith.negf": 1,
    "arith.subf": 1,
    "math.exp": 8 * _MULTIPLY,
    "math.fma": _MULTIPLY,
    "math.tanh": 12 * _MULTIPLY,
    "vector.fma": _MULTIPLY,
}
_PRODUCTS = ("arith.mulf", "math.fma", "vector.fma")
_SUMS = ("arith.addf", "arith.subf")
# 64 bf16 as two times 64 bfp16: wider, the first of them, a product that leaves the rest, and that.
_SPLIT = {"move": 2, "mac": 1, "store": 2}
# Other names of registers, or what the scalar unit does beside.
_FREE = (
    "arith.constant",
    "arith.index_cast",
    "vector.bitcast",
    "vector.extract",
    "vector.extract_strided_slice",
    "vector.shape_cast",
    "func.return",
    "scf.yield",
)


def cycles_of(module: ir.Module, description: AieDescription) -> dict[str, float]:
    """Of each function of `module` that cores call, by name."""
    operations: list[Any] = list(module.body.operations)
    return {
        op.name.value: CALL + _block(op.regions[0].blocks[0], description)
        for op in operations
        if op.operation.name == "func.func" and "sym_visibility" not in op.operation.attributes
    }


def _block(block: Any, description: AieDescription) -> float:
    slots: dict[str, float] = defaultdict(float)
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
    return inside + max(loads, stores, slots["move"], slots["mac"])


def _count(op: Any, slots: dict[str, float], description: AieDescription) -> None:
    if op.name in ("vector.load", "memref.load"):
        slots["load"] += _pieces(op.results[0].type, description.load_bits[0])
    elif op.name in ("vector.store", "memref.store"):
        slots["store"] += _pieces(op.operands[0].type, description.store_bits[0])
    elif op.name == "vector.contract":
        slots["mac"] += _products(op) / _rate(op, description)
    elif op.name == "func.call":
        for slot, cycles in _SPLIT.items():
            slots[slot] += cycles
    elif op.name in _FREE or not isinstance(op.results[0].type, ir.VectorType):
        return
    elif op.name == "arith.extf":
        # Cores multiply bf16: a factor is made wider by the product itself, others by a move.
        if any(_adds(use) for use in op.results[0].uses):
            slots["move"] += _pieces(op.operands[0].type, VECTOR_BITS)
    elif op.name == "arith.truncf":
        if any(use.owner.operation.name != "vector.store" for use in op.results[0].uses):
            slots["store"] += _pieces(op.results[0].type, VECTOR_BITS)
    elif op.name in _MACS:
        lanes = description.mac_lanes * 32
        slots["mac"] += _pieces(op.results[0].type, lanes) * _macs(op)
    else:
        slots["move"] += _moves(op)


def _adds(use: Any) -> bool:
    """Whether a value is added where it is used."""
    owner = use.owner.operation
    return owner.name in _SUMS or (owner.name in _PRODUCTS and use.operand_number == 2)


def _macs(op: Any) -> int:
    if op.name in _PRODUCTS and all(_is_bf16(value) for value in list(op.operands)[:2]):
        return 1
    return _MACS[op.name]


def _is_bf16(value: Any) -> bool:
    owner = value.owner
    if isinstance(owner, ir.Block):
        return False
    return owner.name == "arith.extf" or (owner.name == "arith.constant" and _is_short(owner))


def _is_short(constant: Any) -> bool:
    """Whether bf16 has the number that all lanes are."""
    value: Any = constant.attributes["value"]
    if not value.is_splat:
        return False
    number = np.float32(value.get_splat_value().value)
    return not number.view(np.uint32) & 0xFFFF


def _products(op: Any) -> int:
    """Of the matrices of a contraction."""
    left, right = (ir.VectorType(value.type) for value in list(op.operands)[:2])
    return int(left.shape[0] * left.shape[1] * right.shape[0] * right.shape[1] // left.shape[1])


def _rate(op: Any, description: AieDescription) -> int:
    """Products a cycle: of bfp16 where a factor is one of two parts."""
    factor = op.operands[0]
    while not isinstance(factor.owner, ir.Block) and factor.owner.name == "vector.shape_cast":
        factor = factor.owner.operands[0]
    split = not isinstance(factor.owner, ir.Block) and factor.owner.name == "func.call"
    rate = description.bfp16_macs if split else description.bf16_macs
    if not rate:
        raise CompileError(f"cycles of a core: {description.device} does not multiply bfp16")
    return rate


def _moves(op: Any) -> int:
    pieces = _pieces(op.results[0].type, VECTOR_BITS)
    if op.name != "arith.extui":
        return pieces
    # Each step makes lanes twice as wide.
    source: Any = ir.VectorType(op.operands[0].type).element_type
    target: Any = ir.VectorType(op.results[0].type).element_type
    width, moves = target.width, 0
    while width > source.width:
        moves += pieces
        width, pieces = width // 2, -(-pieces // 2)
    return moves


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
