"""Modules of one operation: its operands are the arguments, its results are returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import ops_text

__all__ = ["Operand", "destination", "main", "packed", "poison", "tensor"]

_DTYPES: dict[str, npt.DTypeLike] = {
    "f32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "i8": np.int8,
    "i32": np.int32,
}


class Operand(NamedTuple):
    """The type of an operand, and the keyword in front of it if it is optional."""

    type: str
    keyword: str = ""


def tensor(dtype: str, *shape: int) -> str:
    """The type of a tensor."""
    return f"tensor<{''.join(f'{size}x' for size in shape)}{dtype}>"


def packed(format_name: str, rows: int, cols: int) -> str:
    """The type of a packed matrix, with its padded shape where the format pads."""
    return ops_text.packed(rows, cols, format_name)


def main(arguments: Sequence[str], results: Sequence[str], body: str) -> str:
    """A function of %arg0, %arg1, ... of these types; `body` returns."""
    named = ", ".join(f"%arg{index}: {kind}" for index, kind in enumerate(arguments))
    return f"func.func @main({named}) -> ({', '.join(results)}) {{\n{body}\n}}\n"


def destination(
    op: str,
    inputs: Sequence[str | Operand],
    outs: Sequence[str],
    *,
    head: str = "",
    attributes: str = "",
    keyword_types: bool = False,
) -> str:
    """A function whose arguments are the inputs, then the destinations, of one operation.

    head: what stands between the name and `ins`
    keyword_types: whether keywords stand before the types of optional operands too
    """
    operands = [item if isinstance(item, Operand) else Operand(item) for item in inputs]
    values, kinds = "", ""
    for index, (kind, keyword) in enumerate(operands):
        comma = ", " if index else ""
        marked = f" {keyword} " if keyword else comma
        values += f"{marked}%arg{index}"
        kinds += f"{marked if keyword_types else comma}{kind}"
    inits = ", ".join(f"%arg{len(operands) + index}" for index in range(len(outs)))
    results = ", ".join(f"%y#{index}" for index in range(len(outs)))
    body = "\n".join(
        [
            f"  %y:{len(outs)} = {op} {head} ins({values} : {kinds})",
            f"    outs({inits} : {', '.join(outs)}) {attributes} -> {', '.join(outs)}",
            f"  return {results} : {', '.join(outs)}",
        ]
    )
    return main([*(operand.type for operand in operands), *outs], outs, body)


def poison(outs: Sequence[str]) -> list[npt.NDArray[Any]]:
    """What destinations hold before: NaN, or 77, for each type."""
    arrays = []
    for kind in outs:
        *shape, dtype = kind.removeprefix("tensor<").removesuffix(">").split("x")
        value = 77 if dtype.startswith("i") else np.nan
        arrays.append(np.full([int(size) for size in shape], value, _DTYPES[dtype]))
    return arrays
