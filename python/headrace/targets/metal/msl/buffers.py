"""The memory of a kernel: what buffers are called, whether it reads and writes them, alignment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from headrace import ir
from headrace.targets.metal.msl.names import Names
from headrace.targets.metal.msl.types import type_text

__all__ = ["Buffer", "aligned", "buffers_of"]

# Names of the buffers of an operation, in the order of its operands; `?`: not every one has it.
_ROLES: dict[str, tuple[str, ...]] = {
    "qlinear.select_columns": ("x", "indices", "count"),
    "qlinear.sparse_matvec": ("w", "x", "indices", "count", "y"),
    "qattn.decode": ("q", "cache", "length", "table?", "y", "lse"),
    "qattn.merge_partials": ("parts", "lses", "y", "lse"),
    "qattn.append_kv": ("k", "v", "cache", "position", "table?"),
    "qattn.rope": ("x", "positions", "frequencies", "y"),
    "qattn.fetch_kv": ("cache", "start", "table?", "k", "v"),
}


@dataclass(frozen=True)
class Buffer:
    """An argument of a kernel.

    bytes: how much of it there is. read, written: whether the kernel does so.
    """

    name: str
    type: str
    bytes: int
    read: bool
    written: bool

    @property
    def space(self) -> str:
        """`device const`, or `device` where it is written."""
        return "device" if self.written else "device const"

    @property
    def pointer(self) -> str:
        """`device const float* x`."""
        return f"{self.space} {self.type}* {self.name}"

    def to_json(self) -> dict[str, Any]:
        """For manifests."""
        return {
            "name": self.name,
            "type": self.type,
            "bytes": self.bytes,
            "read": self.read,
            "written": self.written,
        }


def buffers_of(function: Any, names: Names) -> list[Buffer]:
    """The arguments of a kernel, with fresh names."""
    arguments = list(function.arguments)
    roles = _ROLES.get(_operation(function), ())
    if len(roles) > len(arguments):
        roles = tuple(role for role in roles if not role.endswith("?"))
    if len(roles) != len(arguments):
        roles = ("",) * len(arguments)
    return [_buffer(argument, role, names) for argument, role in zip(arguments, roles, strict=True)]


def _operation(function: Any) -> str:
    """What a kernel computes, or nothing where it does not say."""
    facts: Any = function.operation.attributes["headrace.kernel"]
    return str(facts["op"].value) if "op" in facts else ""


def _buffer(argument: ir.Value, role: str, names: Names) -> Buffer:
    kind = ir.MemRefType(argument.type)
    element: Any = kind.element_type
    written = any(_is_written(use) for use in argument.uses)
    text = type_text(element)
    name = names.fresh(role.rstrip("?") or ("y" if written else "w" if text == "uchar" else "x"))
    read = any(_is_read(use) for use in argument.uses)
    return Buffer(name, text, math.prod(kind.shape) * -(-element.width // 8), read, written)


def _is_written(use: ir.OpOperand) -> bool:
    op = use.owner.operation
    if op.name in ("memref.store", "vector.store", "gpu.subgroup_mma_store_matrix"):
        return bool(use.operand_number == 1)
    if op.name in ("memref.view", "memref.subview", "memref.cast"):
        return any(_is_written(other) for other in op.results[0].uses)
    return False


def _is_read(use: ir.OpOperand) -> bool:
    op = use.owner.operation
    if op.name in ("memref.view", "memref.subview", "memref.cast"):
        return any(_is_read(other) for other in op.results[0].uses)
    return not _is_written(use)


def aligned(memory: ir.Value) -> int:
    """The alignment that accesses of an array rely on; 0 where each is of one element."""
    owners = [use.owner.operation for use in memory.uses]
    return max(
        (
            ir.IntegerAttr(op.attributes["alignment"]).value
            for op in owners
            if op.name in ("vector.load", "vector.store") and "alignment" in op.attributes
        ),
        default=0,
    )
