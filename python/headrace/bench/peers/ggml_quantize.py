"""llama.cpp's own quantizers, called through ggml's C API: what ours are compared with."""

from __future__ import annotations

import ctypes
import functools

import gguf
import numpy as np

from headrace.bench.peers.base import Unavailable
from headrace.bench.peers.ggml_library import library_folder
from headrace.formats.base import F32, U8

__all__ = ["quantize", "tensor_type"]


@functools.cache
def _library() -> ctypes.CDLL:
    folder = library_folder()
    if folder is None:
        raise Unavailable("llama.cpp is not installed; `make bench-peers` builds it")
    library = ctypes.CDLL(str(folder / "libggml-base.so"))
    if not hasattr(library, "ggml_quantize_chunk"):
        raise Unavailable("the installed ggml does not export 'ggml_quantize_chunk'")
    size, pointer, count = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int64
    library.ggml_quantize_chunk.restype = size
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int,
        pointer,
        pointer,
        count,
        count,
        count,
        pointer,
    ]
    return library


def tensor_type(kind: str) -> gguf.GGMLQuantizationType:
    """GGUF's type of one of our formats, as `gguf.dequantize` takes it."""
    return gguf.GGMLQuantizationType[kind.upper()]


def quantize(kind: str, values: F32, importance: F32 | None = None) -> U8:
    """The bytes that llama.cpp makes of a matrix [rows, cols]; one thread, without the GIL.

    kind: the name of a GGUF format; importance: its "imatrix" [cols]

    Raises `Unavailable` if llama.cpp is not installed.
    """
    library = _library()
    values = np.ascontiguousarray(values, dtype=np.float32)
    rows, cols = values.shape
    block, block_bytes = gguf.GGML_QUANT_SIZES[tensor_type(kind)]
    out = np.empty(rows * (cols // block) * block_bytes, dtype=np.uint8)
    weights = None if importance is None else np.ascontiguousarray(importance, dtype=np.float32)
    written = library.ggml_quantize_chunk(
        int(tensor_type(kind)),
        values.ctypes.data,
        out.ctypes.data,
        0,
        rows,
        cols,
        None if weights is None else weights.ctypes.data,
    )
    if written != out.size:
        raise RuntimeError(f"{kind}: ggml wrote {written} bytes, expected {out.size}")
    return out
