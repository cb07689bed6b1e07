"""Thresholds of activations: against sorting, and the search against trying everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import UsageError
from headrace.quantize.sparsity import (
    BINS,
    Histogram,
    Layer,
    calibrate_sparsity,
    dumps,
    loads,
)


def layer(seed: int, shapes: list[int], k: int, *, heavy: float = 0.0, count: int = 400) -> Layer:
    """Random weights [m, k] for each m, and inputs that are heavy-tailed where asked."""
    draw = np.random.default_rng(seed)
    inputs = draw.standard_normal((count, k))
    if heavy:
        inputs *= np.exp(heavy * draw.standard_normal(k))
    weights = [draw.standard_normal((m, k)).astype(np.float32) for m in shapes]
    return Layer(weights, inputs.astype(np.float32))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    count=st.integers(1, 5000),
    share=st.floats(0, 1),
    size=st.sampled_from([1e-20, 1.0, 1e20]),
)
def test_thresholds_are_quantiles(seed, count, share, size):
    values = np.random.default_rng(seed).standard_normal(count) * size
    histogram = Histogram.of(values)
    threshold = histogram.threshold(share)
    # Within the bin in which the true quantile lies.
    exact = np.quantile(np.abs(values), share, method="inverted_cdf")
    bins = histogram.largest / BINS
    low = np.sort(np.abs(values))
    rank = share * count
    below, above = np.sum(low <= threshold - bins), np.sum(low <= threshold + bins)
    assert below <= rank + 1e-6 * count + 1 and above >= rank - 1e-6 * count - 1, (exact, threshold)
    assert histogram.sparsity(threshold) == pytest.approx(share, abs=2 / min(count, BINS))


def test_a_group_has_one_threshold_and_reaches_the_target_on_other_data():
    layers = {
        "qkv": layer(1, [64, 16, 16], 256, count=1000),
        "o": layer(2, [64], 256, heavy=1.0, count=1000),
        "gate_up": layer(3, [128, 128], 256, heavy=0.5, count=1000),
    }
    found = calibrate_sparsity(layers, 0.4)
    sizes = {name: value.size for name, value in layers.items()}
    mean = sum(found[n].sparsity * sizes[n] for n in layers) / sum(sizes.values())
    assert mean == pytest.approx(0.4, abs=2e-3)
    for name, seed, heavy in (("qkv", 1, 0.0), ("o", 2, 1.0), ("gate_up", 3, 0.5)):
        draw = np.random.default_rng(seed)
        draw.standard_normal((1000, 256))
        widths = np.exp(heavy * draw.standard_normal(256)) if heavy else 1.0
        held_out = np.random.default_rng(seed + 100).standard_normal((1000, 256)) * widths
        share = np.mean(np.abs(held_out) <= found[name].threshold)
        assert share == pytest.approx(found[name].sparsity, abs=0.02)


def squares(layers, shares):
    total = 0.0
    for name, value in layers.items():
        weight = np.vstack(value.weights).astype(np.float64)
        threshold = np.float32(Histogram.of(value.inputs).threshold(shares[name]))
        lost = np.where(np.abs(value.inputs) <= threshold, value.inputs, 0) if shares[name] else 0
        wrong = (lost @ weight.T) if shares[name] else np.zeros(1)
        total += np.sum(wrong**2) / np.sum((value.inputs.astype(np.float64) @ weight.T) ** 2)
    return total


def test_greedy_is_near_the_best_of_all_and_not_worse_than_uniform():
    layers = {
        "a": layer(5, [32], 64, heavy=2.0),
        "b": layer(6, [32], 64),
        "c": layer(7, [32], 64, heavy=1.0),
    }
    found = calibrate_sparsity(layers, 0.5, step=0.1)
    got = sum(value.error**2 for value in found.values())
    steps = np.round(np.arange(0, 0.91, 0.1), 3)
    best = min(
        squares(layers, dict(zip(layers, shares, strict=True)))
        for shares in itertools.product(steps, repeat=3)
        if abs(sum(shares) - 1.5) < 1e-9
    )
    uniform = squares(layers, dict.fromkeys(layers, 0.5))
    assert got <= uniform * (1 + 1e-6)
    assert got <= best * 1.1
    assert found["a"].sparsity > found["b"].sparsity  # most of its columns matter little


@pytest.mark.parametrize("target", [0.0, 0.07, 0.9])
def test_ends(target):
    layers = {"a": layer(1, [8], 32), "b": layer(2, [16, 8], 64)}
    found = calibrate_sparsity(layers, target)
    for value in found.values():
        assert value.sparsity == pytest.approx(target, abs=0.1)
    if target == 0.0:
        assert all(v.threshold == 0 and v.error == 0 for v in found.values())


def test_inputs_of_zeros_cost_nothing():
    zeros = Layer([np.ones((4, 8), np.float32)], np.zeros((10, 8), np.float32))
    found = calibrate_sparsity({"zeros": zeros}, 0.5)
    assert found["zeros"].error == 0.0


def test_json_comes_back():
    found = calibrate_sparsity({"a": layer(1, [8], 32)}, 0.3)
    assert loads(dumps(found)) == found
    for text in ("{", "[]", '{"thresholds": {"a": {"x": 1}}}', '{"thresholds": 3}'):
        with pytest.raises(UsageError, match="sparsity: expected"):
            loads(text)


def test_progress_ends_at_the_target():
    calls = []
    calibrate_sparsity({"a": layer(1, [8], 32)}, 0.3, progress=lambda *c: calls.append(c))
    assert calls[-1] == (300, 300)


def test_bad_input():
    good = layer(1, [8], 32)
    with pytest.raises(UsageError, match="0 <= target <= most <= 1"):
        calibrate_sparsity({"a": good}, 0.95)
    with pytest.raises(UsageError, match="got 0 layers"):
        calibrate_sparsity({}, 0.5)
    with pytest.raises(UsageError, match=r"'a': expected weights \[M, 32\], but got \[8, 16\]"):
        calibrate_sparsity({"a": Layer([np.ones((8, 16), np.float32)], good.inputs)})
    with pytest.raises(UsageError, match="expected finite activations, but got NaN"):
        calibrate_sparsity({"a": Layer(good.weights, good.inputs * np.float32(np.nan))})
    with pytest.raises(UsageError, match="got none"):
        calibrate_sparsity({"a": Layer(good.weights, good.inputs[:0])})
    with pytest.raises(UsageError, match="expected a share from 0 to 1, but got 1.5"):
        Histogram.of(np.ones(3)).threshold(1.5)
