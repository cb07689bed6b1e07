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
from headrace.errors import UsageError

LEGACY = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]
KQUANTS = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k"]
KINDS = [*LEGACY, "iq4_nl", *KQUANTS]

# Where a block keeps its half-precision scales.
SCALES_AT = {
    "q4_0": [0],
    "q4_1": [0, 2],
    "q5_0": [0],
    "q5_1": [0, 2],
    "q8_0": [0],
    "iq4_nl": [0],
    "q2_k": [80, 82],
    "q3_k": [108],
    "q4_k": [0, 2],
    "q5_k": [0, 2],
    "q6_k": [208],
}

# Largest error of a value in units of the largest magnitude of its block: half a step, with its
# rounding; for those that search for the least squared error, what the extremes may lose.
WORST = {
    "q4_0": 0.126,
    "q4_1": 0.07,
    "q5_0": 0.064,
    "q5_1": 0.035,
    "q8_0": 0.0045,
    "iq4_nl": 0.17,
    "q2_k": 0.6,
    "q3_k": 0.4,
    "q4_k": 0.2,
    "q5_k": 0.1,
    "q6_k": 0.045,
}
# And besides, as halves have steps of 2^-24 near zero: what these are, times the largest code.
COARSE = 128 * 2.0**-24


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


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(1, 256), (3, 512), (7, 2560), (70, 14336)])
def test_decode_is_exact(name: str, shape: tuple[int, int]) -> None:
    raw = random_blocks(name, *shape, seed=shape[0])
    got = formats.get(name).decode(raw, *shape)
    assert got.shape == shape
    assert got.dtype == np.float32
    assert_array_equal(bits(got), bits(gguf.quants.dequantize(raw, kind(name))))


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(KINDS),
    rows=st.integers(1, 5),
    blocks=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_any_bytes_decode_the_same(name: str, rows: int, blocks: int, seed: int) -> None:
    """Also scales that are subnormal, infinite or NaN (whose bits are not compared)."""
    form = formats.get(name)
    cols = blocks * form.block_shape[1]
    raw = np.random.default_rng(seed).integers(
        0, 256, (rows, form.storage_bytes(1, cols)), dtype=np.uint8
    )
    with np.errstate(all="ignore"):
        got = form.decode(raw, rows, cols)
        want = gguf.quants.dequantize(raw, kind(name))
    same = (bits(got) == bits(want)) | (np.isnan(got) & np.isnan(want))
    assert same.all()


@pytest.mark.parametrize("name", KINDS)
def test_scales_are_the_halves_of_a_block(name: str) -> None:
    form = formats.get(name)
    raw = random_blocks(name, 2, 512, seed=1)
    (view,) = form.scales(raw.reshape(-1), 2, 512)
    blocks = raw.reshape(-1, form.block_bytes)
    for index, at in enumerate(SCALES_AT[name]):
        assert_array_equal(
            view[:, index].copy().view(np.uint8).reshape(-1, 2), blocks[:, at:][:, :2]
        )
    assert view.shape[1] == len(SCALES_AT[name])
    form.check_scales(raw, 2, 512)
    view[1, -1] = np.inf
    with pytest.raises(UsageError, match=f"{name}: expected finite scales .* got inf"):
        form.check_scales(raw, 2, 512)
    view[...] = 0
    assert not form.decode(raw, 2, 512).any()


@pytest.mark.parametrize("name", KINDS)
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
        elements=st.floats(-32000, 32000, width=32, allow_subnormal=False).map(
            lambda v: 0.0 if abs(v) < 1e-30 else v
        ),
    ),
)
def test_encode_gives_the_same_bytes_on_anything(name: str, values: np.ndarray) -> None:
    same_bytes(name, values)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("q4_0", 0.0862),
        ("q4_1", 0.0786),
        ("q5_0", 0.0429),
        ("q5_1", 0.0381),
        ("q8_0", 0.0054),
        ("iq4_nl", 0.0737),
        ("q2_k", 0.26),
        ("q3_k", 0.1443),
        ("q4_k", 0.0696),
        ("q5_k", 0.0339),
        ("q6_k", 0.0169),
    ],
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
    close, far = {
        "q2_k": (0.4, 1.2),
        "q3_k": (0.2, 0.8),
        "q4_k": (0.09, 0.5),
        "q5_k": (0.045, 0.25),
        "q6_k": (0.024, 0.1),
    }[name]
    assert (relative[:4] < close).all()
    assert (relative < far).all()


@pytest.mark.parametrize("name", KQUANTS)
def test_kquants_of_one_sided_and_constant_groups(name: str) -> None:
    form = formats.get(name)
    for value in (5.0, -5.0):
        w = np.full((2, 256), value, np.float32)
        np.testing.assert_allclose(form.decode(form.encode(w), 2, 256), w, rtol=5e-3)
    w = np.abs(np.random.default_rng(6).standard_normal((8, 256))).astype(np.float32) + 1
    step = {"q2_k": 5 / 3, "q3_k": 5 / 4, "q4_k": 5 / 15, "q5_k": 5 / 31, "q6_k": 5 / 31}[name]
    for sign in (1, -1):
        assert np.abs(form.decode(form.encode(sign * w), 8, 256) - sign * w).max() < step


@st.composite
def matrices(draw: st.DrawFn, name: str) -> np.ndarray:
    """Weights of some distribution and size, from those with subnormal scales to the largest."""
    form = formats.get(name)
    shape = (draw(st.integers(1, 4)), form.block_shape[1] * draw(st.integers(1, 2)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    values = {
        "normal": rng.standard_normal(shape),
        "heavy": rng.standard_t(2, shape),
        "sparse": rng.standard_normal(shape) * (rng.random(shape) < 0.1),
        "offset": 5 + rng.standard_normal(shape),
        "signs": rng.choice([-1.0, 1.0], shape),
    }[draw(st.sampled_from(["normal", "heavy", "sparse", "offset", "signs"]))]
    values *= 2.0 ** draw(st.integers(-40, 25))
    return np.clip(values, -form.largest, form.largest).astype(np.float32)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_errors_are_bounded_whatever_the_size(name: str, data: st.DataObject) -> None:
    form = formats.get(name)
    values = data.draw(matrices(name))
    packed = form.encode(values)
    form.check_scales(packed, *values.shape)
    error = np.abs(form.decode(packed, *values.shape) - values)
    blocks = (values.shape[0], -1, form.block_shape[1])
    size = np.abs(values).reshape(blocks).max(axis=2, keepdims=True)
    assert (error.reshape(blocks) <= WORST[name] * size + COARSE).all()


@pytest.mark.parametrize("name", KINDS)
def test_the_largest_value(name: str) -> None:
    """Both signs of it in each block, and just above it."""
    form = formats.get(name)
    values = np.where(np.arange(512) % 3, 1, -1)[None].astype(np.float32) * np.float32(form.largest)
    got = form.decode(form.encode(values), 1, 512)
    assert np.abs(got / values - 1).max() <= 0.126
    values[0, 400] = np.nextafter(np.float32(form.largest), np.float32(np.inf))
    with pytest.raises(UsageError, match=f"{name}: cannot encode .* at row 0, column 400; allowed"):
        form.encode(values)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("magnitude", [2.0**-149, 1e-40, 1e-30])
def test_values_below_all_scales_become_zero(name: str, magnitude: float) -> None:
    values = (np.random.default_rng(9).choice([-1, 0, 1], (2, 256)) * magnitude).astype(np.float32)
    assert values.any()
    form = formats.get(name)
    assert not form.decode(form.encode(values), 2, 256).any()


def test_iq4_nl_stores_what_its_table_has() -> None:
    steps = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
    rng = np.random.default_rng(10)
    codes = rng.choice(np.array(steps, np.float32), (8, 64))
    codes[:, ::32] = -127
    values = codes * rng.uniform(0.5, 2, (8, 1)).astype(np.float16).astype(np.float32)
    form = formats.get("iq4_nl")
    assert_array_equal(form.decode(form.encode(values), 8, 64), values)
