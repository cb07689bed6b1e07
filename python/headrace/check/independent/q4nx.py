"""q4nx by torch, one formula for each value.

No program by others that reads the format is at hand; this is the formula of the layout's
description, with torch's bfloat16, and shares nothing with the codec.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from headrace.formats import Format

__all__ = ["WHO", "decode"]

WHO = "torch, by the layout's formula"

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The values of a q4nx matrix, float32 [rows, cols]."""
    if form.name != "q4nx":
        return None
    raw = torch.from_numpy(np.array(data))
    r, c = torch.arange(rows)[:, None], torch.arange(cols)[None, :]
    blocks_per_row = -(-cols // 256)
    block = (r // 32 * blocks_per_row + c // 256) * 5120
    r, c = r % 32, c % 256
    parameter = block + 2 * (c // 32 * 32 + r)

    def bfloat(at: torch.Tensor) -> torch.Tensor:
        pair = torch.stack([raw[at], raw[at + 1]], dim=-1)
        return pair.view(torch.bfloat16)[..., 0].to(torch.float32)

    byte = raw[block + 1024 + r // 16 * 2048 + c * 8 + r % 16 // 2].to(torch.int32)
    quant = torch.where(r % 2 == 1, byte >> 4, byte & 15).to(torch.float32)
    values: F32 = (bfloat(parameter) * quant + bfloat(parameter + 512)).numpy()
    return values
