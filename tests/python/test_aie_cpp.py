"""Core functions as C++ on aie_api: the same results as from LLVM, to the last bit."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

from headrace import ir
from headrace.errors import CompileError
from headrace.passmanager import PassManager
from headrace.sim.aie_library import compile_cores
from headrace.sim.clang import find_clang
from headrace.targets.aie import cpp

HEADERS = Path(__file__).parents[2] / "runtime" / "aie_api"
FLAGS = ["-std=c++20", "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unused-parameter"]
FORMATS = {"q4nx": 2560, "q4_0": 2560, "q4_k": 2432}
DTYPES = {"f32": np.uint32, "bf16": np.uint16, "i8": np.uint8}
COLUMNS = 512


def declare(name, kind, types):
    return (
        f"func.func private @{name}({', '.join(types)})"
        f' attributes {{headrace.core = {{kind = "{kind}", size = 1 : i64}}}}'
    )


def declarations():
    x, groups = f"memref<{COLUMNS}xbf16>", COLUMNS // 32
    bias, parts, y = f"memref<{groups}xf32>", f"memref<{2 * groups}xbf16>", "memref<16xf32>"
    piece = "memref<512xi8>"
    found = [declare("copy_512", "copy", [piece, piece])]
    found.append(declare("zero_16", "zero", [y]))
    found += [declare(f"gate_{act}_16", f"gate_{act}", [y, y]) for act in ("silu", "gelu_tanh")]
    for name, size in FORMATS.items():
        kind = f"accumulate_{name}"
        types = [x, bias, parts, f"memref<{size}xi8>", y, "i32"]
        found.append(declare(f"{kind}_{COLUMNS}", kind, types))
        types = [piece, x, bias, parts, "i32"]
        found.append(declare(f"take_{name}_{COLUMNS}", f"take_{name}", types))
    return "\n".join(found)


def generated(text=None):
    module = ir.Module.parse(text or declarations())
    PassManager.parse("builtin.module(aie-generate-cores)").run(module.operation)
    return module


def compiled(text, folder):
    (folder / "cores.cpp").write_text(text)
    command = [*FLAGS, f"-I{HEADERS}", "-shared", "-fPIC", "cores.cpp", "-o", "cpp.so"]
    find_clang().run(command, folder, "the cores' functions")
    return ctypes.CDLL(str(folder / "cpp.so"))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    with ir.Context():
        host = compile_cores(generated(), folder / "host.so")
        text = cpp.emit(generated())
    return ctypes.CDLL(str(host)), compiled(text, folder)


def aligned(data):
    """The same bytes where vectors may be loaded from."""
    space = np.zeros(data.nbytes + 64, np.uint8)
    start = -space.ctypes.data % 64
    view = space[start : start + data.nbytes].view(data.dtype)
    view[:] = data
    return view


def bits_of(values, element):
    """f32 numbers as the bits of one of the types of arguments."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return bits if element == "f32" else (bits >> 16).astype(np.uint16)


def drawn(rng, element, count, how):
    if element == "i8":
        if how == "any":
            return rng.integers(0, 256, count).astype(np.uint8)
        # Scales, where there are any, that are numbers of a usual size.
        halves = bits_of(rng.standard_normal(-(-count // 2)), "bf16")
        halves[len(halves) // 4 :] = rng.integers(0, 1 << 16, len(halves) - len(halves) // 4)
        return halves.view(np.uint8)[:count].copy()
    if how == "any":
        return rng.integers(0, 1 << np.iinfo(DTYPES[element]).bits, count, DTYPES[element])
    if how == "zeros":
        return bits_of(rng.choice([0.0, -0.0], count), element)
    if how == "large":
        return bits_of(rng.standard_normal(count) * np.float32(1e37), element)
    if how == "tiny":
        return bits_of(rng.standard_normal(count) * np.float32(1e-39), element)
    if how == "steps":  # of exp, where it changes its path
        return bits_of(np.round(rng.uniform(-130, 130, count)) * np.log(2) / 2, element)
    return bits_of(rng.standard_normal(count), element)


def assert_same(a, b):
    """To the last bit, but for which of the NaNs it is."""
    if a.dtype != np.uint8:
        mask, infinity = (0x7FFFFFFF, 0x7F800000) if a.dtype == np.uint32 else (0x7FFF, 0x7F80)
        nan = (a & mask) > infinity
        assert np.array_equal(nan, (b & mask) > infinity)
        a, b = np.where(nan, 0, a), np.where(nan, 0, b)
    np.testing.assert_array_equal(a, b)


FUNCTIONS = re.findall(r"@(\w+)\((.*)\) attributes", declarations())


@pytest.mark.parametrize("how", ["normal", "any", "zeros", "large", "tiny", "steps"])
@pytest.mark.parametrize(("name", "types"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_same_bits(name, types, how, libraries):
    rng = np.random.default_rng(len(name) + len(how))
    for number in range(6):
        arguments = [
            drawn(rng, element, int(count), how)
            for count, element in re.findall(r"memref<(\d+)x(\w+)>", types)
        ]
        results = []
        for library in libraries:
            copies = [aligned(data) for data in arguments]
            pointers = [ctypes.c_void_p(data.ctypes.data) for data in copies]
            if types.endswith("i32"):
                pointers.append(ctypes.c_int32(number % (COLUMNS // 256)))
            getattr(library, name)(*pointers)
            results.append(copies)
        for host, device in zip(*results, strict=True):
            assert_same(host, device)


def test_results_are_written(libraries):
    """What is compared above is not what was there before."""
    for library in libraries:
        y = aligned(np.full(16, 7, np.uint32))
        library.zero_16(ctypes.c_void_p(y.ctypes.data))
        assert not y.any()


def test_rounding_matters(libraries, tmp_path):
    """The host's header rounds as a core does that nobody has told how."""
    (declared,) = (line for line in declarations().splitlines() if "take_q4nx" in line)
    with ir.Context():
        text = cpp.emit(generated(declared))
    changed = compiled(text.replace("rounding_mode::conv_even", "rounding_mode::floor"), tmp_path)
    rng = np.random.default_rng(5)
    piece = aligned(drawn(rng, "bf16", 256, "normal"))
    sums = []
    for library in (libraries[1], changed):
        x = aligned(np.zeros(COLUMNS, np.uint16))
        bias = aligned(np.zeros(COLUMNS // 32, np.uint32))
        parts = aligned(np.zeros(COLUMNS // 16, np.uint16))
        pointers = [ctypes.c_void_p(data.ctypes.data) for data in (piece, x, bias, parts)]
        getattr(library, f"take_q4nx_{COLUMNS}")(*pointers, ctypes.c_int32(1))
        sums.append(parts)
    assert not np.array_equal(*sums)


def test_module_is_left_as_it_is():
    with ir.Context():
        module = generated()
        before = str(module)
        cpp.emit(module)
        assert str(module) == before


def test_no_functions():
    with ir.Context(), pytest.raises(CompileError, match="run aie-generate-cores first"):
        cpp.emit(ir.Module.parse("module {}"))
