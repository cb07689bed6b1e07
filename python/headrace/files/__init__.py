"""Files of tensors: GGUF, safetensors, q4nx containers, sharded checkpoints.

>>> from headrace import files
>>> with files.open("model.gguf") as model:
...     for tensor in model.tensors():
...         print(tensor.name, tensor.shape, tensor.format)
...     packed = model["blk.0.ffn_up.weight"].packed()    # uint8, a view of the file
...     values = model["blk.0.ffn_up.weight"].values()    # float32, decoded

Reading maps the file and checks all that it says; damaged and hostile files give a `FileError`.
Writing takes `Out` tensors, one in memory at a time; a file appears when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .base import PLAIN, FileError, Out, Tensor, TensorFile
from .gguf import GgufFile, Typed
from .gguf_parts import GgufParts
from .gguf_writer import write_gguf
from .opening import open_file
from .q4nx import shapes_from_config, to_q4nx, write_q4nx
from .safetensors import write_safetensors

__all__ = [
    "PLAIN",
    "FileError",
    "GgufFile",
    "GgufParts",
    "Out",
    "Tensor",
    "TensorFile",
    "Typed",
    "open",
    "shapes_from_config",
    "to_q4nx",
    "write_gguf",
    "write_q4nx",
    "write_safetensors",
]


def open(
    path: str | os.PathLike[str], *, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> TensorFile:
    """Opens a file of tensors by its content: GGUF or safetensors (q4nx among them).

    path:   the file; or the folder or `model.safetensors.index.json` of a checkpoint in parts, or
            the first part of a split GGUF model
    shapes: logical shapes of q4nx tensors, for a file that does not say them. Without it they
            are taken from a `config.json` beside a `.q4nx` file.

    FileError if there is no such file, or it is damaged or of another kind.
    """
    return open_file(Path(path), shapes)
