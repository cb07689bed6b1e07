"""Artifacts that were compiled before: found again, never another one, never in the way."""

import os
import stat
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import headrace as hr
from headrace import artifact_cache, compiler, targets

SPEC = hr.ops.matvec(8, 64, format="q8_0")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "artifacts"


@pytest.fixture
def built(monkeypatch):
    """What was really compiled, in order."""
    made = []
    real = compiler.build

    def build(module, *args, **options):
        made.append(str(module))
        return real(module, *args, **options)

    monkeypatch.setattr(compiler, "build", build)
    return made


def run(artifact):
    w = hr.formats.get("q8_0").encode(np.eye(8, 64, dtype=np.float32))
    return artifact(np.arange(64, dtype=np.float32), w).round(2)


def test_the_second_time_nothing_is_compiled(folder, built):
    first, second = (hr.compile(SPEC, target="cpu") for _ in range(2))
    assert len(built) == 1
    np.testing.assert_array_equal(run(first), run(second))
    assert first.stages() == second.stages()
    assert first.report() == second.report()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_artifact_outlives_its_entry(folder):
    hr.compile(SPEC, target="cpu")
    artifact = hr.compile(SPEC, target="cpu")
    for entry in folder.glob("*.hr"):
        hr.load(entry).save(folder / "moved")
        subprocess.run(["rm", "-r", entry], check=True)
    np.testing.assert_array_equal(run(artifact), np.arange(8))
    assert artifact.ir("after:cpu-form-kernels")


@pytest.mark.parametrize(
    "other",
    [
        {"source": hr.ops.matvec(9, 64, format="q8_0")},
        {"source": hr.ops.matvec(8, 64, format="q8_0", activations="i8")},
        {"target": "cpu:x86-64-v3"},
        {"keep_ir": False},
    ],
    ids=["shape", "activations", "target", "texts"],
)
def test_what_differs_is_compiled(folder, built, other):
    usual = {"source": SPEC, "target": "cpu"}
    for options in (usual, usual | other, usual, usual | other):
        hr.compile(options["source"], **{k: v for k, v in options.items() if k != "source"})
    assert len(built) == 2


@pytest.mark.parametrize("how", ["cache", "timing", "dump_dir", "off"])
def test_not_cached(folder, built, how, tmp_path, monkeypatch):
    if how == "off":
        monkeypatch.setenv("HEADRACE_CACHE", "off")
    values = {"cache": False, "timing": True, "dump_dir": tmp_path / "dumps"}
    options = {how: values[how]} if how in values else {}
    for _ in range(2):
        hr.compile(SPEC, target="cpu", **options)
    assert len(built) == 2
    assert not folder.exists()


def test_another_compiler_finds_nothing(folder, built, monkeypatch):
    hr.compile(SPEC, target="cpu")
    monkeypatch.setattr(artifact_cache, "_package", lambda: "another")
    hr.compile(SPEC, target="cpu")
    assert len(built) == 2


def test_every_file_of_the_package_counts():
    code = "from headrace import artifact_cache; print(artifact_cache._package())"
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert outputs[0].stdout == outputs[1].stdout == f"{artifact_cache._package()}\n"


def test_targets_outside_are_not_cached(folder):
    target = targets.find("cpu")
    assert artifact_cache._is_ours(target)

    def outside(description):
        return target.stages(description)

    assert not artifact_cache._is_ours(replace(target, stages=outside))
    assert not artifact_cache._is_ours(replace(target, plugins=(folder,)))


def test_a_damaged_entry_is_compiled_again(folder, built):
    hr.compile(SPEC, target="cpu")
    (library,) = folder.glob("*/kernels.so")
    library.write_bytes(library.read_bytes()[:100])
    np.testing.assert_array_equal(run(hr.compile(SPEC, target="cpu")), np.arange(8))
    np.testing.assert_array_equal(run(hr.compile(SPEC, target="cpu")), np.arange(8))
    assert len(built) == 2


def test_a_folder_that_others_may_write_is_not_used(folder, built):
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    for _ in range(2):
        hr.compile(SPEC, target="cpu")
    assert len(built) == 2
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path / "file"))
    np.testing.assert_array_equal(run(hr.compile(SPEC, target="cpu")), np.arange(8))


def test_the_oldest_go(folder, monkeypatch):
    specs = [hr.ops.matvec(rows, 64, format="q8_0") for rows in (1, 2, 3)]
    hr.compile(specs[0], target="cpu")
    (entry,) = folder.glob("*.hr")
    size = sum(path.stat().st_size for path in entry.rglob("*"))
    os.utime(entry, (0, 0))
    monkeypatch.setattr(artifact_cache, "_LIMIT_BYTES", int(2.5 * size))
    for spec in specs[1:]:
        hr.compile(spec, target="cpu")
    assert len(list(folder.glob("*.hr"))) == 2
    assert not entry.exists()
