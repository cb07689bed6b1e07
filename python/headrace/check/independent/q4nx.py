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
    across, bands = -(-cols // 256), -(-rows // 32)
    raw = torch.from_numpy(np.array(data)).reshape(bands, across * 5120)
    # Where the values of 32 rows lie; the same in every band.
    r, c = torch.arange(32)[:, None], torch.arange(cols)[None, :]
    nibble = c // 256 * 5120 + 1024 + r // 16 * 2048 + c % 256 * 8 + r % 16 // 2
    group = torch.arange(across * 8)[None, :]
    parameter = group // 8 * 5120 + 2 * (group % 8 * 32 + r)

    def bfloat(at: torch.Tensor) -> torch.Tensor:
        """For each value, the bfloat16 of its group: [bands, 32, cols]."""
        pair = torch.stack([raw[:, at], raw[:, at + 1]], dim=-1)
        wide = pair.view(torch.bfloat16)[..., 0].to(torch.float32)
        return wide.repeat_interleave(32, dim=-1)[..., :cols]

    byte = raw[:, nibble]
    values = torch.where(r % 2 == 1, byte >> 4, byte & 15).to(torch.float32)
    values *= bfloat(parameter)
    values += bfloat(parameter + 512)
    result: F32 = values.reshape(bands * 32, cols)[:rows].numpy()
    return result
