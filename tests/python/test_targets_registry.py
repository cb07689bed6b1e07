"""Targets: discovery, target strings, capability tables."""

import json
import sys
from importlib.metadata import EntryPoint

import pytest

import headrace
from headrace import formats, targets
from headrace.errors import UsageError
from headrace.targets.base import Cell, Target, read_capabilities

WEIGHTS = ("q4_0", "q5_0", "q8_0", "q4_k", "q6_k", "q4nx")


def test_cpu_is_installed_and_found():
    assert "cpu" in targets.installed()
    assert targets.find("cpu").name == "cpu"


def test_cpu_claims_every_product():
    cells = {(cell.op, cell.format, cell.activations) for cell in targets.find("cpu").cells()}
    for op in ("matvec", "matmul", "gated_matvec"):
        for name in WEIGHTS:
            assert {(f"qlinear.{op}", name, a) for a in ("f32", "bf16", "i8")} <= cells
    assert {("qlinear.dequantize", name, "") for name in WEIGHTS} <= cells
    assert ("qlinear.quantize", "act_i8", "") in cells


def test_constraints_are_the_block_sizes():
    whole_blocks = {"matvec", "matmul", "gated_matvec", "dequantize", "quantize"}
    for cell in targets.find("cpu").cells():
        if cell.op.removeprefix("qlinear.") in whole_blocks:
            multiple = max(32, formats.get(cell.format).k_multiple)
            assert cell.constraints == {"k_multiple_of": multiple}, cell.name
        else:
            assert not cell.constraints, cell.name
        assert cell.proof == "executed"


def test_targets_call_lists_the_tables():
    rows = headrace.targets()
    cpu = next(row for row in rows if row["name"] == "cpu")
    assert {"op", "format", "constraints", "proof"} <= cpu["cells"][0].keys()
    json.dumps(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpv", "unknown target 'cpv', did you mean 'cpu'; allowed: aie, cpu, metal"),
        ("", "unknown target ''"),
        ("cpu:", "expected an option after ':'"),
        (
            "cpu:znver55",
            "unknown cpu 'znver55' .*did you mean 'znver5'.*'cpu' alone is this machine",
        ),
    ],
)
def test_bad_target_strings(text, message):
    with pytest.raises(UsageError, match=message):
        targets.parse(text)


def test_cells_claim_formats_and_families():
    assert Cell("qlinear.dequantize", "q4_k", "").claims("q4_k")
    assert not Cell("qlinear.dequantize", "q4_k", "").claims("q4_k:rows4")
    family = Cell("qlinear.lut_matvec", "codebook:d2:*", "")
    assert family.claims("codebook:d2:e16:g512:i8:a64")
    assert not family.claims("codebook:d4:e16:g512:i8:a64")


def test_cell_names():
    assert Cell("qlinear.matvec", "q4_k", "i8").name == "matvec/q4_k/i8"
    assert Cell("qlinear.dequantize", "q4_k", "").name == "dequantize/q4_k"


@pytest.mark.parametrize("text", ["", "[]", '{"cells": [{"op": "x"}]}', '{"target": "t"}'])
def test_broken_capability_table(tmp_path, text):
    path = tmp_path / "capabilities.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"capabilities.json: expected \{'cells'"):
        read_capabilities(path)


def fake(tmp_path, name="fake"):
    path = tmp_path / "capabilities.json"
    path.write_text('{"target": "fake", "cells": []}')
    return Target(name, path, lambda option: option, lambda _: [], lambda *_, **__: {})


def install(monkeypatch, value):
    """Install an entry point that loads as `value` (an exception is raised)."""

    def load(self):
        if isinstance(value, Exception):
            raise value
        return value

    point = EntryPoint("fake", "some_plugin:TARGET", targets.GROUP)
    monkeypatch.setattr(EntryPoint, "load", load)
    monkeypatch.setattr(targets, "entry_points", lambda group: [point])


def test_entry_point_target(monkeypatch, tmp_path):
    target = fake(tmp_path)
    install(monkeypatch, target)
    assert targets.installed() == ["aie", "cpu", "metal", "fake"]
    assert targets.parse("fake:option") == (target, "option")
    assert [row["name"] for row in headrace.targets()] == ["aie", "cpu", "metal", "fake"]


def test_entry_point_of_another_kind(monkeypatch):
    install(monkeypatch, object())
    with pytest.raises(UsageError, match=r"expected TARGET to be a headrace\.targets\.Target"):
        targets.find("fake")


def test_broken_plugin_is_named(monkeypatch):
    install(monkeypatch, ImportError("no module named 'gpu'"))
    with pytest.raises(UsageError, match="plugin 'some_plugin:TARGET' does not load: ImportError"):
        targets.find("fake")


def test_in_tree_name_wins(monkeypatch, tmp_path):
    monkeypatch.setattr(
        targets, "entry_points", lambda group: [EntryPoint("cpu", "nowhere:TARGET", group)]
    )
    assert targets.installed() == ["aie", "cpu", "metal"]
    assert targets.find("cpu") is sys.modules["headrace.targets.cpu"].TARGET
