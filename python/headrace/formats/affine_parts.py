"""What a stored affine matrix consists of, and its codes in bytes; the layout is in `affine`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

from .base import U8, Scales

__all__ = ["Parts", "check_position", "pack_codes", "unpack_codes"]


@dataclass(frozen=True)
class Parts:
    """What a stored matrix consists of; arrays are copies.

    codes:    u8 [rows, cols], in stored order
    scales:   [rows, groups], in the stored dtype
    zeros:    [rows, groups], u8 or as the scales; None without zero points
    position: int32 [cols], the stored position of each column; None without act_order
    """

    codes: U8
    scales: Scales
    zeros: npt.NDArray[Any] | None = None
    position: npt.NDArray[np.int32] | None = None


def check_position(name: str, position: npt.NDArray[np.int32], cols: int) -> None:
    """UsageError if positions [cols] are not a permutation of 0 .. cols - 1."""
    if position.shape != (cols,):
        raise UsageError(
            f"{name}: expected stored positions of {cols} columns, but got shape "
            f"{list(position.shape)}"
        )
    inside = (position >= 0) & (position < cols)
    if inside.all():
        counts = np.bincount(position, minlength=cols)
        if counts.max() == 1:
            return
        at = int(np.argmax(counts[position] > 1))
    else:
        at = int(np.argmin(inside))
    raise UsageError(
        f"{name}: expected the stored positions to be a permutation of 0 to {cols - 1}, but column "
        f"{at} is at {int(position[at])}"
    )


def pack_codes(codes: U8, bits: int) -> U8:
    """Codes [rows, cols] to bytes [rows, cols * bits / 8]."""
    per_byte = 8 // bits
    packed = np.ascontiguousarray(codes[:, ::per_byte])
    for i in range(1, per_byte):
        packed = packed | (codes[:, i::per_byte] << np.uint8(bits * i))
    return packed


def unpack_codes(packed: U8, bits: int) -> U8:
    """The inverse of `pack_codes`; always a copy."""
    per_byte = 8 // bits
    codes = np.empty((packed.shape[0], packed.shape[1] * per_byte), dtype=np.uint8)
    for i in range(per_byte):
        codes[:, i::per_byte] = (packed >> np.uint8(bits * i)) & np.uint8((1 << bits) - 1)
    return codes
