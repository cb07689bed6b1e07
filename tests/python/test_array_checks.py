"""What the checks of AIE designs find, the array simulator finds too, where a run can show it."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from test_aie_checks import MISTAKES, design

from headrace import ir
from headrace.sim import aie

# The kind of error; None where a run shows nothing: limits of descriptors, and a depth that the
# lowering of mlir-aie does not take at its word.
EXPECTED = {
    "missing release": "deadlock",
    "second release": "uninitialized",
    "short feed": "deadlock",
    "too few repetitions": "deadlock",
    "results left behind": "surplus",
    "part of an element": "surplus",
    "result not awaited": "unfinished",
    "length of a descriptor": "alignment",
    "descriptor behind its buffer": "bounds",
    "repetitions": "surplus",
    "third channel into a core": "resources",
    "third channel out of a shim tile": "resources",
    "depth in a memory tile": "resources",
    "buffer in a core": "resources",
    "tile": "resources",
    "device": "resources",
    "more iterations than weights": "deadlock",
    "offset of a part": "text",
    "number of offsets": "text",
    "wrap": None,
    "descriptors of a memory tile": None,
    "depth in a core": None,
}


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
def add(x: int, w: int, total: int) -> None:
    """Nothing: only what moves matters here."""


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
def flush(total: int, y: int) -> None:
    ctypes.memset(y, 0, 128)


def load(text: str) -> aie.AieDesign:
    functions = {"add": add, "flush": flush}
    addresses = {name: ctypes.cast(f, ctypes.c_void_p).value for name, f in functions.items()}
    return aie.load(text, addresses, {"add": 300.0, "flush": 20.0})


def run(text: str) -> aie.Run:
    loaded = load(text)
    return loaded.run([np.zeros(size, np.uint8) for size in loaded.arguments])


def test_every_mistake_has_an_expectation() -> None:
    assert set(EXPECTED) == set(MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_run_shows_the_mistake(name: str) -> None:
    old, new, _ = MISTAKES[name]
    text = design().replace(old, new, 1)
    kind = EXPECTED[name]
    if kind is None:
        assert run(text).us > 0
    elif kind == "text":
        with pytest.raises(ir.MLIRError):
            run(text)
    else:
        with pytest.raises(aie.ArraySimulationError) as caught:
            run(text)
        assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("columns", "locks", "buffers", "channels"), [(8, 370, 272, 185), (4, 186, 136, 93)]
)
def test_fifos_become_what_mlir_aie_makes_of_them(
    columns: int, locks: int, buffers: int, channels: int
) -> None:
    """The counts that were observed of its lowering. It gives the FIFOs at shims two locks each,
    which nobody uses, and has no channels for shims in the array."""
    lowered = load(design(columns, device="npu2")).design
    shims = sum(channel.shim for channel in lowered.channels)
    assert len(lowered.locks) + 2 * shims == locks
    assert len(lowered.buffers) == buffers
    assert len(lowered.channels) - shims == channels
