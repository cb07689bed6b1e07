"""torch.mps, mlx and PyObjC's Metal as far as the runtime uses them, run by our simulator.

They have the documented signatures and nothing more, check what the real ones check, and what is
launched is the text that a Mac would compile. `install` puts one in place of the real package.
"""

from __future__ import annotations

import contextlib
import re
import sys
import types
from typing import Any

import ml_dtypes
import numpy as np

from headrace.sim import msl
from headrace_runtime import machine

MAC = machine.Machine("aarch64", "darwin", "Apple M2 Max", frozenset())


def launch(source: str, name: str, buffers: list[Any], constants: list[int], grid, threads) -> None:
    """Runs one kernel; `buffers` are arrays of bytes, which get what it writes."""
    msl.build(source).launch(
        name, buffers=buffers, constants=constants, grid=tuple(grid), threads=tuple(threads)
    )


# --- torch ---------------------------------------------------------------------------------------


class TorchDtype:
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"torch.{self.name}"


TORCH_DTYPES = {
    name: TorchDtype(name) for name in ("uint8", "int8", "int32", "float32", "float16", "bfloat16")
}


class Tensor:
    """A dense tensor; `array` is its memory."""

    layout = "torch.strided"

    def __init__(self, array: np.ndarray, device: str) -> None:
        self.array = array
        self.device = types.SimpleNamespace(type=device)

    @property
    def dtype(self) -> TorchDtype:
        return TORCH_DTYPES[self.array.dtype.name]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def _like(self, array: np.ndarray) -> Tensor:
        return Tensor(array, self.device.type)

    def __getitem__(self, where: slice) -> Tensor:
        return self._like(self.array[where])

    def view(self, dtype: TorchDtype) -> Tensor:
        return self._like(self.array.view(np.dtype(dtype.name)))

    def reshape(self, *shape: Any) -> Tensor:
        return self._like(self.array.reshape(*shape))

    def contiguous(self) -> Tensor:
        return self if self.is_contiguous() else self._like(np.ascontiguousarray(self.array))

    def is_contiguous(self) -> bool:
        return bool(self.array.flags.c_contiguous)

    def detach(self) -> Tensor:
        return self._like(self.array)

    def copy_(self, other: Tensor) -> Tensor:
        self.array[...] = other.array
        return self

    def cpu(self) -> Tensor:
        return Tensor(self.array.copy(), "cpu")

    def numpy(self) -> np.ndarray:
        if self.device.type != "cpu":
            raise TypeError("can't convert mps:0 device type tensor to numpy")
        return self.array


class TorchLibrary:
    def __init__(self, source: str) -> None:
        self._source = source
        self._kernels = set(msl.build(source).kernels)

    def __getattr__(self, name: str) -> Any:
        if name not in self._kernels:
            raise RuntimeError(f"Failed to create function state object for: {name}")

        def call(*args: Any, threads=None, group_size=None, arg_casts=None) -> None:
            buffers, constants = [], []
            for argument in args:
                if isinstance(argument, Tensor):
                    assert argument.device.type == "mps" and not constants
                    buffers.append(argument.array)
                else:
                    assert arg_casts == "int32", "integers are of 64 bits otherwise"
                    constants += argument
            assert len(threads) == len(group_size) == 3
            assert all(count % size == 0 for count, size in zip(threads, group_size, strict=True))
            grid = [count // size for count, size in zip(threads, group_size, strict=True)]
            launch(self._source, name, buffers, constants, grid, group_size)

        return call


class TorchEvent:
    ticks = 0

    def __init__(self, enable_timing: bool = False) -> None:
        assert enable_timing

    def record(self) -> None:
        TorchEvent.ticks += 1
        self.at = TorchEvent.ticks

    def elapsed_time(self, end_event: TorchEvent) -> float:
        return 0.5 * (end_event.at - self.at)


def torch_module() -> types.ModuleType:
    module: Any = types.ModuleType("torch")
    module.__version__ = "2.13.0"
    module.Tensor = Tensor
    for name, dtype in TORCH_DTYPES.items():
        setattr(module, name, dtype)

    def empty(size: int, *, dtype: TorchDtype, device: str) -> Tensor:
        return Tensor(np.full(size, 0x7F, dtype.name), device)

    def from_numpy(array: np.ndarray) -> Tensor:
        assert array.flags.writeable, "torch warns of others"
        return Tensor(array, "cpu")

    module.empty, module.from_numpy = empty, from_numpy
    module.mps = types.SimpleNamespace(
        compile_shader=TorchLibrary, synchronize=lambda: None, Event=TorchEvent
    )
    module.backends = types.SimpleNamespace(
        mps=types.SimpleNamespace(is_available=lambda: True, get_name=lambda: "Apple M2 Max")
    )
    return module


# --- mlx -----------------------------------------------------------------------------------------


class MlxDtype:
    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.numpy = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
        self.size = self.numpy.itemsize

    def __repr__(self) -> str:
        return f"mlx.core.{self.name}"


MLX_DTYPES = {
    name: MlxDtype(name, text)
    for name, text in {
        "uint8": "uint8_t",
        "int8": "int8_t",
        "uint16": "uint16_t",
        "uint32": "uint32_t",
        "int32": "int32_t",
        "float16": "float16_t",
        "bfloat16": "bfloat16_t",
        "float32": "float",
    }.items()
}
# What mlx puts before every kernel, as far as signatures need it.
MLX_PREAMBLE = """\
#include <metal_stdlib>
typedef half float16_t;
typedef bfloat bfloat16_t;
"""
# Ids that a signature gets where the source has their names.
MLX_PLACES = {
    "simdgroup_index_in_threadgroup": "uint",
    "thread_index_in_simdgroup": "uint",
    "thread_index_in_threadgroup": "uint",
    "thread_position_in_grid": "uint3",
    "threadgroup_position_in_grid": "uint3",
}


class MlxArray:
    """An array that never changes."""

    def __init__(self, values: Any, dtype: MlxDtype | None = None) -> None:
        self._values = np.array(values, dtype and dtype.numpy)
        self._values.flags.writeable = False

    @property
    def dtype(self) -> MlxDtype:
        return MLX_DTYPES[self._values.dtype.name]

    shape = property(lambda self: self._values.shape)
    size = property(lambda self: self._values.size)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._values.copy()

    def __getitem__(self, where: slice) -> MlxArray:
        return MlxArray(self._values[where])

    def view(self, dtype: MlxDtype) -> MlxArray:
        return MlxArray(self._values.view(dtype.numpy))

    def reshape(self, *shape: Any) -> MlxArray:
        return MlxArray(self._values.reshape(*shape))


class MlxKernel:
    def __init__(self, name, input_names, output_names, source, header) -> None:
        assert output_names, "Must specify at least one output"
        self._name = f"custom_kernel_{name}"
        self._inputs, self._outputs = input_names, output_names
        self._source, self._header = source, header

    def __call__(self, *, inputs, grid, threadgroup, output_shapes, output_dtypes):
        assert len(inputs) == len(self._inputs)
        assert len(output_shapes) == len(output_dtypes) == len(self._outputs)
        parameters = []
        for name, array in zip(self._inputs, inputs, strict=True):
            space = "constant" if array.size < 8 else "device"
            parameters.append(f"const {space} {array.dtype.text}* {name}")
        pairs = zip(self._outputs, output_dtypes, strict=True)
        parameters += [f"device {dtype.text}* {name}" for name, dtype in pairs]
        parameters = [f"{text} [[buffer({i})]]" for i, text in enumerate(parameters)]
        parameters += [
            f"{kind} {name} [[{name}]]" for name, kind in MLX_PLACES.items() if name in self._source
        ]
        text = (
            f"{MLX_PREAMBLE}{self._header}[[kernel]] void {self._name}(\n"
            f"  {', '.join(parameters)}) {{\n{self._source}\n}}\n"
        )
        arrays = [np.asarray(array).reshape(-1).view(np.uint8) for array in inputs]
        made = [
            np.full(int(np.prod(shape)), 0x7F, np.uint8).repeat(dtype.size)
            for shape, dtype in zip(output_shapes, output_dtypes, strict=True)
        ]
        assert all(count % size == 0 for count, size in zip(grid, threadgroup, strict=True))
        groups = [count // size for count, size in zip(grid, threadgroup, strict=True)]
        launch(text, self._name, [*arrays, *made], [], groups, threadgroup)
        return [
            MlxArray(data.view(dtype.numpy).reshape(shape))
            for data, dtype, shape in zip(made, output_dtypes, output_shapes, strict=True)
        ]


def metal_kernel(
    name: str,
    input_names: list[str],
    output_names: list[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
) -> MlxKernel:
    assert ensure_row_contiguous and not atomic_outputs
    assert not re.search(r"\bkernel void\b", source), "the body alone"
    return MlxKernel(name, input_names, output_names, source, header)


def mlx_module() -> types.ModuleType:
    module: Any = types.ModuleType("mlx.core")
    module.array = MlxArray
    MlxArray.__module__ = "mlx.core"
    for name, dtype in MLX_DTYPES.items():
        setattr(module, name, dtype)
    module.zeros = lambda shape, dtype: MlxArray(np.zeros(shape), dtype)
    module.concatenate = lambda arrays: MlxArray(np.concatenate([np.asarray(a) for a in arrays]))
    module.contiguous = lambda array: array
    module.eval = lambda arrays: None
    module.synchronize = lambda: None
    module.metal = types.SimpleNamespace(is_available=lambda: True)
    module.device_info = lambda: {"device_name": "Apple M2 Max", "memory_size": 1 << 35}
    module.fast = types.SimpleNamespace(metal_kernel=metal_kernel)
    return module


# --- PyObjC --------------------------------------------------------------------------------------


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


# --- in place of the real ones -------------------------------------------------------------------


def install(monkeypatch: Any, *names: str) -> None:
    """This machine is a Mac that has these backends and no others."""
    monkeypatch.setattr(machine, "host", lambda: MAC)
    for package in ("torch", "mlx", "mlx.core", "Metal", "objc"):
        monkeypatch.setitem(sys.modules, package, None)
    if "torch" in names:
        monkeypatch.setitem(sys.modules, "torch", torch_module())
    if "mlx" in names:
        package: Any = types.ModuleType("mlx")
        package.core = mlx_module()
        monkeypatch.setitem(sys.modules, "mlx", package)
        monkeypatch.setitem(sys.modules, "mlx.core", package.core)
    if "pyobjc" in names:
        monkeypatch.setitem(sys.modules, "Metal", metal_module())
        monkeypatch.setitem(sys.modules, "objc", objc_module())
