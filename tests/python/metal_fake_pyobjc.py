"""PyObjC with its Metal as far as the runtime uses them; see metal_fakes."""

from __future__ import annotations

import contextlib
import types
from typing import Any

import numpy as np
from metal_launch import launch

from headrace.sim import msl


class Pointer:
    """What `contents()` gives: memory of unknown size."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data

    def as_buffer(self, size: int) -> memoryview:
        return self._data[:size].data


class MTLBuffer:
    def __init__(self, size: int) -> None:
        self.data = np.full(size, 0x7F, np.uint8)

    def length(self) -> int:
        return len(self.data)

    def contents(self) -> Pointer:
        return Pointer(self.data)


class MTLCompileOptions:
    has_math_mode = True

    @classmethod
    def alloc(cls) -> MTLCompileOptions:
        return cls()

    def init(self) -> MTLCompileOptions:
        self.safe = False
        return self

    def respondsToSelector_(self, selector: str) -> bool:
        return selector == "setMathMode:" and self.has_math_mode

    def setMathMode_(self, mode: int) -> None:
        assert self.has_math_mode
        self.safe = mode == 0

    def setFastMathEnabled_(self, enabled: bool) -> None:
        self.safe = not enabled


class MTLFunction:
    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name

    def maxTotalThreadsPerThreadgroup(self) -> int:
        return 1024


class MTLLibrary:
    def __init__(self, source: str) -> None:
        self._source, self._names = source, set(msl.build(source).kernels)

    def newFunctionWithName_(self, name: str) -> MTLFunction | None:
        return MTLFunction(self._source, name) if name in self._names else None


class MTLComputeCommandEncoder:
    def __init__(self, commands: list[Any]) -> None:
        self._commands, self._buffers, self._ended = commands, {}, False
        self._constants: list[int] = []

    def setComputePipelineState_(self, state: MTLFunction) -> None:
        self._state = state

    def setBuffer_offset_atIndex_(self, buffer: MTLBuffer, offset: int, index: int) -> None:
        assert 0 <= offset < buffer.length()
        self._buffers[index] = buffer.data[offset:]

    def setBytes_length_atIndex_(self, data: bytes, length: int, index: int) -> None:
        assert len(data) == length and index == 1 + max(self._buffers)
        self._constants = np.frombuffer(data, np.int32).tolist()

    def dispatchThreadgroups_threadsPerThreadgroup_(self, grid: Any, threads: Any) -> None:
        state = self._state
        wanted = len(msl.build(state.source).kernels[state.name].parameters)
        buffers = [self._buffers[i] for i in sorted(self._buffers) if i < wanted]
        constants, self._constants = self._constants, []
        self._buffers = {}
        self._commands.append(
            (state.source, state.name, buffers, constants, grid.tuple, threads.tuple)
        )

    def endEncoding(self) -> None:
        self._ended = True


class MTLCommandBuffer:
    def __init__(self) -> None:
        self._commands: list[Any] = []
        self._done = False

    def computeCommandEncoder(self) -> MTLComputeCommandEncoder:
        return MTLComputeCommandEncoder(self._commands)

    def commit(self) -> None:
        for command in self._commands:
            launch(*command)

    def waitUntilCompleted(self) -> None:
        self._done = True

    def error(self) -> None:
        assert self._done
        return

    def GPUStartTime(self) -> float:
        return 1.0

    def GPUEndTime(self) -> float:
        assert self._done
        return 1.0 + 100e-6 * len(self._commands)


class MTLDevice:
    def __init__(self) -> None:
        self.options: MTLCompileOptions | None = None

    def name(self) -> str:
        return "Apple M2 Max"

    def newLibraryWithSource_options_error_(self, source: str, options: Any, error: None) -> Any:
        assert error is None
        self.options = options
        try:
            return MTLLibrary(source), None
        except Exception as problem:
            return None, str(problem)

    def newComputePipelineStateWithFunction_error_(self, function: MTLFunction, error: None) -> Any:
        return function, None

    def newCommandQueue(self) -> Any:
        return types.SimpleNamespace(commandBuffer=MTLCommandBuffer)

    def newBufferWithLength_options_(self, length: int, options: int) -> MTLBuffer:
        assert length > 0 and options == 0
        return MTLBuffer(length)


class MTLSize:
    def __init__(self, width: int, height: int, depth: int) -> None:
        self.tuple = (width, height, depth)


def metal_module() -> types.ModuleType:
    module: Any = types.ModuleType("Metal")
    module.MTLCreateSystemDefaultDevice = MTLDevice
    module.MTLCompileOptions = MTLCompileOptions
    module.MTLResourceStorageModeShared = 0
    module.MTLSize = MTLSize
    return module


def objc_module() -> types.ModuleType:
    module: Any = types.ModuleType("objc")
    module.autorelease_pool = contextlib.nullcontext
    return module
