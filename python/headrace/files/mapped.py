"""Files as read-only bytes, and the table of tensors in one such file."""

from __future__ import annotations

import mmap
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.formats.base import U8

from .base import FileError, Layout, Tensor, TensorFile, quoted

__all__ = ["MappedFile", "check_spans", "map_file"]


def map_file(path: Path) -> mmap.mmap:
    """Maps a whole file; FileError if that cannot be done.

    Only regular files: opening a pipe would wait, and a device has no size.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FileError(f"{path}: expected a file, but got a folder")
        if not stat.S_ISREG(mode):
            raise FileError(f"{path}: expected a regular file, but got a device, pipe or socket")
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise FileError(f"{path}: expected a file of tensors, but it is empty")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except OSError as error:
        raise FileError(f"{path}: cannot read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path; a size of 0 by the time of mapping
        if isinstance(error, FileError):
            raise
        raise FileError(f"{str(path)!r}: cannot read: {error}") from error


def check_spans(
    path: Path,
    names: list[str],
    starts: npt.NDArray[np.int64],
    stops: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """FileError if two of these byte ranges overlap; returns their order in the file.

    A tensor without bytes may lie where it likes.
    """
    order = np.lexsort((stops, starts))
    order = order[stops[order] > starts[order]]
    bad = np.flatnonzero(starts[order][1:] < stops[order][:-1])
    if bad.size:
        first, second = order[bad[0]], order[bad[0] + 1]
        raise FileError(
            f"{path}: tensors {quoted(names[first])} (bytes {starts[first]} to {stops[first]}) and "
            f"{quoted(names[second])} (bytes {starts[second]} to {stops[second]}) overlap"
        )
    return order


class MappedFile(TensorFile):
    """A single mapped file and where in it each tensor is.

    places: name -> (layout, first byte in the file)
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        metadata: dict[str, Any],
        mapping: mmap.mmap,
        places: dict[str, tuple[Layout, int]],
    ) -> None:
        super().__init__(path, kind, metadata)
        self._places = places
        self._raw: U8 | None = np.frombuffer(mapping, dtype=np.uint8)  # keeps the mapping alive

    def names(self) -> list[str]:
        return list(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def _tensor(self, name: str) -> Tensor:
        layout, start = self._places[name]
        assert self._raw is not None  # open
        data = None if layout.nbytes is None else self._raw[start : start + layout.nbytes]
        return Tensor(name, layout.shape, layout.format, self.path, data)

    def close(self) -> None:
        super().close()
        self._raw = None
