"""What code by somebody else says that stored bytes mean, for every format.

>>> from headrace.check import independent
>>> independent.decode(form, data, rows, cols)     # float32 [rows, cols]
>>> independent.who(form)                          # "gguf"

The codecs of `headrace.formats` and the compiler's decoders are compared with this, bit for bit.
Each module knows some families, shares no code with their codecs, and has

    WHO: str, or who(form) -> str        the implementation that gives the values, for reports
    decode(form, data, rows, cols)       data: uint8 of the right size; float32 [rows, cols], or
                                         None if the format is of another family
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import HeadraceError, ToolMissingError, UsageError
from headrace.formats import Format

__all__ = ["MODULES", "decode", "who"]

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# Imported when they are needed, as some need packages that are large or optional.
# The layouts first: their names begin with those of the formats that they lay out.
MODULES = ("layouts", "gguf", "floats", "activations", "q4nx", "codebook", "affine")


def decode(form: Format, data: Any, rows: int, cols: int) -> F32:
    """The values of a stored matrix, float32 [rows, cols]; NaN and infinity as they are stored.

    data: bytes, or an int8 or uint8 array, of exactly the format's size, else UsageError
    ToolMissingError if the other implementation is not installed; HeadraceError if there is none.
    """
    return _found(form, _bytes(form, data, rows, cols), rows, cols)[1]


@functools.cache
def who(form: Format) -> str:
    """The implementation that `decode` asks, with the same errors."""
    rows, cols = form.block_shape
    return _found(form, form.encode(np.zeros((rows, cols), np.float32)), rows, cols)[0]


def _found(form: Format, raw: U8, rows: int, cols: int) -> tuple[str, F32]:
    missing: ImportError | None = None
    for name in MODULES:
        try:
            module: ModuleType = importlib.import_module(f"{__name__}.{name}")
            # What overflows is infinite, and what is NaN stays that, by definition.
            with np.errstate(over="ignore", invalid="ignore"):
                values = module.decode(form, raw, rows, cols)
        except ImportError as error:
            # Maybe the next module knows the format.
            missing = missing or error
            continue
        if values is None:
            continue
        if values.shape != (rows, cols) or values.dtype != np.float32:
            raise HeadraceError(
                f"check: expected {name} to give float32 {rows}x{cols} for {form.name}, but got "
                f"{values.dtype} of shape {list(values.shape)}"
            )
        return str(module.WHO if hasattr(module, "WHO") else module.who(form)), values
    if missing is not None:
        raise ToolMissingError(
            f"the reference for {form.name} needs the python package '{missing.name}' "
            f"(`pip install {missing.name}`): {missing}"
        ) from missing
    raise HeadraceError(f"check: no independent implementation of {form.name} is known")


def _bytes(form: Format, data: Any, rows: int, cols: int) -> U8:
    if isinstance(data, bytes | bytearray | memoryview):
        data = np.frombuffer(data, dtype=np.uint8)
    raw = np.ascontiguousarray(data)
    expected = form.storage_bytes(rows, cols)
    if raw.dtype not in (np.uint8, np.int8) or raw.size != expected:
        raise UsageError(
            f"check: expected {expected} bytes (int8 or uint8) for {form.name} of {rows}x{cols} "
            f"values, but got {raw.dtype} of shape {list(raw.shape)}"
        )
    return raw.view(np.uint8).reshape(-1)
