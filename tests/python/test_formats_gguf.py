"""The GGUF codecs against the `gguf` package, bit by bit."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from headrace import formats

LEGACY = ["q4_0", "q5_0", "q8_0"]
KQUANTS = ["q4_k", "q6_k"]

# Where a block keeps its half-precision scales.
SCALES_AT = {"q4_0": [0], "q5_0": [0], "q8_0": [0], "q4_k": [0, 2], "q6_k": [208]}


def kind(name: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[name.upper()]


def random_blocks(name: str, rows: int, cols: int, seed: int) -> np.ndarray:
    """Random bytes whose half-precision scales are finite, [rows, bytes of a row]."""
    form = formats.get(name)
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, (form.storage_bytes(rows, cols) // form.block_bytes,
                                form.block_bytes), dtype=np.uint8)  # fmt: skip
    for at in SCALES_AT[name]:
        raw[:, at + 1] &= 0xBF  # clears the top bit of the exponent
    return raw.reshape(rows, -1)


def bits(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint32)


@pytest.mark.parametrize("name", LEGACY + KQUANTS)
@pytest.mark.parametrize("shape", [(1, 256), (3, 512), (7, 2560), (70, 14336)])
def test_decode_is_exact(name: str, shape: tuple[int, int]) -> None:
    raw = random_blocks(name, *shape, seed=shape[0])
    got = formats.get(name).decode(raw, *shape)
    assert got.shape == shape
    assert got.dtype == np.float32
    assert_array_equal(bits(got), bits(gguf.quants.dequantize(raw, kind(name))))


@pytest.mark.parametrize("name", LEGACY + KQUANTS)
def test_sizes_agree(name: str) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind(name)]
    form = formats.get(name)
    assert form.block_shape == (1, block)
    assert form.storage_bytes(3, 2 * block) == 3 * 2 * size
    assert form.bits_per_weight == size * 8 / block
    assert form.attribute == f"#qlinear.gguf<{name}>"


def same_bytes(name: str, values: np.ndarray) -> None:
    got = formats.get(name).encode(values)
    assert_array_equal(got, gguf.quants.quantize(values, kind(name)).reshape(-1))


@pytest.mark.parametrize("name", LEGACY)
@pytest.mark.parametrize("shape", [(1, 32), (5, 96), (129, 4096)])
@pytest.mark.parametrize("magnitude", [1e-6, 0.02, 1.0, 1000.0])
def test_encode_gives_the_same_bytes(name: str, shape: tuple[int, int], magnitude: float) -> None:
    rng = np.random.default_rng(1)
    same_bytes(name, (rng.standard_normal(shape) * magnitude).astype(np.float32))
    same_bytes(name, (rng.laplace(size=shape) * magnitude).astype(np.float32))


@pytest.mark.parametrize("name", LEGACY)
def test_encode_gives_the_same_bytes_at_ties(name: str) -> None:
    """Halves between codes, repeated extremes of both signs, zeros of both signs."""
    halves = (np.arange(-64, 64) / 2).astype(np.float32)
    rng = np.random.default_rng(2)
    values = rng.choice(halves, (64, 256))
    values[:8] = 0
    values[8, ::2] = -0.0
    values[9:20, ::32] = np.float32(31.5)
    values[9:20, 1::32] = np.float32(-31.5)
    same_bytes(name, values)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(LEGACY),
    values=arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.sampled_from([32, 64, 160])),
        # Subnormals are not compared: their reciprocal overflows in the other implementation.
        elements=st.floats(-60000, 60000, width=32, allow_subnormal=False).map(
            lambda v: 0.0 if abs(v) < 1e-30 else v
        ),
    ),
)
def test_encode_gives_the_same_bytes_on_anything(name: str, values: np.ndarray) -> None:
    same_bytes(name, values)


@pytest.mark.parametrize(
    ("name", "bound"),
    [("q4_0", 0.0862), ("q5_0", 0.0429), ("q8_0", 0.0054), ("q4_k", 0.0735), ("q6_k", 0.0177)],
)
def test_error_on_gaussian_weights(name: str, bound: float) -> None:
    """Root mean square error for standard normal weights; a poor encoder is worse."""
    w = np.random.default_rng(3).standard_normal((64, 4096)).astype(np.float32)
    form = formats.get(name)
    error = np.sqrt(np.mean((form.decode(form.encode(w), *w.shape) - w) ** 2))
    assert 0.9 * bound < error < bound


def test_q4_k_is_better_than_a_range_fit() -> None:
    """Against q4_1, which takes minimum and maximum of 32 values and spends 0.5 bit more."""
    w = np.random.default_rng(4).laplace(size=(32, 2048)).astype(np.float32)
    form, q4_1 = formats.get("q4_k"), gguf.GGMLQuantizationType.Q4_1
    ours = np.mean((form.decode(form.encode(w), *w.shape) - w) ** 2)
    theirs = np.mean((gguf.quants.dequantize(gguf.quants.quantize(w, q4_1), q4_1) - w) ** 2)
    assert ours < 0.95 * theirs


@pytest.mark.parametrize("name", KQUANTS)
def test_kquants_use_their_sub_blocks(name: str) -> None:
    """Sub-blocks of very different size in one super-block each keep their relative accuracy."""
    rng = np.random.default_rng(5)
    sizes = np.repeat(2.0 ** -np.arange(8) / 2, 32)
    w = (rng.standard_normal((16, 256)) * sizes).astype(np.float32)
    form = formats.get(name)
    error = (form.decode(form.encode(w), *w.shape) - w).reshape(16, 8, 32)
    relative = np.sqrt(np.mean(error**2, axis=(0, 2))) / np.unique(sizes)[::-1]
    # The smallest sub-blocks have scales of few steps, 63 / 2^7.
    close, far = {"q4_k": (0.09, 0.5), "q6_k": (0.024, 0.1)}[name]
    assert (relative[:4] < close).all()
    assert (relative < far).all()


@pytest.mark.parametrize("name", KQUANTS)
def test_kquants_of_one_sided_and_constant_groups(name: str) -> None:
    form = formats.get(name)
    for value in (5.0, -5.0):
        w = np.full((2, 256), value, np.float32)
        np.testing.assert_allclose(form.decode(form.encode(w), 2, 256), w, rtol=5e-3)
    w = np.abs(np.random.default_rng(6).standard_normal((8, 256))).astype(np.float32) + 1
    step = {"q4_k": 5 / 15, "q6_k": 5 / 31}[name]
    for sign in (1, -1):
        assert np.abs(form.decode(form.encode(sign * w), 8, 256) - sign * w).max() < step
