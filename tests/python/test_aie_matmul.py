"""Products of many tokens on simulated arrays of AI Engines: any number of them, and how fast."""

from __future__ import annotations

import ctypes
import re

import ml_dtypes
import numpy as np
import pytest

import headrace
from headrace import formats, reference, targets
from headrace.errors import CompileError
from headrace.ops import OpSpec
from headrace.sim import aie
from headrace.targets.aie.simulate import DESIGN, run_timed
from headrace_runtime import aie_packing

# Weights are rounded to bf16 once.
BOUND = 2.5e-3


def drawn(text, seed=0):
    """The operation by name, with activations and weights for it."""
    spec = OpSpec.parse(text, activations="bf16")
    draw = np.random.default_rng(seed)
    weights = draw.standard_normal((spec.m, spec.k), dtype=np.float32)
    x = draw.standard_normal((spec.n, spec.k)).astype(ml_dtypes.bfloat16)
    return spec, [x, formats.get(spec.format).encode(weights)]


def compiled(text, target="aie"):
    return headrace.compile(text, target=target, cache=False)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("matmul:m=320,k=256,n=1,format=q4nx", "aie"),
        ("matmul:m=200,k=512,n=7,format=q4_k", "aie:npu1"),
        ("matmul:m=1187,k=288,n=63,format=q4_0", "aie"),
        ("matmul:m=65,k=160,n=65,format=q4nx", "aie:npu1"),
        # Several rounds of tokens, more than a channel holds tasks for.
        ("matmul:m=96,k=256,n=1024,format=q4nx", "aie:npu1"),
        ("matmul:m=33,k=64,n=1400,format=q4_0", "aie"),
    ],
)
def test_any_number_of_tokens_however_fast_the_cores_are(text, target):
    program = compiled(text, target)
    spec, inputs = drawn(text)
    results = [
        targets.find("aie").simulate(program, inputs, order).arguments[-1] for order in range(3)
    ]
    want = reference.evaluate(spec, inputs[0], inputs[1:])
    assert results[0].shape == (spec.n, spec.m)
    assert reference.relative_l2(results[0], want) < BOUND
    assert all(other.tobytes() == results[0].tobytes() for other in results[1:])


def test_a_token_does_not_depend_on_the_others():
    many, few = (f"matmul:m=130,k=512,n={tokens},format=q4nx" for tokens in (40, 9))
    _, (x, weights) = drawn(many)
    x[20] = np.nan
    x[30] = np.inf
    whole, _ = run_timed(compiled(many), [x, weights])
    part, _ = run_timed(compiled(few), [x[11:20], weights])
    assert whole[-1][11:20].tobytes() == part[-1].tobytes()
    finite = np.isfinite(whole[-1]).all(axis=1)
    assert not finite[20] and not finite[30] and finite.sum() == 38


def test_memory_of_a_design_is_row_major():
    text = "matmul:m=100,k=96,n=21,format=q4_0"
    program = compiled(text)
    array = program.manifest["array"]
    (product,) = array["products"]
    assert product["activations"]["padded"] == [32, 256]
    assert product["results"]["padded"] == [32, 128]
    _, inputs = drawn(text)
    memory = aie_packing.pack(array, inputs)
    x = memory[1].view(ml_dtypes.bfloat16).reshape(32, 256)
    assert (x[:21, :96] == inputs[0]).all() and not x[21:].any() and not x[:, 96:].any()
    outputs, run = run_timed(program, inputs)
    assert outputs[-1].shape == (21, 100)
    assert run.ddr_read == memory[0].nbytes + memory[1].nbytes
    assert run.ddr_written == memory[2].nbytes


def test_what_does_not_fit_a_transfer_does_not_compile():
    # Results of one transfer lie too far apart.
    with pytest.raises(CompileError, match="stride .*1048576"):
        compiled("matmul:m=1049600,k=32,n=1,format=q4_0")


def test_the_movement_of_data_is_no_limit_of_1024_tokens():
    """1024 tokens times 2560x2560, with functions that compute nothing: time does not depend on
    data. They take what 112 products a cycle and 0.11 cycles for each weight are."""
    program = compiled("matmul:m=2560,k=2560,n=1024,format=q4nx", "aie:npu2")
    text = program.sources[DESIGN]
    taken = {"zero": 260.0, "dequantize": 450.0, "multiply": 2350.0}
    names = re.findall(r"func.func private @(\w+)", text)
    cycles = {name: taken[name.split("_")[0]] for name in names}

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def clear(y: int) -> None:  # results must be written
        ctypes.memset(y, 0, 4 * 64 * 64)

    nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    written = ctypes.cast(clear, ctypes.c_void_p).value
    functions = {name: written if name.startswith("zero") else nothing for name in names}
    design = aie.load(text, kernels=functions, cycles=cycles)
    run = design.run([np.zeros(size, np.uint8) for size in design.arguments])
    operations = 2 * 1024 * 2560 * 2560
    assert operations / run.us / 1e6 > 9.5
    # Tokens are read once for each round of rows, weights for each round of tokens.
    assert run.ddr_read == 5 * 1024 * 2560 * 2 + 4 * 2560 * 2560 * 5 // 8
    assert run.ddr_written == 1024 * 2560 * 4
