"""What a file of tensors is, whatever its kind: named, shaped bytes with a storage format."""

from __future__ import annotations

import difflib
import itertools
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.errors import HeadraceError, UsageError
from headrace.formats.base import F32, U8

__all__ = [
    "MAX_TENSORS",
    "PLAIN",
    "FileError",
    "Layout",
    "Out",
    "Tensor",
    "TensorFile",
    "matrix_shape",
    "quoted",
]

# What a file may hold at most. Far more than any model has; it bounds what reading a hostile
# header can take.
MAX_TENSORS = 1 << 20

# Names of values that are not in blocks, and their little-endian NumPy types. "f16" and "bf16"
# are storage formats of headrace.formats too.
PLAIN: dict[str, np.dtype[Any]] = {
    "f64": np.dtype("<f8"),
    "f32": np.dtype("<f4"),
    "f16": np.dtype("<f2"),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f8_e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "f8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "f8_e8m0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "i64": np.dtype("<i8"),
    "i32": np.dtype("<i4"),
    "i16": np.dtype("<i2"),
    "i8": np.dtype("i1"),
    "u64": np.dtype("<u8"),
    "u32": np.dtype("<u4"),
    "u16": np.dtype("<u2"),
    "u8": np.dtype("u1"),
    "bool": np.dtype(np.bool_),
}


class FileError(HeadraceError):
    """A file is missing, damaged, of no known kind, or cannot be written."""


class Layout(NamedTuple):
    """Shape, storage format and size in bytes; the size is None for a type that is not known."""

    shape: tuple[int, ...]
    format: str
    nbytes: int | None


def quoted(name: str) -> str:
    """A name from a file, for a message: one line, printable, not too long."""
    text = name if len(name) <= 100 else f"{name[:80]}...{name[-10:]}"
    return f"'{text}'" if text.isprintable() and "'" not in text else ascii(text)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that a tensor in a packed format is stored as: all but the last axis are
    rows."""
    return math.prod(shape[:-1]), shape[-1] if shape else 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file.

    name:   its name in the file
    shape:  in NumPy's order: the last axis is the columns, the inputs of a matrix
    format: a name of `headrace.formats`, of `PLAIN`, or, of types that only its file knows,
            "gguf:TYPE" or "safetensors:TYPE"
    path:   the file
    """

    name: str
    shape: tuple[int, ...]
    format: str
    path: Path
    _bytes: U8 | None = field(repr=False)

    def _where(self) -> str:
        return f"{self.path}: tensor {quoted(self.name)}"

    @property
    def data(self) -> U8:
        """Its bytes as they are in the file: read-only, 1-D, not a copy."""
        if self._bytes is None:
            raise FileError(
                f"{self._where()} is of type {self.format}, whose size is not known; "
                "its bytes cannot be read"
            )
        return self._bytes

    def array(self) -> npt.NDArray[Any]:
        """A read-only typed view [shape] of plain values (bf16: ml_dtypes.bfloat16).

        UsageError for values in blocks: see `packed` and `values`.
        """
        if self.format not in PLAIN:
            raise UsageError(
                f"{self._where()} is stored as {self.format}; expected plain values for a typed "
                f"view; allowed: {', '.join(PLAIN)}"
            )
        data = self.data
        if self.format == "bool" and data.size and data.max() > 1:
            raise FileError(f"{self._where()}: expected bytes 0 and 1, but got {data.max()}")
        return data.view(PLAIN[self.format]).reshape(self.shape)

    def packed(self, check: bool = True) -> U8:
        """The bytes of a tensor in a storage format of `headrace.formats`, not a copy.

        check: refuse NaN and infinite scales (reads the scales only)
        """
        form = self._format()
        rows, cols = matrix_shape(self.shape)
        try:
            if check:
                form.check_scales(self.data, rows, cols)
            else:
                form.padded_shape(rows, cols)
        except UsageError as error:
            raise FileError(f"{self._where()}: {error}") from error
        return self.data

    def values(self) -> F32:
        """The values as float32 [shape], decoded, or rounded where they are integers or float64.

        Takes four bytes of memory for a value. Scales are not checked: see `packed`.
        """
        if self.format in PLAIN:
            with np.errstate(over="ignore", invalid="ignore"):
                return np.array(self.array(), dtype=np.float32)
        form = self._format()
        rows, cols = matrix_shape(self.shape)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return form.decode(self.data, rows, cols).reshape(self.shape)
        except UsageError as error:
            raise FileError(f"{self._where()}: {error}") from error

    def out(self) -> Out:
        """The same tensor, to be written to another file."""
        return Out(self.name, self.shape, self.format, lambda: self.data)

    def _format(self) -> formats.Format:
        if ":" in self.format and self.format.split(":")[0] in ("gguf", "safetensors"):
            raise FileError(
                f"{self._where()} is of type {self.format}, which has no decoder; allowed: "
                f"{', '.join(formats.names())}"
            )
        if self.format in PLAIN and self.format not in formats.names():
            raise UsageError(
                f"{self._where()} holds plain {self.format}; expected a storage format; "
                f"allowed: {', '.join(formats.names())}"
            )
        try:
            return formats.get(self.format)
        except UsageError as error:
            raise FileError(f"{self._where()}: {error}") from error


@dataclass(frozen=True, slots=True)
class Out:
    """A tensor to be written.

    format: as in `Tensor`
    data:   its bytes (uint8, 1-D), or a function that makes them: called when they are written,
            so that only one tensor is in memory at a time
    """

    name: str
    shape: tuple[int, ...]
    format: str
    data: U8 | Callable[[], U8] = field(repr=False)


class TensorFile(ABC):
    """An open file (or checkpoint of several). A context manager; `file[name]` is a `Tensor`.

    The bytes of tensors are views of the mapped file. They stay valid after `close`: the mapping
    lives as long as a view does. If somebody else truncates the file meanwhile, touching a view
    kills the process (SIGBUS), as with any mapped file; replacing the file by a new one is safe.

    path:     the file
    kind:     "gguf", "safetensors", or "q4nx" (safetensors that hold q4nx)
    metadata: what the file says besides its tensors
    """

    def __init__(self, path: Path, kind: str, metadata: dict[str, Any]) -> None:
        self.path = path
        self.kind = kind
        self.metadata = metadata
        self._closed = False

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all tensors, in the order of the file."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> Tensor:
        if self._closed:
            raise UsageError(f"{self.path} is closed; expected an open file")
        if name not in self:
            # Files may have a million names; looking at some is enough for a hint.
            some = itertools.islice(self.names(), 5000)
            close = difflib.get_close_matches(name, some, n=1)
            hint = f", did you mean {quoted(close[0])}" if close else ""
            raise UsageError(
                f"{self.path}: no tensor {quoted(name)}{hint}; the file has {len(self)} tensors"
            )
        return self._tensor(name)

    @abstractmethod
    def _tensor(self, name: str) -> Tensor: ...

    def tensors(self) -> Iterator[Tensor]:
        """All tensors, in the order of the file."""
        return (self[name] for name in self.names())

    def close(self) -> None:
        """Ends the use of the file. Views of its tensors stay valid."""
        self._closed = True

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed, " if self._closed else ""
        return f"<{self.kind} file {os.fspath(self.path)!r}: {state}{len(self)} tensors>"
