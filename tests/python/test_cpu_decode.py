"""The CPU's kernel of qattn.decode on caches of several blocks, and with every number of heads."""

import numpy as np
import pytest

from headrace import ir
from headrace.check.compiled import Compiled
from headrace.check.operations import decode
from headrace.check.operations.decode import Decode
from headrace.check.operations.running import worst_of
from headrace.modules import parse_text
from headrace.references.caches import KVCache, Layout

LAYOUTS = {
    "contiguous": Layout("contiguous", 150),
    "ring": Layout("ring", 97),
    "paged": Layout("paged", 160, 16),
}
SHAPES = [
    # heads of queries, of keys, dim, window, softcap, splits
    (8, 2, 64, None, None, None),
    (7, 1, 40, 60, None, 3),
    (3, 3, 129, None, 30.0, 4),
    (12, 2, 16, 33, 20.0, None),
]


@pytest.mark.parametrize("target", ["cpu", "cpu:x86-64-v3"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "fp8_e4m3", "i8"])
def test_decode(dtype, layout, target):
    number = ["f32", "bf16", "f16", "fp8_e4m3", "i8"].index(dtype) + list(LAYOUTS).index(layout)
    heads, groups, dim, window, softcap, splits = SHAPES[number % len(SHAPES)]
    cache = KVCache(LAYOUTS[layout], groups, dim, dtype)
    case = decode.case_of(
        Decode("blocks", cache, heads, window=window, softcap=softcap, splits=splits)
    )
    program = Compiled(parse_text(case.module, ir.Context(), case.title), target)
    found = worst_of(program, list(case.runs(np.random.default_rng(number))))
    assert found.error <= found.bound, found
