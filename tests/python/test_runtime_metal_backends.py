"""The backends for Metal by themselves: constants, offsets, updates, parts of memory."""

import metal_fakes
import numpy as np
import pytest

from headrace_runtime import MachineError, metal_backends

UPDATE = """\
kernel void update(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                   constant int* constants [[buffer(2)]],
                   uint thread_index [[thread_index_in_threadgroup]]) {
  y[thread_index] = y[thread_index] + x[thread_index] * float(constants[1]);
}
"""


def hand_made(read, body):
    buffers = (
        metal_backends.KernelBuffer("x", "float", 32, True, False),
        metal_backends.KernelBuffer("y", "float", 32, read, True),
    )
    return metal_backends.MetalKernel("update", (8, 1, 1), buffers, body)


@pytest.mark.parametrize("name", ["torch", "pyobjc"])
def test_constants_offsets_and_updates_in_place(monkeypatch, name):
    metal_fakes.install(monkeypatch, name)
    kernel = hand_made(True, "")
    backend = metal_backends.make(name, UPDATE, [kernel])
    x, y = backend.allocate(64), backend.allocate(32)
    values = np.arange(16, dtype=np.float32)
    backend.write(x, values.view(np.uint8))
    backend.write(y, np.ones(8, np.float32).view(np.uint8))
    launch = metal_backends.Launch(kernel, (1, 1, 1), (x, y), (32, 0), (7, -3))
    backend.run([launch, launch])
    assert np.array_equal(backend.read(y, 32).view(np.float32), 1 - 6 * values[8:])


def test_mlx_with_constants_and_parts_of_memory(monkeypatch):
    metal_fakes.install(monkeypatch, "mlx")
    body = (
        "const uint thread_index = thread_index_in_threadgroup;\n"
        "y[thread_index] = x[thread_index] * float(constants[1]);"
    )
    kernel = hand_made(False, body)
    backend = metal_backends.make("mlx", "", [kernel])
    x, y = backend.allocate(32), backend.allocate(96)
    values = np.arange(8, dtype=np.float32)
    backend.write(x, values.view(np.uint8))
    backend.write(y, np.ones(24, np.float32).view(np.uint8))
    backend.run([metal_backends.Launch(kernel, (1, 1, 1), (x, y), (0, 32), (7, -3))])
    want = np.concatenate([np.ones(8), -3 * values, np.ones(8)])
    assert np.array_equal(backend.read(y, 96).view(np.float32), want)
    with pytest.raises(
        MachineError, match="'update' updates 'y' where it lies, which mlx has no w"
    ):
        metal_backends.make("mlx", "", [hand_made(True, body)])
