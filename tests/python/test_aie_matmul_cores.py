"""Core functions of matrix products: packed blocks to bf16 in the order of tiles, and products."""

from __future__ import annotations

import ctypes
import re

import gguf
import ml_dtypes
import numpy as np
import pytest
from test_aie_cpp import aligned, assert_same, compiled, drawn, generated

from headrace import formats, ir
from headrace.sim.aie_library import compile_cores
from headrace.targets.aie import cpp
from headrace_runtime.core_blocks import FORMATS, core_blocks, cut_blocks

# Half a block, 32 rows by 128 columns, of each format.
PIECE = 2560
TILES = {"npu1": (4, 8, 4), "npu2": (8, 8, 8)}
# Tokens, rows of weights and columns of a call.
TOKENS, ROWS, COLUMNS = 32, 64, 64


def declarations():
    found = []

    def declare(name, size, types):
        found.append(
            f"func.func private @{name}_{size}({', '.join(types)}) attributes"
            f' {{headrace.core = {{kind = "{name}", size = {size} : i64}}}}'
        )

    for shape in TILES.values():
        tile = "x".join(map(str, shape))
        sizes = [f"{TOKENS * COLUMNS}xbf16", f"{ROWS * COLUMNS}xbf16", f"{TOKENS * ROWS}xf32"]
        declare(f"multiply_{tile}", COLUMNS, [f"memref<{size}>" for size in sizes])
        for name in FORMATS:
            types = [f"memref<{2 * PIECE}xi8>", f"memref<{ROWS * COLUMNS}xbf16>", "i32"]
            declare(f"dequantize_{name}_{tile}", COLUMNS, types)
    declare("zero", TOKENS * ROWS, [f"memref<{TOKENS * ROWS}xf32>"])
    return "\n".join(found)


FUNCTIONS = re.findall(r"@(\w+)\((.*)\) attributes", declarations())


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The functions through LLVM, and as C++ on aie_api."""
    folder = tmp_path_factory.mktemp("cores")
    with ir.Context():
        host = compile_cores(generated(declarations()), folder / "host.so")
        text = cpp.emit(generated(declarations()))
    return ctypes.CDLL(str(host)), compiled(text, folder)


def call(library, name, *arguments):
    converted = [
        ctypes.c_int32(value) if isinstance(value, int) else ctypes.c_void_p(value.ctypes.data)
        for value in arguments
    ]
    getattr(library, name)(*converted)


@pytest.mark.parametrize("how", ["normal", "any", "zeros", "large", "tiny"])
@pytest.mark.parametrize(("name", "types"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_same_bits(name, types, how, libraries):
    rng = np.random.default_rng(len(name) + len(how))
    for number in (0, 1, 1, 0):  # halves of the columns
        arguments = [
            drawn(rng, element, int(count), how)
            for count, element in re.findall(r"memref<(\d+)x(\w+)>", types)
        ]
        if "8x8x8" in name and how == "any":
            # bfp16 has no infinities: numbers of less than 2^64.
            arguments[0] &= 0xDFFF if name.startswith("multiply") else 0xFF
            arguments[1] &= 0xDFFF
        results = []
        for library in libraries:
            copies = [aligned(data) for data in arguments]
            call(library, name, *copies, *([number] if types.endswith("i32") else []))
            results.append(copies)
        for host, device in zip(*results, strict=True):
            assert_same(host, device)


# --- what they compute ---------------------------------------------------------------------------


def halves(rng, shape, how):
    """Scales in f16."""
    if how == "zeros":
        return rng.choice([0.0, -0.0], shape).astype(np.float16)
    if how == "large":
        return (rng.choice([-1, 1], shape) * rng.uniform(1e4, 6.5e4, shape)).astype(np.float16)
    if how == "tiny":  # no normal numbers among them
        return (rng.choice([-1, 1], shape) * rng.uniform(0, 1e-4, shape)).astype(np.float16)
    return rng.standard_normal(shape).astype(np.float16)


def packed(rng, rows, cols, name, how):
    """Bytes as they are in files: random codes, and scales of any size and sign."""
    if name == "q4nx":
        blocks = rng.integers(0, 256, (rows // 32, cols // 256, 5120), np.uint8)
        scale = {"zeros": 0, "large": 1e35, "tiny": 1e-30}.get(how, 1)
        numbers = rng.standard_normal((rows // 32, cols // 256, 512)).astype(np.float32) * scale
        blocks[:, :, :1024] = numbers.astype(ml_dtypes.bfloat16).view(np.uint8)
        return blocks.reshape(-1)
    size, numbers = {"q4_0": (18, 1), "q4_k": (144, 2)}[name]
    blocks = rng.integers(0, 256, (rows * cols // (32 if numbers == 1 else 256), size), np.uint8)
    blocks[:, : 2 * numbers] = halves(rng, (len(blocks), numbers), how).view(np.uint8)
    return blocks.reshape(-1)


def decoded(data, rows, cols, name):
    """In f64, by others than this project where there are any."""
    if name == "q4nx":
        return formats.get(name).decode(data, rows, cols).astype(np.float64)
    kind = {"q4_0": gguf.GGMLQuantizationType.Q4_0, "q4_k": gguf.GGMLQuantizationType.Q4_K}[name]
    return gguf.quants.dequantize(data.reshape(rows, -1), kind).astype(np.float64)


def tiled(matrix, height, width, *, columns_first=False):
    """[rows, columns] as tiles of height by width, row by row; or each column by column."""
    rows, cols = matrix.shape
    tiles = matrix.reshape(rows // height, height, cols // width, width)
    order = (0, 2, 3, 1) if columns_first else (0, 2, 1, 3)
    return np.ascontiguousarray(tiles.transpose(order)).reshape(-1)


def untiled(numbers, rows, cols, height, width, *, columns_first=False):
    if columns_first:
        tiles = numbers.reshape(rows // height, cols // width, width, height)
        return tiles.transpose(0, 3, 1, 2).reshape(rows, cols)
    tiles = numbers.reshape(rows // height, cols // width, height, width)
    return tiles.transpose(0, 2, 1, 3).reshape(rows, cols)


def dequantize(library, blocks, name, shape):
    """64 rows of bf16 in pieces of 64 columns, by a call each."""
    tile = "x".join(map(str, shape))
    parts = []
    for piece in cut_blocks(blocks, name, 128).transpose(1, 0, 2):
        for part in range(128 // COLUMNS):
            out = aligned(np.full(ROWS * COLUMNS, 0x7FC0, np.uint16))
            both = aligned(piece.reshape(-1))
            call(library, f"dequantize_{name}_{tile}_{COLUMNS}", both, out, part)
            parts.append(out.view(ml_dtypes.bfloat16))
    return parts


@pytest.mark.parametrize("how", ["normal", "zeros", "large", "tiny"])
@pytest.mark.parametrize("shape", TILES.values(), ids=list(TILES))
@pytest.mark.parametrize("name", FORMATS)
def test_weights_are_rounded_once(name, shape, how, libraries):
    rng = np.random.default_rng(len(name) + len(how))
    data = packed(rng, ROWS, 256, name, how)
    blocks = core_blocks(data, ROWS, 256, name)
    expected = decoded(data, ROWS, 256, name)
    parts = dequantize(libraries[0], blocks, name, shape)
    got = np.concatenate(
        [untiled(p, ROWS, COLUMNS, shape[2], shape[1], columns_first=True) for p in parts], axis=1
    ).astype(np.float64)
    # Half a step of bf16, and what sums in f32 of up to 143 steps of a scale have lost.
    largest = np.abs(expected.reshape(ROWS, 8, 32)).max(axis=2).repeat(32, axis=1)
    bound = np.abs(expected) * 2.0**-8 + largest * 2.0**-14 + 2.0**-133
    assert (np.abs(got - expected) <= bound).all()
    if how == "normal":
        # Most of them are the nearest bf16.
        nearest = expected.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)
        assert (got == nearest).mean() > 0.995
    if how == "zeros":
        assert not got.any()


def split(values):
    """Two numbers with 8 bits and the sign, whose exponent is that of eight along the columns."""
    eights = values.astype(np.float64).reshape(len(values), -1, 8)
    parts = []
    for _ in range(2):
        largest = np.abs(eights).max(axis=2, keepdims=True)
        _, exponent = np.frexp(largest * (1 + 2.0**-9))
        # What would become 128 steps has steps of twice the size.
        step = np.where(largest > 0, 2.0 ** (exponent - 7.0), 1)
        step = np.where(largest / step >= 127.5, 2 * step, step)
        part = np.round(eights / step) * step
        assert (np.abs(part) <= 127 * step).all()
        parts.append(part.reshape(values.shape))
        eights = eights - part
    return parts


def factors(x, w, shape, first):
    """What is multiplied, tile by tile of the columns from `first` on."""
    k = shape[1]
    a, b = (values[:, first : first + k].astype(np.float64) for values in (x, w))
    if shape == TILES["npu1"]:
        return [(a, b)]
    (a, more_a), (b, more_b) = split(a), split(b)
    return [(a, b), (a, more_b), (more_a, b)]


@pytest.mark.parametrize("how", ["normal", "large", "spread"])
@pytest.mark.parametrize("shape", TILES.values(), ids=list(TILES))
def test_order_of_additions(shape, how, libraries):
    """Each product is added in f32: tiles in order of the columns, and columns in each."""
    rng = np.random.default_rng(7)
    m, k, n = shape
    scale = {"normal": 1, "large": 1e18, "spread": 1}[how]
    x, w = (rng.standard_normal((count, COLUMNS)) * scale for count in (TOKENS, ROWS))
    if how == "spread":  # of any exponent, next to each other
        x, w = (values * 2.0 ** rng.integers(-30, 30, values.shape) for values in (x, w))
    x, w = (values.astype(ml_dtypes.bfloat16) for values in (x, w))
    start = rng.standard_normal((TOKENS, ROWS)).astype(np.float32)
    expected = start.copy()
    for first in range(0, COLUMNS, k):
        for a, b in factors(x, w, shape, first):
            for column in range(k):
                products = np.multiply.outer(a[:, column], b[:, column])
                expected = (expected.astype(np.float64) + products).astype(np.float32)
    y = aligned(tiled(start, m, n))
    left, right = aligned(tiled(x, m, k)), aligned(tiled(w, n, k, columns_first=True))
    call(libraries[0], f"multiply_{m}x{k}x{n}_{COLUMNS}", left, right, y)
    got = untiled(y, TOKENS, ROWS, m, n)
    np.testing.assert_array_equal(got, expected)

    exact = start + x.astype(np.float64) @ w.astype(np.float64).T
    if how == "normal":
        assert np.linalg.norm(got - exact) < 1e-4 * np.linalg.norm(exact)
    # Of any eight, parts are left out that are smaller than 2^-14 of the largest, both times.
    eights = [np.abs(v.astype(np.float64)).reshape(len(v), -1, 8).max(axis=2) for v in (x, w)]
    bound = 8 * (eights[0] @ eights[1].T) * 2.0**-12 + np.abs(start) * 2.0**-18
    assert (np.abs(got - exact) <= bound).all()


@pytest.mark.parametrize("shape", TILES.values(), ids=list(TILES))
@pytest.mark.parametrize("name", FORMATS)
def test_product_with_a_tail(name, shape, libraries):
    """288 columns, of 512 in blocks: what is behind them adds nothing."""
    rng = np.random.default_rng(11)
    m, k, n = shape
    real, padded = 288, 512
    if name == "q4_k":
        real = 256  # whole super-blocks
    weights = (rng.standard_normal((ROWS, real)) / 8).astype(np.float32)
    storage = formats.get(name)
    data = np.asarray(storage.encode(weights)).reshape(-1).view(np.uint8)
    blocks = core_blocks(data, ROWS, real, name)
    x = np.zeros((TOKENS, padded), ml_dtypes.bfloat16)
    x[:, :real] = rng.standard_normal((TOKENS, real))
    y = aligned(np.full(TOKENS * ROWS, np.nan, np.float32))
    call(libraries[0], f"zero_{TOKENS * ROWS}", y)
    for part, numbers in enumerate(dequantize(libraries[0], blocks, name, shape)):
        first = part * COLUMNS
        if first >= real:
            assert not numbers.astype(np.float32).any()
        left = aligned(tiled(x[:, first : first + COLUMNS], m, k))
        call(libraries[0], f"multiply_{m}x{k}x{n}_{COLUMNS}", left, aligned(numbers), y)
    expected = x[:, :real].astype(np.float64) @ storage.decode(data, ROWS, real).astype(float).T
    error = np.linalg.norm(untiled(y, TOKENS, ROWS, m, n) - expected) / np.linalg.norm(expected)
    assert error < 2.5e-3
