"""zigzag, repacked and strips: where the bytes lie, and that values are those of the format."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import formats, ops
from headrace.check import independent
from headrace.errors import UsageError
from headrace.formats import affine
from headrace.reference_jit import Meaning


def weights(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, cols), dtype=np.float32)


@pytest.mark.parametrize("name", ["q4_0", "q8_0", "q4_k", "q6_k", "bf16", "int4:g32"])
def test_a_zigzag_matrix_is_the_inner_format_of_the_transposed_bands(name):
    form, inner = formats.get(f"{name}:zigzag"), formats.get(name)
    values = weights(512, 5)
    packed = form.encode(values)
    assert packed.size == form.storage_bytes(512, 5) == 2 * inner.storage_bytes(5, 256)
    bands = [inner.encode(np.ascontiguousarray(values[i : i + 256].T)) for i in (0, 256)]
    np.testing.assert_array_equal(packed, np.concatenate(bands))
    # Column 3 of band 1 is one piece of the bytes.
    piece = inner.storage_bytes(1, 256)
    at = (5 + 3) * piece
    column = inner.decode(packed[at : at + piece], 1, 256)[0]
    np.testing.assert_array_equal(form.decode(packed, 512, 5)[256:, 3], column)


@pytest.mark.parametrize(("name", "count"), [("q4_0", 8), ("q8_0", 4), ("q4_k", 16), ("bf16", 4)])
def test_repacked_blocks_of_rows_are_side_by_side(name, count):
    form, inner = formats.get(f"{name}:rows{count}"), formats.get(name)
    cols = 2 * inner.block_shape[1]
    values = weights(2 * count, cols)
    base, packed = inner.encode(values), form.encode(values)
    np.testing.assert_array_equal(np.sort(base), np.sort(packed))
    size = inner.block_bytes
    blocks = base.reshape(2 * count, 2, size)
    # The second block of row 1 of the second group.
    at = (2 * count + count + 1) * size
    np.testing.assert_array_equal(packed[at : at + size], blocks[count + 1, 1])
    np.testing.assert_array_equal(
        form.decode(packed, *values.shape), inner.decode(base, *values.shape)
    )


def test_lines_of_a_strip_are_four_bytes_of_each_row():
    form, inner = formats.get("q4_k:strips16"), formats.get("q4_k")
    values = weights(32, 512)
    blocks = inner.encode(values).reshape(2, 16, 2, 144)
    pieces = form.encode(values).reshape(2, 2, 2304)
    np.testing.assert_array_equal(pieces[1, 1, 6:8], blocks[1, 3, 1, 0:2])  # d of row 3
    np.testing.assert_array_equal(pieces[1, 1, 38:40], blocks[1, 3, 1, 2:4])  # dmin
    lines = pieces[1, 1, 64:].reshape(35, 16, 4)  # 3 of scales, 32 of nibbles
    for line in range(35):
        np.testing.assert_array_equal(lines[line, 3], blocks[1, 3, 1, 4 + 4 * line : 8 + 4 * line])


def test_pieces_of_small_blocks_are_whole_lines():
    form = formats.get("q8_0:strips16")
    assert form.block_shape == (16, 64) and form.block_bytes == 17 * 64
    assert form.padded_shape(17, 96) == (32, 128)
    values = weights(17, 96)
    packed = form.encode(values)
    base = formats.get("q8_0").encode(values).reshape(17, 3, 34)
    piece = packed.reshape(2, 2, 17, 64)[1, 0]  # row 16 is row 0 of the second strip
    np.testing.assert_array_equal(piece[0, [0, 1, 32, 33]], base[16, :2, :2].reshape(-1))
    np.testing.assert_array_equal(piece[9 + 5, :4], base[16, 1, 2 + 20 : 2 + 24])
    padded = form.decode(packed, 17, 96, keep_padding=True)
    assert not padded[17:].any() and not padded[:, 96:].any()


def test_nibbles_of_a_strip_are_sixteen_columns_apart():
    form, inner = formats.get("int4:g128:zp:strips16"), formats.get("int4:g128:zp")
    assert form.block_shape == (16, 256) and form.block_bytes == 16 * (256 // 2 + 2 * 3)
    values = weights(32, 512)
    packed = form.encode(values)
    assert packed.size == inner.storage_bytes(32, 512)
    parts = affine.parameters("int4:g128:zp").unpack(inner.encode(values), 32, 512)
    piece = packed.reshape(2, 2, -1)[1, 1]  # rows 16 to 31, columns 256 to 511
    scales, zeros, codes = piece[:64].view("<f2"), piece[64:96], piece[96:].reshape(32, 16, 4)
    np.testing.assert_array_equal(scales.reshape(2, 16), parts.scales[16:, 2:].T)
    np.testing.assert_array_equal(zeros.reshape(2, 16), parts.zeros[16:, 2:].T)
    for line in range(32):
        first = 256 + line // 4 * 32 + line % 4 * 4
        np.testing.assert_array_equal(codes[line] & 15, parts.codes[16:, first : first + 4])
        np.testing.assert_array_equal(codes[line] >> 4, parts.codes[16:, first + 16 : first + 20])


def test_lines_of_bf16_are_two_columns_of_each_row():
    form = formats.get("bf16:strips16")
    assert form.block_shape == (16, 32) and form.padded_shape(17, 40) == (32, 64)
    values = weights(17, 40)
    packed = form.encode(values).view(ml_dtypes.bfloat16).reshape(2, 2, 16, 16, 2)
    want = values.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(packed[0, 1, 2, 5], want[5, 36:38])
    assert not packed[1, :, :, 1:].any() and not packed[:, 1, 4:].any()


MANY = """
    q4_0:zigzag32 q4_k:zigzag q5_1:zigzag96 f16:zigzag3 int8:g32:zigzag64
    q4_0:rows8 q6_k:rows4 iq4_nl:rows16 mxfp4:rows4 int4:g16:zp:rows4
    q4_0:strips16 q4_1:strips16 q5_0:strips16 q5_1:strips16 q8_0:strips16 iq4_nl:strips16
    q2_k:strips16 q3_k:strips16 q4_k:strips16 q5_k:strips16 q6_k:strips16 bf16:strips16
    int4:g32:strips16 int4:g64:zp:strips16 int4:g128:zp:f32:strips16 int4:g32:fz:bf16:strips16
    int8:g32:zp:strips16 int8:g128:strips16 int8:g256:fz:f32:strips16
"""


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(MANY.split()),
    rows=st.integers(1, 70),
    cols=st.integers(1, 300),
    seed=st.integers(0, 1 << 30),
)
def test_any_bytes_decode_as_the_independent_reference_says(name, rows, cols, seed):
    form = formats.get(name)
    data = np.random.default_rng(seed).integers(
        0, 256, form.storage_bytes(rows, cols), dtype=np.uint8
    )
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(
            form.decode(data, rows, cols), independent.decode(form, data, rows, cols)
        )


@pytest.mark.parametrize("name", MANY.split())
def test_the_compiler_reads_what_is_encoded(name):
    """`qlinear.dequantize` on MLIR's JIT against the codec."""
    form = formats.get(name)
    rows, cols = 19, 3 * form.block_shape[1]
    packed = form.encode(weights(rows, cols))
    (read,) = Meaning(ops.dequantize(rows, cols, format=name).build())(packed.view(np.int8))
    np.testing.assert_array_equal(read, form.decode(packed, rows, cols))


def test_a_repacked_affine_block_has_its_scale_at_its_end():
    form, inner = formats.get("int4:g32:rows4"), formats.get("int4:g32")
    values = weights(4, 96)
    packed = form.encode(values).reshape(3, 4, 18)
    for row in range(4):
        for block in range(3):
            one = inner.encode(values[row : row + 1, 32 * block : 32 * block + 32])
            np.testing.assert_array_equal(packed[block, row], one)


# Only where zero has a code: padding shares scales and minima with values of the matrix.
@pytest.mark.parametrize("name", ["q8_0:zigzag", "q4_0:rows8", "bf16:zigzag"])
def test_padding_decodes_to_zero(name):
    form = formats.get(name)
    padded = form.decode(form.encode(weights(3, 7)), 3, 7, keep_padding=True)
    assert padded.shape == form.padded_shape(3, 7)
    assert not padded[3:].any() and not padded[:, 7:].any() and padded[:3, :7].any()


@pytest.mark.parametrize(
    "name", ["q4_k:zigzag", "q4_0:rows8", "int4:g32:rows8", "q4_0:strips16", "q6_k:strips16"]
)
def test_scales_are_views(name):
    form = formats.get(name)
    packed = form.encode(weights(9, 9))
    form.check_scales(packed, 9, 9)
    form.scales(packed, *form.padded_shape(9, 9))[0][-1, 0] = np.nan
    with pytest.raises(UsageError, match=f"{name}: expected finite scales for 9x9"):
        form.check_scales(packed, 9, 9)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("q4_k:zigzag100", "a band of a multiple of 256 rows .the block of q4_k., .* but got 100"),
        ("q4_k:zigzag0", "but got 0"),
        ("q4nx:zigzag", "whose rows are runs of blocks, but got 'q4nx'"),
        ("nvfp4:zigzag", "whose rows are runs of blocks, but got 'nvfp4'"),
        ("int8:channel:rows4", "whose rows are runs of blocks, but got 'int8:channel'"),
        ("act_i8:zigzag", "but got 'act_i8'"),
        ("q4_k:zigzag:zigzag", "but got 'q4_k:zigzag'"),
        ("q4_0:rows5", "expected rows4, rows8 or rows16, but got 'rows5'"),
        ("q4_0:strips8", "expected strips16, but got 'strips8' of q4_0"),
        ("f16:strips16", "expected bf16, a block type of GGUF files, .* but got 'f16'; allowed: "),
        ("int4:g16:strips16", "in groups of 32, 64, 128 or 256 .* but got 'int4:g16'"),
        ("int8:g512:strips16", "but got 'int8:g512'"),
        ("int2:g64:zp:strips16", "but got 'int2:g64:zp'"),
        ("int4:g128:zp:act_order:strips16", "without act_order, but got 'int4:g128:zp:act_order'"),
        ("q4_0:rows8:strips16", "but got 'q4_0:rows8'"),
        ("q4_9:strips16", "unknown format 'q4_9'"),
        ("q4_9:rows8", "unknown format 'q4_9'"),
        ("q4_0:sideways", "unknown format 'q4_0:sideways'"),
    ],
)
def test_refused(name, message):
    with pytest.raises(UsageError, match=message):
        formats.get(name)


@pytest.mark.parametrize(
    "name",
    [
        "q4_k:zigzag0512",
        "q4_0:rows08",
        "q4_0:strips016",
        "q4_k:zigzag\u0665\u0661\u0662",  # digits, but not ASCII's
        "q4_k:zigzag\n",
        "q4_k:zigzag" + "9" * 5000,
        "q4_0:rows" + "8" * 5000,
        "q4_0" + ":zigzag" * 2000,
        "q4_0" + ":rows8" * 2000,
        "q4_0:strips" + "8" * 5000,
        "q4_0" + ":strips16" * 2000,
    ],
)
def test_a_name_is_written_in_one_way(name):
    with pytest.raises(UsageError, match="unknown format"):
        formats.get(name)


def test_names_are_found_again():
    for name in ("q4_k:zigzag512", "q2_k:zigzag", "q5_0:rows16", "f16:zigzag1"):
        assert formats.get(name).name == name
        assert formats.get(name) is formats.get(name)
    assert formats.get("q4_k:zigzag256").name == "q4_k:zigzag"
