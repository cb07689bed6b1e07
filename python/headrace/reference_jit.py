"""Runs what a module means: its decomposition to linalg, compiled by MLIR's own JIT.

Independent of every target's passes, so that any target can be compared with it:

    meaning = Meaning(hr.ops.matvec(4, 256, format="q4_k").build())
    (y,) = meaning(x, w)

It is slow, and needs the execution engine of MLIR's bindings (part of the compiler package).
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import ir
from headrace.dialects import qlinear
from headrace.errors import CompileError, UsageError
from headrace.execution_engine import ExecutionEngine
from headrace.modules import entry_function
from headrace.passmanager import PassManager

__all__ = ["PIPELINE", "Meaning"]

# From qlinear on tensors to the llvm dialect: results become arguments, linalg becomes loops.
# Calls of libm are fine here.
PIPELINE = (
    "builtin.module(decompose-qlinear,canonicalize,cse,func.func(llvm-request-c-wrappers),"
    "one-shot-bufferize{bufferize-function-boundaries=true "
    "function-boundary-type-conversion=identity-layout-map},"
    "buffer-results-to-out-params{hoist-static-allocs=true modify-public-functions=true},"
    "buffer-deallocation-pipeline,"
    "func.func(convert-linalg-to-loops),convert-scf-to-cf,expand-strided-metadata,lower-affine,"
    "finalize-memref-to-llvm,convert-math-to-llvm,convert-math-to-libm,convert-arith-to-llvm,"
    "convert-index-to-llvm,convert-cf-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts)"
)

_DTYPES: dict[str, npt.DTypeLike] = {
    "f32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "i8": np.int8,
    "i32": np.int32,
}

Array = npt.NDArray[Any]
Signature = list[tuple[tuple[int, ...], np.dtype[Any]]]


class Meaning:
    """The entry function of a module, compiled for this machine.

    module: operations on tensors; it is left as it is.
    inputs, outputs: (shape, dtype) of each argument and result; a packed value is int8 bytes.
    Raises `CompileError` where something does not decompose.
    """

    def __init__(self, module: ir.Module) -> None:
        function = entry_function(module.operation)
        self.inputs: Signature = [_array_type(kind) for kind in function.type.inputs]
        self.outputs: Signature = [_array_type(kind) for kind in function.type.results]
        self._name = function.name.value
        lowered = module.operation.clone()
        with module.context:
            try:
                PassManager.parse(PIPELINE).run(lowered)
                # Holds the code only; the module may go.
                self._engine = ExecutionEngine(ir.Module.parse(str(lowered)), opt_level=2)
            except (ir.MLIRError, RuntimeError) as error:
                raise CompileError(f"reference: cannot be compiled by the jit: {error}") from error

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """The results for `inputs`; raises `UsageError` for arrays of another shape or type."""
        if len(inputs) != len(self.inputs):
            raise UsageError(
                f"reference: expected {len(self.inputs)} inputs, but got {len(inputs)}"
            )
        arrays = [
            _checked(array, i, *want)
            for i, (array, want) in enumerate(zip(inputs, self.inputs, strict=True))
        ]
        results = [np.empty(shape, dtype) for shape, dtype in self.outputs]
        descriptors = [_descriptor(array) for array in [*arrays, *results]]
        # The engine takes the address of each argument, and an argument is an address.
        addresses = [ctypes.c_void_p(item.ctypes.data) for item in descriptors]
        self._engine.invoke(self._name, *(ctypes.pointer(address) for address in addresses))
        return tuple(results)


def _array_type(kind: ir.Type) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if isinstance(kind, qlinear.PackedType):
        return (kind.storage_bytes,), np.dtype(np.int8)
    if isinstance(kind, ir.RankedTensorType) and kind.has_static_shape:
        dtype = _DTYPES.get(str(kind.element_type))
        if dtype is not None:
            return tuple(kind.shape), np.dtype(dtype)
    raise CompileError(
        f"reference: expected packed values or static tensors of {', '.join(_DTYPES)}, "
        f"but got {kind}"
    )


def _checked(array: Array, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """`array` in C order; bytes may come as uint8."""
    if dtype == np.int8 and array.dtype == np.uint8:
        array = array.view(np.int8)
    if array.shape != shape or array.dtype != dtype:
        raise UsageError(
            f"reference: expected input {index} to be {dtype} of shape {shape}, "
            f"but got {array.dtype} of shape {array.shape}"
        )
    return np.ascontiguousarray(array)


def _descriptor(array: Array) -> npt.NDArray[np.int64]:
    """MLIR's memref descriptor: pointer twice, offset, sizes, strides in elements."""
    strides = [math.prod(array.shape[i + 1 :]) for i in range(array.ndim)]
    address = array.ctypes.data
    return np.array([address, address, 0, *array.shape, *strides], dtype=np.int64)
