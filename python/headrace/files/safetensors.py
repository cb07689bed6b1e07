"""Reads and writes safetensors, and packed formats in them.

Facts: the safetensors specification. A file is

    length of the header u64, header (JSON, may be padded with spaces), tensors' bytes
    header: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [start, stop]}, ...,
             "__metadata__": {"KEY": "TEXT", ...}}

with offsets from the end of the header; the tensors fill the rest of the file without holes. A
matrix in a packed format of `headrace.formats` is a U8 tensor of its bytes, and the metadata says
what it holds:

    "headrace.packed.NAME": "4096x14336 q4_k"

Why this is not the `safetensors` package: for NumPy it has neither bf16 nor fp8 (KeyError), it
copies each tensor that it loads, and it writes from arrays that are all in memory at once. It does
refuse damaged files; what it refuses is refused here (the tests compare), and, besides, headers of
very many tensors, whose decoding would take gigabytes.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headrace import formats
from headrace.errors import UsageError

from .base import MAX_TENSORS, PLAIN, FileError, Layout, Out, matrix_shape, quoted
from .header_json import JsonHeader
from .mapped import MappedFile, check_spans
from .writing import listed, new_file, put, tensor_bytes

__all__ = ["PACKED_KEY", "is_safetensors", "read_safetensors", "write_safetensors"]

MAX_HEADER = 100_000_000  # as the specification's own implementation
MAX_AXES = 32
MAX_FORMATS = 1024  # different ones: each, once made, is kept
PACKED_KEY = "headrace.packed."

# One value takes at least this part of a byte; all formats take more than twice as much. It bounds
# what the values of a small hostile file can take.
_VALUES_PER_BYTE = 64

# dtype -> name here and bits of a value, in the order in which the format's own implementation
# sorts tensors in a file: what needs more alignment comes first.
_DTYPES: dict[str, tuple[str, int]] = {
    "U64": ("u64", 64),
    "I64": ("i64", 64),
    "F64": ("f64", 64),
    "C64": ("safetensors:c64", 64),
    "F32": ("f32", 32),
    "U32": ("u32", 32),
    "I32": ("i32", 32),
    "BF16": ("bf16", 16),
    "F16": ("f16", 16),
    "U16": ("u16", 16),
    "I16": ("i16", 16),
    "F8_E5M2FNUZ": ("f8_e5m2fnuz", 8),
    "F8_E4M3FNUZ": ("f8_e4m3fnuz", 8),
    "F8_E8M0": ("f8_e8m0", 8),
    "F8_E4M3": ("f8_e4m3", 8),
    "F8_E5M2": ("f8_e5m2", 8),
    "I8": ("i8", 8),
    "U8": ("u8", 8),
    "F6_E3M2": ("safetensors:f6_e3m2", 6),
    "F6_E2M3": ("safetensors:f6_e2m3", 6),
    "F4": ("safetensors:f4", 4),
    "BOOL": ("bool", 8),
}
_DTYPE_OF = {name: dtype for dtype, (name, _) in _DTYPES.items()}
_RANK = {dtype: rank for rank, dtype in enumerate(_DTYPES)}
_PACKED = re.compile(r"([1-9][0-9]{0,15}(?:x[1-9][0-9]{0,15}){1,7}) ([!-~]{1,100})")


def is_safetensors(start: bytes) -> bool:
    """Whether a file that starts so (9 bytes) may be safetensors."""
    return start[8:9] == b"{"


def read_safetensors(
    path: Path, mapping: mmap.mmap, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> MappedFile:
    """Reads the header of a mapped safetensors file; FileError if it is damaged in any way.

    shapes: of U8 tensors that are q4nx, for files whose metadata does not say so
    """
    size = len(mapping)
    length = int.from_bytes(mapping[:8], "little")
    if size < 8 or length > size - 8:
        raise FileError(
            f"{path}: expected a header of {length} bytes, but the file has {size} bytes; it is "
            "truncated or damaged"
        )
    if length > MAX_HEADER:
        raise FileError(f"{path}: expected a header of at most {MAX_HEADER} bytes, got {length}")
    try:
        text = mapping[8 : 8 + length].decode()
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: expected UTF-8 in the header, but got {error}") from error
    metadata, places = _header(path, text, 8 + length)
    _check_holes(path, places, 8 + length, size)
    _apply_packed(path, metadata, places)
    _apply_shapes(path, shapes or {}, places)
    is_q4nx = any(layout.format == "q4nx" for layout, _ in places.values())
    return MappedFile(path, "q4nx" if is_q4nx else "safetensors", metadata, mapping, places)


_Places = dict[str, tuple[Layout, int]]


def _header(path: Path, text: str, first: int) -> tuple[dict[str, Any], _Places]:
    """Metadata, and where each tensor is, for data that starts at byte `first`."""
    header = JsonHeader(path, text)
    metadata: dict[str, Any] = {}
    places: _Places = {}
    layouts: dict[Layout, Layout] = {}  # most tensors of a model share a few
    for name in header.members("the header"):
        if name == "__metadata__":
            for key in header.members("the metadata"):
                metadata[key] = header.string(f"the value of {quoted(key)} in the metadata")
                _limit(header, len(metadata), "keys of metadata")
        else:
            layout, start = _entry(header, name)
            places[name] = layouts.setdefault(layout, layout), first + start
            _limit(header, len(places), "tensors")
    header.end("the header")
    return metadata, places


def _limit(header: JsonHeader, count: int, what: str) -> None:
    if count > MAX_TENSORS:
        raise header.error(f"expected at most {MAX_TENSORS} {what}")


def _entry(header: JsonHeader, name: str) -> tuple[Layout, int]:
    """Layout and first offset of the tensor at the cursor."""
    what = f"tensor {quoted(name)}"
    entry = header.small_value(what, 4096)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise header.error(f"{what}: expected dtype, shape and data_offsets, but got {entry!a:.80}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise header.error(f"{what}: unknown dtype {dtype!a:.40}; allowed: {', '.join(_DTYPES)}")
    for part, count in ((shape, range(MAX_AXES + 1)), (offsets, range(2, 3))):
        if not isinstance(part, list) or len(part) not in count or not all(map(_is_size, part)):
            raise header.error(
                f"{what}: expected a shape of at most {MAX_AXES} axes and two offsets, all from 0 "
                f"to 2^63 - 1, but got {part!a:.80}"
            )
    form, bits = _DTYPES[dtype]
    # NumPy's own limit counts axes of length 0 as 1.
    if math.prod(axis or 1 for axis in shape) > 1 << 59:
        raise header.error(f"{what}: expected at most 2^59 values, but got {shape}")
    total = math.prod(shape) * bits
    start, stop = offsets
    if total % 8 or stop - start != total // 8:
        raise header.error(
            f"{what}: expected {total / 8:g} bytes for {shape} {dtype}, but got offsets {start} to "
            f"{stop}"
        )
    return Layout(tuple(shape), form, total // 8), start


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _check_holes(path: Path, places: _Places, first: int, size: int) -> None:
    """FileError unless the tensors fill the file from byte `first` to its end."""
    for name, (layout, start) in places.items():
        assert layout.nbytes is not None
        if start + layout.nbytes > size:
            raise FileError(
                f"{path}: tensor {quoted(name)}: expected bytes {start} to "
                f"{start + layout.nbytes}, but the file has {size} bytes; it is truncated or "
                "damaged"
            )
    names = list(places)
    starts = np.fromiter((start for _, start in places.values()), np.int64, len(names))
    sizes = np.fromiter((layout.nbytes for layout, _ in places.values()), np.int64, len(names))
    order = check_spans(path, names, starts, starts + sizes)
    ends = np.concatenate([[first], (starts + sizes)[order]])
    holes = np.flatnonzero(np.append(starts[order], size) != ends)
    if holes.size:
        at = holes[0]
        before = f"tensor {quoted(names[order[at - 1]])}" if at else "the header"
        raise FileError(
            f"{path}: expected the next tensor, or the end of the file, after {before} at byte "
            f"{ends[at]}, but got bytes of no tensor; it is damaged"
        )


def _apply_packed(path: Path, metadata: dict[str, Any], places: _Places) -> None:
    """Takes what the metadata says of packed tensors out of it, and into their layouts."""
    kinds: set[str] = set()
    for key in [key for key in metadata if key.startswith(PACKED_KEY)]:
        name, text = key.removeprefix(PACKED_KEY), metadata.pop(key)
        found = _PACKED.fullmatch(text)
        if name not in places or found is None:
            raise FileError(
                f"{path}: expected 'ROWSxCOLUMNS FORMAT' of a tensor of the file for "
                f"{quoted(key)}, but got {text!r:.80}"
            )
        kinds.add(found[2])
        if len(kinds) > MAX_FORMATS:
            raise FileError(f"{path}: expected at most {MAX_FORMATS} formats")
        shape = tuple(int(axis) for axis in found[1].split("x"))
        _repack(path, name, shape, found[2], places)


def _apply_shapes(path: Path, shapes: Mapping[str, tuple[int, ...]], places: _Places) -> None:
    for name, shape in shapes.items():
        if name in places and places[name][0].format in ("u8", "i8"):
            _repack(path, name, tuple(shape), "q4nx", places)


def _repack(path: Path, name: str, shape: tuple[int, ...], form: str, places: _Places) -> None:
    """Makes a U8 tensor one of a packed format, if its size is right."""
    stored, start = places[name]
    where = f"{path}: tensor {quoted(name)}"
    if stored.format not in ("u8", "i8"):
        raise FileError(f"{where}: expected dtype U8 for packed {form}, but got {stored.format}")
    assert stored.nbytes is not None
    if math.prod(shape) > stored.nbytes * _VALUES_PER_BYTE:
        raise FileError(
            f"{where}: expected at most {_VALUES_PER_BYTE} values a byte, but got {list(shape)} in "
            f"{stored.nbytes} bytes"
        )
    if form in PLAIN or form.startswith(("gguf:", "safetensors:")):
        raise FileError(f"{where}: expected a packed format, but got {form}")
    expected = _packed_bytes(where, shape, form)
    if expected not in (None, stored.nbytes):
        raise FileError(
            f"{where}: expected {expected} bytes for {list(shape)} {form}, but got {stored.nbytes}"
        )
    places[name] = Layout(shape, form, stored.nbytes), start


def _packed_bytes(where: str, shape: tuple[int, ...], form: str) -> int | None:
    """None for a format that is not known: it is listed; using it says that it is unknown."""
    try:
        known = formats.get(form)
    except UsageError:
        return None
    try:
        return known.storage_bytes(*matrix_shape(shape))
    except UsageError as error:
        raise FileError(f"{where}: {error}") from error


def write_safetensors(
    path: str | os.PathLike[str],
    tensors: Iterable[Out],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file, which appears at `path` when it is complete.

    tensors:  plain ones (`PLAIN`: f32, bf16, i8, ...) of any shape, and matrices (or more axes) in
              any format of `headrace.formats`
    metadata: texts

    Tensors are sorted as the `safetensors` package sorts them, by dtype, then name; a file of
    plain tensors has the same bytes as if that had written it. UsageError for what the file
    cannot hold; FileError if it cannot be written.
    """
    target = Path(path)
    outs = listed(target, tensors)
    texts = _texts(target, metadata or {})
    entries: list[tuple[int, str, Out, dict[str, Any], int]] = []
    for out in outs:
        dtype, shape, size = _stored(target, out)
        if out.format not in _DTYPE_OF:
            axes = "x".join(str(int(axis)) for axis in out.shape)
            texts[PACKED_KEY + out.name] = f"{axes} {out.format}"
        entries.append((_RANK[dtype], out.name, out, {"dtype": dtype, "shape": shape}, size))
    entries.sort(key=lambda entry: entry[:2])

    header: dict[str, Any] = {"__metadata__": texts} if texts else {}
    offset = 0
    for _, name, _, entry, size in entries:
        header[name] = {**entry, "data_offsets": [offset, offset + size]}
        offset += size
    try:
        raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{target}: a name or text cannot be written as UTF-8") from error
    raw += b" " * (-len(raw) % 8)
    with new_file(target) as file:
        file.write(struct.pack("<Q", len(raw)))
        file.write(raw)
        for _, _, out, _, size in entries:
            put(file, tensor_bytes(target, out, size))


def _texts(path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    for key, text in metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise UsageError(
                f"{path}: metadata {key!r:.60}: expected a text, but got {text!r:.60}; "
                "safetensors hold no other metadata"
            )
        if key.startswith(PACKED_KEY):
            raise UsageError(f"{path}: metadata {quoted(key)}: '{PACKED_KEY}' is reserved")
    return dict(metadata)


def _stored(path: Path, out: Out) -> tuple[str, list[int], int]:
    """dtype, shape and bytes of what is stored for a tensor."""
    where = f"{path}: tensor {quoted(out.name)}"
    if out.name == "__metadata__":
        raise UsageError(f"{where}: this name is reserved")
    shape = [int(axis) for axis in out.shape]
    if out.format in _DTYPE_OF:
        dtype = _DTYPE_OF[out.format]
        size, rest = divmod(math.prod(shape) * _DTYPES[dtype][1], 8)
        if rest:
            raise UsageError(f"{where}: expected whole bytes, but got {shape} of {dtype}")
        return dtype, shape, size
    if len(shape) < 2:
        raise UsageError(f"{where}: expected a matrix for {out.format}, but got {shape}")
    try:
        size = formats.get(out.format).storage_bytes(*matrix_shape(tuple(shape)))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return "U8", [size], size
