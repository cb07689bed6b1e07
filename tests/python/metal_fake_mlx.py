"""mlx as far as the runtime uses it; see metal_fakes."""

from __future__ import annotations

import re
import types
from typing import Any

import ml_dtypes
import numpy as np
from metal_launch import launch


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
