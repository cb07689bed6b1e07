"""A module as tensors of numbers: decomposed, with the signature that its entry then has.

What the engines that run a meaning have in common (`reference_jit`, `reference_iree`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import ir
from headrace.errors import CompileError, UsageError, unknown
from headrace.modules import entry_function
from headrace.passmanager import PassManager

__all__ = ["DECOMPOSE", "Array", "Decomposed", "Signature", "checked", "decompose"]

# Packed values and caches become tensors of bytes, operations become linalg and arith.
DECOMPOSE = "decompose-qattn,decompose-qlinear,canonicalize,cse"

Array = npt.NDArray[Any]
Signature = list[tuple[tuple[int, ...], np.dtype[Any]]]

_DTYPES: dict[str, npt.DTypeLike] = {
    "f32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "i8": np.int8,
    "i32": np.int32,
}


class Decomposed(NamedTuple):
    """A module without operations of ours, and (shape, dtype) of what its entry takes and gives."""

    module: ir.Module
    name: str
    inputs: Signature
    outputs: Signature


def decompose(module: ir.Module, function: str | None = None) -> Decomposed:
    """A decomposed copy of `module`; packed values and caches of the entry are int8 bytes.

    function: the name of the entry; without it, see `modules.entry_function`
    Raises `CompileError` where something does not decompose or is not a static tensor.
    """
    copy = ir.Module.parse(str(module), module.context)
    try:
        with copy.context:
            PassManager.parse(f"builtin.module({DECOMPOSE})").run(copy.operation)
    except ir.MLIRError as error:
        raise CompileError(f"reference: cannot be decomposed: {error}") from error
    entry = entry_function(copy.operation) if function is None else _named(copy, function)
    return Decomposed(
        copy,
        entry.name.value,
        [_array_type(kind) for kind in entry.type.inputs],
        [_array_type(kind) for kind in entry.type.results],
    )


def _named(module: ir.Module, name: str) -> Any:
    body: Any = module.body.operations
    functions = {op.name.value: op for op in body if op.operation.name == "func.func"}
    if name not in functions:
        raise unknown("function", name, functions)
    return functions[name]


def _array_type(kind: ir.Type) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if isinstance(kind, ir.RankedTensorType) and kind.has_static_shape:
        dtype = _DTYPES.get(str(kind.element_type))
        if dtype is not None:
            return tuple(kind.shape), np.dtype(dtype)
    raise CompileError(
        f"reference: expected packed values, caches or static tensors of {', '.join(_DTYPES)}, "
        f"but got {kind}"
    )


def checked(inputs: tuple[Any, ...], signature: Signature) -> list[Array]:
    """`inputs` in C order; bytes may come as uint8.

    Raises `UsageError` for arrays of another number, shape or dtype.
    """
    if len(inputs) != len(signature):
        raise UsageError(f"reference: expected {len(signature)} inputs, but got {len(inputs)}")
    return [
        _checked(array, index, *want)
        for index, (array, want) in enumerate(zip(inputs, signature, strict=True))
    ]


def _checked(array: Any, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if not isinstance(array, np.ndarray):
        raise UsageError(
            f"reference: expected input {index} to be a numpy array, but got {type(array).__name__}"
        )
    if dtype == np.int8 and array.dtype == np.uint8:
        array = array.view(np.int8)
    if array.shape != shape or array.dtype != dtype:
        raise UsageError(
            f"reference: expected input {index} to be {dtype} of shape {shape}, "
            f"but got {array.dtype} of shape {array.shape}"
        )
    return np.ascontiguousarray(array)
