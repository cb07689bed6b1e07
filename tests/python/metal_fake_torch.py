"""torch and torch.mps as far as the runtime uses them; see metal_fakes."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from metal_launch import launch

from headrace.sim import msl


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
