"""Codes whose bits lie in two places: put together by GFNI, or by shifts and masks."""

import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference
from headrace.check import storage
from headrace_runtime import host

# both have AVX-512 VNNI; the first one lacks GFNI
TARGETS = ("cpu:cascadelake", "cpu:icelake-server")
FORMATS = ("q5_0", "q5_1", "q5_k", "q6_k")


def runnable(target):
    artifact = hr.compile(hr.ops.matvec(1, 256, format="q5_0", activations="i8"), target=target)
    return set(artifact.manifest["requires"]["features"]) <= set(host().features)


@pytest.mark.parametrize("layout", ["", ":strips16"])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("columns", [512, 864])
def test_same_codes(name, layout, columns):
    if columns % formats.get(name).block_shape[1]:
        columns = 1024
    if not all(map(runnable, TARGETS)):
        pytest.skip("this machine has no AVX-512 VNNI or no GFNI")
    spec = hr.ops.matvec(37, columns, format=name + layout, activations="i8")
    draw = np.random.default_rng(columns)
    weights = storage.near(formats.get(spec.format), spec.m, spec.k, draw, 0.01)
    x = draw.normal(size=spec.k).astype(np.float32)
    masked, moved = (
        np.asarray(hr.compile(spec, target=target)(x, weights, poison=True)) for target in TARGETS
    )
    assert np.array_equal(masked, moved)
    expected = reference.evaluate(spec, reference.quantized_activations(x), (weights,))
    assert reference.relative_l2(moved, expected) < 1e-4
