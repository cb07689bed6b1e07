"""The native quantizers: their bytes, decoded by gguf, stand for the values; bad input is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import ToolMissingError, UsageError, VersionError
from headrace.formats import native

KINDS = list(native.KINDS)
TYPES = {kind: gguf.GGMLQuantizationType[kind.upper()] for kind in KINDS}
# Largest relative RMSE for normally distributed values. llama.cpp 0.25's own quantizer gives
# 0.297, 0.151, 0.0713, 0.0361, 0.0177 and 0.0761.
BOUNDS = {
    "q2_k": 0.262,
    "q3_k": 0.146,
    "q4_k": 0.0697,
    "q5_k": 0.034,
    "q6_k": 0.0171,
    "iq4_nl": 0.0745,
}
# The largest magnitude that must be encodable, and the block sizes, by the formats' layouts.
LARGEST = {"q2_k": 19, "q3_k": 22, "q4_k": 21, "q5_k": 21, "q6_k": 27, "iq4_nl": 22}


def block_of(kind: str) -> int:
    return gguf.GGML_QUANT_SIZES[TYPES[kind]][0]


def decode(kind: str, packed: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    values = gguf.dequantize(packed.reshape(shape[0], -1), TYPES[kind])
    return values.reshape(shape).astype(np.float64)


def normal(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, cols), dtype=np.float32)


def rmse(kind: str, values: np.ndarray, importance: np.ndarray | None = None) -> float:
    error = decode(kind, native.encode_blocks(kind, values, importance), values.shape) - values
    weight = 1.0 if importance is None else importance.astype(np.float64)
    return float(np.sqrt(np.mean(weight * error**2)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_on_normal_values_is_small(kind: str) -> None:
    values = normal(64, 1024)
    assert rmse(kind, values) <= BOUNDS[kind] * np.std(values)


@pytest.mark.parametrize("kind", KINDS)
def test_scaling_by_a_power_of_two_scales_the_result(kind: str) -> None:
    values = normal(4, 1024, seed=1)
    values *= 2.0 ** (LARGEST[kind] - 3) / 4
    for shrink in (1, 2.0**-8, 2.0**-20):
        small = values * np.float32(shrink)
        assert rmse(kind, small) <= 1.2 * BOUNDS[kind] * np.std(small, dtype=np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_every_instruction_set_writes_the_same_bytes(kind: str) -> None:
    values = normal(5, 768, seed=2)
    values[1] *= np.float32(1e-6)
    values[2, ::7] *= 100
    importance = np.random.default_rng(3).gamma(0.5, size=768).astype(np.float32)
    for weights in (None, importance):
        packed = {
            name: native.encode_blocks(kind, values, weights, instruction_set=name).tobytes()
            for name in native.instruction_sets()
        }
        assert "baseline" in packed
        assert len(set(packed.values())) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_depend_on_each_other(kind: str) -> None:
    values = normal(7, 3 * block_of(kind), seed=4)
    whole = native.encode_blocks(kind, values).reshape(7, -1)
    for row in range(7):
        assert np.array_equal(whole[row], native.encode_blocks(kind, values[row : row + 1]))
    strided = np.repeat(values, 2, axis=1)[:, ::2]
    assert np.array_equal(native.encode_blocks(kind, strided), whole.reshape(-1))
    assert native.encode_blocks(kind, values[:0]).size == 0


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_decode_to_zeros(kind: str) -> None:
    block = block_of(kind)
    values = normal(3, 5 * block, seed=5)
    values[0, block : 2 * block] = 0
    values[1] = -0.0
    values[2, :block] = 2.0**-140
    decoded = decode(kind, native.encode_blocks(kind, values), values.shape)
    assert not decoded[0, block : 2 * block].any()
    assert not decoded[1].any()
    assert not decoded[2, :block].any()
    assert not np.signbit(decoded[1]).any() or kind in ("q2_k", "q4_k", "q5_k")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [1.0, -1.0, 0.3, -3e-5])
def test_a_constant_block_is_nearly_exact(kind: str, value: float) -> None:
    values = np.full((1, block_of(kind)), value, dtype=np.float32)
    decoded = decode(kind, native.encode_blocks(kind, values), values.shape)
    assert np.allclose(decoded, value, rtol=2e-2 if abs(value) < 1e-4 else 2e-3, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_values_are_encoded(kind: str) -> None:
    largest = np.float32(2.0 ** LARGEST[kind])
    block = block_of(kind)
    values = np.zeros((4, block), dtype=np.float32)
    values[0] = largest
    values[1] = -largest
    values[2] = np.where(np.arange(block) % 2, largest, -largest)
    values[3, 5] = -largest
    decoded = decode(kind, native.encode_blocks(kind, values), values.shape)
    assert np.all(np.isfinite(decoded))
    assert np.abs(decoded - values).max() <= 0.14 * largest
    with pytest.raises(UsageError, match=f"{kind}: cannot encode .* at row 1, column 3; allowed"):
        values[1, 3] = np.nextafter(largest, np.float32(np.inf))
        native.encode_blocks(kind, values)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_random_bits_give_finite_values_not_far_off(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = block_of(kind)
    bits = rng.integers(0, 2**32, (3, 2 * block), dtype=np.uint32).view(np.float32)
    low, high = sorted(rng.integers(-149, LARGEST[kind], 2))
    mantissa = rng.uniform(-1, 1, bits.shape)
    spread = (mantissa * 2.0 ** rng.uniform(low, high + 1e-9, bits.shape)).astype(np.float32)
    good = np.abs(bits) <= 2.0 ** LARGEST[kind]
    values = np.where(good & (rng.random(bits.shape) < 0.2), bits, spread)
    values[rng.random(values.shape) < 0.1] = 0
    importance = rng.gamma(0.1, size=values.shape[1]).astype(np.float32)
    for weights in (None, importance):
        decoded = decode(kind, native.encode_blocks(kind, values, weights), values.shape)
        assert np.all(np.isfinite(decoded))
        if weights is None:
            # Never worse than writing zeros, which every format can.
            for part in range(2):
                at = np.s_[:, part * block : (part + 1) * block]
                error = np.sum((decoded[at] - values[at].astype(np.float64)) ** 2, axis=1)
                assert np.all(error <= 1.001 * np.sum(values[at].astype(np.float64) ** 2, axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_important_columns_get_smaller_errors(kind: str) -> None:
    values = normal(32, 512, seed=6)
    importance = np.where(np.arange(512) % 3 == 0, 30, 1).astype(np.float32)
    plain = native.encode_blocks(kind, values)
    assert rmse(kind, values, importance) < 0.95 * np.sqrt(
        np.mean(importance * (decode(kind, plain, values.shape) - values) ** 2)
    )
    # Only ratios count, and equal importances, even none, are no importances.
    scaled = native.encode_blocks(kind, values, importance * np.float32(2.0**40))
    assert np.array_equal(scaled, native.encode_blocks(kind, values, importance))
    for equal in (0, 1, 2.0**-149, 2.0**126):
        weights = np.full(512, equal, dtype=np.float32)
        assert np.array_equal(native.encode_blocks(kind, values, weights), plain)


def test_bad_requests_are_refused() -> None:
    values = normal(2, 512)
    with pytest.raises(UsageError, match="cannot quantize to 'q8_0' natively; allowed: q2_k, "):
        native.encode_blocks("q8_0", values)
    with pytest.raises(UsageError, match="multiple of 256, but got 2x500"):
        native.encode_blocks("q4_k", values[:, :500])
    with pytest.raises(UsageError, match="expected a float32 matrix"):
        native.encode_blocks("q4_k", values.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected a float32 matrix"):
        native.encode_blocks("q4_k", values[0])
    with pytest.raises(UsageError, match="importance of 512 columns"):
        native.encode_blocks("q4_k", values, np.ones(511, dtype=np.float32))
    for bad in (-1, np.nan, np.inf, 3e38):
        importance = np.ones(512, dtype=np.float32)
        importance[300] = bad
        with pytest.raises(UsageError, match="expected finite importances of at least 0"):
            native.encode_blocks("q4_k", values, importance)
    for bad in (np.nan, -np.inf):
        values[1, 400] = bad
        with pytest.raises(UsageError, match=f"cannot encode {bad} at row 1, column 400"):
            native.encode_blocks("q4_k", values)
    with pytest.raises(UsageError, match="instruction set 'mmx' here; allowed: .*baseline"):
        native.encode_blocks("q4_k", values, instruction_set="mmx")


def test_a_library_that_is_missing_or_broken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = shutil.copy(native.library_path(), tmp_path)
    module = tmp_path / "native.py"
    monkeypatch.setattr(native, "__file__", str(module))
    native._library.cache_clear()
    try:
        with pytest.raises(ToolMissingError, match="quantizer library at .*make build"):
            native.encode_blocks("q4_k", normal(1, 256))
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "libheadrace_quantize.so").write_bytes(b"not a library")
        with pytest.raises(ToolMissingError, match="cannot be loaded"):
            native.encode_blocks("q4_k", normal(1, 256))
        shutil.move(library, tmp_path / "lib" / "libheadrace_quantize.so")
        monkeypatch.setattr(native, "_ABI", 0)
        with pytest.raises(VersionError, match="expected version 0 of the quantizer library"):
            native.encode_blocks("q4_k", normal(1, 256))
    finally:
        native._library.cache_clear()
