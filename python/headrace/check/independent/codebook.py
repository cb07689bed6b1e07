"""codebook by torch, one address for each weight, written from the layout's description."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import torch

from headrace.formats import Format

__all__ = ["WHO", "decode"]

WHO = "torch, by the layout's formula"

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_NAME = re.compile(r"codebook:d(\d+):e(\d+):g(\d+)(?::i(\d):a(\d+))?")


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The weights of a codebook matrix, float32 [rows, cols]."""
    found = _NAME.fullmatch(form.name)
    if found is None:
        return None
    dim, entries, group, table_bits, activations = (int(number or 0) for number in found.groups())
    raw = torch.from_numpy(np.array(data))
    index_bits = {4: 2, 16: 4, 256: 8}[entries]
    pieces = -(-cols // dim)
    table_bytes = activations * entries * table_bits // 8
    header = 8 + pieces * activations * dim * 4 if table_bits else 0
    index_bytes = group * index_bits // 8
    block_bytes = table_bytes + index_bytes + entries * dim * 4

    r, c = torch.arange(rows)[:, None], torch.arange(cols)[None, :]
    block = header + (r // group * pieces + c // dim) * block_bytes
    bit = r % group * index_bits
    byte = raw[block + table_bytes + bit // 8].to(torch.int64)
    entry = (byte >> (bit % 8)) & (entries - 1)
    at = block + table_bytes + index_bytes + (entry * dim + c % dim) * 4
    four = raw[at[:, :, None] + torch.arange(4)]
    values: F32 = four.view(torch.float32)[..., 0].numpy()
    return values
