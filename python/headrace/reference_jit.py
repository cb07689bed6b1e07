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

import numpy as np
import numpy.typing as npt

from headrace import ir
from headrace.decomposition import Array, checked, decompose
from headrace.errors import CompileError
from headrace.execution_engine import ExecutionEngine
from headrace.passmanager import PassManager

__all__ = ["PIPELINE", "Meaning"]

# From linalg on tensors to the llvm dialect: results become arguments, linalg becomes loops.
# Calls of libm are fine here.
PIPELINE = (
    "builtin.module(func.func(llvm-request-c-wrappers,convert-elementwise-to-linalg),"
    "one-shot-bufferize{bufferize-function-boundaries=true "
    "function-boundary-type-conversion=identity-layout-map},"
    "buffer-results-to-out-params{hoist-static-allocs=true modify-public-functions=true},"
    "buffer-deallocation-pipeline,"
    "func.func(convert-linalg-to-loops),convert-scf-to-cf,expand-strided-metadata,lower-affine,"
    "finalize-memref-to-llvm,convert-math-to-llvm,convert-math-to-libm,convert-arith-to-llvm,"
    "convert-index-to-llvm,convert-cf-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts)"
)


class Meaning:
    """The entry function of a module, compiled for this machine.

    module: operations on tensors; it is left as it is.
    function: the name of the entry; without it, the only one, the only public one, or `main`.
    inputs, outputs: (shape, dtype) of each argument and result; packed values and caches are int8
        bytes.
    Raises `CompileError` where something does not decompose.
    """

    def __init__(self, module: ir.Module, function: str | None = None) -> None:
        lowered, self._name, self.inputs, self.outputs = decompose(module, function)
        with lowered.context:
            try:
                PassManager.parse(PIPELINE).run(lowered.operation)
                # Holds the code only; the module may go.
                self._engine = ExecutionEngine(lowered, opt_level=2)
                self._engine.raw_register_runtime(
                    "memrefCopy", ctypes.cast(_copy_memref, ctypes.c_void_p)
                )
            except (ir.MLIRError, RuntimeError) as error:
                raise CompileError(f"reference: cannot be compiled by the jit: {error}") from error

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """The results for `inputs`; raises `UsageError` for arrays of another shape or type."""
        # Copies, as code that updates a cache in place does so in its argument.
        arrays = [array.copy() for array in checked(inputs, self.inputs)]
        results = [np.empty(shape, dtype) for shape, dtype in self.outputs]
        descriptors = [_descriptor(array) for array in [*arrays, *results]]
        # The engine takes the address of each argument, and an argument is an address.
        addresses = [ctypes.c_void_p(item.ctypes.data) for item in descriptors]
        self._engine.invoke(self._name, *(ctypes.pointer(address) for address in addresses))
        return tuple(results)


def _descriptor(array: Array) -> npt.NDArray[np.int64]:
    """MLIR's memref descriptor: pointer twice, offset, sizes, strides in elements."""
    strides = [math.prod(array.shape[i + 1 :]) for i in range(array.ndim)]
    address = array.ctypes.data
    return np.array([address, address, 0, *array.shape, *strides], dtype=np.int64)


class _Unranked(ctypes.Structure):
    """MLIR's descriptor of a memref of any rank: the rank and the address of the ranked one."""

    _fields_ = [("rank", ctypes.c_int64), ("descriptor", ctypes.POINTER(ctypes.c_int64))]


@ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.POINTER(_Unranked), ctypes.POINTER(_Unranked))
def _copy_memref(size: int, source: Any, target: Any) -> None:
    """What compiled code calls to copy between memrefs whose elements do not lie together."""
    _bytes_of(size, target.contents)[...] = _bytes_of(size, source.contents)


def _bytes_of(size: int, memref: _Unranked) -> npt.NDArray[np.uint8]:
    """The elements of `size` bytes of a memref, as [..., size]."""
    rank, words = memref.rank, memref.descriptor
    shape, strides = words[3 : 3 + rank], words[3 + rank : 3 + 2 * rank]
    if 0 in shape:
        return np.empty((*shape, size), np.uint8)
    last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    first = ctypes.cast(words[1] + words[2] * size, ctypes.POINTER(ctypes.c_uint8))
    flat = np.ctypeslib.as_array(first, ((last + 1) * size,))
    return np.lib.stride_tricks.as_strided(
        flat, (*shape, size), (*(stride * size for stride in strides), 1)
    )
