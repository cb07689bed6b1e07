"""Inputs of a check, drawn from a seed: the same bytes on every machine and with every NumPy.

Only the raw words of PCG64 are used, whose stream NumPy keeps as it is, and additions of integers.
An input is random bytes; where numbers of some type lie in them, normal ones are put.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .checked_json import Table
from .errors import ArtifactError

Bytes = npt.NDArray[np.uint8]

DTYPES = ("f32", "f16", "bf16")
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Numbers:
    """Where numbers of one type lie in bytes: `offset` and `strides` in bytes. Those drawn are
    normal with mean 0 and deviation `scale`."""

    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    scale: float

    def to_json(self) -> dict[str, Any]:
        """For manifests."""
        return asdict(self)

    @classmethod
    def of(cls, table: Table, size: int) -> Numbers:
        """Reads what `to_json` wrote; ArtifactError if they do not lie inside of `size` bytes."""
        shape, strides = table.counts("shape"), table.counts("strides")
        offset, dtype = table.count("offset"), table.text("dtype", DTYPES)
        reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=False)) + _bytes(dtype)
        if len(shape) != len(strides) or min(shape, default=1) < 1 or offset + reach > size:
            raise ArtifactError(f"{table.path}: expected numbers inside of {size} bytes")
        return cls(dtype, offset, tuple(shape), tuple(strides), table.amount("scale"))


def draw(size: int, numbers: Iterable[Numbers], seed: int, stream: int) -> Bytes:
    """`size` bytes; `stream` tells inputs of one seed apart."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream]))
    data: Bytes = np.empty(size, np.uint8)
    words = bits.random_raw(-(-size // 8)).astype("<u8", copy=False)
    data[:] = words.view(np.uint8)[:size]
    for item in numbers:
        kind = {"f32": "<f4", "f16": "<f2", "bf16": "<u2"}[item.dtype]
        view: npt.NDArray[Any] = np.ndarray(
            item.shape, kind, data.data, offset=item.offset, strides=item.strides
        )
        view[...] = _stored(_normal(bits, view.size) * item.scale, item.dtype).reshape(item.shape)
    return data


def sha256(data: Bytes) -> str:
    """Hexadecimal, of the bytes of an input."""
    return hashlib.sha256(data.data).hexdigest()


def _normal(bits: np.random.PCG64, count: int) -> npt.NDArray[np.float64]:
    """Sums of 12 integers of 16 bits, around 0, over what makes the variance 1."""
    sums = np.empty(count, np.int64)
    for start in range(0, count, _AT_ONCE):
        stop = min(start + _AT_ONCE, count)
        words = bits.random_raw(3 * (stop - start)).astype("<u8", copy=False)
        sums[start:stop] = words.view("<u2").reshape(-1, 12).sum(axis=1, dtype=np.int64)
    return (sums - 12 * 32767.5) / 65536


def _stored(values: npt.NDArray[np.float64], dtype: str) -> npt.NDArray[Any]:
    if dtype != "bf16":
        return values.astype("<f4" if dtype == "f32" else "<f2")
    words = values.astype("<f4").view("<u4")
    # to the nearest, ties to even
    rounded = (words + np.uint32(0x7FFF) + ((words >> np.uint32(16)) & np.uint32(1))) >> 16
    return rounded.astype("<u2")


def _bytes(dtype: str) -> int:
    return 4 if dtype == "f32" else 2
