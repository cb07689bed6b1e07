"""Our own quantizers in C, for the GGUF formats whose scales are worth a search.

Wraps libheadrace_quantize.so, built from runtime/quantize and shipped beside this module; loaded
when it is first used. The bytes do not depend on the machine, nor on how rows are split into calls.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import ToolMissingError, UsageError, VersionError, one_of

from .base import F32, U8

__all__ = ["KINDS", "encode_blocks", "instruction_sets", "library_path"]

# The numbers of headrace_quantize.h.
KINDS = {"q2_k": 0, "q3_k": 1, "q4_k": 2, "q5_k": 3, "q6_k": 4, "iq4_nl": 5}
_ABI = 1
_BAD_IMPORTANCE = -2
_LARGEST_IMPORTANCE = 2.0**126
_BEST = -1

_P, _I64 = ctypes.c_void_p, ctypes.c_int64
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "hr_quantize_abi": (ctypes.c_int, []),
    "hr_quantize_block_values": (_I64, [ctypes.c_int]),
    "hr_quantize_block_bytes": (_I64, [ctypes.c_int]),
    "hr_quantize_largest": (ctypes.c_float, [ctypes.c_int]),
    "hr_quantize_isa_name": (ctypes.c_char_p, [ctypes.c_int]),
    "hr_quantize_isa_runs": (ctypes.c_int, [ctypes.c_int]),
    "hr_quantize": (_I64, [ctypes.c_int, _P, _I64, _I64, _P, _P, ctypes.c_int]),
}


def library_path() -> Path:
    """Where the library is kept. Raises `ToolMissingError` if it was not built."""
    path = Path(__file__).parent / "lib" / "libheadrace_quantize.so"
    if not path.exists():
        raise ToolMissingError(
            f"formats: expected the quantizer library at '{path}', but it is not there; "
            "build Headrace (`make build`) or install its wheel"
        )
    return path


@functools.cache
def _library() -> ctypes.CDLL:
    path = library_path()
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ToolMissingError(
            f"formats: expected a quantizer library at '{path}', but it cannot be loaded "
            f"({error}); build Headrace again (`make build`)"
        ) from error
    if library.hr_quantize_abi() != _ABI:
        raise VersionError(
            f"formats: expected version {_ABI} of the quantizer library, but '{path}' has version "
            f"{library.hr_quantize_abi()}; build Headrace again (`make build`)"
        )
    return library


def instruction_sets() -> list[str]:
    """Instruction sets of this machine that the library can use, the fastest first."""
    library, names = _library(), []
    index = 0
    while (name := library.hr_quantize_isa_name(index)) is not None:
        if library.hr_quantize_isa_runs(index):
            names.append(name.decode())
        index += 1
    return names


def encode_blocks(
    kind: str,
    values: F32,
    importance: F32 | None = None,
    *,
    instruction_set: str | None = None,
) -> U8:
    """Quantizes rows to their bytes [rows * bytes of a row]; one thread, without the GIL.

    kind: one of `KINDS`
    values: float32 [rows, cols]; cols fill the format's blocks
    importance: float32 [cols], finite and at least 0: the squared error of column c counts
        importance[c] times. Only ratios within a block matter. Without it all columns are alike,
        which makes the root mean square error least.
    instruction_set: one of `instruction_sets()`, by default the first. The bytes are the same.

    UsageError for an unknown kind, wrong types or shapes, and for values that are NaN, infinite or
    larger than the format holds (names the row).
    """
    if kind not in KINDS:
        raise UsageError(f"cannot quantize to '{kind}' natively; allowed: {one_of(KINDS)}")
    library, number = _library(), KINDS[kind]
    block, block_bytes = _block(kind)
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype != np.float32 or not values.shape[1]:
        raise UsageError(
            f"{kind}: expected a float32 matrix to encode, but got {values.dtype} of shape "
            f"{list(values.shape)}"
        )
    rows, cols = values.shape
    if cols % block:
        raise UsageError(
            f"{kind}: expected the number of columns to be a multiple of {block}, but got "
            f"{rows}x{cols}"
        )
    values = np.ascontiguousarray(values)
    weights = None if importance is None else _checked_importance(kind, importance, cols)
    index = _BEST if instruction_set is None else _instruction_set_index(instruction_set)

    out = np.empty(rows * (cols // block) * block_bytes, dtype=np.uint8)
    status = library.hr_quantize(
        number,
        values.ctypes.data,
        rows,
        cols,
        None if weights is None else weights.ctypes.data,
        out.ctypes.data,
        index,
    )
    if status > 0:
        _raise_bad_value(kind, values, status - 1)
    if status == _BAD_IMPORTANCE:
        raise UsageError(
            f"{kind}: expected finite importances of at least 0; allowed: up to "
            f"{_LARGEST_IMPORTANCE:g}"
        )
    if status != 0:
        raise RuntimeError(f"{kind}: the quantizer library refused {rows}x{cols}: {status}")
    return out


@functools.cache
def _block(kind: str) -> tuple[int, int]:
    """Values and bytes of a block."""
    library, number = _library(), KINDS[kind]
    return library.hr_quantize_block_values(number), library.hr_quantize_block_bytes(number)


def _checked_importance(kind: str, importance: F32, cols: int) -> F32:
    weights = np.asarray(importance)
    if weights.shape != (cols,) or weights.dtype != np.float32:
        raise UsageError(
            f"{kind}: expected the importance of {cols} columns as float32 [{cols}], but got "
            f"{weights.dtype} of shape {list(weights.shape)}"
        )
    return np.ascontiguousarray(weights)


def _instruction_set_index(name: str) -> int:
    available = instruction_sets()
    if name not in available:
        raise UsageError(
            f"cannot quantize with instruction set '{name}' here; allowed: {one_of(available)}"
        )
    index = 0
    while _library().hr_quantize_isa_name(index) != name.encode():
        index += 1
    return index


def _raise_bad_value(kind: str, values: F32, row: int) -> None:
    largest = float(_library().hr_quantize_largest(KINDS[kind]))
    col = int(np.argmin(np.abs(values[row]) <= largest))
    raise UsageError(
        f"{kind}: cannot encode {values[row, col]} at row {row}, column {col}; "
        f"allowed: finite values of magnitude up to {largest:g}"
    )
