"""Metal kernels through mlx, whose arrays never change: what a kernel writes is a new array."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .arrays import NUMPY_NAMES, check_contents
from .errors import MachineError
from .manifest import Argument
from .metal_backends import Bytes, KernelBuffer, Launch, MetalKernel

# mlx takes inputs of fewer than 8 elements from constant memory, which kernels' pointers are not
# to: every array has room for 8 of the widest.
_LEAST = 64
# What kernels need before them; mlx's own preamble comes first and has most of it.
_HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
# Types of MSL -> mlx's.
_TYPES = {
    "bool": "bool_",
    "uchar": "uint8",
    "ushort": "uint16",
    "uint": "uint32",
    "ulong": "uint64",
    "half": "float16",
    "bfloat": "bfloat16",
    "float": "float32",
}


class _Memory:
    """Bytes of a buffer: another array after each kernel that writes it."""

    def __init__(self, array: Any, size: int) -> None:
        self.array = array
        self.size = size


class MlxBackend:
    """Memory is an array of bytes; kernels take views of it and give new ones."""

    name = "mlx"

    def __init__(self, source: str, kernels: Iterable[MetalKernel]) -> None:
        import mlx.core as mx

        del source  # mlx writes signatures of its own
        self._mx: Any = mx
        if not mx.metal.is_available():
            raise MachineError("mlx finds no Metal device on this machine")
        self._kernels: dict[tuple[str, bool], Any] = {}
        for kernel in kernels:
            _check(kernel)
        info = mx.device_info() if hasattr(mx, "device_info") else mx.metal.device_info()
        self.device = str(info.get("device_name") or info.get("architecture"))

    def allocate(self, size: int) -> _Memory:
        return _Memory(self._mx.zeros((max(size, _LEAST),), dtype=self._mx.uint8), size)

    def write(self, memory: _Memory, data: Bytes) -> None:
        padded = np.zeros(memory.array.size, np.uint8)
        padded[: data.size] = data
        memory.array = self._mx.array(padded)

    def read(self, memory: _Memory, size: int) -> Bytes:
        return np.array(memory.array[:size])

    def run(self, launches: Sequence[Launch]) -> None:
        self._mx.eval([array for launch in launches for array in self._launch(launch)])
        self._mx.synchronize()

    def time(self, launches: Sequence[Launch]) -> list[float]:
        # mlx has no times of the device: these are of the CPU, and hold the launch as well.
        self._mx.synchronize()
        seconds = []
        for launch in launches:
            start = time.perf_counter()
            self.run([launch])
            seconds.append(time.perf_counter() - start)
        return seconds

    def _launch(self, launch: Launch) -> list[Any]:
        """Queues a kernel; returns the arrays that it makes."""
        places = list(zip(launch.kernel.buffers, launch.memories, launch.offsets, strict=True))
        inputs = [self._view(*place) for place in places if not place[0].written]
        if launch.constants:
            padded = [*launch.constants, *[0] * 8]
            inputs.append(self._mx.array(padded, dtype=self._mx.int32))
        outputs = [place for place in places if place[0].written]
        made = self._kernel(launch)(
            inputs=inputs,
            grid=launch.all_threads,
            threadgroup=launch.kernel.threads,
            output_shapes=[(self._elements(buffer),) for buffer, _, _ in outputs],
            output_dtypes=[self._type(buffer) for buffer, _, _ in outputs],
        )
        for (buffer, memory, offset), array in zip(outputs, made, strict=True):
            self._store(buffer, memory, offset, array.view(self._mx.uint8))
        return [memory.array for _, memory, _ in outputs]

    def _kernel(self, launch: Launch) -> Any:
        kernel, constants = launch.kernel, bool(launch.constants)
        key = (kernel.name, constants)
        if key not in self._kernels:
            inputs = [buffer.name for buffer in kernel.buffers if not buffer.written]
            self._kernels[key] = self._mx.fast.metal_kernel(
                name=kernel.name,
                input_names=[*inputs, *(["constants"] if constants else [])],
                output_names=[buffer.name for buffer in kernel.buffers if buffer.written],
                source=kernel.body,
                header=_HEADER,
            )
        return self._kernels[key]

    def _type(self, buffer: KernelBuffer) -> Any:
        return getattr(self._mx, _TYPES[buffer.type])

    def _elements(self, buffer: KernelBuffer) -> int:
        return int(max(buffer.bytes, _LEAST)) // int(self._type(buffer).size)

    def _view(self, buffer: KernelBuffer, memory: _Memory, offset: int) -> Any:
        array = memory.array
        end = offset + max(buffer.bytes, _LEAST)
        if end > array.size:
            more = self._mx.zeros((end - array.size,), dtype=self._mx.uint8)
            array = self._mx.concatenate([array, more])
        return array[offset:end].view(self._type(buffer))

    def _store(self, buffer: KernelBuffer, memory: _Memory, offset: int, made: Any) -> None:
        if offset == 0 and buffer.bytes >= memory.size:
            memory.array = made
            return
        array = memory.array
        parts = [array[:offset], made[: buffer.bytes], array[offset + buffer.bytes :]]
        memory.array = self._mx.concatenate(parts)

    def adopt(self, argument: Argument, value: Any) -> _Memory | None:
        mx = self._mx
        if not isinstance(value, mx.array):
            return None
        dtype = str(value.dtype).rpartition(".")[2]
        check_contents(argument, dtype, tuple(value.shape), True)
        flat = mx.contiguous(value).reshape(-1).view(mx.uint8)
        if flat.size < _LEAST:
            flat = mx.concatenate([flat, mx.zeros((_LEAST - flat.size,), dtype=mx.uint8)])
        return _Memory(flat, argument.bytes)

    def result(self, argument: Argument, memory: _Memory) -> Any:
        kind = getattr(self._mx, NUMPY_NAMES[argument.dtype])
        return memory.array[: argument.bytes].view(kind).reshape(argument.shape)


def _check(kernel: MetalKernel) -> None:
    for buffer in kernel.buffers:
        if buffer.written and buffer.read:
            raise MachineError(
                f"kernel '{kernel.name}' updates '{buffer.name}' where it lies, which mlx has no "
                "way to; allowed: the backends pyobjc and torch"
            )


METAL = MlxBackend
