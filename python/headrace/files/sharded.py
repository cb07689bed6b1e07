"""Checkpoints in several files: safetensors with an index, as Hugging Face's programs write them.

`model.safetensors.index.json` is {"metadata": {...}, "weight_map": {"NAME": "FILE", ...}}.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import MAX_TENSORS, FileError, Tensor, TensorFile, quoted
from .header_json import JsonHeader
from .mapped import map_file

__all__ = ["INDEX_SUFFIX", "ShardedFile", "read_sharded"]

INDEX_SUFFIX = ".index.json"
_MAX_INDEX = 100_000_000
_MAX_FILES = 4096


class ShardedFile(TensorFile):
    """An open checkpoint in several files."""

    def __init__(
        self, path: Path, kind: str, metadata: dict[str, Any], parts: dict[str, TensorFile]
    ) -> None:
        """parts: name of a tensor -> the open file it is in"""
        super().__init__(path, kind, metadata)
        self._parts = parts

    def names(self) -> list[str]:
        return list(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def _tensor(self, name: str) -> Tensor:
        return self._parts[name][name]

    def close(self) -> None:
        super().close()
        for part in set(self._parts.values()):
            part.close()


def read_sharded(path: Path, open_part: Callable[[Path], TensorFile]) -> ShardedFile:
    """Reads an index and opens the files that it names, which must lie beside it.

    FileError if the index is damaged, a file is missing, or lacks a tensor that it should have.
    """
    metadata, files = _index(path)
    opened: dict[str, TensorFile] = {}
    parts: dict[str, TensorFile] = {}
    for name, file in files.items():
        if file not in opened:
            _check_name(path, file)
            if len(opened) == _MAX_FILES:
                raise FileError(f"{path}: expected at most {_MAX_FILES} files")
            opened[file] = open_part(path.with_name(file))
        if name not in opened[file]:
            raise FileError(
                f"{path}: expected tensor {quoted(name)} in {quoted(file)}, but it is not there"
            )
        parts[name] = opened[file]
    is_q4nx = any(part.kind == "q4nx" for part in opened.values())
    return ShardedFile(path, "q4nx" if is_q4nx else "safetensors", metadata, parts)


def _index(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    with map_file(path) as mapping:
        if len(mapping) > _MAX_INDEX:
            raise FileError(f"{path}: expected an index of at most {_MAX_INDEX} bytes")
        try:
            text = mapping[:].decode()
        except UnicodeDecodeError as error:
            raise FileError(f"{path}: expected UTF-8, but got {error}") from error
    metadata: Any = {}
    files: dict[str, str] | None = None
    index = JsonHeader(path, text)
    for key in index.members("the index"):
        if key == "weight_map":
            files = {}
            for name in index.members("weight_map"):
                files[name] = index.string(f"the file of {quoted(name)}")
                if len(files) > MAX_TENSORS:
                    raise FileError(f"{path}: expected at most {MAX_TENSORS} tensors")
        else:
            value = index.small_value(quoted(key), 1 << 16)
            metadata = value if key == "metadata" else metadata
    index.end("the index")
    if files is None or not isinstance(metadata, dict):
        raise FileError(f"{path}: expected an index with 'metadata' and 'weight_map'")
    return metadata, files


def _check_name(path: Path, file: str) -> None:
    """An index may only name files beside it."""
    if file in ("", ".", "..") or "/" in file or "\\" in file or "\0" in file:
        raise FileError(
            f"{path}: expected names of files beside it in 'weight_map', but got {quoted(file)}"
        )
