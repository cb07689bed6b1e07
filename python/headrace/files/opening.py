"""Finds out what a path is, by its content, and opens it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.errors import one_of

from .base import FileError, TensorFile
from .gguf import is_gguf, read_gguf
from .gguf_parts import read_parts
from .mapped import map_file
from .q4nx import shapes_from_config
from .safetensors import is_safetensors, read_safetensors
from .sharded import INDEX_SUFFIX, read_sharded

__all__ = ["open_file"]

_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_MAX_CONFIG = 1 << 20

# Starts of files that people take for these, and what they are.
_OTHERS = (
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself (git lfs pull)"),
    (b"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint; save it as safetensors"),
    (b"\x80\x02", "a pickle, perhaps a PyTorch checkpoint; save it as safetensors"),
    (b"FUGG", "big-endian GGUF; convert it to little endian"),
    (b"lmgg", "ggml, older than GGUF; convert it"),
    (b"tjgg", "ggjt, older than GGUF; convert it"),
    (b"fmgg", "ggmf, older than GGUF; convert it"),
)


def open_file(path: Path, shapes: Mapping[str, tuple[int, ...]] | None) -> TensorFile:
    """See `headrace.files.open`."""
    try:
        if path.is_dir():
            path = _in_folder(path)
    except OSError as error:
        raise FileError(f"{path}: cannot read: {error.strerror or error}") from error
    if path.name.endswith(INDEX_SUFFIX):
        return read_sharded(path, lambda part: _open_single(part, shapes))
    return _open_single(path, shapes)


def _in_folder(folder: Path) -> Path:
    """The file of a folder that stands for all its tensors."""
    for name in (_INDEX, _SINGLE):
        if (folder / name).exists():
            return folder / name
    entries = sorted(folder.iterdir())
    found = [path for path in entries if path.name.endswith(f".safetensors{INDEX_SUFFIX}")]
    if not found:
        found = [path for path in entries if path.suffix in (".safetensors", ".gguf", ".q4nx")]
    if len(found) == 1 or (found and _is_split(found)):
        return found[0]
    if found:
        names = [path.name for path in found]
        some = names if len(names) < 9 else [*names[:8], f"{len(names) - 8} others"]
        raise FileError(f"{folder}: expected one file of tensors; name one of {one_of(some)}")
    raise FileError(
        f"{folder}: expected a folder with {_SINGLE}, {_INDEX}, a .gguf or a .q4nx file, but it "
        "has none"
    )


def _is_split(found: list[Path]) -> bool:
    """Whether these, sorted, are the parts of one GGUF model."""
    last = f"-of-{len(found):05}.gguf"
    stem = found[0].name.removesuffix(f"-00001{last}")
    return [path.name for path in found] == [
        f"{stem}-{number:05}{last}" for number in range(1, len(found) + 1)
    ]


def _open_single(path: Path, shapes: Mapping[str, tuple[int, ...]] | None) -> TensorFile:
    mapping = map_file(path)
    start = mapping[:32]
    if is_gguf(start):
        return read_parts(read_gguf(path, mapping), lambda part: _open_single(part, shapes))
    for magic, what in _OTHERS:
        if start.startswith(magic):
            raise FileError(f"{path}: expected GGUF or safetensors, but it is {what}")
    if not is_safetensors(start):
        raise FileError(f"{path}: expected GGUF or safetensors, but it starts with {start[:12]!r}")
    file = read_safetensors(path, mapping, shapes or {})
    if shapes is None and path.suffix == ".q4nx" and _has_raw_bytes(file):
        shapes = _configured_shapes(path.with_name("config.json"))
        file = read_safetensors(path, mapping, shapes)
    return file


def _has_raw_bytes(file: TensorFile) -> bool:
    """Whether there are tensors that may be blocks of which the metadata does not say it."""
    return any(tensor.format in ("u8", "i8") for tensor in file.tensors())


def _configured_shapes(config: Path) -> dict[str, tuple[int, int]]:
    """Shapes by the configuration beside a file; none if there is none."""
    if not config.exists():
        return {}
    with map_file(config) as mapping:
        if len(mapping) > _MAX_CONFIG:
            raise FileError(f"{config}: expected a file of at most {_MAX_CONFIG} bytes")
        raw = mapping[:]
    try:
        data: Any = json.loads(raw)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        return shapes_from_config(data)
    except FileError as error:
        raise FileError(f"{config}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{config}: expected a JSON object: {error}") from error
