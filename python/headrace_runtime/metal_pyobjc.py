"""Metal kernels through PyObjC: the framework's own interface, GPU times included."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .errors import ArtifactError, MachineError
from .manifest import Argument
from .metal_backends import Bytes, Launch, MetalKernel

# MTLMathModeSafe of MTLCompileOptions.mathMode, which systems before macOS 15 do not have.
_SAFE = 0
# Metal has no empty buffers.
_LEAST = 16


class PyObjCBackend:
    """Buffers in memory that CPU and GPU share; a command buffer for each run."""

    name = "pyobjc"

    def __init__(self, source: str, kernels: Iterable[MetalKernel]) -> None:
        import Metal
        import objc

        self._metal: Any = Metal
        self._objc: Any = objc
        self._device = Metal.MTLCreateSystemDefaultDevice()
        if self._device is None:
            raise MachineError("Metal finds no GPU on this machine")
        self.device = str(self._device.name())
        options = Metal.MTLCompileOptions.alloc().init()
        if options.respondsToSelector_("setMathMode:"):
            options.setMathMode_(_SAFE)
        else:
            options.setFastMathEnabled_(False)
        library, error = self._device.newLibraryWithSource_options_error_(source, options, None)
        if library is None:
            raise ArtifactError(f"Metal's compiler refuses the kernels: {error}")
        self._pipelines = {kernel.name: self._pipeline(library, kernel) for kernel in kernels}
        self._queue = self._device.newCommandQueue()

    def _pipeline(self, library: Any, kernel: MetalKernel) -> Any:
        function = library.newFunctionWithName_(kernel.name)
        if function is None:
            raise ArtifactError(f"the source has no kernel named '{kernel.name}'")
        state, error = self._device.newComputePipelineStateWithFunction_error_(function, None)
        if state is None:
            raise ArtifactError(f"kernel '{kernel.name}' makes no pipeline: {error}")
        threads = int(np.prod(kernel.threads))
        if threads > state.maxTotalThreadsPerThreadgroup():
            raise MachineError(
                f"kernel '{kernel.name}' needs {threads} threads in a threadgroup, but "
                f"{self.device} allows {state.maxTotalThreadsPerThreadgroup()} of it"
            )
        return state

    def allocate(self, size: int) -> Any:
        options = self._metal.MTLResourceStorageModeShared
        memory = self._device.newBufferWithLength_options_(max(size, _LEAST), options)
        if memory is None:
            raise MachineError(f"{self.device} has no memory for a buffer of {size} bytes")
        return memory

    def write(self, memory: Any, data: Bytes) -> None:
        self._view(memory)[: data.size] = data

    def read(self, memory: Any, size: int) -> Bytes:
        return self._view(memory)[:size].copy()

    def _view(self, memory: Any) -> Bytes:
        return np.frombuffer(memory.contents().as_buffer(memory.length()), np.uint8)

    def run(self, launches: Sequence[Launch]) -> None:
        self._run(launches)

    def time(self, launches: Sequence[Launch]) -> list[float]:
        return [self._run([launch]) for launch in launches]

    def _run(self, launches: Sequence[Launch]) -> float:
        """Runs them in one command buffer; dispatches of an encoder follow each other."""
        with self._objc.autorelease_pool():
            commands = self._queue.commandBuffer()
            encoder = commands.computeCommandEncoder()
            for launch in launches:
                self._encode(encoder, launch)
            encoder.endEncoding()
            commands.commit()
            commands.waitUntilCompleted()
            if commands.error() is not None:
                raise MachineError(f"{self.device} failed to run the kernels: {commands.error()}")
            return float(commands.GPUEndTime() - commands.GPUStartTime())

    def _encode(self, encoder: Any, launch: Launch) -> None:
        encoder.setComputePipelineState_(self._pipelines[launch.kernel.name])
        pairs = zip(launch.memories, launch.offsets, strict=True)
        for index, (memory, offset) in enumerate(pairs):
            encoder.setBuffer_offset_atIndex_(memory, offset, index)
        if launch.constants:
            data = bytes((ctypes.c_int32 * len(launch.constants))(*launch.constants))
            encoder.setBytes_length_atIndex_(data, len(data), len(launch.memories))
        size = self._metal.MTLSize
        encoder.dispatchThreadgroups_threadsPerThreadgroup_(
            size(*launch.grid), size(*launch.kernel.threads)
        )

    def adopt(self, argument: Argument, value: Any) -> Any | None:
        del argument, value
        return None

    def result(self, argument: Argument, memory: Any) -> Any:
        raise AssertionError("adopts no arrays, so no result is one")


METAL = PyObjCBackend
