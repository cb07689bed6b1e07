"""A model that is to be written: its tensors under their new names, and its metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from headrace.files import Tensor

__all__ = ["Model", "Part", "Values"]

Values = npt.NDArray[Any]  # of any float dtype


@dataclass(frozen=True)
class Part:
    """One tensor of the output: its name there, where it comes from, and what is done to it.

    change: values [shape] -> values [shape], before they are quantized
    """

    name: str
    source: Tensor
    change: Callable[[Values], Values] | None = None

    @property
    def names(self) -> list[str]:
        """All names it goes by: in the input, in the output."""
        return list(dict.fromkeys((self.source.name, self.name)))


@dataclass
class Model:
    """What is to be written, besides the formats of the tensors.

    architecture, runnable: as in `QuantizeReport`; None where the container has no such thing
    notes: for people
    """

    parts: list[Part]
    architecture: str | None = None
    runnable: bool | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
