"""Memory as the runtime sequence of a design takes it, from the arguments of its artifact.

    memory = pack(manifest["array"], [x, weights])
    ...                                             # the sequence runs on `memory`
    (y,) = results(manifest["array"], memory)

The `array` of a manifest says where in which memory each product has its weights, activations and
results, and in which order; nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .core_blocks import column_blocks, core_blocks, cut_blocks, group_blocks, unit_blocks
from .errors import ArgumentError

__all__ = ["pack", "pack_activations", "pack_weights", "put_activations", "results", "sizes"]

Array = npt.NDArray[Any]
U8 = npt.NDArray[np.uint8]
Part = Mapping[str, Any]


def sizes(array: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of each argument of the runtime sequence, in their order."""
    return {memory["name"]: memory["bytes"] for memory in array["memory"]}


def memories_of(array: Mapping[str, Any], kind: str) -> list[int]:
    """Which arguments of the sequence have `weights`, `activations` or `results`."""
    return sorted({product[kind]["memory"] for product in array["products"]})


def pack(array: Mapping[str, Any], inputs: Sequence[Array]) -> list[U8]:
    """The arguments of the runtime sequence; results are bytes of NaN.

    inputs: those of the artifact, in order. Raises `ArgumentError` for inputs of another size.
    """
    memory = [np.zeros(size, np.uint8) for size in sizes(array).values()]
    for index in memories_of(array, "results"):
        memory[index][:] = 0xFF
    for product in array["products"]:
        part = product["weights"]
        _place(part, memory)[:] = pack_weights(part, [inputs[i] for i in part["arguments"]])
    put_activations(array, inputs, memory)
    return memory


def put_activations(
    array: Mapping[str, Any], inputs: Sequence[Array], memory: Sequence[U8]
) -> None:
    """Writes only those of all products."""
    for product in array["products"]:
        part = product["activations"]
        _place(part, memory)[:] = pack_activations(part, inputs[part["argument"]])


def pack_weights(part: Part, matrices: Sequence[Array]) -> U8:
    """The weights of one product, in the order in which channels bring them.

    part: `weights` of the product. matrices: the packed weights of the artifact (one, or gate and
    up), as its arguments hold them. Raises `ArgumentError` for weights of another size.
    """
    if len(matrices) != len(part["arguments"]):
        raise ArgumentError(
            f"weights: expected {len(part['arguments'])} matrices, but got {len(matrices)}"
        )
    blocks = [core_blocks(data, part["rows"], part["cols"], part["format"]) for data in matrices]
    if "groups" in part:
        packed = group_blocks(
            [cut_blocks(matrix, part["format"], part["columns"]) for matrix in blocks],
            part["groups"],
        )
    else:
        units = [unit_blocks(matrix, part["format"]) for matrix in blocks]
        packed = column_blocks(
            [cut_blocks(matrix, part["format"], part["columns"]) for matrix in units],
            part["channels"],
            part["rounds"],
        )
    if packed.nbytes != part["bytes"]:
        raise ArgumentError(f"weights: expected {part['bytes']} bytes, but got {packed.nbytes}")
    return packed


def pack_activations(part: Part, x: Array) -> U8:
    """The activations of one product, in bf16, with zeros behind rows and columns."""
    size = 2 * math.prod(part["shape"])
    if x.nbytes != size:
        raise ArgumentError(f"activations: expected {size} bytes, but got {x.nbytes}")
    packed = np.zeros(part["padded"], "<u2")
    packed[_within(part)] = x.reshape(-1).view(np.uint8).view("<u2").reshape(part["shape"])
    return packed.reshape(-1).view(np.uint8)


def results(array: Mapping[str, Any], memory: Sequence[U8]) -> list[npt.NDArray[np.float32]]:
    """The artifact's outputs after a run, from the arguments of the sequence."""
    parts = sorted((product["results"] for product in array["products"]), key=_argument)
    found = []
    for part in parts:
        values = _place(part, memory).view("<f4").reshape(part["padded"])
        found.append(values[_within(part)].copy())
    return found


def _argument(part: Part) -> int:
    index: int = part["argument"]
    return index


def _place(part: Part, memory: Sequence[U8]) -> U8:
    return memory[part["memory"]][part["offset"] : part["offset"] + part["bytes"]]


def _within(part: Part) -> tuple[slice, ...]:
    """Where in the padded memory the argument lies."""
    return tuple(slice(size) for size in part["shape"])
