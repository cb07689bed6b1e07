"""Names of values in emitted text."""

from __future__ import annotations

import re

from headrace import ir
from headrace.targets.metal.msl.types import type_text

__all__ = ["Names", "carried_name", "hint", "usual_name"]

# What a name must not be: keywords, types and functions of the language that kernels use, and what
# the signature has.
_TAKEN = frozenset(
    [
        "alignas",
        "as_type",
        "auto",
        "bfloat",
        "bool",
        "break",
        "case",
        "char",
        "clamp",
        "const",
        "constant",
        "constexpr",
        "continue",
        "default",
        "device",
        "do",
        "double",
        "else",
        "enum",
        "exp",
        "exp2",
        "fabs",
        "false",
        "float",
        "fma",
        "for",
        "half",
        "if",
        "int",
        "kernel",
        "lane",
        "log",
        "long",
        "max",
        "metal",
        "min",
        "namespace",
        "new",
        "nullptr",
        "operator",
        "packed",
        "popcount",
        "ptrdiff",
        "return",
        "select",
        "short",
        "signed",
        "simd_sum",
        "size_t",
        "sizeof",
        "sqrt",
        "static",
        "struct",
        "subgroup",
        "switch",
        "template",
        "this",
        "thread",
        "thread_index",
        "threadgroup",
        "true",
        "typedef",
        "uchar",
        "uint",
        "ulong",
        "union",
        "unsigned",
        "ushort",
        "using",
        "vec",
        "void",
        "volatile",
        "while",
        "workgroup",
        "NAN",
        "INFINITY",
    ]
)


class Names:
    """Gives every value a name of its own."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._used: set[str] = set(_TAKEN)

    def fresh(self, wanted: str) -> str:
        """`wanted`, with a number behind it where that is taken."""
        base = re.sub(r"\W", "_", wanted) or "v"
        if base[0].isdigit():
            base = f"v{base}"
        name, count = base, self._counts.get(base, 0)
        while name in self._used:
            count += 1
            name = f"{base}{count}" if not base[-1].isdigit() else f"{base}_{count}"
        self._counts[base] = count
        self._used.add(name)
        return name

    def for_op(self, op: ir.Operation, otherwise: str) -> str:
        """The name in the operation's location (`loc("scale"(...))`), or another."""
        return self.fresh(hint(op) or otherwise)


def hint(op: ir.Operation) -> str | None:
    """The name that the pass that made the operation gave it."""
    location = op.location
    return str(location.name_str) if location.is_a_name() else None


def usual_name(op: ir.Operation) -> str:
    """What a result is called that has no name of its own."""
    if op.name in ("vector.load", "memref.load"):
        return "loaded"
    return "total" if op.name == "gpu.subgroup_reduce" else "v"


def carried_name(argument: ir.Value) -> str:
    """What a value is called that a loop carries."""
    if argument.location.is_a_name():
        return str(argument.location.name_str)
    return "sum" if "f" in type_text(argument.type) else "carried"
