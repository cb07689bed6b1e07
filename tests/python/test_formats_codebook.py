"""Codebook formats: bytes written out by hand, torch's reading of any bytes, k-means, names."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from headrace import formats
from headrace.check import independent
from headrace.errors import UsageError
from headrace.formats.codebook import Shape, make, pack, product_tables, shape_of, unpack
from headrace.formats.kmeans import assign, kmeans

LISTED = [
    "codebook:d2:e16:g512",
    "codebook:d2:e16:g512:i8:a64",
    "codebook:d2:e16:g512:i4:a64",
]


def shapes() -> st.SearchStrategy[Shape]:
    plain = st.builds(
        Shape, st.integers(1, 8), st.sampled_from([4, 16, 256]), st.sampled_from([8, 24, 64])
    )
    table = st.tuples(st.sampled_from([4, 8]), st.sampled_from([2, 16, 64]), st.booleans())
    return st.one_of(
        plain,
        st.builds(lambda s, t: Shape(s.dim, s.entries, s.group, *t), plain, table),
    )


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


# -- bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "bits"), [(LISTED[0], 3), (LISTED[1], 11), (LISTED[2], 7)])
def test_sizes(name: str, bits: int) -> None:
    form = formats.get(name)
    assert form.bits_per_weight == bits
    # 513 rows are two groups, 7 columns are four pieces of two.
    assert form.padded_shape(513, 7) == (1024, 8)
    header = 8 + 4 * 64 * 2 * 4 if bits > 3 else 0
    assert form.storage_bytes(513, 7) == header + 2 * 4 * 512 * 2 * bits // 8


def test_bytes_by_hand() -> None:
    """Two centroids of four, eight rows, two pieces of two columns; 4-bit tables for 2 and 4."""
    form = formats.get("codebook:d2:e4:g8:i4:a2")
    header = np.array([0.5, -3, 10, 11, 12, 13, 20, 21, 22, 23], "<f4").tobytes()
    tables = [bytes([0x10, 0x32, 0x54, 0x76]), bytes([0x98, 0xBA, 0xDC, 0xFE])]
    indices = [bytes([0b11100100, 0b00011011]), bytes([0b00000000, 0b11111111])]
    centroids = [np.arange(8, dtype="<f4") + first for first in (100, 200)]
    data = header + b"".join(
        t + i + c.tobytes() for t, i, c in zip(tables, indices, centroids, strict=True)
    )
    rows = [0, 1, 2, 3, 3, 2, 1, 0]  # the first row in the lowest bits
    second = [0, 0, 0, 0, 3, 3, 3, 3]
    expected = [
        [100 + 2 * i, 101 + 2 * i, 200 + 2 * j, 201 + 2 * j]
        for i, j in zip(rows, second, strict=True)
    ]
    assert_array_equal(form.decode(data, 8, 4), np.array(expected, np.float32))
    assert_array_equal(form.decode(data, 5, 3), np.array(expected, np.float32)[:5, :3])

    parts = unpack(shape_of(form.name), np.frombuffer(data, np.uint8), 8, 4)
    assert (parts.scale, parts.offset) == (0.5, -3)
    assert parts.tables is not None and parts.activation_centroids is not None
    # Row: activation centroid; column: weight centroid; the low half of a byte is the even one.
    assert_array_equal(parts.tables[0, 0], [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert_array_equal(parts.tables[0, 1], [[8, 9, 10, 11], [12, 13, 14, 15]])
    assert_array_equal(parts.activation_centroids[1], [[20, 21], [22, 23]])
    assert pack(shape_of(form.name), parts).tobytes() == data


@settings(max_examples=60, deadline=None)
@given(shape=shapes(), rows=st.integers(1, 70), cols=st.integers(1, 20), seed=st.integers(0, 99))
def test_any_bytes_mean_what_torch_reads(shape: Shape, rows: int, cols: int, seed: int) -> None:
    form = make(shape)
    size = form.storage_bytes(rows, cols)
    data = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    wanted = independent.decode(form, data, rows, cols)
    assert_array_equal(form.decode(data, rows, cols).view(np.uint32), wanted.view(np.uint32))
    padded = form.padded_shape(rows, cols)
    again = pack(shape, unpack(shape, data, *padded))
    if shape.split:  # zeros between the parts
        assert_array_equal(form.decode(again, rows, cols).view(np.uint32), wanted.view(np.uint32))
        data, again = again, pack(shape, unpack(shape, again, *padded))
    assert_array_equal(again, data)


def test_split_bytes_by_hand() -> None:
    """The parts of two groups and two pieces, each from a multiple of 64 bytes on."""
    plain, split = (shape_of(f"codebook:d1:e4:g8:i8:a2{end}") for end in ("", ":split"))
    rng = np.random.default_rng(3)
    data = rng.integers(0, 256, make(plain).storage_bytes(16, 2), dtype=np.uint8)
    parts = unpack(plain, data, 16, 2)
    got = pack(split, parts)
    assert parts.tables is not None
    assert got.size == make(split).storage_bytes(16, 2) == 64 + 64 + 64 + 64 + 4 * 4 * 4
    assert_array_equal(got[:8], data[:8])
    assert_array_equal(got[64:80], data[8:24])
    # Piece, activation centroid, group.
    rows = [parts.tables[g, p, a] for p in range(2) for a in range(2) for g in range(2)]
    assert_array_equal(got[128:160], np.concatenate(rows))
    starts = [24 + 26 * block for block in range(4)]
    assert_array_equal(got[192:200], np.concatenate([data[at + 8 : at + 10] for at in starts]))
    assert_array_equal(got[256:], np.concatenate([data[at + 10 : at + 26] for at in starts]))
    gaps = np.concatenate([got[8:64], got[80:128], got[160:192], got[200:256]])
    assert not gaps.any()


@settings(max_examples=40, deadline=None)
@given(
    shape=shapes(),
    rows=st.integers(1, 40),
    cols=st.integers(1, 20),
    size=st.sampled_from([1e-45, 1e-40, 1e-3, 1.0, 2.0**96]),
    seed=st.integers(0, 99),
)
def test_weights_of_any_size(shape: Shape, rows: int, cols: int, size: float, seed: int) -> None:
    """Finite floats everywhere, and an error below that of one centroid, the mean of a group."""
    form = make(shape)
    w = normal(seed, rows, cols) * np.float32(size)
    data = form.encode(w)
    form.check_scales(data, rows, cols)
    got = form.decode(data, rows, cols).astype(np.float64)
    groups = [w[at : at + shape.group].astype(np.float64) for at in range(0, rows, shape.group)]
    mean = np.vstack([np.broadcast_to(group.mean(axis=0), group.shape) for group in groups])
    assert np.sum((got - w) ** 2) <= np.sum((mean - w) ** 2) * (1 + 1e-5) + w.size * 1e-88
    assert_array_equal(form.encode(w), data)


@pytest.mark.parametrize("name", [*LISTED, "codebook:d3:e4:g8:i8:a2", f"{LISTED[1]}:split"])
@pytest.mark.parametrize("value", [0.0, 1e-45, -1.5, 2.0**100])
def test_equal_weights_are_exact(name: str, value: float) -> None:
    """Whatever the number of centroids, and whatever the padding."""
    form = formats.get(name)
    w = np.full((13, 7), value, np.float32)
    data = form.encode(w)
    form.check_scales(data, *w.shape)
    assert_array_equal(form.decode(data, *w.shape), w)


def test_as_many_vectors_as_centroids_are_exact() -> None:
    vectors = normal(1, 16, 2)
    w = np.hstack([vectors[np.random.default_rng(s).integers(0, 16, 600)] for s in range(5)])
    form = formats.get(LISTED[0])
    assert_array_equal(form.decode(form.encode(w), *w.shape), w)


def test_padding_moves_no_centroid() -> None:
    """Rows of zeros behind the last would pull centroids to them."""
    form = formats.get("codebook:d2:e4:g64")
    w = normal(2, 5, 2) + np.float32(100)
    assert np.abs(form.decode(form.encode(w), 5, 2) - w).max() < 10


def test_floats_that_are_none_are_found() -> None:
    form = formats.get(LISTED[1])
    data = form.encode(normal(3, 9, 6))
    parts = 8 + 3 * 64 * 2 * 4
    for at in (0, 4, 8 + 17 * 4, parts + form.block_bytes - 4):
        bad = data.copy()
        bad[at : at + 4] = np.array([np.nan], "<f4").view(np.uint8)
        with pytest.raises(UsageError, match="expected finite scales for 9x6 values, but got nan"):
            form.check_scales(bad, 9, 6)


# -- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "worst"), [(8, 0.02), (4, 0.18)])
def test_tables_hold_products(bits: int, worst: float) -> None:
    activations, weights = normal(4, 6, 64, 2), normal(5, 3, 6, 16, 2)
    codes, scale, offset = product_tables(activations, weights, bits)
    assert codes.shape == (3, 6, 64, 16) and codes.max() < 1 << bits
    exact = np.einsum("pad,bped->bpae", activations.astype(float), weights.astype(float))
    error = codes * scale + offset - exact
    assert np.linalg.norm(error) / np.linalg.norm(exact) < worst
    # What all products are off by would add up: one code is exactly 0.
    assert round(-offset / scale) * np.float32(scale) == np.float32(-offset)
    # Not worse than the whole range without clipping.
    step = (exact.max() - exact.min()) / ((1 << bits) - 1)
    assert np.linalg.norm(error) <= np.linalg.norm(np.rint(exact / step) * step - exact) * 1.001


def test_tables_of_equal_products() -> None:
    for value in (0.0, 3.0):
        same = np.full((1, 2, 1), value, np.float32)
        codes, scale, offset = product_tables(same, same.reshape(1, 1, 2, 1), 8)
        assert_allclose(codes * scale + offset, np.full((1, 1, 2, 2), value**2), rtol=1e-6)


# -- k-means --------------------------------------------------------------------------------------


def test_kmeans_against_the_best_of_all_partitions() -> None:
    """Of eight points all partitions can be tried; a few starts find the best, or come near."""
    found = 0
    for x in normal(6, 20, 8, 2):
        least = min(
            sum(
                np.sum((x[np.array(labels) == k] - x[np.array(labels) == k].mean(axis=0)) ** 2)
                for k in set(labels)
            )
            for labels in itertools.product(range(2), repeat=8)
        )
        errors = []
        for seed in range(6):
            centroids, which = kmeans(x[None], 2, seed=seed)
            errors.append(float(np.sum((x - centroids[0][which[0]]) ** 2)))
        assert least * (1 - 1e-4) <= min(errors) <= least * 1.1
        found += min(errors) <= least * (1 + 1e-4)
    assert found >= 15


def test_kmeans_does_not_depend_on_its_neighbours() -> None:
    points = normal(7, 30, 40, 3)
    centroids, which = kmeans(points, 8, seed=3)
    for at in (0, 17, 29):
        alone, index = kmeans(points[at : at + 1], 8, seed=3)
        assert_array_equal(alone[0], centroids[at])
        assert_array_equal(index[0], which[at])


def test_kmeans_uses_all_centroids_and_the_nearest() -> None:
    points = normal(8, 10, 500, 2)
    centroids, which = kmeans(points, 16)
    assert all(len(np.unique(row)) == 16 for row in which)
    chosen = np.sum((points - np.take_along_axis(centroids, which[..., None], 1)) ** 2, axis=2)
    nearest = np.take_along_axis(centroids, assign(points, centroids)[..., None], 1)
    # Means are those of the last assignment, so a few points may be nearer to another by now.
    assert np.sum(chosen) <= np.sum((points - nearest) ** 2) * 1.02


# -- names ----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(shape=shapes())
def test_names_come_back(shape: Shape) -> None:
    form = make(shape)
    assert shape_of(form.name) == shape
    assert formats.get(form.name) == form
    assert form.block_bytes == shape.table_bytes + shape.index_bytes + shape.entries * shape.dim * 4


def test_listed() -> None:
    assert [name for name in formats.names() if name.startswith("codebook")] == LISTED
    assert formats.get(LISTED[2]).attribute == (
        "#qlinear.codebook<dim = 2, entries = 16, group = 512, table = i4, activation_entries = 64>"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("codebook:d0:e16:g512", r"expected d \(columns\) from 1 to 8, but got 0; for example"),
        ("codebook:d9:e16:g512", r"expected d \(columns\) from 1 to 8, but got 9"),
        ("codebook:d2:e8:g512", r"expected e \(weight centroids\) of 4, 16 or 256, but got 8"),
        ("codebook:d2:e16:g0", r"expected g \(rows\) a multiple of 8 up to 1048576, but got 0"),
        ("codebook:d2:e16:g12", r"expected g .* but got 12"),
        ("codebook:d2:e16:g2097152", r"expected g .* but got 2097152"),
        ("codebook:d2:e16:g512:i8:a0", r"expected a .* a power of two, 2 to 256, but got 0"),
        ("codebook:d2:e16:g512:i8:a48", r"expected a .* but got 48"),
        ("codebook:d2:e16:g512:i8:a512", r"expected a .* but got 512"),
    ],
)
def test_parameters_out_of_range(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        formats.get(name)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "d2",
        "d2:e16:g512:",
        "d2:e16:g512\n",
        "d2:e16:g512:i8",
        "d2:e16:g512:i2:a64",
        "d-2:e16:g8",
        "d02:e16:g512",
        "d\u0662:e16:g512",
        "d2:e16:g512:i8:a064",
        f"d{'9' * 5000}:e16:g512",
    ],
)
def test_names_that_are_not_written_so(rest: str) -> None:
    """One name for one format: no leading zeros or other scripts' digits, nothing behind it."""
    with pytest.raises(UsageError, match="expected a codebook format, but got 'codebook:"):
        formats.get(f"codebook:{rest}")
