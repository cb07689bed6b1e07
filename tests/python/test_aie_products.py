"""Products on simulated arrays of AI Engines: from qlinear to AIE text, run with real data."""

from __future__ import annotations

import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import headrace
from headrace import formats, ir
from headrace.passmanager import PassManager
from headrace.sim import aie
from headrace.sim.aie_library import compile_cores
from headrace_runtime import ArgumentError
from headrace_runtime.core_blocks import (
    column_blocks,
    core_blocks,
    cut_blocks,
    group_blocks,
    unit_blocks,
)

DEVICES = Path(headrace.__file__).parent / "targets" / "aie" / "devices.json"
COLUMNS = {"npu1": 4, "npu2": 8}
# What a call takes; the time of a run is no matter here.
BOUND = 1e-4
CYCLES = {"accumulate": 1120.0, "take": 1000.0, "copy": 60.0, "zero": 10.0, "gate": 100.0}


def packed(rows, cols, name):
    storage = formats.get(name)
    padded = storage.padded_shape(rows, cols)
    pad = f", padded = {padded[0]}x{padded[1]}" if padded != (rows, cols) else ""
    return f"!qlinear.packed<{rows}x{cols}, {storage.attribute}{pad}>"


def matvec(rows, cols, name):
    return f"""!w = {packed(rows, cols, name)}
    func.func @main(%w: !w, %x: tensor<{cols}xbf16>) -> tensor<{rows}xf32> {{
      %0 = tensor.empty() : tensor<{rows}xf32>
      %y = qlinear.matvec ins(%w, %x : !w, tensor<{cols}xbf16>)
        outs(%0 : tensor<{rows}xf32>) -> tensor<{rows}xf32>
      return %y : tensor<{rows}xf32>
    }}"""


def gated_matvec(rows, cols, name, activation):
    return f"""!w = {packed(rows, cols, name)}
    func.func @main(%g: !w, %u: !w, %x: tensor<{cols}xbf16>) -> tensor<{rows}xf32> {{
      %0 = tensor.empty() : tensor<{rows}xf32>
      %y = qlinear.gated_matvec {activation} ins(%g, %u, %x : !w, !w, tensor<{cols}xbf16>)
        outs(%0 : tensor<{rows}xf32>) -> tensor<{rows}xf32>
      return %y : tensor<{rows}xf32>
    }}"""


def run(text, device, folder, name, matrices, x):
    """The results, and the run, of the design for `text` with these packed matrices."""
    with ir.Context():
        module = ir.Module.parse(text)
        options = f"device={device} columns={COLUMNS[device]} devices={DEVICES}"
        PassManager.parse(f"builtin.module(headrace-aie-pipeline{{{options}}})").run(
            module.operation
        )
        library = compile_cores(module, folder / "cores.so")
        (recipe,) = ir.DictAttr(module.operation.attributes["headrace.packing"])["main"]["products"]
        channels, rounds = (list(recipe[key]) for key in ("channels", "rounds"))
        columns = recipe["columns"].value
        (device_op,) = [op for op in module.body.operations if op.operation.name == "aie.device"]
        text = f"module {{\n{device_op}\n}}"
    units = [unit_blocks(each, name) for each in matrices]
    weights = column_blocks([cut_blocks(each, name, columns) for each in units], channels, rounds)
    names = re.findall(r"func.func private @(\w+)", text)
    cycles = {name: next(CYCLES[k] for k in CYCLES if name.startswith(k)) for name in names}
    columns_stored = int(re.search(r"memref<(\d+)xi8>, %\w+: memref<\d+xf32>\)", text)[1]) // 2
    padded = np.zeros(columns_stored, ml_dtypes.bfloat16)
    padded[: len(x)] = x
    outputs = int(re.search(r"@sequence\(.*memref<(\d+)xf32>\)", text)[1])
    y = np.full(outputs, np.nan, np.float32)
    return y, aie.load(text, kernels=library, cycles=cycles).run([weights, padded, y])


def drawn(rows, cols, name, seed=0):
    rng = np.random.default_rng(seed)
    data = formats.get(name).encode(rng.standard_normal((rows, cols), dtype=np.float32))
    return data, rng.standard_normal(cols).astype(ml_dtypes.bfloat16)


def product(data, rows, cols, name, x):
    values = formats.get(name).decode(data, rows, cols).astype(np.float64)
    return values @ x.astype(np.float64)


def error(got, want):
    return np.linalg.norm(got[: len(want)] - want) / np.linalg.norm(want)


@pytest.mark.parametrize(
    ("rows", "cols", "name", "device"),
    [
        (1024, 1152, "q4nx", "npu2"),
        (1, 256, "q4nx", "npu2"),
        (1187, 640, "q4nx", "npu1"),
        (512, 2048, "q4_k", "npu2"),
        (640, 1152, "q4_0", "npu2"),
        (321, 96, "q4_0", "npu1"),
    ],
)
def test_matvec(rows, cols, name, device, tmp_path):
    data, x = drawn(rows, cols, name)
    blocks = core_blocks(data, rows, cols, name)
    y, _ = run(matvec(rows, cols, name), device, tmp_path, name, [blocks], x)
    assert error(y, product(data, rows, cols, name, x)) < BOUND
    assert not y[rows:].any()


@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
@pytest.mark.parametrize(("name", "device"), [("q4nx", "npu2"), ("q4_k", "npu1"), ("q4_0", "npu2")])
def test_gated_matvec(name, device, activation, tmp_path):
    rows, cols = 448, 512
    gate, x = drawn(rows, cols, name)
    up, _ = drawn(rows, cols, name, seed=1)
    x = (x.astype(np.float32) / 8).astype(ml_dtypes.bfloat16)
    matrices = [core_blocks(data, rows, cols, name) for data in (gate, up)]
    y, _ = run(gated_matvec(rows, cols, name, activation), device, tmp_path, name, matrices, x)
    g, u = (product(data, rows, cols, name, x) for data in (gate, up))
    if activation == "silu":
        want = g / (1 + np.exp(-g)) * u
    else:
        want = g / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (g + 0.044715 * g**3))) * u
    assert error(y, want) < BOUND


def test_blocks_are_cut_by_columns():
    units = np.random.default_rng(0).integers(0, 256, (3, 2, 2560), dtype=np.uint8)
    cut = cut_blocks(units, "q4_0", 64)
    assert cut.shape == (3, 8, 640)
    # Two tables of 8 groups, each of 16 bf16; then 256 columns of 8 bytes.
    tables = units[..., :512].reshape(3, 2, 2, 8, 32)
    codes = units[..., 512:].reshape(3, 2, 4, 512)
    for block, part in np.ndindex(2, 4):
        found = cut[:, 4 * block + part]
        scales = tables[:, block, :, 2 * part : 2 * part + 2]
        assert (found[:, :128] == scales.reshape(3, -1)).all()
        assert (found[:, 128:] == codes[:, block, part]).all()


def test_a_projection_of_a_model_near_the_limit_of_memory(tmp_path):
    rows, cols = 10240, 2560
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (rows // 32, cols // 256, 5120), dtype=np.uint8)
    scales = rng.standard_normal((*blocks.shape[:2], 512), dtype=np.float32)
    blocks[:, :, :1024] = scales.astype(ml_dtypes.bfloat16).view(np.uint8)
    data, x = blocks.reshape(-1), rng.standard_normal(cols).astype(ml_dtypes.bfloat16)
    y, done = run(matvec(rows, cols, "q4nx"), "npu2", tmp_path, "q4nx", [blocks], x)
    want = formats.get("q4nx").decode(data, rows, cols) @ x.astype(np.float32)
    assert error(y, want) < BOUND
    # Of the 60 GB/s that all columns together get, dispatch excluded.
    assert blocks.nbytes / 60e3 / done.us > 0.92


def test_large_and_missing_numbers(tmp_path):
    data, x = drawn(96, 512, "q4nx")
    blocks = core_blocks(data, 96, 512, "q4nx").copy()
    x[7] = np.inf
    y, _ = run(matvec(96, 512, "q4nx"), "npu2", tmp_path, "q4nx", [blocks], x)
    assert not np.isfinite(y[:96]).any()
    x[7] = 3e38
    y, _ = run(matvec(96, 512, "q4nx"), "npu2", tmp_path, "q4nx", [np.zeros_like(blocks)], x)
    assert not y.any() or np.isnan(y).any()


def test_blocks_of_other_formats_and_sizes():
    with pytest.raises(ArgumentError, match="but got q6_k; allowed: q4nx, q4_0, q4_k"):
        core_blocks(b"", 1, 256, "q6_k")
    with pytest.raises(ArgumentError, match="expected 5120 bytes of q4nx for 32x256, but got 4"):
        core_blocks(b"1234", 32, 256, "q4nx")
    with pytest.raises(ArgumentError, match="at most 2 rows of blocks"):
        group_blocks([np.zeros((3, 1, 5120), np.uint8)], [2, 1])
