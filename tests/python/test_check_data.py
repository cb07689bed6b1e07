"""The check's shapes, data and references, without any target."""

import numpy as np
import pytest

from headrace import formats, ops, reference
from headrace.check.data import draw
from headrace.check.shapes import generator, specs
from headrace.targets import find
from headrace.targets.base import Cell

CELLS = [cell for cell in find("cpu").cells() if cell.op.removeprefix("qlinear.") in ops.OPS]
WEIGHTS = [name for name in formats.names() if not name.startswith("act_")]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_shapes_satisfy_the_claim(cell):
    drawn = specs(cell, seed=3)
    assert drawn == specs(cell, seed=3)
    assert set(specs(cell, seed=3, quick=True)) <= set(drawn)
    assert len(set(drawn)) == len(drawn) > 2
    for spec in drawn:
        assert spec.k % cell.constraints["k_multiple_of"] == 0
        assert (f"qlinear.{spec.op}", spec.format) == (cell.op, cell.format)
        assert spec.activations == (cell.activations or "f32")


@pytest.mark.parametrize("name", WEIGHTS)
def test_shapes_cover_the_hard_cases(name):
    drawn = specs(Cell("qlinear.matmul", name, "i8", {"k_multiple_of": 32}), seed=5)
    assert any(spec.m == 1 for spec in drawn)
    assert any(spec.m % 2 and spec.m > 1 for spec in drawn)
    assert any(spec.k == max(32, formats.get(name).k_multiple) for spec in drawn)
    assert {spec.n for spec in drawn} == {1, 3, 7, 17}
    padded = [formats.get(name).padded_shape(s.m, s.k) != (s.m, s.k) for s in drawn]
    assert any(padded) == formats.get(name).pads


def test_both_gates_are_drawn():
    drawn = specs(Cell("qlinear.gated_matvec", "q4_k", "f32", {"k_multiple_of": 256}), seed=1)
    assert {spec.act for spec in drawn} == set(ops.GATES)


def test_seeds_draw_different_shapes():
    cell = CELLS[0]
    assert len({tuple(map(str, specs(cell, seed))) for seed in range(6)}) > 1


def test_unknown_operation_has_no_shapes():
    assert specs(Cell("qattn.decode", "q4_k", ""), seed=1) == []


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("op", ["matvec", "gated_matvec"])
def test_data_is_reproducible_finite_and_right_sized(name, op):
    spec = ops.OpSpec(op, m=5, k=512, format=name)
    first, second = (list(draw(spec, generator(7, "x"))) for _ in range(2))
    assert [data.name for data in first] == [data.name for data in second]
    assert len({data.name for data in first}) == len(first) >= 6
    for one, two in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.inputs, two.inputs, strict=True))
        assert one.x.dtype == np.float32 and one.x.shape == (512,)
        for packed in one.weights:
            assert packed.size == formats.get(name).storage_bytes(5, 512)
            assert np.all(np.isfinite(reference.decode(name, packed, 5, 512)))
        y = reference.evaluate(spec, one.x, one.weights)
        largest = np.max(np.abs(y))
        assert largest == 0 or 1e-36 < largest < 1e37, one.name


def test_hard_data_is_what_its_name_says():
    spec = ops.matvec(64, 512, format="q4_k")
    data = {item.name: item for item in draw(spec, generator(1))}
    assert np.count_nonzero(data["bytes/one-hot"].x) == 1
    assert not np.any(data["encoded/all-zero"].x)
    assert np.count_nonzero(data["zero-blocks/zeros"].x == 0) > 200
    assert np.max(np.abs(data["denormal-scales/tiny"].x)) < 1e-8
    blocks = data["zero-blocks/zeros"].weights[0].reshape(-1, 144)
    assert np.any(~blocks.any(axis=1)) and np.any(blocks.any(axis=1))
    scales = data["denormal-scales/tiny"].weights[0].reshape(-1, 144)[:, :2].copy()
    assert np.all(np.abs(scales.view(np.float16)) < 6.2e-5)


@pytest.mark.parametrize("m", [1, 2, 65])
@pytest.mark.parametrize("op", ["matvec", "gated_matvec"])
@pytest.mark.parametrize("name", ["q4_0", "q4_k", "q4nx"])
def test_rounding_activations_stays_within_the_bound(m, op, name):
    """The best that any kernel with 8-bit activations can do must pass."""
    for seed in range(3):
        spec = ops.OpSpec(op, m=m, k=512, format=name, activations="i8")
        for data in draw(spec, generator(seed, "rounding")):
            exact = reference.evaluate(spec, data.x, data.weights)
            rounded = reference.quantized_activations(data.x)
            got = reference.evaluate(spec, rounded, data.weights)
            assert reference.relative_l2(got, exact) <= reference.BOUNDS["i8"], (seed, data.name)


def test_relative_l2():
    want = np.array([3.0, 4.0])
    assert reference.relative_l2(np.array([3.0, 4.0], np.float32), want) == 0.0
    assert reference.relative_l2(np.array([3.0, 9.0]), want) == pytest.approx(1.0)
    # Squares may vanish in f32, or overflow.
    for size in (1e-30, 1e30):
        got = np.array([3.0, 9.0]) * size
        assert reference.relative_l2(got, want * size) == pytest.approx(1.0)
    # What is below the least normal f32 is measured against that number.
    assert reference.relative_l2(np.zeros(2, np.float32), want * 1e-46) < 1e-7
    assert reference.relative_l2(np.array([2.0**-126, 0.0]), want * 1e-46) == pytest.approx(1.0)
    assert reference.relative_l2(np.zeros(2), np.zeros(2)) == 0.0
    assert reference.relative_l2(np.array([0.0, 1e-9]), np.zeros(2)) == reference.NOT_FINITE
    assert reference.relative_l2(np.array([np.nan, 1.0]), want) == reference.NOT_FINITE
    assert reference.relative_l2(np.array([np.inf, 1.0]), want) == reference.NOT_FINITE


def test_count_differences():
    a = np.array([1.0, 0.0, np.nan, 2.0], np.float32)
    b = np.array([1.0, -0.0, np.nan, 2.0000002], np.float32)
    assert reference.count_differences(a, b) == 1.0
    assert reference.count_differences(a, np.full(4, np.nan, np.float32)) == 3.0


@pytest.mark.parametrize("name", WEIGHTS)
def test_reference_decoder_agrees_with_the_codec(name):
    spec = ops.dequantize(3, 512, format=name)
    for data in draw(spec, generator(2)):
        independent = reference.decode(name, data.weights[0], 3, 512)
        codec = formats.get(name).decode(data.weights[0], 3, 512)
        assert reference.count_differences(independent, codec) == 0


def test_reference_products():
    w = formats.get("q8_0").encode(np.eye(32, dtype=np.float32) * 127)
    x = np.arange(32, dtype=np.float32)
    assert np.array_equal(reference.evaluate(ops.matvec(32, 32, format="q8_0"), x, [w]), x * 127.0)
    tokens = np.stack([x, -x])
    matmul = ops.matmul(32, 32, 2, format="q8_0")
    assert np.array_equal(reference.evaluate(matmul, tokens, [w]), tokens * 127.0)
    for act, value in (("silu", 1 / (1 + np.exp(-127.0))), ("gelu_tanh", 1.0)):
        gated = ops.gated_matvec(32, 32, format="q8_0", act=act)
        y = reference.evaluate(gated, np.ones(32, np.float32), [w, w])
        assert y == pytest.approx(np.full(32, 127.0 * value * 127.0))
