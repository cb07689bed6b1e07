"""The check of operations: it leaves none out, and finds what is wrong."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re

import numpy as np
import pytest

from headrace import check, reference, reference_iree, reference_jit
from headrace.check import families
from headrace.check.difference import difference
from headrace.check.operations import Case, Run, Want, running
from headrace.check.operations.text import destination, tensor
from headrace.errors import HeadraceError, ToolMissingError, UsageError

TASKS = running.FAMILY.tasks(1)


def operations() -> set[str]:
    """Every operation of both dialects, from the generated bindings."""
    found = set()
    for dialect in ("qlinear", "qattn"):
        module = importlib.import_module(f"headrace.dialects._{dialect}_ops_gen")
        names = {getattr(item, "OPERATION_NAME", None) for item in vars(module).values()}
        found |= {name for name in names if name and name.startswith(f"{dialect}.")}
    return found


def test_every_operation_has_cases():
    assert {task.title.partition("/")[0] for task in TASKS} == operations()
    assert len(operations()) >= 30


def test_cases_are_drawn_from_the_seed():
    assert len({task.title for task in TASKS}) == len(TASKS)
    shapes = [[families.made(task, seed).shape for task in TASKS] for seed in (1, 1, 2)]
    assert shapes[0] == shapes[1] != shapes[2]
    assert [task.title for task in running.FAMILY.tasks(2)] == [task.title for task in TASKS]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.title)
def test_a_case_has_results(task):
    """Of which not all are zero."""
    case = families.made(task, 1)
    runs = list(case.runs(families.generator(1, "data", case.title)))
    assert runs and all(len(run.wants) == len(runs[0].wants) for run in runs)
    assert any(np.any(want.value) for run in runs for want in run.wants)


def test_a_sample_passes():
    """Of all kinds; `headrace check --ops` does all."""
    report = check.run_ops(5, sample=5)
    assert report.ok, report.failed
    assert len(report.rows) == 10 and {row.engine for row in report.rows} == {"jit", "iree"}
    cells = report.to_json()["cells"]
    assert json.loads(json.dumps(cells)) == cells
    assert {
        "target",
        "op",
        "format",
        "shape",
        "error",
        "bound",
        "ok",
        "reference",
        "engine",
    } <= set(cells[0])


@pytest.mark.parametrize("op", sorted(operations()))
def test_one_case_of_each_operation_passes(op):
    """By the JIT, which is quicker than IREE."""
    task = next(task for task in TASKS if task.title.startswith(f"{op}/"))
    case = families.made(task, 1)
    row = running.row(case, "jit", list(case.runs(families.generator(1, case.title))))
    assert row.ok, row


# -- what is wrong is found -----------------------------------------------------------------------

KIND = tensor("f32", 3)
DOUBLE = Case(
    "test.double",
    "three",
    "3",
    f"func.func @main(%x: {KIND}) -> {KIND} {{\n"
    f"%y = arith.addf %x, %x : {KIND}\nreturn %y : {KIND}\n}}",
    lambda draw: [Run("ones", [np.ones(3, np.float32)], [Want(np.full(3, 2.0))])],
)


def rows(case, engines=("jit", "iree")):
    runs = list(case.runs(np.random.default_rng(1)))
    return [running.row(case, engine, runs) for engine in engines]


def test_a_right_case_passes():
    assert all(row.ok and row.error == 0 and row.runs == 1 for row in rows(DOUBLE))


@pytest.mark.parametrize(
    "want",
    [
        Want(np.full(3, 2.0001)),
        Want(np.full(3, np.nan)),
        Want(np.array([2.0, 2.0, np.inf])),
        Want(np.full(3, 2.0, np.float32) + np.float32([0, 0, 1e-6]), bound=0.0),
        Want(np.full((1, 3), 2.0)),
        Want(np.full(3, 2, np.int8)),
    ],
)
def test_a_wrong_result_fails(want):
    wrong = [Run("right", [np.ones(3, np.float32)], [Want(np.full(3, 2.0))])]
    wrong.append(Run("wrong", [np.ones(3, np.float32)], [want]))
    (row,) = rows(dataclasses.replace(DOUBLE, runs=lambda draw: wrong), ["jit"])
    assert not row.ok and row.data == "wrong" and row.runs == 2 and np.isfinite(row.error)


def test_what_does_not_compile_fails():
    bad = dataclasses.replace(DOUBLE, module="func.func @main(%x: tensor<?xf32>) { return }")
    for row in rows(bad):
        assert not row.ok and row.reference.startswith("none: reference: expected packed values")
    for row in rows(dataclasses.replace(DOUBLE, module="func.func")):
        assert not row.ok and "none: cannot parse test.double/three" in row.reference


def test_a_missing_engine_is_an_error(monkeypatch):
    def missing(*_):
        raise ToolMissingError("no iree today")

    monkeypatch.setattr(reference_iree, "Meaning", missing)
    with pytest.raises(ToolMissingError):
        rows(DOUBLE)


def test_denormals_are_for_the_jit_only():
    tiny = np.full(3, 1e-40, np.float32)
    runs = [
        Run("ones", [np.ones(3, np.float32)], [Want(np.full(3, 2.0))]),
        Run("tiny", [tiny], [Want(tiny + tiny, bound=0.0)], denormals=True),
    ]
    assert [row.ok for row in rows(dataclasses.replace(DOUBLE, runs=lambda draw: runs))] == [1, 1]


def test_a_decomposition_that_reads_what_is_not_seen_fails(monkeypatch):
    """As an example of the spoilt: caches whose unseen slots count."""
    real = reference_jit.Meaning.__call__

    def spoiled(self, *inputs):
        lengths = [a + 1 if a.shape == (1,) and a.dtype == np.int32 else a for a in inputs]
        return real(self, *lengths)

    monkeypatch.setattr(reference_jit.Meaning, "__call__", spoiled)
    report = check.run_ops(1, filter="qattn.decode/contiguous")
    assert [row.ok for row in report.rows] == [False, True]


# Another operation than the case means, in one word of its module.
MEANT_OTHERWISE = [
    ("qattn.prefill/causal", "prefill causal", "prefill bidirectional"),
    ("qattn.prefill/window", r"window = (\d+)", lambda n: f"window = {int(n[1]) + 1}"),
    ("qattn.prefill/softcap", "softcap = 5", "softcap = 6"),
    ("qattn.prefill/i8, blocks", " precision = i8", ""),
    ("qattn.decode/ring, window", r"window = (\d+)", lambda n: f"window = {int(n[1]) + 1}"),
    ("qattn.decode/softcap", "softcap = 3", "softcap = 4"),
    ("qattn.decode/ring, window", ", layout = ring", ""),
    ("qattn.fetch_kv/bf16, ring", ", layout = ring", ""),
    ("qattn.fetch_kv/bf16, contiguous", "bf16", "f16"),
    ("qattn.append_kv/f16, contiguous", r"f16>", "f16, layout = ring>"),
    ("qattn.rope/halves", " ins", " interleaved ins"),
    ("qattn.rope/halves of a part", "magnitude = 1.25", "magnitude = 1.26"),
    ("qattn.mla_decode/f32", "scale = 2.5", "scale = 2.51"),
    ("qlinear.rms_norm/rows, unit", "add_unit", ""),
    ("qlinear.layer_norm/rows", "e-06", "e-05"),
    ("qlinear.gated_activation/silu, rows", "silu", "gelu_tanh"),
    ("qlinear.select_columns/f32, threshold 0.5", "threshold = 5", "threshold = 6"),
    ("qlinear.slice/q4nx from 32", r"rows \[32", "rows [0"),
]


@pytest.mark.parametrize(("title", "old", "new"), MEANT_OTHERWISE, ids=str)
def test_an_operation_that_is_meant_otherwise_fails(title, old, new):
    case = next(families.made(task, 1) for task in TASKS if task.title == title)
    changed = re.sub(old, new, case.module)
    assert changed != case.module
    (row,) = rows(dataclasses.replace(case, module=changed), ["jit"])
    assert not row.ok and not row.reference.startswith("none")


# -- selection ------------------------------------------------------------------------------------


def test_select():
    select = running.FAMILY.select
    assert {task.title.partition("/")[0] for task in select(1, "qattn.mla_*")} == {
        "qattn.mla_decode",
        "qattn.mla_attention",
    }
    assert all("ring" in task.title for task in select(1, "ring"))
    few = select(1, sample=4)
    assert len(few) == 4 and set(few) < set(TASKS) and few == select(1, sample=4)
    assert few != select(2, sample=4)
    assert len(select(1, quick=True)) == len(operations())
    with pytest.raises(
        UsageError, match=r"no case of --ops matches 'q9'; .* one of .*qattn.decode"
    ):
        select(1, "q9")
    with pytest.raises(UsageError, match="expected sample to be at least 1, but got 0"):
        select(1, sample=0)


def test_progress():
    seen = []
    report = check.run_ops(
        2, filter="rope/one pair", progress=lambda done, all_: seen.append((done, all_))
    )
    assert seen == [(1, 1)] and report.target == "ops" and report.seed == 2


def test_one_line_of_an_error():
    assert families.one_line(HeadraceError("first\nx: error: bad\nlast")) == "x: error: bad"
    assert families.one_line(HeadraceError("")) == "HeadraceError"
    assert families.failed_with(HeadraceError("only")) == "none: only"


# -- differences ----------------------------------------------------------------------------------


def test_difference():
    one = np.ones(4)
    assert difference(one, one, 1e-5) == 0
    assert difference(one * 1.5, one, 1e-5) == pytest.approx(0.5)
    assert difference(one * 1e-3, one * 0, 1e-5) == reference.NOT_FINITE
    assert difference(one * 1e-3, one * 0, 1e-5, floor=1.0) == pytest.approx(1e-3)
    assert difference(one * 1.1, one, 1e-5, floor=2.0) == pytest.approx(0.05)
    # Exact: how many differ.
    assert difference(np.array([1, 2, 3]), np.array([1, 5, 6]), 0.0) == 2
    mixed = np.array([np.nan, -np.inf, 1.0])
    assert difference(mixed, mixed, 1e-5) == difference(mixed, mixed, 0.0) == 0
    assert difference(-mixed, mixed, 1e-5) == reference.NOT_FINITE
    assert difference(np.array([1.0, -np.inf, 1.0]), mixed, 1e-5) == reference.NOT_FINITE
    # Squares of huge and of tiny values.
    assert difference(one * 1e200, one * 2e200, 1e-5) == pytest.approx(0.5)
    assert difference(one * 1e-200, one * 0 + 2e-200, 1e-5) < 1e-100
    assert difference(one.astype(np.int8), one, 1e-5) == reference.NOT_FINITE
    assert difference(one[:2], one, 0.0) == reference.NOT_FINITE


def test_a_destination_is_an_argument():
    text = destination("a.b", ["!x", "!y"], [KIND], head="h", attributes="{c}")
    assert f"a.b h ins(%arg0, %arg1 : !x, !y)\n    outs(%arg2 : {KIND}) {{c}} -> {KIND}" in text
