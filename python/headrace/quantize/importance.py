"""How much each column of each weight matters, from a file that a calibration has written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace import files
from headrace.files import FileError
from headrace.files.base import quoted

__all__ = ["Importance"]

# llama.cpp's importance matrices: sums of squared activations, and how many were summed.
_SUMS, _COUNTS = ".in_sum2", ".counts"


class Importance:
    """Importances by the names of tensors.

    The file is safetensors or GGUF with a float tensor [columns] for each weight, by the weight's
    name in the input or output; or an importance matrix of llama.cpp (GGUF).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = files.open(path)

    def has(self, names: Sequence[str]) -> bool:
        """Whether the file has an importance for a tensor of one of these names."""
        return any(name in self._file or name + _SUMS in self._file for name in names)

    def find(self, names: Sequence[str], cols: int) -> npt.NDArray[np.float32] | None:
        """The importance [cols] of a tensor, by any of its names; None if the file has none."""
        for name in names:
            if name in self._file:
                values = self._file[name].values()
            elif name + _SUMS in self._file:
                values = self._mean_squares(name)
            else:
                continue
            if values.size != cols or not np.isfinite(values).all() or values.min() < 0:
                raise FileError(
                    f"{self.path}: tensor {quoted(name)}: expected {cols} finite importances of at "
                    f"least 0, but got shape {list(values.shape)}"
                )
            return values.reshape(cols)
        return None

    def _mean_squares(self, name: str) -> npt.NDArray[np.float32]:
        sums = self._file[name + _SUMS].values()
        if name + _COUNTS not in self._file:
            raise FileError(f"{self.path}: expected tensor {quoted(name + _COUNTS)}")
        counts = self._file[name + _COUNTS].values()
        return np.asarray(sums / np.maximum(counts.reshape(-1).sum(), 1), np.float32)

    def close(self) -> None:
        self._file.close()
