"""The Metal target: chips, artifacts, emitted text, errors."""

import json

import numpy as np
import pytest

import headrace
from headrace import formats, ops, targets
from headrace.check import runner, storage
from headrace.errors import CompileError, UsageError
from headrace.ops import OpSpec
from headrace.targets.metal import describe
from headrace.targets.metal.description import CHIPS, chip_names
from headrace.targets.metal.simulate import run_counted


def test_every_chip_has_a_family_and_every_figure_a_source():
    tables = json.loads(CHIPS.read_text())
    described = [describe(name) for name in chip_names()]
    assert {chip.family for chip in described} == set(tables["families"])
    facts = {key for chip in tables["chips"].values() for key in chip}
    limits = {key for family in tables["families"].values() for key in family} - {"chips"}
    assert facts | limits == set(tables["sources"])
    assert all(chip.gb_per_s > 60 and chip.cores >= 8 for chip in described)


def test_chips_by_name():
    chip = describe("m2-max")
    assert (chip.family, chip.gb_per_s, chip.slow_shifts) == ("apple8", 410, True)
    assert describe(None).chip == "m1"
    with pytest.raises(
        UsageError, match="unknown chip 'm2max', did you mean 'm2-max'; allowed: m1,"
    ):
        targets.parse("metal:m2max")


def test_the_artifact_has_text_plan_and_stages(tmp_path):
    artifact = headrace.compile("matvec:m=67,k=256,format=q4_k", target="metal:m4-pro", cache=False)
    path = artifact.save(tmp_path / "op.hr")
    manifest = json.loads((path / "manifest.json").read_text())
    (kernel,), (step,) = manifest["kernels"], manifest["plan"]
    assert kernel["workgroup"] == [64, 1, 1] and kernel["workgroup_rows"] == 4
    assert step["grid"] == [17, 1, 1] and step["kernel"] == kernel["name"]
    assert manifest["description"]["chip"] == "m4-pro"
    assert f"kernel void {kernel['name']}(" in (path / "kernels.metal").read_text()
    assert "after:simt-lower-products" in headrace.load(path).stages()


def test_text_reads_well():
    text = headrace.compile("matvec:m=8,k=64,format=q4_0", target="metal:m2", cache=False).sources[
        "kernels.metal"
    ]
    assert text.startswith(f"// Made by Headrace {headrace.__version__} for metal:m2.\n")
    assert "// qlinear.matvec, weights in q4_0, 8 rows of 64 columns, threadgroups of" in text
    assert "const ushort4 codes = " in text and "const float scale = " in text
    assert all(len(line) <= 160 for line in text.splitlines())


def test_what_is_not_claimed_does_not_compile():
    with pytest.raises(
        CompileError, match="q5_k and activations f32 is not claimed by target metal"
    ):
        headrace.compile("matvec:m=8,k=256,format=q5_k", target="metal")


def test_a_chip_with_less():
    from dataclasses import replace

    from headrace import ir, pipeline
    from headrace.modules import load_module
    from headrace.ops import OpSpec

    small = replace(describe("m1"), max_threads=32)
    module = load_module(OpSpec.parse("matvec:m=8,k=32,format=q4_0"))
    assert isinstance(module, ir.Module)
    with pytest.raises(CompileError, match="needs 64 threads in a workgroup, but .* a limit of 32"):
        pipeline.lower(module, targets.find("metal"), small)


def test_a_check_says_what_its_runs_move():
    (cell,) = [cell for cell in targets.find("metal").cells() if cell.name == "matvec/q4_k/f32"]
    rows = runner.check_task("metal", 1, (cell, OpSpec.parse("matvec:m=256,k=1024,format=q4_k")))
    assert rows and all(row.ok for row in rows)
    # Weights, activations and results are whole sectors, each of which is touched once.
    assert all(row.traffic == row.to_json()["traffic"] == 1.0 for row in rows)


def test_columns_that_are_left_out_are_not_read():
    spec = ops.sparse_matvec(1024, 512, format="q4_k:zigzag1024", density=0.5)
    artifact = headrace.compile(spec, target="metal", cache=False)
    draw = np.random.default_rng(3)
    x = draw.standard_normal(512, dtype=np.float32)
    weights = storage.near(formats.get(spec.format), 1024, 512, draw, 0.01)
    half, none = (run_counted(artifact, [each, weights], 0).traffic for each in (x, 0 * x))
    assert none < 0.1 < 0.4 < half < 0.7
