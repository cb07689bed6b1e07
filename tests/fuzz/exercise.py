"""What must hold for every file, however damaged: the invariant that the fuzzers look for."""

import itertools
import math
import tempfile
from pathlib import Path

import numpy as np

from headrace import files
from headrace.errors import HeadraceError
from headrace.files.mapped import MappedFile

# Values decoded in one go; more is skipped, as it is slow, not as it must not work.
_MOST_VALUES = 1 << 16

# The files of a checkpoint in parts, and their tensors.
PARTS = {"a.safetensors": ("x", "y.weight"), "b.safetensors": ("z",)}


class Exerciser:
    """Puts bytes in a file and uses all of a reader on it. Keeps nothing between calls.

    kind: "gguf", "safetensors", or "index", of a checkpoint in parts; its parts are whole
    """

    def __init__(self, kind: str) -> None:
        shm = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None)
        name = "model.safetensors.index.json" if kind == "index" else "input.q4nx"
        self._path = Path(self._folder.name, name)
        for part, names in PARTS.items():
            outs = [files.Out(name, (2,), "f32", np.zeros(8, np.uint8)) for name in names]
            files.write_safetensors(self._path.with_name(part), outs)
        self._copy = Path(self._folder.name, "copy.q4nx")

    def close(self) -> None:
        self._folder.cleanup()

    def __call__(self, data: bytes) -> bool:
        """Whether the file opens. Raises what is not a HeadraceError, or AssertionError."""
        self._path.unlink(missing_ok=True)
        self._path.write_bytes(data)
        try:
            file = files.open(self._path)
        except HeadraceError as error:
            assert len(str(error)) < 2000
            return False
        with file:
            if isinstance(file, MappedFile):
                self._use(file)
            else:
                _use_parts(file)
        return True

    def _use(self, file: MappedFile) -> None:
        assert len(repr(file)) < 500 and len(file) == len(file.names())
        str(file.metadata).encode()
        good = [tensor.out() for tensor in list(file.tensors())[:100] if _use_tensor(file, tensor)]
        _check_disjoint(file)
        if isinstance(file, files.GgufFile):
            assert file.alignment == file.metadata.get("general.alignment", 32)
        if len(good) == len(file) < 20:
            self._rewrite(file, good)

    def _rewrite(self, file: MappedFile, outs: list[files.Out]) -> None:
        """What can be read can be written; and then it reads the same."""
        if isinstance(file, files.GgufFile):
            files.write_gguf(self._copy, outs, file.typed_metadata())
        else:
            try:
                files.write_safetensors(self._copy, outs, file.metadata)
            except HeadraceError:
                # A format without codec, or one that only GGUF has.
                assert any(out.format not in files.PLAIN for out in outs) or any(
                    "headrace." in key for key in file.metadata
                )
                return
        with files.open(self._copy) as copy:
            assert sorted(copy.names()) == sorted(file.names())
            assert str(copy.metadata) == str(file.metadata) or copy.kind != "gguf"
            for tensor in file.tensors():
                same = copy[tensor.name]
                assert (same.shape, same.format) == (tensor.shape, tensor.format)
                assert np.array_equal(same.data, tensor.data)


def _check_disjoint(file: MappedFile) -> None:
    """No byte belongs to two tensors."""
    known = [(start, layout.nbytes) for layout, start in file._places.values() if layout.nbytes]
    known.sort()
    for (start, size), (following, _) in itertools.pairwise(known):
        assert start + size <= following


def _use_parts(file: files.TensorFile) -> None:
    str(file.metadata).encode()
    for tensor in file.tensors():
        assert tensor.path.name in PARTS and tensor.name in PARTS[tensor.path.name]
        assert tensor.values().tolist() == [0, 0]


def _use_tensor(file: MappedFile, tensor: files.Tensor) -> bool:
    """Whether its bytes can be had; they lie in the file."""
    try:
        data = tensor.data
    except HeadraceError:
        return False
    assert data.dtype == np.uint8 and data.ndim == 1 and not data.flags.writeable
    raw = file._raw
    assert raw is not None
    if data.size:
        start = data.ctypes.data - raw.ctypes.data
        assert start >= 0 and start + data.size <= raw.size
        assert int(data[0]) + int(data[-1]) >= 0  # can be touched
    for use in (tensor.array, tensor.packed, lambda: tensor.packed(check=False)):
        try:
            assert use().nbytes == data.size
        except HeadraceError as error:
            assert len(str(error)) < 2000
    if math.prod(tensor.shape) <= _MOST_VALUES:
        try:
            values = tensor.values()
        except HeadraceError:
            return True
        assert values.dtype == np.float32 and values.shape == tensor.shape
    return True
