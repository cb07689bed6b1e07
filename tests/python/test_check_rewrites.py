"""The check of passes: it leaves none out, and finds what is wrong."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from headrace import check
from headrace.check import families
from headrace.check.rewrites import Rewrite, running
from headrace.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
TASKS = running.FAMILY.tasks(1)


def passes() -> set[str]:
    """Every common pass, from TableGen."""
    text = "".join(path.read_text() for path in sorted(ROOT.glob("passes/common/*.td")))
    return set(re.findall(r'Pass<"([\w-]+)"', text))


def test_every_common_pass_has_cases():
    assert {task.title.partition("/")[0] for task in TASKS} == passes()
    assert {"decompose-qattn", "split-kv", "verify-target-legality"} <= passes()


def test_every_pass_that_rewrites_has_a_case_in_which_it_does():
    changed = {
        families.made(task, 1).name for task in TASKS if not families.made(task, 1).unchanged
    }
    assert passes() - changed == {"verify-target-legality"}


def test_cases_are_drawn_from_the_seed():
    assert len({task.title for task in TASKS}) == len(TASKS)
    texts = [[families.made(task, seed).module for task in TASKS] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("name", sorted(passes()))
def test_one_case_of_each_pass(name):
    """`headrace check --passes` does all."""
    (row, *_) = check.run_passes(3, filter=f"{name}/*", quick=True).rows
    assert row.ok, row
    assert (row.target, row.op, row.engine) == ("passes", name, "jit")


# -- what is wrong is found -----------------------------------------------------------------------

SUM = """
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addf %x, %y : tensor<4xf32>
  %1 = arith.addf %0, %x : tensor<4xf32>
  %2 = arith.addf %x, %y : tensor<4xf32>
  %3 = arith.addf %1, %2 : tensor<4xf32>
  return %3 : tensor<4xf32>
}
"""


def two(draw: np.random.Generator) -> list[np.ndarray]:
    return [draw.normal(size=4).astype(np.float32) for _ in range(2)]


CASE = Rewrite("cse", "sums", SUM, two, after={"arith.addf": 3}, runs=3)


@pytest.fixture
def row_of(monkeypatch):
    """The row of one case."""

    def row(case: Rewrite):
        module = types.ModuleType("family_of_one")
        module.cases = lambda draw: iter([case])
        monkeypatch.setitem(sys.modules, module.__name__, module)
        (found,) = running.check_task(1, families.Task(module.__name__, 0, case.title))
        return found

    return row


def test_a_right_rewrite_passes(row_of):
    row = row_of(CASE)
    assert (row.ok, row.error, row.runs, row.shape) == (True, 0.0, 3, "4")
    assert json.loads(json.dumps(row.to_json()))["operation"] == "cse/sums"


def test_a_pass_that_does_nothing_fails(row_of):
    row = row_of(dataclasses.replace(CASE, pipeline="symbol-dce"))
    assert not row.ok and "expected 3 of arith.addf after the pass, but got 4" in row.reference
    row = row_of(dataclasses.replace(CASE, pipeline="symbol-dce", after={"arith.addf": 4}))
    assert not row.ok and "but it is so before" in row.reference
    row = row_of(dataclasses.replace(CASE, after={}, mentions=("arith.mulf",)))
    assert not row.ok and "expected 'arith.mulf' after the pass" in row.reference
    row = row_of(dataclasses.replace(CASE, after={}, mentions=("arith.addf",)))
    assert not row.ok and "but it is so before" in row.reference


def test_a_pass_that_must_change_nothing(row_of):
    unchanged = dataclasses.replace(CASE, after={}, unchanged=True)
    assert row_of(dataclasses.replace(unchanged, pipeline="symbol-dce")).ok
    row = row_of(unchanged)
    assert not row.ok and "expected the pass to leave the module as it is" in row.reference


def test_a_pass_that_changes_the_meaning_fails(row_of, monkeypatch):
    from headrace import reference_jit

    real = reference_jit.Meaning.__call__
    calls = []

    def spoiled(self, *inputs):
        calls.append(self)
        (result,) = real(self, *inputs)
        return (result * np.float32(1 + 1e-4 * (len(calls) == 4)),)  # the second run, after

    monkeypatch.setattr(reference_jit.Meaning, "__call__", spoiled)
    row = row_of(CASE)
    assert not row.ok and row.data == "inputs 1, result 0" and 5e-5 < row.error < 2e-4
    calls.clear()
    assert row_of(dataclasses.replace(CASE, bound=1e-3)).ok


def test_what_does_not_run_fails(row_of):
    row = row_of(dataclasses.replace(CASE, pipeline="no-such-pass"))
    assert not row.ok and "no-such-pass" in row.reference
    row = row_of(dataclasses.replace(CASE, module="func.func"))
    assert not row.ok and "cannot parse cse/sums" in row.reference
    row = row_of(
        dataclasses.replace(
            CASE,
            pipeline="inline,symbol-dce,one-shot-bufferize{bufferize-function-boundaries=true "
            "allow-unknown-ops=true}",
            after={"bufferization.to_tensor": 2},
        )
    )
    assert not row.ok and row.reference.startswith("none: ")


def test_what_a_module_means_may_be_said_by_another(row_of):
    """As a module that calls what is only declared cannot be run."""
    simpler = SUM.replace("%3 = arith.addf %1, %2", "%3 = arith.addf %2, %1")
    assert row_of(dataclasses.replace(CASE, meaning=simpler)).ok
    other = SUM.replace("%3 = arith.addf %1, %2", "%3 = arith.addf %1, %1")
    assert not row_of(dataclasses.replace(CASE, meaning=other)).ok


def test_a_case_must_say_what_changes():
    with pytest.raises(ValueError, match="cse/sums: expected either what the pass changes or unch"):
        dataclasses.replace(CASE, after={})
    with pytest.raises(ValueError, match="or unchanged"):
        dataclasses.replace(CASE, unchanged=True)


def test_filters():
    select = running.FAMILY.select
    assert {task.title for task in select(1, "decompose-q*")} == {
        "decompose-qlinear/gated product",
        "decompose-qattn/attention",
    }
    assert len(select(1, quick=True)) == len(passes())
    with pytest.raises(UsageError, match=r"no case of --passes matches 'q9'; .* one of .*split-kv"):
        select(1, "q9")
