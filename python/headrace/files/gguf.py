"""Reads GGUF, versions 2 and 3, little endian.

Facts: the GGUF specification. A file is

    magic "GGUF", version u32, number of tensors u64, number of metadata keys u64
    metadata: key string, value type u32, value      (string: length u64, bytes; array: type u32,
                                                      length u64, elements)
    tensors:  name string, number of axes u32, axes u64 (columns first), type u32, offset u64
    padding to `general.alignment` (32), then the tensors' bytes, at multiples of it

Nothing that a file says is believed before it is compared with the size of the file, and what a
header may take is bounded (see the limits below), so that a hostile file costs an error message.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .base import MAX_TENSORS, FileError, Layout, quoted
from .gguf_types import (
    ALIGNMENT_KEY,
    ARRAY,
    BOOL,
    DEFAULT_ALIGNMENT,
    MAGIC,
    MAX_DIMS,
    SCALARS,
    STRING,
    TENSOR_TYPES,
)
from .mapped import MappedFile, check_spans

__all__ = ["GgufFile", "Typed", "is_gguf", "read_gguf"]

# Limits far above all real files: the largest vocabularies have about a million strings (tokens
# and merges) in some 30 MB, and models have about fifty keys.
MAX_HEADER = 1 << 28
MAX_KEYS = 1 << 16
MAX_STRINGS = 1 << 22

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_COUNTS = struct.Struct("<QQ")
# What follows a tensor's name and number of axes: axes, type, offset.
_INFO = [struct.Struct(f"<{'Q' * axes}IQ") for axes in range(MAX_DIMS + 1)]


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """A metadata value with its type in the file: "u32", "str", ..., of arrays "f32[]"."""

    type: str
    value: Any


def is_gguf(start: bytes) -> bool:
    """Whether a file that starts so says it is GGUF."""
    return start[:4] == MAGIC


class _Reader:
    """The header of a file, and how far it is read. Every read is checked against its end."""

    def __init__(self, path: Path, mapping: mmap.mmap) -> None:
        self.path = path
        self.raw = mapping
        self.size = len(mapping)
        self.end = min(self.size, MAX_HEADER)
        self.at = 0
        self.strings = 0

    def error(self, message: str) -> FileError:
        return FileError(f"{self.path}: {message}")

    def take(self, count: int, what: str) -> int:
        """Moves over `count` bytes; returns where they start."""
        start = self.at
        if count > self.end - start:
            if count <= self.size - start:
                raise self.error(f"expected a header of at most {MAX_HEADER} bytes at {what}")
            raise self.error(
                f"expected {count} bytes for {what} at byte {start}, but the file has "
                f"{self.size} bytes; it is truncated or damaged"
            )
        self.at = start + count
        return start

    def u32(self, what: str) -> int:
        start = self.take(4, what)
        value: int = _U32.unpack_from(self.raw, start)[0]
        return value

    def u64(self, what: str) -> int:
        start = self.take(8, what)
        value: int = _U64.unpack_from(self.raw, start)[0]
        return value

    def text(self, what: str) -> bytes:
        start = self.take(self.u64(what), what)
        return self.raw[start : self.at]

    def name(self, what: str) -> str:
        text = self.text(what)
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise self.error(f"expected UTF-8 for {what}, but got {text[:60]!r}") from error

    def value(self, key: str) -> Typed:
        """A value with its type before it."""
        code = self.u32(f"the type of {quoted(key)}")
        what = f"the value of {quoted(key)}"
        if code == ARRAY:
            return self.array(key, what)
        if code == STRING:
            return Typed("str", _string(self.text(what)))
        if code not in SCALARS:
            raise self.error(f"expected a type of value 0 to 12 for {quoted(key)}, but got {code}")
        name, packing, _ = SCALARS[code]
        (value,) = packing.unpack_from(self.raw, self.take(packing.size, what))
        if code == BOOL:
            if value > 1:
                raise self.error(f"expected 0 or 1 for {what} (a bool), but got {value}")
            value = bool(value)
        return Typed(name, value)

    def array(self, key: str, what: str) -> Typed:
        code = self.u32(f"the type of the elements of {quoted(key)}")
        count = self.u64(f"the length of {quoted(key)}")
        if code == STRING:
            # Each takes 8 bytes at least: refused before the first is read.
            if count > (self.size - self.at) // 8:
                raise self.error(
                    f"{quoted(key)} says that it has {count} strings; the file is too small for it"
                )
            self.strings += count
            if self.strings > MAX_STRINGS:
                raise self.error(f"expected at most {MAX_STRINGS} strings at {quoted(key)}")
            return Typed("str[]", [_string(self.text(what)) for _ in range(count)])
        if code not in SCALARS:
            raise self.error(
                f"expected an array of numbers, bools or strings for {quoted(key)}, but got "
                + ("nested arrays" if code == ARRAY else f"elements of type {code}")
            )
        name, _, dtype = SCALARS[code]
        start = self.take(count * dtype.itemsize, what)
        values = np.frombuffer(self.raw, dtype=np.uint8, count=self.at - start, offset=start)
        if code == BOOL and values.size and values.max() > 1:
            raise self.error(f"expected 0 and 1 for {what} (bools), but got {values.max()}")
        return Typed(f"{name}[]", values.view(dtype))


def _string(text: bytes) -> str | bytes:
    """Text; as bytes, where some other program wrote what is not UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


class GgufFile(MappedFile):
    """An open GGUF file.

    metadata: numbers, bools and strings as Python's (a string that is not UTF-8 as bytes), arrays
              of strings as lists, other arrays as read-only NumPy views of the file
    version:  2 or 3
    alignment: what offsets of tensors are a multiple of
    """

    version: int
    alignment: int
    _typed: dict[str, Typed]

    def typed_metadata(self) -> dict[str, Typed]:
        """The metadata with the types that the file has, as `write_gguf` takes it."""
        return dict(self._typed)


def read_gguf(path: Path, mapping: mmap.mmap) -> GgufFile:
    """Reads the header of a mapped GGUF file; FileError if it is damaged in any way."""
    reader = _Reader(path, mapping)
    reader.take(4, "the magic number")
    version = reader.u32("the version")
    if version & 0xFFFF == 0 and version:
        raise reader.error("expected little-endian GGUF, but it is big endian; convert it first")
    if version not in (2, 3):
        raise reader.error(f"expected GGUF version 2 or 3, but got {version}")
    tensors, keys = _COUNTS.unpack_from(mapping, reader.take(16, "the numbers of tensors and keys"))
    for count, limit, what in ((tensors, MAX_TENSORS, "tensors"), (keys, MAX_KEYS, "keys")):
        if count > limit:
            raise reader.error(f"expected at most {limit} {what}, but the file says {count}")

    typed: dict[str, Typed] = {}
    for index in range(keys):
        key = reader.name(f"key {index}")
        if key in typed:
            raise reader.error(f"key {quoted(key)} is there twice")
        typed[key] = reader.value(key)
    alignment = _alignment(reader, typed)
    places = _places(reader, tensors, alignment)

    metadata = {key: item.value for key, item in typed.items()}
    file = GgufFile(path, "gguf", metadata, mapping, places)
    file.version, file.alignment, file._typed = version, alignment, typed
    return file


def _alignment(reader: _Reader, typed: dict[str, Typed]) -> int:
    if ALIGNMENT_KEY not in typed:
        return DEFAULT_ALIGNMENT
    item = typed[ALIGNMENT_KEY]
    if item.type != "u32" or item.value.bit_count() != 1:
        got = item.value if item.type == "u32" else f"a value of type {item.type}"
        raise reader.error(f"expected a power of two (u32) for '{ALIGNMENT_KEY}', but got {got}")
    value: int = item.value
    return value


def _places(reader: _Reader, count: int, alignment: int) -> dict[str, tuple[Layout, int]]:
    """Where each tensor is in the file."""
    places: dict[str, tuple[Layout, int]] = {}
    # Most tensors of a model share a few shapes: those are checked, and kept, once.
    layouts: dict[tuple[int, ...], Layout] = {}
    for index in range(count):
        name = reader.name(f"the name of tensor {index}")
        axes = reader.u32(f"the number of axes of tensor {index}")
        if axes > MAX_DIMS:
            raise reader.error(
                f"tensor {quoted(name)}: expected at most {MAX_DIMS} axes, but got {axes}"
            )
        info = _INFO[axes]
        start = reader.take(info.size, "the shape of a tensor")
        *key, offset = info.unpack_from(reader.raw, start)
        if name in places:
            raise reader.error(f"tensor {quoted(name)} is there twice")
        layout = layouts.get(tuple(key))
        if layout is None:
            layout = layouts[tuple(key)] = _layout(reader, name, tuple(reversed(key[:-1])), key[-1])
        if offset % alignment:
            raise reader.error(
                f"tensor {quoted(name)}: expected an offset that is a multiple of {alignment}, but "
                f"got {offset}"
            )
        places[name] = layout, offset
    first = -(-reader.at // alignment) * alignment
    for name, (layout, offset) in places.items():
        start = first + offset
        if start + (layout.nbytes or 0) > reader.size:
            raise reader.error(
                f"tensor {quoted(name)}: expected {layout.nbytes or 'some'} bytes at byte {start}, "
                f"but the file has {reader.size} bytes; it is truncated or damaged"
            )
        places[name] = layout, start
    _check_overlaps(reader, places)
    return places


def _layout(reader: _Reader, name: str, shape: tuple[int, ...], code: int) -> Layout:
    what = f"tensor {quoted(name)}"
    if min(shape, default=1) < 1:
        raise reader.error(f"{what}: expected axes of at least 1, but got {list(shape)}")
    kind = TENSOR_TYPES.get(code)
    if kind is None:
        return Layout(shape, f"gguf:type_{code}", None)
    cols = shape[-1] if shape else 1
    if cols % kind.block:
        raise reader.error(
            f"{what}: expected rows of a multiple of {kind.block} values for {kind.format}, but "
            f"got {list(shape)}"
        )
    nbytes = math.prod(shape) // kind.block * kind.nbytes
    if nbytes > reader.size:
        raise reader.error(
            f"{what}: {list(shape)} values of {kind.format} take {nbytes} bytes, but the file has "
            f"{reader.size}; it is truncated or damaged"
        )
    return Layout(shape, kind.format, nbytes)


def _check_overlaps(reader: _Reader, places: dict[str, tuple[Layout, int]]) -> None:
    names = list(places)
    count = len(names)
    starts = np.fromiter((start for _, start in places.values()), np.int64, count)
    sizes = np.fromiter((layout.nbytes or 0 for layout, _ in places.values()), np.int64, count)
    check_spans(reader.path, names, starts, starts + sizes)
