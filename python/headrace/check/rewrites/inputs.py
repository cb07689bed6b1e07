"""What the cases of passes are run on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats, ops_text

__all__ = ["normal", "packed", "packed_type"]

Generator = np.random.Generator


def normal(draw: Generator, *shape: int, scale: float = 1.0) -> npt.NDArray[np.float32]:
    """Normal numbers, f32."""
    return (draw.normal(size=shape) * scale).astype(np.float32)


def packed(draw: Generator, format_name: str, rows: int, cols: int) -> npt.NDArray[Any]:
    """Normal weights in a format: its bytes."""
    return formats.get(format_name).encode(draw.normal(size=(rows, cols)).astype(np.float32))


def packed_type(format_name: str, rows: int, cols: int) -> str:
    """The type of such a matrix."""
    return ops_text.packed(rows, cols, format_name)
