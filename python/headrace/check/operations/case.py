"""What a case of an operation is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.reference import BOUNDS

__all__ = ["EXACT", "F32", "Case", "Run", "Want"]

Array = npt.NDArray[Any]

# The two bounds that most results have: a reference that computes on the same stored numbers in
# float64 differs by the rounding of f32 only, whatever their storage; bytes, indices and codes are
# the same or wrong.
F32 = BOUNDS["f32"]
EXACT = BOUNDS["exact"]


@dataclass(frozen=True)
class Want:
    """What a result should be.

    bound: the largest relative L2 error; 0 counts differing elements
    floor: the least root mean square that errors are relative to; see `difference`
    """

    value: Array
    bound: float = F32
    floor: float = 0.0


@dataclass(frozen=True)
class Run:
    """Inputs in argument order, and what each result should be; `name` says what is special.

    denormals: whether numbers below the least normal f32 count, which IREE's programs flush to zero
    """

    name: str
    inputs: Sequence[Array]
    wants: Sequence[Want]
    denormals: bool = False


@dataclass(frozen=True)
class Case:
    """An operation at one shape: a module and what it should compute.

    op: with its dialect, `qattn.decode`
    what: what is special about the case; with the operation it is unique
    shape: for reports, `8x2x64`
    module: MLIR text; its entry is run
    runs: draws the data and computes the references
    format: of the weights or the cache, for reports
    reference: what the results are compared with
    """

    op: str
    what: str
    shape: str
    module: str
    runs: Callable[[np.random.Generator], Iterable[Run]]
    format: str = ""
    reference: str = "float64 in NumPy"

    @property
    def title(self) -> str:
        """`DIALECT.OP/what`."""
        return f"{self.op}/{self.what}"
