"""Writing files of tensors: whole or not at all, one tensor in memory at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from headrace.errors import UsageError
from headrace.formats.base import U8

from .base import FileError, Out, quoted

__all__ = ["listed", "new_file", "put", "tensor_bytes"]


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well.

    If it does not, or the process dies, what was at `path` stays. It is written beside `path`, so
    that it is on the same disk. Mappings of an old file at `path` stay valid.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        # A device such as /dev/null must not be replaced.
        raise FileError(f"{path}: cannot write: not a regular file")
    partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise FileError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # it is gone if all went well
            partial.unlink()


def listed(path: Path, tensors: Iterable[Out]) -> list[Out]:
    """The tensors to write; UsageError for what no file can hold."""
    outs = list(tensors)
    seen: set[str] = set()
    for out in outs:
        where = f"{path}: tensor {quoted(out.name)}"
        if out.name in seen:
            raise UsageError(f"{where}: expected names to differ, but it is there twice")
        seen.add(out.name)
        if not all(isinstance(axis, int | np.integer) and axis >= 0 for axis in out.shape):
            raise UsageError(f"{where}: expected axes of at least 0, but got {list(out.shape)}")
    return outs


def tensor_bytes(path: Path, out: Out, expected: int) -> U8:
    """The bytes of a tensor, made now if they are a function; UsageError if they are not
    `expected` in number."""
    data = out.data() if callable(out.data) else out.data
    where = f"{path}: tensor {quoted(out.name)}"
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
        got = f"{data.dtype} {list(data.shape)}" if isinstance(data, np.ndarray) else type(data)
        raise UsageError(f"{where}: expected its bytes as uint8 [{expected}], but got {got}")
    if data.size != expected:
        raise UsageError(
            f"{where}: expected {expected} bytes for {list(out.shape)} {out.format}, but got "
            f"{data.size}"
        )
    return np.ascontiguousarray(data)


def put(file: BinaryIO, data: U8) -> None:
    """Writes bytes piecewise, so that a mapped source is read as it is needed."""
    view = data.data
    for start in range(0, len(view), 1 << 24):
        file.write(view[start : start + (1 << 24)])
