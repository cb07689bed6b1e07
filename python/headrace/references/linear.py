"""Products with weights that somebody else's code decodes, and activations in 8 bits.

w: decoded weights, [M, K]; see `weights`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.references.rows import gated_activation

__all__ = ["gated_matvec", "matmul", "matvec", "quantize_i8", "weights"]

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_GROUP = 32
_LEAST = np.float32(2.0**-120)  # the least maximum of a group that does not count as zeros


def weights(format_name: str, data: npt.NDArray[Any], rows: int, cols: int) -> F64:
    """The values [rows, cols] of a packed matrix, by `headrace.check.independent`."""
    from headrace.check import independent

    raw = np.asarray(data).view(np.uint8).reshape(-1)
    return independent.decode(formats.get(format_name), raw, rows, cols).astype(np.float64)


def matvec(w: F64, x: npt.NDArray[Any]) -> F64:
    """[M]: the sum over k of w[m, k] x[k]."""
    return np.asarray(w @ x.astype(np.float64))


def matmul(w: F64, x: npt.NDArray[Any]) -> F64:
    """[N, M] for x [N, K]: each token times the transposed weights."""
    return np.asarray(x.astype(np.float64) @ w.T)


def gated_matvec(gate: F64, up: F64, x: npt.NDArray[Any], function: str) -> F64:
    """[M]: act(gate x) (up x), the first half of a gated feed-forward layer."""
    return gated_activation(matvec(gate, x), matvec(up, x), function)


def quantize_i8(x: npt.NDArray[np.float32]) -> U8:
    """x [N, K] as `act_i8`: for each row its codes, then scales, then sums of codes.

    In float32, as the format defines it: scale = max|x| / 127 of a group of 32, codes are
    x (127 / max|x|) rounded to even.
    """
    rows = []
    for row in x.astype(np.float32).reshape(len(x), -1, _GROUP):
        largest = np.abs(row).max(axis=1)
        some = largest >= _LEAST
        inverse = np.where(some, np.float32(127) / np.where(some, largest, np.float32(1)), 0)
        codes = np.rint(row * inverse.astype(np.float32)[:, None]).astype(np.int8)
        scales = np.where(some, largest / np.float32(127), 0).astype(np.float32)
        sums = codes.astype(np.int32).sum(axis=1, dtype=np.int32)
        rows += [codes.reshape(-1).view(np.uint8), scales.view(np.uint8), sums.view(np.uint8)]
    return np.concatenate(rows)
