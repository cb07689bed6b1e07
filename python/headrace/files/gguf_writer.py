"""Writes GGUF version 3, little endian; the layout is drawn in `gguf.py`."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import UsageError, one_of

from .base import Out, quoted
from .gguf import Typed
from .gguf_types import (
    ALIGNMENT_KEY,
    ARRAY,
    DEFAULT_ALIGNMENT,
    MAGIC,
    MAX_DIMS,
    SCALARS,
    STRING,
    TENSOR_TYPES,
    TYPE_CODES,
    VALUE_CODES,
)
from .writing import listed, new_file, put, tensor_bytes

__all__ = ["write_gguf"]


def write_gguf(
    path: str | os.PathLike[str],
    tensors: Iterable[Out],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes a GGUF file, which appears at `path` when it is complete.

    tensors:  in formats that GGUF has: its block formats, mxfp4, f16, bf16, f32, f64, i8 .. i64,
              and those of its types that are only copied ("gguf:iq2_xxs")
    metadata: values with their type, `Typed("u32", 32)` or a NumPy scalar or array; else
              str, bool, int (an i32), float (an f32), or a list of one of these. llama.cpp reads
              most of its numbers as u32. "general.alignment" sets the alignment of tensors.

    UsageError for what GGUF cannot hold; FileError if it cannot be written.
    """
    target = Path(path)
    outs = listed(target, tensors)
    pairs = {key: _typed(target, key, value) for key, value in (metadata or {}).items()}
    alignment = _alignment(target, pairs)

    header = [MAGIC, struct.pack("<IQQ", 3, len(outs), len(pairs))]
    for key, item in pairs.items():
        header += [_text(target, key, key), _value(target, key, item)]
    sizes, offset = [], 0
    for out in outs:
        size, code = _size(target, out)
        axes = [int(axis) for axis in reversed(out.shape)]
        header += [
            _text(target, out.name, out.name),
            struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, code, offset),
        ]
        sizes.append(size)
        offset += -(-size // alignment) * alignment

    with new_file(target) as file:
        at = 0
        for piece in header:
            at += file.write(piece)
        if outs:  # files of metadata alone, as vocabularies are, end here
            file.write(bytes(-at % alignment))
        for out, size in zip(outs, sizes, strict=True):
            put(file, tensor_bytes(target, out, size))
            file.write(bytes(-size % alignment))


def _size(path: Path, out: Out) -> tuple[int, int]:
    """Bytes and type code of a tensor."""
    where = f"{path}: tensor {quoted(out.name)}"
    code = TYPE_CODES.get(out.format)
    if code is None:
        raise UsageError(
            f"{where}: GGUF has no type for {out.format}; allowed: "
            f"{', '.join(name for name in TYPE_CODES if ':' not in name)}"
        )
    kind = TENSOR_TYPES[code]
    if len(out.shape) > MAX_DIMS or min(out.shape, default=1) < 1:
        raise UsageError(
            f"{where}: expected at most {MAX_DIMS} axes of at least 1, but got {list(out.shape)}"
        )
    if (out.shape[-1] if out.shape else 1) % kind.block:
        raise UsageError(
            f"{where}: expected rows of a multiple of {kind.block} values for {out.format}, but "
            f"got {list(out.shape)}"
        )
    return math.prod(map(int, out.shape)) // kind.block * kind.nbytes, code


def _alignment(path: Path, pairs: dict[str, Typed]) -> int:
    if ALIGNMENT_KEY not in pairs:
        return DEFAULT_ALIGNMENT
    item = pairs[ALIGNMENT_KEY]
    if item.type == "i32":  # a plain int: GGUF fixes this one's type
        item = pairs[ALIGNMENT_KEY] = Typed("u32", item.value)
    if item.type != "u32" or item.value < 1 or int(item.value).bit_count() != 1:
        raise UsageError(
            f"{path}: expected a power of two (u32) for '{ALIGNMENT_KEY}', but got {item.value!r}"
        )
    return int(item.value)


def _typed(path: Path, key: str, value: Any) -> Typed:
    """A value with its type: said, that of NumPy's, or GGUF's usual one for a Python value."""
    if isinstance(value, Typed):
        return value
    if isinstance(value, np.ndarray):
        if value.ndim != 1:
            raise UsageError(
                f"{path}: key {quoted(key)}: expected a 1-D array, but got {list(value.shape)}"
            )
        return Typed(f"{_of_dtype(path, key, value.dtype)}[]", value)
    if isinstance(value, np.generic) and not isinstance(value, str | bytes):
        return Typed(_of_dtype(path, key, value.dtype), value.item())
    if isinstance(value, list | tuple):
        kinds = {_of_python(path, key, item) for item in value}
        if len(kinds) != 1:
            got = "none" if not kinds else one_of(sorted(kinds)).replace(" or ", " and ")
            raise UsageError(
                f"{path}: key {quoted(key)}: expected elements of one type, but got {got}; "
                "allowed: Typed('i32[]', [...]) says the type"
            )
        return Typed(f"{kinds.pop()}[]", value)
    return Typed(_of_python(path, key, value), value)


def _of_dtype(path: Path, key: str, dtype: np.dtype[Any]) -> str:
    for name, _, ours in SCALARS.values():
        if dtype.newbyteorder("<") == ours:
            return name
    allowed = ", ".join(VALUE_CODES)
    raise UsageError(f"{path}: key {quoted(key)}: GGUF has no type for {dtype}; allowed: {allowed}")


def _of_python(path: Path, key: str, value: Any) -> str:
    kinds = ((bool, "bool"), (int, "i32"), (float, "f32"), (str, "str"), (bytes, "str"))
    for kind, name in kinds:
        if isinstance(value, kind):
            return name
    raise UsageError(
        f"{path}: key {quoted(key)}: GGUF has no type for a {type(value).__name__}; allowed: "
        "str, bool, int, float, lists and 1-D NumPy arrays of them"
    )


def _value(path: Path, key: str, item: Typed) -> bytes:
    """Type and value as bytes."""
    kind = item.type.removesuffix("[]")
    code = VALUE_CODES.get(kind)
    if code is None:
        raise UsageError(
            f"{path}: key {quoted(key)}: unknown type '{item.type}'; allowed: "
            f"{', '.join(VALUE_CODES)}, and with [] arrays of them"
        )
    try:
        if kind == item.type:
            return struct.pack("<I", code) + _scalar(path, key, code, item.value)
        head = struct.pack("<IIQ", ARRAY, code, len(item.value))
        if code == STRING:
            return head + b"".join(_text(path, key, text) for text in item.value)
        return head + _elements(code, item.value)
    except (struct.error, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{path}: key {quoted(key)}: {item.value!r:.60} does not fit type {item.type}; "
            "allowed: Typed('u64', ...) and others say the type"
        ) from error


def _scalar(path: Path, key: str, code: int, value: Any) -> bytes:
    if code == STRING:
        return _text(path, key, value)
    _, packing, dtype = SCALARS[code]
    if dtype == np.bool_ and not isinstance(value, bool):
        raise ValueError("not a bool")
    return packing.pack(value)


def _elements(code: int, values: Any) -> bytes:
    _, packing, dtype = SCALARS[code]
    if isinstance(values, np.ndarray):
        if values.dtype.newbyteorder("<") != dtype:
            raise ValueError("of another type")
        return values.astype(dtype).tobytes()
    if dtype == np.bool_ and not all(isinstance(value, bool) for value in values):
        raise ValueError("not bools")
    return b"".join(map(packing.pack, values))


def _text(path: Path, key: str, text: Any) -> bytes:
    if isinstance(text, str):
        try:
            text = text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{path}: {quoted(key)} cannot be written as UTF-8") from error
    if not isinstance(text, bytes):
        raise ValueError("not a string")
    return struct.pack("<Q", len(text)) + text
