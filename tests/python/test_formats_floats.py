"""bf16, f16, fp8, mx and nvfp4 against torch, gguf and ml_dtypes, and their edges."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quants
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from headrace import formats
from headrace.errors import UsageError
from headrace.formats import smallfloats

TORCH = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}
SCALED = [name for name in formats.names() if name.startswith("fp8_")]


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def relative_rmse(name: str, w: np.ndarray) -> float:
    form = formats.get(name)
    error = form.decode(form.encode(w), *w.shape) - w
    return float(np.linalg.norm(error) / np.linalg.norm(w))


# -- the floats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TORCH)
def test_values_of_8_bits_are_those_of_torch(kind: str) -> None:
    codes = torch.arange(256, dtype=torch.uint8)
    expected = codes.view(TORCH[kind]).to(torch.float32).numpy()
    assert_array_equal(smallfloats.VALUES[kind], expected)
    assert_array_equal(np.signbit(smallfloats.VALUES[kind][:0x7D]), np.signbit(expected[:0x7D]))


def test_values_of_4_bits_and_of_exponents() -> None:
    codes = np.arange(256, dtype=np.uint8)
    exponents = codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    assert_array_equal(smallfloats.E8M0, exponents)
    assert smallfloats.VALUES["e2m1"].tolist()[:8] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert_array_equal(smallfloats.VALUES["e2m1"][8:], -smallfloats.VALUES["e2m1"][:8])
    assert np.signbit(smallfloats.VALUES["e2m1"][8:]).all()


@pytest.mark.parametrize("kind", TORCH)
def test_rounding_is_that_of_torch(kind: str) -> None:
    """Random values, every value, every middle between two (a tie), and their neighbours."""
    values = np.sort(smallfloats.VALUES[kind][np.isfinite(smallfloats.VALUES[kind])])
    middles = (values[1:] + values[:-1]) / 2
    near = [np.nextafter(middles, np.float32(sign * np.inf)) for sign in (1, -1)]
    x = np.concatenate([values, middles, *near, normal(10000), normal(10000) * 1e-4])
    expected = torch.from_numpy(x).to(TORCH[kind]).view(torch.uint8).numpy()
    assert_array_equal(smallfloats.rounded(x.copy(), kind), expected)
    most = smallfloats.LARGEST[kind]
    beyond = smallfloats.rounded(np.array([most * 1.2, -1e30, 3e38], np.float32), kind)
    assert smallfloats.VALUES[kind][beyond].tolist() == [most, -most, most]


# -- bf16 and f16 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("f16", torch.float16)])
def test_plain_bytes_are_those_of_torch(name: str, dtype: torch.dtype) -> None:
    form = formats.get(name)
    w = normal(7, 33) * 10.0 ** np.arange(-9, 5, 2)[:, None].astype(np.float32)
    packed = form.encode(w)
    assert_array_equal(packed, torch.from_numpy(w).to(dtype).reshape(-1).view(torch.uint8).numpy())
    assert_array_equal(form.decode(packed, 7, 33), torch.from_numpy(w).to(dtype).float().numpy())


@pytest.mark.parametrize("name", ["bf16", "f16"])
def test_plain_values_beyond_the_largest(name: str) -> None:
    form = formats.get(name)
    assert form.decode(form.encode([[form.largest]]), 1, 1)[0, 0] == form.largest
    with pytest.raises(UsageError, match=f"{name}: cannot encode"):
        form.encode(np.array([[np.nextafter(np.float32(form.largest), np.float32(np.inf))]]))


# -- fp8 ------------------------------------------------------------------------------------------


def scales_by_hand(name: str, w: np.ndarray) -> np.ndarray:
    """The scale of every value, float32 of w's shape."""
    most = np.float32(smallfloats.LARGEST[name[4:8]])
    size = np.abs(w)
    rows, cols = w.shape
    result = np.empty_like(w)
    tiles = {"per_tensor": w.shape, "per_token": (1, cols), "per_block": (128, 128)}
    height, width = tiles[name.partition(":")[2]]
    for r in range(0, rows, height):
        for c in range(0, cols, width):
            result[r : r + height, c : c + width] = size[r : r + height, c : c + width].max() / most
    return result


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (128, 128), (129, 257), (300, 3), (5, 1000)])
def test_fp8_is_torch_times_scales_of_tiles(name: str, shape: tuple[int, int]) -> None:
    form = formats.get(name)
    w = normal(*shape) * (1 + 9 * np.random.default_rng(2).random(shape).astype(np.float32) ** 8)
    scales = scales_by_hand(name, w)
    codes = torch.from_numpy(w / scales).to(TORCH[name[4:8]])
    packed = form.encode(w)
    assert_array_equal(form.decode(packed, *shape), codes.float().numpy() * scales)
    stored, code_bytes = form.scales(packed, *shape)
    assert sorted(set(stored.reshape(-1))) == sorted(set(scales.reshape(-1)))
    assert_array_equal(code_bytes.view(np.uint8), codes.view(torch.uint8).numpy())


def test_fp8_sizes_and_order_of_parts() -> None:
    assert formats.get("fp8_e4m3:per_tensor").storage_bytes(3, 5) == 4 + 15
    assert formats.get("fp8_e4m3:per_token").storage_bytes(3, 5) == 3 * (5 + 4)
    assert formats.get("fp8_e5m2:per_block").storage_bytes(129, 257) == 4 * 2 * 3 + 129 * 257
    w = np.zeros((130, 140), np.float32)
    w[0, 0], w[1, 130], w[128, 2], w[129, 139] = 448, 2 * 448, 4 * 448, 8 * 448
    packed = formats.get("fp8_e4m3:per_block").encode(w)
    assert packed[:16].view("<f4").tolist() == [1, 2, 4, 8]
    token = formats.get("fp8_e4m3:per_token").encode(w[:2]).reshape(2, 144)
    assert token[:, 140:].copy().view("<f4").reshape(-1).tolist() == [1, 2]


def test_fp8_names() -> None:
    for name in ("fp8_e4m3", "fp8_e4m3:per_row", "fp8_e3m4:per_token"):
        with pytest.raises(UsageError, match=f"unknown format '{name}'.*fp8_e4m3:per_tensor"):
            formats.get(name)


# -- mx -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [-100, -30, 0, 30, 100])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "half steps"])
def test_mxfp4_bytes_are_those_of_gguf(kind: str, exponent: int) -> None:
    """bfloat16 and half steps have many ties."""
    w = normal(16, 512, seed=3)
    if kind == "bfloat16":
        w = w.astype(ml_dtypes.bfloat16).astype(np.float32)
    elif kind == "half steps":
        w = np.random.default_rng(4).integers(-28, 29, w.shape).astype(np.float32) / 4
    w[3] = 0
    w *= np.float32(2.0**exponent)
    expected = quants.quantize(w, GGMLQuantizationType.MXFP4)
    assert_array_equal(formats.get("mxfp4").encode(w), expected.reshape(-1))


def test_mxfp4_bytes_mean_the_same_to_gguf() -> None:
    raw = np.random.default_rng(5).integers(0, 256, (40, 17), dtype=np.uint8)
    raw[:, 0] = np.random.default_rng(6).integers(0, 250, 40)
    expected = quants.dequantize(raw, GGMLQuantizationType.MXFP4).reshape(40, 32)
    assert_array_equal(formats.get("mxfp4").decode(raw, 40, 32), expected)


@pytest.mark.parametrize(("kind", "top"), [("e4m3", 8), ("e5m2", 15)])
def test_mxfp8_scales_and_codes(kind: str, top: int) -> None:
    form = formats.get(f"mxfp8_{kind}")
    w = normal(9, 320, seed=7)
    blocks = form.encode(w).reshape(-1, 33)
    exponents = np.floor(np.log2(np.abs(w).reshape(-1, 32).max(axis=1))) - top
    assert_array_equal(blocks[:, 0], exponents + 127)
    units = torch.from_numpy(w.reshape(-1, 32) * np.exp2(-exponents)[:, None].astype(np.float32))
    most = smallfloats.LARGEST[kind]
    codes = units.clamp(-most, most).to(TORCH[kind]).view(torch.uint8).numpy()
    assert_array_equal(blocks[:, 1:], codes)


@pytest.mark.parametrize("name", ["mxfp4", "mxfp8_e4m3", "mxfp8_e5m2"])
@pytest.mark.parametrize("size", [2.0**-149, 2.0**-127, 1e-38, 1.0, 2.0**127])
def test_mx_scales_at_the_ends(name: str, size: float) -> None:
    """The least and the largest magnitudes: the largest value of a block is nearly kept."""
    form = formats.get(name)
    w = np.zeros((1, 64), np.float32)
    w[0, 5], w[0, 40] = size, -size
    got = form.decode(form.encode(w), 1, 64)
    assert np.count_nonzero(got) <= 2 and np.isfinite(got).all()
    # Below the least scale, half of its least code is lost at most.
    assert np.abs(got - w).max() <= max(0.26 * size, 2.0**-128)


# -- nvfp4 ----------------------------------------------------------------------------------------


def test_nvfp4_parts() -> None:
    form = formats.get("nvfp4")
    w = np.zeros((2, 32), np.float32)
    w[0, :16] = 2688 * np.arange(16) / 15
    w[0, 0] = -2688
    w[1, 20] = 3
    packed = form.encode(w)
    assert packed.size == form.storage_bytes(2, 32) == 4 + 2 * (16 + 2)
    assert packed[:4].view("<f4")[0] == 1
    rows = packed[4:].reshape(2, 18)
    scales = rows[:, 16:].copy().view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    assert_array_equal(scales, [[448, 0], [0, 0.5]])
    assert rows[0, 0] & 15 == 0xF  # -6, column 0
    assert rows[0, 7] >> 4 == 0x7  # 6, column 15
    assert rows[1, 10] == 0x7  # 3 = 0.5 * 6, column 20
    assert form.decode(packed, 2, 32)[1, 20] == 3


def test_nvfp4_codes_are_the_nearest_for_the_stored_scales() -> None:
    form = formats.get("nvfp4")
    w = normal(5, 160, seed=8)
    packed = form.encode(w)
    got = form.decode(packed, *w.shape)
    tensor, scales = form.scales(packed, *w.shape)
    steps = (tensor[0] * scales.astype(np.float32)).repeat(16, axis=1)
    choices = steps[..., None] * smallfloats.VALUES["e2m1"]
    nearest = np.abs(choices - w[..., None]).min(axis=2)
    assert_array_equal(np.abs(got - w), nearest)


# -- errors, NaN and infinity ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("bf16", 0.0015, 0.0018),
        ("f16", 0.00018, 0.00023),
        ("fp8_e4m3:per_token", 0.025, 0.028),
        ("fp8_e4m3:per_block", 0.025, 0.028),
        ("fp8_e5m2:per_tensor", 0.050, 0.056),
        ("mxfp4", 0.110, 0.120),
        ("mxfp8_e4m3", 0.026, 0.031),
        ("mxfp8_e5m2", 0.052, 0.057),
        ("nvfp4", 0.090, 0.098),
    ],
)
def test_error_on_gaussian_weights(name: str, low: float, high: float) -> None:
    assert low < relative_rmse(name, normal(128, 1024, seed=9)) < high


STORED = {
    "bf16": [(0, [0x80, 0x7F]), (2, [0xC0, 0xFF])],
    "f16": [(0, [0x00, 0xFC]), (4, [0x01, 0x7E])],
    "fp8_e4m3:per_tensor": [(0, [0, 0, 0xC0, 0x7F]), (4, [0x7F]), (9, [0xFF])],
    "fp8_e5m2:per_token": [(0, [0x7C]), (1, [0xFE]), (32, [0, 0, 0x80, 0xFF])],
    "fp8_e5m2:per_block": [(0, [0, 0, 0x80, 0x7F]), (4, [0xFC])],
    "mxfp4": [(0, [255])],
    "mxfp8_e4m3": [(0, [255]), (1, [0x7F])],
    "mxfp8_e5m2": [(0, [255]), (20, [0x7C])],
    "nvfp4": [(0, [0, 0, 0xC0, 0xFF]), (4 + 16, [0x7F])],
}


@pytest.mark.parametrize(
    ("name", "at", "stored"), [(name, *case) for name, cases in STORED.items() for case in cases]
)
def test_stored_nan_and_infinity_decode_to_such_and_are_found(
    name: str, at: int, stored: list[int]
) -> None:
    form = formats.get(name)
    packed = form.encode(np.ones((1, 32), np.float32))
    form.check_scales(packed, 1, 32)
    packed[at : at + len(stored)] = stored
    values = form.decode(packed, 1, 32)
    assert not np.isfinite(values).all()
    with pytest.raises(UsageError, match=rf"{name}: expected finite scales for 1x32 .*(nan|inf)"):
        form.check_scales(packed, 1, 32)


@pytest.mark.parametrize("name", [*SCALED, "mxfp4", "mxfp8_e4m3", "mxfp8_e5m2", "nvfp4"])
@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 5), blocks=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_any_bytes_decode_without_a_warning(name: str, rows: int, blocks: int, seed: int) -> None:
    form = formats.get(name)
    cols = 32 * blocks
    size = form.storage_bytes(rows, cols)
    raw = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    with np.errstate(all="raise", under="ignore"):
        assert form.decode(raw, rows, cols).shape == (rows, cols)
