"""Arguments of a call: NumPy arrays and torch tensors as checked memory addresses.

torch is never imported here: a torch tensor can only reach us if its owner imported it.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, MachineError
from .manifest import Argument, Manifest

NUMPY_NAMES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
}


@dataclass(frozen=True)
class Buffer:
    """Memory of one argument: its address, and the array or tensor that owns it."""

    address: int
    owner: Any


def is_torch(value: object) -> bool:
    """Whether `value` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def input_buffer(argument: Argument, value: Any) -> Buffer:
    """Checks one input and returns its memory; ArgumentError if it is wrong.

    Plain inputs must have the argument's dtype and shape exactly; if their elements are not
    contiguous in memory they are copied. Packed weights and caches may be any contiguous int8 or
    uint8 array of the right number of bytes, and are never copied. What the program updates must be
    writable.
    """
    if is_torch(value):
        if value.device.type != "cpu" or str(value.layout) != "torch.strided":
            raise ArgumentError(
                f"expected a dense tensor on the CPU, but got one with device "
                f"{value.device} and layout {value.layout}"
            )
        value = value.detach()
        dtype, shape = str(value.dtype).removeprefix("torch."), tuple(value.shape)
        contiguous = value.is_contiguous()
    elif isinstance(value, np.ndarray):
        # Not dtype.name: that does not tell a foreign byte order apart.
        dtype = value.dtype.name if value.dtype.isnative else str(value.dtype)
        shape, contiguous = value.shape, value.flags.c_contiguous
    else:
        raise ArgumentError(
            f"expected a NumPy array or a torch tensor, but got {type(value).__name__}"
        )
    check_contents(argument, dtype, shape, contiguous)
    if is_torch(value):
        # Lazily negated views have their sign outside of memory.
        value = value.resolve_neg().contiguous()
        return Buffer(value.data_ptr(), value)
    if argument.updated is not None and not value.flags.writeable:
        raise ArgumentError(
            f"expected {argument.contents} that may be written, but got a read-only array"
        )
    value = value if contiguous else np.ascontiguousarray(value)
    return Buffer(_address(value), value)


def check_contents(
    argument: Argument, dtype: str, shape: tuple[int, ...], contiguous: bool
) -> None:
    """ArgumentError unless an array is what the argument says; see `input_buffer`."""
    got = f"{dtype} of shape {list(shape)}"
    what = argument.contents
    if what is None:
        expected = NUMPY_NAMES[argument.dtype]
        if dtype != expected or shape != argument.shape:
            raise ArgumentError(
                f"expected {expected} of shape {list(argument.shape)}, but got {got}"
            )
        return
    if dtype not in ("int8", "uint8"):
        raise ArgumentError(f"expected {what}, but got {got}")
    if math.prod(shape) != argument.bytes:
        raise ArgumentError(f"expected {what}, but got {math.prod(shape)} bytes")
    if not contiguous:
        raise ArgumentError(
            f"expected {what} in contiguous memory, but got a strided array; pass a contiguous copy"
        )


def output_buffer(argument: Argument, torch: bool) -> Buffer:
    """New uninitialised memory for one output, as a torch tensor or a NumPy array."""
    name = NUMPY_NAMES[argument.dtype]
    if torch:
        module = sys.modules["torch"]
        tensor = module.empty(argument.shape, dtype=getattr(module, name))
        return Buffer(tensor.data_ptr(), tensor)
    array = np.empty(argument.shape, dtype=_numpy_dtype(name))
    return Buffer(_address(array), array)


def _address(array: np.ndarray) -> int:
    # Several times as fast as array.ctypes.data.
    address: int = array.__array_interface__["data"][0]
    return address


def _numpy_dtype(name: str) -> Any:
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError as error:
        raise MachineError(
            "a bfloat16 result as a NumPy array needs the package ml_dtypes: "
            "pip install ml_dtypes, or pass torch tensors"
        ) from error
    return np.dtype(ml_dtypes.bfloat16)


def check_count(manifest: Manifest, values: Sequence[Any]) -> None:
    """ArgumentError unless there is a value for each input."""
    inputs = manifest.inputs
    if len(values) != len(inputs):
        names = ", ".join(argument.name for argument in inputs)
        raise ArgumentError(
            f"{manifest.entry}: expected {len(inputs)} arguments ({names}), but got {len(values)}"
        )


def bytes_of(value: Any) -> npt.NDArray[np.uint8]:
    """The memory of an array, or of a tensor on the CPU, as bytes."""
    if is_torch(value):
        flat = value.reshape(-1).view(sys.modules["torch"].uint8)
        found: npt.NDArray[np.uint8] = flat.numpy()
        return found
    whole: npt.NDArray[np.uint8] = value.reshape(-1).view(np.uint8)
    return whole


def poison(address: int, size: int) -> None:
    """Fills memory with 0xFF: NaN as floats, -1 as integers."""
    if size:
        ctypes.memset(address, 0xFF, size)


def aligned_bytes(size: int, alignment: int = 64) -> Buffer:
    """`size` bytes of uninitialised memory that start at a multiple of `alignment`."""
    owner = np.empty(size + alignment, dtype=np.uint8)
    address = _address(owner)
    return Buffer(address + -address % alignment, owner)
