"""The fuzzer of AIE designs: some hundred mistakes, the same in every run.

`tests/fuzz/aie_fuzz.py` looks further.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))

import aie_fuzz  # noqa: E402
from aie_mutate import MISTAKES  # noqa: E402

# Small, and with gates.
DESIGN = ("gated_matvec:m=33,k=256,format=q4_k", "npu1")
MUTATIONS = 120
# Those of the issue: whatever is drawn, nobody needs to run the design to see them.
BY_CHECKS = (
    "missing_release",
    "missing_start",
    "missing_await",
    "wrong_length",
    "wrong_offset",
    "repetitions",
    "more_fifos",
)


@pytest.fixture(scope="module")
def design():
    return aie_fuzz.Design(*DESIGN)


def test_a_right_design_stays_right(design):
    assert design.judge(design.text).where == aie_fuzz.SAME


def test_mistakes_are_found(design):
    places = Counter()
    for mutant, verdict, why in aie_fuzz.campaign([design], seed=1, count=MUTATIONS):
        assert why is None, f"{mutant.mistake} {mutant.seed}: {verdict}\n{mutant.difference()}"
        places[verdict.where] += 1
        if mutant.mistake in BY_CHECKS:
            assert verdict.where in (aie_fuzz.TEXT, aie_fuzz.CHECKED), (mutant.mistake, verdict)
    # Each way of finding them is taken.
    assert {aie_fuzz.TEXT, aie_fuzz.CHECKED, aie_fuzz.RESULT, aie_fuzz.SAME} <= set(places)
    assert places[aie_fuzz.CHECKED] > MUTATIONS // 4


def test_each_mistake_is_made(design):
    lines = design.text.splitlines()
    for name in MISTAKES:
        mutants = (aie_fuzz.Mutant(design, name, seed) for seed in range(20))
        assert any((mutant.text or design.text).splitlines() != lines for mutant in mutants), name
