"""Memory as the runtime sequence of a design takes it, from the arguments of its artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError
from headrace.formats.core_blocks import core_blocks, group_blocks

__all__ = ["pack_activations", "pack_weights"]

Array = npt.NDArray[Any]


def pack_weights(array: Mapping[str, Any], matrices: Sequence[Array]) -> npt.NDArray[np.uint8]:
    """The first argument of the runtime sequence.

    array: that part of the manifest. matrices: the packed weights of the artifact (one, or gate and
    up), as its arguments hold them. Raises `UsageError` for weights of another size.
    """
    weights = array["weights"]
    if len(matrices) != len(weights["arguments"]):
        raise UsageError(
            f"weights: expected {len(weights['arguments'])} matrices, but got {len(matrices)}"
        )
    blocks = [
        core_blocks(matrix, weights["rows"], weights["cols"], weights["format"])
        for matrix in matrices
    ]
    packed = group_blocks(blocks, weights["groups"])
    if packed.nbytes != weights["bytes"]:
        raise UsageError(f"weights: expected {weights['bytes']} bytes, but got {packed.nbytes}")
    return packed


def pack_activations(array: Mapping[str, Any], x: Array) -> Array:
    """The second: x, with zeros up to a whole block."""
    packed = np.zeros(array["activations"]["elements"], ml_dtypes.bfloat16)
    packed[: x.size] = x.reshape(-1).view(ml_dtypes.bfloat16)
    return packed
