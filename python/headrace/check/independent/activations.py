"""act_i8, by torch: a slice of int8 codes and one of float32 scales, multiplied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace.formats import Format

__all__ = ["WHO", "decode"]

WHO = "torch"


def decode(
    form: Format, data: npt.NDArray[np.uint8], rows: int, cols: int
) -> npt.NDArray[np.float32] | None:
    """The values, float32 [rows, cols]; None if the format is not act_i8."""
    if form.name != "act_i8":
        return None
    import torch

    lines = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(rows, -1)
    codes, scales, _sums = lines.split([cols, cols // 8, cols // 8], dim=1)
    values = codes.contiguous().view(torch.int8).to(torch.float32).reshape(rows, -1, 32)
    values *= scales.contiguous().view(torch.float32)[:, :, None]
    return np.asarray(values.reshape(rows, cols).numpy())
