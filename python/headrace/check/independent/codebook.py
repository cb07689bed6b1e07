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

_NAME = re.compile(r"codebook:d(\d+):e(\d+):g(\d+)(?::i(\d):a(\d+)(:split)?)?")


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The weights of a codebook matrix, float32 [rows, cols]."""
    found = _NAME.fullmatch(form.name)
    if found is None:
        return None
    dim, entries, group, table_bits, activations = (
        int(number or 0) for number in found.groups()[:5]
    )
    raw = torch.from_numpy(np.array(data))
    index_bits = {4: 2, 16: 4, 256: 8}[entries]
    pieces = -(-cols // dim)
    table_bytes = activations * entries * table_bits // 8
    index_bytes = group * index_bits // 8
    centroid_bytes = entries * dim * 4

    r, c = torch.arange(rows)[:, None], torch.arange(cols)[None, :]
    block = r // group * pieces + c // dim
    bit = r % group * index_bits
    if found[6]:
        # Centroids are last; indices before them, and before those what fills 64 bytes.
        blocks = -(-rows // group) * pieces
        centroids = len(data) - blocks * centroid_bytes
        indices = centroids - -(-blocks * index_bytes // 64) * 64
        indices, centroids = indices + block * index_bytes, centroids + block * centroid_bytes
    else:
        header = 8 + pieces * activations * dim * 4 if table_bits else 0
        indices = header + block * (table_bytes + index_bytes + centroid_bytes) + table_bytes
        centroids = indices + index_bytes
    byte = raw[indices + bit // 8].to(torch.int64)
    entry = (byte >> (bit % 8)) & (entries - 1)
    at = centroids + (entry * dim + c % dim) * 4
    four = raw[at[:, :, None] + torch.arange(4)]
    values: F32 = four.view(torch.float32)[..., 0].numpy()
    return values
