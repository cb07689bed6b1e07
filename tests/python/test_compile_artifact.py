"""compile(): what it takes, what it makes, what it refuses."""

import gc
import json
from pathlib import Path

import numpy as np
import pytest

import headrace
from headrace import Artifact, formats, ir, ops, reference
from headrace.errors import CompileError, UsageError
from headrace.modules import load_module

SPEC = ops.matvec(33, 96, format="q4_0", activations="i8")


def inputs(spec, seed=0):
    draw = np.random.default_rng(seed)
    form = formats.get(spec.format)
    w = form.encode(draw.normal(size=(spec.m, spec.k)).astype(np.float32))
    return draw.normal(size=spec.x_shape).astype(np.float32), w


@pytest.fixture(scope="module")
def artifact():
    return headrace.compile(SPEC, timing=True)


@pytest.fixture
def mlir_file(tmp_path):
    path = tmp_path / "matvec.mlir"
    path.write_text(SPEC.text())
    return path


def test_every_kind_of_source_gives_the_same_result(artifact, mlir_file):
    x, w = inputs(SPEC)
    want = artifact(x, w)
    assert reference.relative_l2(want, reference.evaluate(SPEC, x, [w])) < 1.2e-2
    module = SPEC.build()
    before = str(module)
    for source in (str(SPEC), module, mlir_file, str(mlir_file), SPEC.text().encode()):
        assert np.array_equal(headrace.compile(source, keep_ir=False)(x, w), want)
    assert str(module) == before, "a module that is compiled stays as it is"


def test_manifest(artifact):
    manifest = artifact.manifest
    assert manifest["schema"] == 1
    assert manifest["headrace"] == headrace.__version__
    assert (manifest["target"], manifest["entry"], manifest["source"]) == ("cpu", "main", str(SPEC))
    x, w, y = manifest["arguments"]
    assert x == {"name": "x", "role": "input", "dtype": "f32", "shape": [96]}
    assert w["packed"] == {
        "rows": 33,
        "cols": 96,
        "padded_rows": 33,
        "padded_cols": 96,
        "format": "q4_0",
        "attribute": "#qlinear.gguf<q4_0>",
    }
    assert w["shape"] == [formats.get("q4_0").storage_bytes(33, 96)]
    assert y == {"name": "y", "role": "output", "dtype": "f32", "shape": [33]}
    assert [kernel["op"] for kernel in manifest["kernels"]] == [
        "qlinear.quantize",
        "qlinear.matvec",
    ]
    assert [kernel["format"] for kernel in manifest["kernels"]] == ["act_i8", "q4_0"]
    assert all(k["bytes"] > 0 and k["operations"] > 0 for k in manifest["kernels"])
    quantize, matvec = manifest["plan"]
    assert quantize["bindings"] == [{"argument": 0}, {"transient": 0}]
    assert matvec["bindings"] == [{"argument": 1}, {"transient": 0}, {"argument": 2}]
    assert manifest["transients"] == [{"bytes": formats.get("act_i8").storage_bytes(1, 96)}]
    assert manifest["description"]["dot"] in ("vnni", "avx2", "portable")


def test_padding_is_in_the_manifest():
    made = headrace.compile("matvec:m=33,k=288,format=q4nx", keep_ir=False)
    packed = made.manifest["arguments"][1]["packed"]
    assert (packed["padded_rows"], packed["padded_cols"]) == (64, 512)
    assert made.arguments[1].bytes == formats.get("q4nx").storage_bytes(33, 288)


def test_ir_stages_and_sources(artifact):
    stages = artifact.stages()
    assert stages[:2] == ["input", "after:verify-target-legality"]
    assert "qlinear.matvec" in artifact.ir("input")
    assert "headrace.plan" in artifact.ir("after:cpu-form-kernels")
    assert "llvm.func" in artifact.ir(stages[-1])
    assert len(stages) == len(set(stages))
    assert artifact.manifest["kernels"][0]["name"] in artifact.sources["kernels.s"]


def test_without_ir():
    made = headrace.compile(SPEC, keep_ir=False)
    assert made.stages() == [] and made.sources == {}


def test_timing(artifact):
    times = artifact.manifest["timing"]
    assert [item["stage"] for item in times] == artifact.stages()
    assert sum(item["seconds"] for item in times) > 0
    assert "timing" not in headrace.compile(SPEC, keep_ir=False).manifest


def test_dump_dir(tmp_path):
    headrace.compile(SPEC, dump_dir=tmp_path / "dump", keep_ir=False)
    names = sorted(path.name for path in (tmp_path / "dump").iterdir())
    assert names[:2] == ["00-input.mlir", "01-verify-target-legality.mlir"]


def test_the_same_source_makes_the_same_files(tmp_path):
    first, second = (headrace.compile(SPEC).save(tmp_path / name) for name in ("a.hr", "b.hr"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) > 10
    for name in files:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_save_and_load(artifact, tmp_path):
    x, w = inputs(SPEC)
    path = artifact.save(tmp_path / "matvec.hr")
    loaded = headrace.load(path)
    assert isinstance(loaded, Artifact)
    assert np.array_equal(loaded(x, w), artifact(x, w))
    assert json.loads((path / "manifest.json").read_text()) == loaded.manifest


def test_temporary_folder_goes_with_the_artifact():
    made = headrace.compile(SPEC, keep_ir=False)
    folder = made.path
    assert folder.is_dir()
    del made
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("target", ["cpu:x86-64-v4", "cpu:x86-64-v3"])
def test_named_cpus(target):
    made = headrace.compile(SPEC, target=target)
    assert made.manifest["description"]["cpu"] == target.partition(":")[2]
    assert made.manifest["description"]["dot"] == "avx2"
    assembly = made.sources["kernels.s"]
    assert "vpdpbusd" not in assembly
    assert ("zmm" in assembly) == (target == "cpu:x86-64-v4")
    assert "ymm" in assembly


def test_vnni_where_the_cpu_has_it():
    made = headrace.compile(SPEC, target="cpu:znver5")
    assert made.manifest["description"]["dot"] == "vnni"
    assert "avx512_vnni" in made.manifest["requires"]["features"]
    assert "vpdpbusd" in made.sources["kernels.s"]


def test_argument_names_without_attributes():
    text = SPEC.text().replace(' {headrace.name = "x"}', "").replace(' {headrace.name = "y"}', "")
    made = headrace.compile(text.encode(), keep_ir=False)
    assert [a.name for a in made.arguments] == ["arg0", "w", "y0"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("matvec:m=33,k=96,format=q9", "unknown format 'q9'"),
        ("matvec:m=33,k=97,format=q4_0", "expected k to be a multiple of 32, the block of q4_0"),
        ("no_such_file.mlir", "no such file: no_such_file.mlir"),
        (Path("no_such_file.txt"), "no such file"),
        (b"func.func @main( {", "cannot parse the given text:\nthe given text:1:"),
        (17, "cannot compile int; allowed: an operation"),
    ],
)
def test_bad_sources(source, message):
    with pytest.raises(UsageError, match=message):
        headrace.compile(source)


def test_verifier_messages_name_the_place(tmp_path):
    text = SPEC.text().replace("tensor<96xf32>", "tensor<95xf32>", 1)
    path = tmp_path / "bad.mlir"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"cannot parse .*bad\.mlir:\n.*\d+:\d+.*"):
        headrace.compile(path)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("cuda", "unknown target 'cuda'"),
        ("cpu:pentium9", "unknown cpu 'pentium9'"),
    ],
)
def test_bad_targets(target, message):
    with pytest.raises(UsageError, match=message):
        headrace.compile(SPEC, target=target)


def test_target_is_a_keyword():
    with pytest.raises(UsageError, match="a target is given by keyword: target='cpu'"):
        headrace.compile(SPEC, "cpu")


def test_torch_options_are_refused_without_torch():
    with pytest.raises(UsageError, match=r"quantize go with a torch\.nn\.Module"):
        headrace.compile(SPEC, quantize=headrace.Quantize())


def test_unclaimed_cell_fails_with_the_nearest(tmp_path):
    with pytest.raises(CompileError, match="expected columns in multiples of 32") as caught:
        headrace.compile("matvec:m=33,k=40,format=q4nx", dump_dir=tmp_path)
    error = caught.value
    assert "verify-target-legality" in error.command
    assert error.command.startswith("headrace-opt ")
    assert "qlinear.matvec" in error.reproducer.read_text()


def test_program_that_is_no_plan(tmp_path):
    text = b"""
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = arith.addf %x, %x : tensor<4xf32>
      return %y : tensor<4xf32>
    }
    """
    with pytest.raises(CompileError, match="cpu-form-kernels") as caught:
        headrace.compile(text, dump_dir=tmp_path)
    assert "--pass-pipeline='builtin.module(cpu-form-kernels)'" in caught.value.command


def test_two_public_functions():
    text = SPEC.text() + SPEC.text().replace("@main", "@other")
    with pytest.raises(CompileError):
        headrace.compile(text.encode())


def test_nothing_is_left_after_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(CompileError) as caught:
        headrace.compile("matvec:m=33,k=40,format=q4nx")
    assert list(tmp_path.iterdir()) == [caught.value.reproducer]


def test_load_module_in_its_own_context():
    module = SPEC.build()
    copy = load_module(module)
    assert copy.context == module.context
    assert str(copy) == str(module)
    assert copy.operation is not module.operation
    assert isinstance(load_module(SPEC), ir.Module)
