"""Products for Metal in the simulator: every format, odd shapes, what they move."""

import numpy as np
import pytest

import headrace
from headrace import formats, ops, reference
from headrace.sim import msl
from headrace.targets.metal import simulate
from headrace.targets.metal.package import SOURCE

FORMATS = ["q4_0", "q5_0", "q8_0", "q4_k", "q6_k", "q4nx", "int4:g32", "int4:g128:zp"]


def compiled(op, rows, columns, name, **options):
    return headrace.compile(
        getattr(ops, op)(rows, columns, format=name, **options), target="metal:m2-max", cache=False
    )


def drawn(rows, columns, name, seed=0):
    draw = np.random.default_rng(seed)
    weights = draw.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(formats.get(name).encode(weights)).reshape(-1)


def vector(columns, seed=1):
    return np.random.default_rng(seed).standard_normal(columns, dtype=np.float32)


@pytest.mark.parametrize("name", FORMATS)
def test_moves_little_more_than_is_stored(name):
    rows, columns = 64, 2048
    w, x = drawn(rows, columns, name), vector(columns)
    (traffic,) = simulate.traffic_of(compiled("matvec", rows, columns, name), [x, w])
    assert 64 * traffic[0].distinct_loaded_64 <= 1.03 * w.nbytes
    assert 64 * traffic[1].distinct_loaded_64 == x.nbytes
    assert traffic[0].stored == traffic[1].stored == 0
    assert traffic[2].stored == 4 * rows and traffic[2].loaded == 0


@pytest.mark.parametrize(
    ("name", "rows", "columns", "limit"),
    [
        ("q4_0", 4, 16, 4.6),  # the limits of the first five are what ggml's kernels have
        ("q5_0", 4, 16, 7.5),
        ("q8_0", 4, 16, 3.9),
        ("q4_k", 2, 32, 5.3),
        ("q6_k", 2, 32, 10.0),
        ("q4nx", 16, 8, 4.0),
        ("int4:g128", 4, 32, 4.0),
    ],
)
def test_instructions_for_each_weight(name, rows, columns, limit):
    """rows and columns: whose weights one lane multiplies in one turn of the loop."""
    artifact = compiled("matvec", 4096, 4096, name)
    loop = msl.inner_loop(artifact.sources[SOURCE], artifact.kernels[0].name)
    assert 1.5 * rows * columns < loop.instructions <= limit * rows * columns
    assert loop.private == 0, "everything is in registers"


@pytest.mark.parametrize(("rows", "columns"), [(3, 256), (33, 768)])
@pytest.mark.parametrize("name", ["q4_k", "q4nx"])
def test_rows_that_fill_no_workgroup(name, rows, columns):
    w, x = drawn(rows, columns, name), vector(columns)
    artifact = compiled("matvec", rows, columns, name)
    *_, y = simulate.run_plan(artifact, [x, w], 2)
    want = reference.evaluate(ops.matvec(rows, columns, format=name), x, [w])
    assert reference.relative_l2(y, want) < 1e-6


def test_nothing_of_nothing():
    """Activations that are all zero, and infinite ones where weights are not zero."""
    w, x = drawn(5, 64, "q8_0"), np.zeros(64, np.float32)
    artifact = compiled("matvec", 5, 64, "q8_0")
    *_, y = simulate.run_plan(artifact, [x, w], 0)
    assert np.array_equal(y, np.zeros(5, np.float32))
    x[3] = np.inf
    *_, y = simulate.run_plan(artifact, [x, w], 0)
    assert not np.isfinite(y).any()


def test_a_gate_that_is_closed():
    """exp overflows where the gate is far below zero: the product is zero, not NaN."""
    columns = 32
    w = drawn(2, columns, "q8_0")
    up = w.copy()
    x = np.full(columns, 1e4, np.float32)
    x *= np.sign(-formats.get("q8_0").decode(w, 2, columns)[0])
    artifact = compiled("gated_matvec", 2, columns, "q8_0")
    *_, y = simulate.run_plan(artifact, [x, w, up], 0)
    assert y[0] == 0 and np.isfinite(y).all()


def test_another_mask_is_found():
    """What the simulator runs is the text: another constant gives another result."""
    w, x = drawn(8, 64, "q4_0"), vector(64)
    text = compiled("matvec", 8, 64, "q4_0").sources[SOURCE]
    y = [np.full(8, np.nan, np.float32) for _ in range(2)]
    for result, source in zip(y, [text, text.replace("0x0FFF", "0x07FF")], strict=True):
        msl.build(source).launch(
            "matvec_q4_0_8x64_f32", buffers=[w, x, result], grid=(1, 1, 1), threads=(64, 1, 1)
        )
    assert "0x0FFF" in text and not np.allclose(*y)
