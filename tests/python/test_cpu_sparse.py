"""The CPU's kernels of selected columns: bands of every kind, lists of every kind, odd shapes."""

import re

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, ir
from headrace.check.compiled import Compiled
from headrace.check.operations.running import worst_of
from headrace.check.operations.sparse import matvec_case, select_case
from headrace.check.operations.text import packed
from headrace.modules import parse_text
from headrace.references import linear, sparse

TARGETS = ["cpu", "cpu:x86-64-v3"]
SHAPES = [
    # format, rows, columns, activations; one row, bands with a rest, several workgroups in a band
    ("q4_k:zigzag", 1, 37, "f32"),
    ("q4_k:zigzag", 700, 64, "bf16"),
    ("q4_k:zigzag1024", 1500, 41, "f32"),
    ("q4_k:zigzag4096", 5000, 30, "bf16"),
    ("q4_k:zigzag4096", 2049, 203, "bf16"),
    ("q4_k:zigzag", 257, 150, "f32"),
    ("q6_k:zigzag", 511, 53, "f32"),
    ("q6_k:zigzag1024", 1030, 17, "bf16"),
    ("q8_0:zigzag", 257, 65, "bf16"),
    ("q8_0:zigzag1024", 1900, 22, "f32"),
    ("q4_0:zigzag", 768, 1, "f32"),
    ("q4_0:zigzag1024", 3000, 11, "bf16"),
]


def compiled(text, target):
    return Compiled(parse_text(text, ir.Context(), "sparse"), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 32, 4099])
def test_select_columns(size, target):
    """Whole vectors and a rest; the cases have none, all, NaN, infinities and denormals."""
    dtype = "bf16" if size % 2 else "f32"
    case = select_case(size, dtype, 0.5)
    found = worst_of(compiled(case.module, target), list(case.runs(np.random.default_rng(size))))
    assert found.error <= found.bound, found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "rows", "cols", "dtype"), SHAPES)
def test_sparse_matvec(name, rows, cols, dtype, target):
    """Lists in order and out of it, of none, some and all columns, and counts out of range."""
    case = matvec_case(name, rows, cols, dtype)
    found = worst_of(compiled(case.module, target), list(case.runs(np.random.default_rng(rows))))
    assert found.error <= found.bound, found


@pytest.mark.parametrize("name", ["q4_0:zigzag", "q8_0:zigzag", "q4_k:zigzag", "q6_k:zigzag"])
def test_only_listed_columns_are_read(name):
    """The bytes of columns that are not listed are all ones: NaN and the largest codes."""
    rng, rows, cols = np.random.default_rng(5), 300, 90
    form = formats.get(name)
    data = form.encode(rng.normal(size=(rows, cols)).astype(np.float32))
    listed = np.sort(rng.permutation(cols)[:31])
    blocks = data.reshape(-1, cols, form.block_bytes)
    want = linear.weights(name, data, rows, cols)
    blocks[:, np.setdiff1d(np.arange(cols), listed)] = 0xFF
    indices = np.full(cols + 3, -1, np.int32)
    indices[:31] = listed
    x = rng.normal(size=cols).astype(np.float32)
    program = compiled(matvec_case(name, rows, cols, "f32").module, "cpu")
    for order in (indices, np.r_[indices[30::-1], indices[31:]]):
        count = np.array([31], np.int32)
        (got,) = program(data.view(np.int8), x, order, count, np.full(rows, np.nan, np.float32))
        np.testing.assert_allclose(got, sparse.sparse_matvec(want, x, order, 31), rtol=0, atol=2e-5)


def test_large_scales_and_infinity_of_a_listed_column():
    """A row whose block is infinite is infinite; rows of other blocks are not touched by it."""
    rows, cols, name = 256, 7, "q8_0:zigzag"
    form = formats.get(name)
    values = np.ones((rows, cols), np.float32) * 60000
    data = form.encode(values)
    # The scale of rows 32 .. 63 of column 6, the one that is left over from four.
    data.reshape(cols, 8, 34)[6, 1, :2] = np.frombuffer(np.float16(np.inf).tobytes(), np.uint8)
    x = np.full(cols, 1e30, np.float32)
    indices = np.arange(cols + 3, dtype=np.int32)
    program = compiled(matvec_case(name, rows, cols, "f32").module, "cpu")
    inputs = [data.view(np.int8), x, indices]
    (got,) = program(*inputs, np.array([cols], np.int32), np.zeros(rows, np.float32))
    want = np.full(rows, np.float32(60000 * 7e30))
    want[32:64] = np.inf
    np.testing.assert_allclose(got, want, rtol=1e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_selection_and_product_in_one_program(target):
    """What select_columns writes is what sparse_matvec reads; results do not depend on threads."""
    rows, cols, name = 1100, 333, "q4_k:zigzag"
    rng = np.random.default_rng(11)
    weight = packed(name, rows, cols)
    program = compiled(
        f"""func.func @main(%w: {weight}, %x: tensor<{cols}xbf16>) -> tensor<{rows}xf32> {{
          %i = tensor.empty() : tensor<{cols}xi32>
          %c = tensor.empty() : tensor<1xi32>
          %list, %count = qlinear.select_columns threshold = 0.7 ins(%x : tensor<{cols}xbf16>)
              outs(%i, %c : tensor<{cols}xi32>, tensor<1xi32>) -> tensor<{cols}xi32>, tensor<1xi32>
          %o = tensor.empty() : tensor<{rows}xf32>
          %y = qlinear.sparse_matvec
              ins(%w, %x, %list, %count : {weight}, tensor<{cols}xbf16>, tensor<{cols}xi32>,
                  tensor<1xi32>)
              outs(%o : tensor<{rows}xf32>) -> tensor<{rows}xf32>
          return %y : tensor<{rows}xf32>
        }}""",
        target,
    )
    data = formats.get(name).encode(rng.normal(size=(rows, cols)).astype(np.float32))
    weights = linear.weights(name, data, rows, cols)
    for scale in (0.0, 1.0, 1e3):
        x = (rng.normal(size=cols) * scale).astype(ml_dtypes.bfloat16)
        want = sparse.sparse_matvec(weights, x, *_selected(x, 0.7))
        # Each call takes another number of threads.
        results = [program(data.view(np.int8), x)[0] for _ in range(3)]
        assert np.linalg.norm(results[0] - want) <= 1e-4 * np.linalg.norm(want)
        assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def _selected(x, threshold):
    indices, count = sparse.select_columns(x, threshold)
    return indices, int(count[0])


def test_instructions():
    """vpcompressd for the list; without VNNI vpermps for nibbles, and all sums in registers."""
    rows, cols, name = 1024, 512, "q4_0:zigzag1024"
    text = select_case(cols, "f32", 0.5).module
    assert "vpcompressd" in assembly(text)
    text = assembly(matvec_case(name, rows, cols, "f32").module, "cpu:skylake-avx512")
    # Sixteen vectors of rows of four columns.
    loops = [loop for loop in re.split(r"\n(?=\.L)", text) if loop.count("\tvfmadd") == 64]
    assert loops
    for loop in loops:
        # LLVM takes the table for integers.
        assert len(re.findall(r"\tvperm(d|ps)\t", loop)) == 64
        # A vector on the stack without an index is a spilled one.
        spills = [line for line in loop.splitlines() if "(%rsp)" in line and "%zmm" in line]
        assert not spills


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("form", ["q4_0", "q8_0", "q4_k", "q6_k"])
def test_instructions_of_limbs(form, dtype):
    """vpdpbusd for each limb of 64 rows by four columns; of 128 for two limbs of nibbles."""
    text = assembly(matvec_case(f"{form}:zigzag1024", 1024, 512, dtype).module)
    loops = [loop for loop in re.split(r"\n(?=\.L)", text) if "\tvpunpcklbw" in loop]
    assert loops
    limbs = 2 if dtype == "bf16" else 3
    kinds = 2 if dtype == "bf16" and form in ("q4_0", "q4_k") else 1
    for loop in loops:
        assert loop.count("\tvpdpbusd") == 4 * limbs * kinds
        assert len(re.findall(r"\tvpunpck[lh](bw|wd)\t", loop)) == 8
        assert not re.search(r"\tv\w+\t%zmm\d+, [^%]*\(%rsp\)", loop)


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize(
    "d", [0.0, 6e-8, 65504.0, np.inf, np.nan], ids=["zero", "denormal", "large", "inf", "nan"]
)
@pytest.mark.parametrize("x", [1.0, 1e-37, 3e34, np.inf, np.nan])
def test_scales_and_activations_of_every_size(d, x, dtype):
    """One group's scale and one activation in a batch; what is not finite stays in its rows."""
    rows, cols, name = 600, 71, "q4_k:zigzag"
    rng = np.random.default_rng(17)
    weights = np.abs(rng.normal(size=(rows, cols))) + 0.1
    data = formats.get(name).encode(weights.astype(np.float32))
    # The scale of rows 256 to 511 of a column in the first batch.
    data.reshape(-1, cols, 144)[1, 13, :2] = np.frombuffer(np.float16(d).tobytes(), np.uint8)
    values = (np.abs(rng.normal(size=cols)) + 0.1).astype(np.float32)
    values[13] = x
    values = values.astype(ml_dtypes.bfloat16 if dtype == "bf16" else np.float32)
    every = np.arange(cols + 3, dtype=np.int32)
    program = compiled(matvec_case(name, rows, cols, dtype).module, "cpu:sapphirerapids")
    inputs = [data.view(np.int8), values, every, np.array([cols], np.int32)]
    (got,) = program(*inputs, np.full(rows, np.nan, np.float32))
    with np.errstate(over="ignore", invalid="ignore"):
        decoded = linear.weights(name, data, rows, cols).astype(np.float64)
        want = decoded @ values.astype(np.float64)
        finite = np.isfinite(want.astype(np.float32))
    np.testing.assert_array_equal(np.isfinite(got), finite)
    # Rows of a group share what is rounded.
    for first in range(0, rows, 32):
        kept = np.flatnonzero(finite[first : first + 32]) + first
        error = np.linalg.norm(got[kept].astype(np.float64) - want[kept])
        assert error <= (2e-4 if dtype == "bf16" else 1e-5) * np.linalg.norm(want[kept])


def assembly(text, target="cpu:sapphirerapids"):
    module = parse_text(text, ir.Context(), "sparse")
    return hr.compile(module, target=target).sources["kernels.s"]
