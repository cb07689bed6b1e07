"""The slot model of cores: what operations on vectors take, and the functions that matter."""

from __future__ import annotations

import pytest

from headrace import ir
from headrace.errors import CompileError
from headrace.passmanager import PassManager
from headrace.targets.aie.cycles import CALL, cycles_of
from headrace.targets.aie.description import describe


def cycles(body, arguments, device, others=""):
    text = (
        f"{others}\nfunc.func @f({arguments}) {{ %c0 = arith.constant 0 : index\n{body}\nreturn }}"
    )
    with ir.Context():
        return cycles_of(ir.Module.parse(text), describe(device))["f"] - CALL


MEMORY = "%x: memref<64xbf16>, %y: memref<64xf32>, %b: memref<64xi8>"
LOADS = """
  %a = vector.load %x[%c0] : memref<64xbf16>, vector<32xbf16>
  %w = arith.extf %a : vector<32xbf16> to vector<32xf32>
  %s = vector.load %y[%c0] : memref<64xf32>, vector<32xf32>
"""
FMA = "%r = vector.fma %w, {}, %s : vector<32xf32>"
# One slot is needed most: sixteen times the operation beside the loads.
REPEATED = """
  %n = arith.constant 1 : index
  %m = arith.constant 16 : index
  {before}
  scf.for %i = %c0 to %m step %n {{ {inside} }}
"""


@pytest.mark.parametrize(
    ("inside", "npu1", "npu2"),
    [
        # A product of bf16 is one of 16 or 32 lanes, one of f32 has nine.
        (FMA.format("%w"), 2, 1),
        (FMA.format("%s"), 18, 9),
        ("%r = arith.addf %s, %s : vector<32xf32>", 2, 1),
        # As an addend, bf16 must be made wider first, beside the sum.
        ("%v = arith.extf %a : vector<32xbf16> to vector<32xf32>", 0, 0),
        (
            "%v = arith.extf %a : vector<32xbf16> to vector<32xf32>\n"
            "%r = arith.addf %v, %s : vector<32xf32>",
            2,
            1,
        ),
        # A store makes f32 bf16.
        (
            "%t = arith.truncf %s : vector<32xf32> to vector<32xbf16>\n"
            "vector.store %t, %x[%c0] : memref<64xbf16>, vector<32xbf16>",
            2,
            1,
        ),
        (
            "%t = arith.truncf %s : vector<32xf32> to vector<32xbf16>\n"
            "%v = vector.bitcast %t : vector<32xbf16> to vector<32xi16>",
            1,
            1,
        ),
        # Two steps: to bytes, and to twice as many bits.
        (
            "%p = vector.load %b[%c0] : memref<64xi8>, vector<32xi8>\n"
            "%q = vector.bitcast %p : vector<32xi8> to vector<64xi4>\n"
            "%u = arith.extui %q : vector<64xi4> to vector<64xi16>",
            3,
            3,
        ),
        (
            "%z = vector.shuffle %a, %a [0, 1, 2, 3, 4, 5, 6, 7]"
            " : vector<32xbf16>, vector<32xbf16>",
            1,
            1,
        ),
    ],
)
def test_slots(inside, npu1, npu2):
    for device, expected in (("npu1", npu1), ("npu2", npu2)):
        one = cycles(REPEATED.format(before=LOADS, inside=inside), MEMORY, device)
        none = cycles(REPEATED.format(before=LOADS, inside=""), MEMORY, device)
        assert (one - none) / 16 == expected


TILES = """
  %a = vector.load %x[%c0] : memref<64xbf16>, vector<64xbf16>
  %s = vector.load %y[%c0] : memref<64xf32>, vector<64xf32>
  %t = vector.shape_cast %s : vector<64xf32> to vector<8x8xf32>
"""
CONTRACT = """
  %m = vector.shape_cast {lanes} : vector<64xbf16> to vector<8x8xbf16>
  %r = vector.contract {{indexing_maps = [affine_map<(m, n, k) -> (m, k)>,
    affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
    iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>}}
    %m, %m, %t : vector<8x8xbf16>, vector<8x8xbf16> into vector<8x8xf32>
"""
SPLIT = "func.func private @split_bfp16(vector<64xbf16>) -> (vector<64xbf16>, vector<64xbf16>)"


def test_products_of_matrices():
    """512 products: of bf16 on npu1, of bf16 and of bfp16 on npu2."""
    plain = TILES + CONTRACT.format(lanes="%a")
    assert cycles(plain, MEMORY, "npu1") == max(512 / 128, (4 + 8) / 2)
    assert cycles(plain, MEMORY, "npu2") == 512 / 32
    blocks = (
        TILES
        + "%p:2 = func.call @split_bfp16(%a) : (vector<64xbf16>) -> (vector<64xbf16>,"
        + " vector<64xbf16>)"
        + CONTRACT.format(lanes="%p#0")
    )
    # Loads 6 / 2, moves 2, stores 2, products 2.
    assert cycles(blocks, MEMORY, "npu2", SPLIT) == 3
    with pytest.raises(CompileError, match="npu1 does not multiply bfp16"):
        cycles(blocks, MEMORY, "npu1", SPLIT)


def of_function(kind, size, types, device):
    text = (
        f"func.func private @f({', '.join(types)}) attributes"
        f' {{headrace.core = {{kind = "{kind}", size = {size} : i64}}}}'
    )
    with ir.Context():
        module = ir.Module.parse(text)
        PassManager.parse("builtin.module(aie-generate-cores)").run(module.operation)
        (cores,) = module.body.operations
        return cycles_of(ir.Module.parse(str(cores)), describe(device))["f"]


@pytest.mark.parametrize(
    ("name", "size", "device", "bound"),
    [
        ("q4nx", 5120, "npu2", 0.12),
        ("q4_0", 5120, "npu2", 0.12),
        ("q4_k", 5120, "npu2", 0.16),
        ("q4nx", 5120, "npu1", 0.22),
        ("q4_0", 5120, "npu1", 0.22),
        ("q4_k", 5120, "npu1", 0.26),
    ],
)
def test_weights_are_dequantized_in_so_many_cycles(name, size, device, bound):
    tile = {"npu1": "4x8x4", "npu2": "8x8x8"}[device]
    types = [f"memref<{size}xi8>", "memref<4096xbf16>", "i32"]
    assert of_function(f"dequantize_{name}_{tile}", 64, types, device) / 4096 < bound


@pytest.mark.parametrize(("device", "tile"), [("npu1", "4x8x4"), ("npu2", "8x8x8")])
def test_products_are_not_limited_by_loads(device, tile):
    types = ["memref<4096xbf16>", "memref<4096xbf16>", "memref<4096xf32>"]
    taken = of_function(f"multiply_{tile}", 64, types, device)
    # 128 a cycle on both, and the sums in and out of registers.
    sums = 4096 * 32 / describe(device).store_bits[0]
    assert taken == CALL + 64**3 / 128 + sums
