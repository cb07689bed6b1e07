"""GGUF models in several files, as llama.cpp's tool splits them.

The files are NAME-00001-of-00003.gguf and so on; each says `split.no` (from 0), `split.count` and
`split.tensors.count` (of all files). The first has the model's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from .base import FileError, TensorFile, quoted
from .gguf import GgufFile, Typed
from .sharded import ShardedFile

__all__ = ["GgufParts", "read_parts"]

_NAME = re.compile(r"(.*)-00001-of-([0-9]{5})\.gguf", re.DOTALL)
_PREFIX = "split."


class GgufParts(ShardedFile):
    """An open GGUF model in several files. `metadata` is that of the first."""

    _typed: dict[str, Typed]

    def typed_metadata(self) -> dict[str, Typed]:
        """The metadata with its types, as `write_gguf` takes it; without what says it is split."""
        return dict(self._typed)


def read_parts(first: GgufFile, open_part: Callable[[Path], TensorFile]) -> TensorFile:
    """All parts of a model whose first part this is; the file itself if it is not in parts.

    A later part, opened by its name, is just a file. FileError if a part is missing or of another
    model.
    """
    count = first.metadata.get(f"{_PREFIX}count")
    found = _NAME.fullmatch(first.path.name)
    if found is None or type(count) is not int or count < 2:
        return first
    if int(found[2]) != count:
        raise FileError(f"{first.path}: expected {found[2]} files, but 'split.count' is {count}")
    parts: dict[str, TensorFile] = {}
    for number in range(count):
        path = first.path.with_name(f"{found[1]}-{number + 1:05}-of-{found[2]}.gguf")
        part = open_part(path) if number else first
        for key, expected in (("no", number), ("count", count)):
            got = part.metadata.get(_PREFIX + key)
            if got != expected:
                raise FileError(
                    f"{path}: expected {expected} for '{_PREFIX}{key}', but got {got!a:.40}"
                )
        for name in part.names():
            if name in parts:
                raise FileError(f"{path}: tensor {quoted(name)} is in {parts[name].path.name} too")
            parts[name] = part
    total = first.metadata.get(f"{_PREFIX}tensors.count", len(parts))
    if total != len(parts):
        raise FileError(
            f"{first.path}: expected {total!a:.40} tensors by 'split.tensors.count', but the "
            f"{count} files have {len(parts)}"
        )
    typed = {k: item for k, item in first.typed_metadata().items() if not k.startswith(_PREFIX)}
    metadata = {key: item.value for key, item in typed.items()}
    model = GgufParts(first.path, "gguf", metadata, parts)
    model._typed = typed
    return model
