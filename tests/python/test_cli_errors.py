"""Bad input on the command line: a clear message, an exit code, nothing half written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headrace
from headrace.cli import main

SPEC = "matvec:m=33,k=96,format=q4_0"


@pytest.fixture
def fail(capsys):
    """Run a command that must fail: (exit code, message)."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(item) for item in arguments])
        out, err = capsys.readouterr()
        assert code != 0
        assert out == "", "a failure prints nothing on standard output"
        assert "Traceback" not in err
        return code, err

    return run


@pytest.fixture
def saved(tmp_path):
    return headrace.compile(SPEC).save(tmp_path / "matvec.hr")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "matvec:m=33,k=96,format=q4_9"], "unknown format 'q4_9', did you mean"),
        (["compile", "matvec:m=33,k=97,format=q4_0"], "multiple of 32, the block of q4_0"),
        (["compile", "matvec:m=33,k=100,format=q6_k"], "multiple of 256, the block of q6_k"),
        (["compile", "matvec:m=0,k=96,format=q4_0"], "expected m to be a positive integer"),
        (["compile", "conv:m=1"], "unknown operation 'conv'; allowed: matvec, matmul"),
        (["compile", SPEC, "--target", "fpga"], "unknown target 'fpga'; allowed: aie, cpu, metal"),
        (["compile", SPEC, "--target", "cpu:znver9"], "unknown cpu 'znver9'"),
        (["compile", "missing.mlir"], "no such file: missing.mlir"),
        (["run", "matvec:m=33"], "missing k, format"),
        (["translate", SPEC, "--to", "ptx"], "unknown kind of output 'ptx'"),
        (["translate", SPEC, "--to", "msl", "-t", "cpu"], "kind of output of target cpu 'msl'"),
        (["check", "--target", "fpga"], "unknown target 'fpga'"),
        (["check", "--filter", "q9"], "no claimed cell matches 'q9'"),
        (["opt", "missing.mlir", "--cse"], "cannot read missing.mlir"),
        (["opt", os.devnull, "--no-such-pass"], "'no-such-pass' does not refer to a registered"),
        (["opt", os.devnull, "--pass-pipeline=builtin.module(cse"], "expected a closing ')'"),
    ],
)
def test_usage_errors(fail, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, err = fail(*arguments)
    assert code == 2
    assert err.startswith("headrace: error: ") and message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["compile"], ["compile", SPEC, "--jason"], ["run", SPEC, "--seed=x"]],
)
def test_wrong_options(fail, arguments):
    code, err = fail(*arguments)
    assert code == 2 and "Usage:" in err


def test_unclaimed_shape_names_the_reproducer(fail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, err = fail("compile", "matvec:m=33,k=40,format=q4nx", "-o", "out.hr")
    assert code == 1
    assert "expected columns in multiples of 32, but got 40" in err
    assert "reproduce with: headrace-opt " in err
    (reproducer,) = tmp_path.iterdir()
    assert str(reproducer) in err and reproducer.suffix == ".mlir"


def test_bad_mlir_names_the_line(fail, tmp_path):
    path = tmp_path / "bad.mlir"
    path.write_text("func.func @main() {\n  %0 = qlinear.nonsense\n  return\n}\n")
    code, err = fail("compile", path)
    assert code == 2 and f"{path}:2:8" in err


def test_output_that_is_no_artifact_is_not_replaced(fail, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "notes.txt").write_text("keep")
    code, err = fail("compile", SPEC, "-o", precious)
    assert code == 1 and "is not an artifact" in err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (precious / "notes.txt").read_text() == "keep"


@pytest.mark.parametrize("command", ["inspect", "run"])
def test_missing_artifact(fail, tmp_path, command):
    code, err = fail(command, tmp_path / "nothing.hr")
    assert code == 1 and "nothing.hr: no such folder" in err


def damage_schema(folder: Path):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))


def damage_manifest(folder: Path):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:200])


def damage_library(folder: Path):
    path = folder / "kernels.so"
    path.write_bytes(path.read_bytes()[:-100])


def damage_by_removing(folder: Path):
    (folder / "kernels.so").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_schema, "schema"),
        (damage_manifest, "manifest.json is damaged"),
        (damage_library, "damaged or truncated"),
        (damage_by_removing, "'kernels.so' is missing"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "run"])
def test_damaged_artifacts(fail, saved, command, damage, message):
    damage(saved)
    code, err = fail(command, saved)
    assert code == 1 and message in err


def test_unknown_stage_and_source(fail, saved):
    code, err = fail("inspect", saved, "--ir", "afterr")
    assert code == 1 and "no IR of stage 'afterr'" in err and "stages: input, after:" in err
    code, err = fail("inspect", saved, "--source", "x")
    assert code == 2 and "unknown source 'x'; allowed: kernels.s" in err


def arrays(tmp_path, **values):
    for name, value in values.items():
        np.save(tmp_path / f"{name}.npy", value)
    return [item for name in values for item in ("-i", tmp_path / f"{name}.npy")]


def test_wrong_inputs(fail, saved, tmp_path):
    x, w = np.zeros(96, np.float32), np.zeros(33 * 54, np.uint8)

    def err(**values):
        return fail("run", saved, *arrays(tmp_path, **values))[1]

    assert "expected 2 .npy files (x, w) or one .npz, but got 1" in err(x=x)
    assert "'x'" in err(x=np.zeros(95, np.float32), w=w)
    assert "1782" in err(x=x, w=np.zeros(33 * 54 - 1, np.uint8))
    assert "'x'" in err(x=x.astype(np.float64), w=w)
    np.savez(tmp_path / "some.npz", x=x)
    assert "no array named 'w'; expected x, w" in fail("run", saved, "-i", tmp_path / "some.npz")[1]
    (tmp_path / "bad.npy").write_bytes(b"no array")
    assert "cannot read" in fail("run", saved, "-i", tmp_path / "bad.npy", "-i", "w.npy")[1]


def test_output_that_cannot_be_written(fail, saved, tmp_path):
    code, err = fail("translate", SPEC, "-o", tmp_path / "no" / "folder.ll")
    assert code == 2 and "cannot write" in err
    assert not (tmp_path / "no").exists()


def test_artifact_for_another_machine(fail, saved):
    path = saved / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["requires"]["features"].append("avx1024")
    path.write_text(json.dumps(manifest))
    code, err = fail("run", saved)
    assert code == 1 and "avx1024" in err


def test_missing_executor_is_named(fail, tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.targets.cpu.package.files", lambda _: tmp_path)
    code, err = fail("compile", SPEC, "-o", tmp_path / "out.hr")
    assert code == 1 and "native/executor.o' is missing" in err
    assert list(tmp_path.iterdir()) == []


def test_missing_gguf_is_named():
    code = (
        "import sys; sys.modules['gguf'] = None; from headrace.cli import main;"
        "sys.exit(main(['run', 'matvec:m=8,k=32,format=q8_0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "the reference for q8_0 needs the python package 'gguf'" in done.stderr


def test_missing_compiler_is_named():
    code = (
        "import sys; sys.modules['headrace._mlir_libs'] = None; from headrace.cli import main;"
        "sys.exit(main(['compile', 'matvec:m=8,k=32,format=q8_0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "headrace: error: the compiler's native library does not load" in done.stderr
