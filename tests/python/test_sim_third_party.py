"""The simulator of Metal runs kernels of others, with all that it looks for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, dequantize
from metal_kernels import MLX, ggml_library, ggml_source, there

from headrace.bench.metal import ggml
from headrace.sim import msl
from headrace.sim.msl import Run, Schedule

pytestmark = there
SCHEDULES = [Schedule("forward"), Schedule("reverse"), Schedule(seed=1)]


def random_blocks(name: str, rows: int, columns: int) -> tuple[Any, Any]:
    """Rows of blocks with any bits and sensible scales, and what they mean."""
    size, per_block, scales = {
        "q4_0": (18, 32, [0]),
        "q5_0": (22, 32, [0]),
        "q8_0": (34, 32, [0]),
        "q4_K": (144, 256, [0, 2]),
        "q5_K": (176, 256, [0, 2]),
        "q6_K": (210, 256, [208]),
    }[name]
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 256, (rows * columns // per_block, size)).astype(np.uint8)
    for at in scales:
        values = rng.uniform(0.01, 0.02, len(blocks)).astype(np.float16)
        blocks[:, at : at + 2] = values.view(np.uint8).reshape(-1, 2)
    weights = blocks.reshape(rows, -1)
    return weights, dequantize(weights, GGMLQuantizationType[name.upper()]).reshape(rows, columns)


@pytest.mark.parametrize("name", ggml.SHAPES)
def test_matrix_vector_products_of_ggml(name: str) -> None:
    weights, meaning = random_blocks(name, 32, 512)
    x = np.random.default_rng(4).standard_normal(512).astype(np.float32)
    library = ggml_library(name)
    results = [ggml.launch(library, name, weights, x, schedule)[0] for schedule in SCHEDULES]
    expected = meaning.astype(np.float64) @ x
    assert np.linalg.norm(results[0] - expected) < 1e-6 * np.linalg.norm(expected)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_traffic_of_ggml() -> None:
    """Every byte of the weights is loaded, and no sector of 64 bytes by more than needed."""
    weights, _ = random_blocks("q4_K", 32, 512)
    x = np.ones(512, np.float32)
    _, run = ggml.launch(ggml_library("q4_K", trace=True), "q4_K", weights, x, SCHEDULES[0])
    assert isinstance(run, Run)
    assert run.traffic is not None
    _, blocks, activations, results = run.traffic
    assert blocks.distinct_loaded_64 == weights.nbytes // 64
    assert blocks.loaded >= weights.nbytes
    assert activations.distinct_loaded_64 == x.nbytes // 64
    assert (results.stores, results.stored) == (32, 128)
    assert blocks.stores == 0


@pytest.mark.parametrize(
    ("name", "weights", "limit"),
    [("q4_0", 64, 5.0), ("q5_0", 64, 8.0), ("q8_0", 16, 4.5), ("q4_K", 64, 6.0), ("q6_K", 32, 11)],
)
def test_inner_loops_of_ggml(name: str, weights: int, limit: float) -> None:
    """weights: of one iteration. One multiplication each at least, and no array in memory."""
    loop = msl.inner_loop(kernel=ggml.kernel_name(name), **ggml_source(name))  # type: ignore[arg-type]
    assert 1.5 * weights < loop.instructions < limit * weights
    assert sum(n for name, n in loop.operations.items() if "fma" in name or "fmac" in name) >= (
        0.9 * weights
    )
    assert loop.private == 0
    assert loop.loads > 0
    assert loop.load_bytes >= weights / 2


@pytest.fixture
def without_bfloat(tmp_path: Path) -> list[Path]:
    """MLX's headers; the one that overloads Apple's own functions for bfloat is empty."""
    overloads = tmp_path / "mlx" / "backend" / "metal" / "kernels" / "bf16_math.h"
    overloads.parent.mkdir(parents=True)
    overloads.touch()
    return [tmp_path, MLX]


def headers(*names: str) -> str:
    return "".join(f'#include "mlx/backend/metal/kernels/{name}.h"\n' for name in names)


def scalar(value: float, dtype: Any = np.int32) -> Any:
    return np.array([value], dtype)


@pytest.mark.parametrize("bits", [4, 8])
def test_qmv_fast_of_mlx(without_bfloat: list[Path], bits: int) -> None:
    source = headers("utils", "steel/gemm/gemm", "quantized_utils", "quantized")
    source += f'instantiate_kernel("qmv", affine_qmv_fast, half, 64, {bits}, false)\n'
    library = msl.build(source, include=without_bfloat)
    rows, columns = 16, 1024
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 1 << bits, (rows, columns)).astype(np.uint32)
    scales = rng.uniform(0.01, 0.02, (rows, columns // 64)).astype(np.float16)
    biases = rng.uniform(-0.1, 0.1, scales.shape).astype(np.float16)
    per_word = 32 // bits
    words = np.zeros((rows, columns // per_word), np.uint32)
    for index in range(per_word):
        words |= codes[:, index::per_word] << (bits * index)
    x = rng.standard_normal(columns).astype(np.float16)
    y = np.full(rows, np.nan, np.float16)
    none, strides = scalar(1), scalar(0, np.int64)
    results = []
    for schedule in SCHEDULES:
        library.launch(
            "qmv",
            buffers=[
                *(words, scales, biases, x, y, scalar(columns), scalar(rows)),
                *(none, none, strides, none, none, strides, strides, strides),
            ],
            grid=(1, rows // 8, 1),
            threads=(32, 2, 1),
            schedule=schedule,
        )
        results.append(y.copy())
    wide = [np.repeat(part.astype(np.float64), 64, axis=1) for part in (scales, biases)]
    expected = (codes * wide[0] + wide[1]) @ x.astype(np.float64)
    assert np.linalg.norm(results[0] - expected) < 1e-3 * np.linalg.norm(expected)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_sdpa_vector_of_mlx(without_bfloat: list[Path]) -> None:
    source = headers("utils", "sdpa_vector")
    source += 'instantiate_kernel("sdpa", sdpa_vector, half, 64)\n'
    constants = dict.fromkeys(range(20, 26), False)
    library = msl.build(source, include=without_bfloat, function_constants=constants)
    heads, shared, tokens, size = 4, 2, 45, 64
    rng = np.random.default_rng(6)
    q = rng.standard_normal((heads, size)).astype(np.float16)
    k, v = rng.standard_normal((2, heads // shared, tokens, size)).astype(np.float16)
    k, v = np.ascontiguousarray(k), np.ascontiguousarray(v)
    out = np.full((heads, size), np.nan, np.float16)
    strides = [scalar(tokens * size, np.uint64), scalar(size, np.uint64)]
    library.launch(
        "sdpa",
        buffers=[
            *(q, k, v, out, scalar(shared), scalar(tokens)),
            *(*strides, *strides, scalar(size**-0.5, np.float32)),
        ],
        grid=(heads, 1, 1),
        threads=(1024, 1, 1),
    )
    for head in range(heads):
        scores = k[head // shared].astype(np.float64) @ q[head] * size**-0.5
        weights = np.exp(scores - scores.max())
        expected = weights @ v[head // shared] / weights.sum()
        assert np.linalg.norm(out[head] - expected) < 1e-3 * np.linalg.norm(expected)
