"""Reads the checkpoints of other quantizers into storage formats: GPTQ, AWQ, torchao.

>>> from headrace import importers
>>> for linear in importers.read("llama-gptq"):          # a folder or a file
...     print(linear.name, linear.format.name, linear.rows, linear.cols)
>>> with importers.open("llama-gptq") as checkpoint:     # also what is not quantized
...     linears, rest = checkpoint.linears(), checkpoint.tensors()

Codes, scales and zero points stay as they are; nothing is requantized. One layer is in memory at
a time. `gptq.export_tensors`, `awq.export_tensors` and `torchao_export.export_tensors`
write the same bytes again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from . import awq, gptq, torchao, torchao_export
from .base import ImportedLinear, ImportedTensor
from .checkpoint import KINDS, Checkpoint, open_checkpoint

__all__ = [
    "KINDS",
    "Checkpoint",
    "ImportedLinear",
    "ImportedTensor",
    "awq",
    "gptq",
    "open",
    "read",
    "torchao",
    "torchao_export",
]


def open(path: str | os.PathLike[str]) -> Checkpoint:
    """Opens a quantized checkpoint; its kind is found in its configuration or its file.

    path: a folder, a safetensors file or its index (beside their config.json), or a state
          dictionary of torchao (.pt, .pth or .bin)

    FileError if there is none, or it is damaged; UsageError if it is of another kind.
    """
    return open_checkpoint(Path(path))


def read(path: str | os.PathLike[str]) -> Iterator[ImportedLinear]:
    """The quantized layers of a checkpoint, in the order of its file; see `open`."""
    with open(path) as checkpoint:
        yield from checkpoint.linears()
