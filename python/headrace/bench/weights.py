"""Weights of one row: real encoded values, as many copies as the rotation needs.

Encoding millions of values with the reference codec is slow, and the time of a kernel does not
depend on them. So a band of rows is encoded from normal values and repeated down the matrix;
outputs repeat with it, which makes the float64 reference of the whole product cheap as well.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from headrace import formats
from headrace.bench import memory

BAND_ROWS = 64


@dataclass
class WeightSet:
    """`copies` of an m x k matrix in storage form, and the values of its repeated band.

    `take()` gives the copies in turn. Everything that reads one set shares its turn, so a copy
    comes back only after all others were read.
    """

    format: str
    m: int
    k: int
    band: np.ndarray  # float32 [rows, k], decoded; rows divides m
    copies: list[np.ndarray]  # uint8 [storage bytes] each
    _turn: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def nbytes(self) -> int:
        """Storage bytes of one copy."""
        return int(self.copies[0].nbytes)

    def take(self) -> int:
        """Index of the copy to read now."""
        return next(self._turn) % len(self.copies)

    def reference(self, x: np.ndarray) -> np.ndarray:
        """float64: the product of the decoded weights with x, [m] of [k] or [n, m] of [n, k]."""
        return product(self.band, self.m, x)


def product(band: np.ndarray, m: int, x: np.ndarray) -> np.ndarray:
    """float64: a matrix that repeats `band` [rows, k], times x: [m] of [k], [n, m] of [n, k]."""
    return np.tile(x.astype(np.float64) @ band.T.astype(np.float64), m // len(band))


def relative_error(y: np.ndarray, reference: np.ndarray) -> float:
    """Relative L2 distance; NaN if y holds one."""
    distance = np.linalg.norm(np.asarray(y, dtype=np.float64).ravel() - reference.ravel())
    return float(distance / np.linalg.norm(reference))


def band_rows(form: formats.Format, m: int, k: int) -> int:
    """Rows of the repeated band: the least divisor of m, at least BAND_ROWS, that tiles storage.

    Storage of the whole must be the storage of the bands one after the other; formats that pad or
    mix rows further apart fall through to m, the whole matrix.
    """
    total = form.storage_bytes(m, k)
    for rows in range(min(BAND_ROWS, m), m + 1):
        if (
            m % rows == 0
            and form.padded_shape(rows, k)[0] == rows
            and form.storage_bytes(rows, k) * (m // rows) == total
        ):
            return rows
    return m


def make(format_name: str, m: int, k: int, rotation: int, rng: np.random.Generator) -> WeightSet:
    """A set whose copies hold at least `rotation` bytes together (at least two copies)."""
    form = formats.get(format_name)
    rows = band_rows(form, m, k)
    values = rng.standard_normal((rows, k), dtype=np.float32) * np.float32(k**-0.5)
    stored = np.asarray(form.encode(values)).view(np.uint8).ravel()
    decoded = np.asarray(form.decode(stored, rows, k), dtype=np.float32)
    total = form.storage_bytes(m, k)
    count = max(2, math.ceil(rotation / total))
    copies = [fill(stored, total) for _ in range(count)]
    return WeightSet(format_name, m, k, decoded, copies)


def fill(band: np.ndarray, total: int) -> np.ndarray:
    """A new buffer of `total` bytes that repeats the bytes of `band`."""
    raw = np.ascontiguousarray(band).view(np.uint8).ravel()
    copy = memory.allocate(total)
    copy.reshape(-1, raw.size)[:] = raw
    return copy
