"""The CPU's kernels of assign_centroids and lut_matvec: other formats, groups that divide by
little, rows and columns at the edges, and data with ties, NaN and the largest codes."""

import numpy as np
import pytest
from inner_loops import inner_loops

import headrace as hr
from headrace import ir
from headrace.check.compiled import Compiled
from headrace.check.operations.tables import Shape
from headrace.modules import parse_text
from headrace.references import tables

TARGETS = ["cpu", "cpu:x86-64-v3"]
# rows, cols, dim, entries, group, bits, activations, tokens
LOOKUPS = [
    Shape(1030, 601, 2, 16, 512, 8, 64, 0),
    Shape(1024, 1200, 2, 16, 512, 4, 64, 0),
    Shape(1, 520, 2, 16, 512, 8, 64, 1),
    Shape(1041, 9, 4, 16, 520, 8, 16, 2),
    Shape(111, 300, 1, 16, 24, 4, 2, 3),
    Shape(700, 18, 8, 16, 536, 8, 256, 0),
    Shape(300, 280, 1, 4, 296, 8, 4, 0),
    Shape(41, 9, 3, 4, 8, 4, 8, 0),
    Shape(600, 270, 2, 256, 512, 8, 8, 0),
    Shape(59, 70, 1, 256, 40, 4, 4, 2),
    Shape(2600, 603, 2, 16, 512, 8, 64, 0, split=True),
    Shape(1030, 301, 2, 16, 512, 4, 64, 2, split=True),
    Shape(111, 300, 1, 16, 24, 4, 2, 1, split=True),
    Shape(600, 70, 1, 256, 8, 8, 4, 0, split=True),
    Shape(41, 9, 3, 4, 8, 4, 8, 3, split=True),
]
ASSIGNMENTS = [
    Shape(8, 1100, 2, 16, 8, 8, 64, 0),
    Shape(8, 1035, 2, 16, 8, 4, 128, 3),
    Shape(8, 41, 1, 4, 8, 8, 256, 1),
    Shape(8, 50, 3, 4, 8, 8, 2, 2),
    Shape(8, 61, 8, 16, 8, 8, 32, 0),
    Shape(8, 5, 5, 16, 8, 8, 16, 1),
    Shape(8, 19, 6, 16, 8, 8, 4, 0),
    Shape(8, 1, 2, 16, 8, 8, 8, 0),
    Shape(41, 603, 2, 16, 8, 8, 64, 2, split=True),
]


def module(op, shape, inputs, results):
    tokens = (shape.tokens,) if shape.tokens else ()
    operand, result = (
        f"tensor<{'x'.join(map(str, (*tokens, size)))}x{kind}>" for kind, size in (inputs, results)
    )
    text = f"""func.func @main(%w: {shape.type}, %x: {operand}) -> {result} {{
      %0 = tensor.empty() : {result}
      %y = {op} ins(%w, %x : {shape.type}, {operand}) outs(%0 : {result}) -> {result}
      return %y : {result}
    }}"""
    return parse_text(text, ir.Context(), str(shape))


def lookup(shape):
    return module("qlinear.lut_matvec", shape, ("i32", shape.pieces), ("f32", shape.rows))


def parts_of(shape, rng):
    """Random parts."""
    groups, pieces, number = shape.groups, shape.pieces, shape.activations
    return tables.Tables(
        activations=rng.normal(size=(pieces, number, shape.dim)).astype(np.float32),
        products=rng.integers(0, 2**shape.bits, (groups, pieces, number, shape.entries), np.uint8),
        indices=rng.integers(0, shape.entries, (groups, pieces, shape.group), np.uint8),
        centroids=rng.normal(size=(groups, pieces, shape.entries, shape.dim)).astype(np.float32),
        scale=np.float32(0.01),
        offset=np.float32(-0.3),
    )


def sums_of(parts, assigned, rows):
    """[N, rows]: sums of codes, in integers."""
    pieces, number = parts.products.shape[1:3]
    assigned = np.clip(np.atleast_2d(assigned), 0, number - 1)
    every = []
    for tokens in assigned:
        chosen = parts.products[:, np.arange(pieces), tokens].astype(np.int64)
        found = np.take_along_axis(chosen, parts.indices.astype(np.int64), 2)
        every.append(found.sum(axis=1).reshape(-1)[:rows])
    return np.stack(every)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", LOOKUPS, ids=lambda shape: shape.format)
def test_lookup(shape, target):
    """Bit for bit: integer sums, and one multiplication and one addition in f32."""
    rng = np.random.default_rng(shape.rows)
    program = Compiled(lookup(shape), target)
    parts = parts_of(shape, rng)
    size = (shape.tokens, shape.pieces) if shape.tokens else shape.pieces
    random = rng.integers(0, shape.activations, size)
    for codes, assigned in (
        (parts.products, random),
        (parts.products, np.full(size, shape.activations - 1)),
        (parts.products, rng.choice([-(2**31), -1, shape.activations, 2**31 - 1], size)),
        (np.full_like(parts.products, 2**shape.bits - 1), random),
        (np.zeros_like(parts.products), random),
    ):
        storage = tables.Tables(**{**vars(parts), "products": codes})
        (got,) = program(
            storage.storage(shape.bits, shape.split).view(np.int8), assigned.astype(np.int32)
        )
        sums = sums_of(storage, assigned, shape.rows).astype(np.float32)
        want = parts.scale * sums + parts.offset * np.float32(shape.pieces)
        np.testing.assert_array_equal(np.atleast_2d(got), want)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", ASSIGNMENTS, ids=lambda shape: shape.format)
def test_assign(shape, target):
    """Ties, NaN and infinities in both, and distances that overflow."""
    rng = np.random.default_rng(shape.cols)
    program = Compiled(
        module("qlinear.assign_centroids", shape, ("f32", shape.cols), ("i32", shape.pieces)),
        target,
    )
    parts = parts_of(shape, rng)
    usual = parts.activations
    halves = np.round(usual * 2) / 2
    holes = np.where(rng.random(usual.shape) < 0.2, np.float32(np.nan), usual)
    holes[rng.random(len(usual)) < 0.2] = np.nan
    ends = rng.choice(np.array([-np.inf, np.inf, 1, np.nan], np.float32), usual.shape)
    size = (shape.tokens, shape.cols) if shape.tokens else shape.cols
    x = rng.normal(size=size).astype(np.float32)
    for centroids, values in (
        (usual, x),
        (halves, np.round(x * 2) / 2),
        (halves[:, :1].repeat(shape.activations, 1), x),
        (usual, np.where(rng.random(size) < 0.3, np.float32(np.nan), x)),
        (holes, x),
        (ends, rng.choice(np.array([-np.inf, np.inf, 1, np.nan], np.float32), size)),
        (np.sign(usual) * np.float32(2e38), np.sign(x) * np.float32(3e38)),
        (usual * np.float32(1e-42), x * np.float32(1e-42)),
    ):
        storage = tables.Tables(**{**vars(parts), "activations": centroids})
        (got,) = program(storage.storage(shape.bits, shape.split).view(np.int8), values)
        np.testing.assert_array_equal(np.atleast_2d(got), nearest(centroids, values))


def nearest(centroids, x):
    """The first centroid whose distance is less than all before it; NaN is less than nothing."""
    pieces, _, dim = centroids.shape
    x = np.atleast_2d(x)
    padded = np.zeros((len(x), pieces * dim), np.float32)
    padded[:, : x.shape[1]] = x
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(padded.reshape(-1, pieces, 1, dim) - centroids).max(axis=3)
    distance = np.where(np.isnan(distance), np.float32(np.inf), distance)
    return distance.argmin(axis=2)


@pytest.mark.parametrize(
    ("target", "register", "lookups"),
    [("sapphirerapids", "zmm", 8), ("x86-64-v3", "ymm", 4), ("bdver2", "xmm", 4)],
)
def test_instructions(target, register, lookups):
    """A shuffle for as many rows as a vector has bytes; no sum leaves its register."""
    shape = Shape(1024, 1200, 2, 16, 512, 8, 64, 0, split=True)
    source = hr.compile(lookup(shape), target=f"cpu:{target}").sources["kernels.s"]
    loops = inner_loops(source, "vpshufb")
    assert loops
    for loop in loops:
        found = loop.having(rf"^vpshufb .*%{register}\d+, %{register}\d+, %{register}\d+")
        assert len(found) == lookups
        assert not loop.spills and not loop.having(r"^v\w+ %[xyz]mm\d+, [^%]*\(")
