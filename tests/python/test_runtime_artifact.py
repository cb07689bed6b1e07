"""Artifacts as folders: loading, damage, saving, reports, loaders."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from runtime_artifacts import (
    KERNELS,
    N,
    argument,
    compile_library,
    edit_manifest,
    step,
    two_steps,
)

import headrace_runtime as hr
from headrace_runtime import loaders, machine

X = np.arange(N, dtype=np.float32)
WANT = 2 * X[::-1] + 5


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def folder(tmp_path: Path, library: Path) -> Path:
    return two_steps(tmp_path / "two.hr", library)


def test_what_an_artifact_tells(folder: Path) -> None:
    artifact = hr.load(folder)
    assert artifact.manifest == json.loads((folder / "manifest.json").read_text())
    assert artifact.target == "cpu"
    assert artifact.path == folder
    assert [a.name for a in artifact.arguments] == ["x", "y0"]
    assert [k.name for k in artifact.kernels] == ["double_f32", "reverse_f32"]
    assert artifact.stages() == ["input"]
    assert artifact.ir("input") == "module {}\n"
    assert artifact.sources == {"kernels": "module {}\n"}
    assert "2 kernels" in repr(artifact)
    with pytest.raises(hr.ArgumentError, match=r"no IR of stage 'after:x'.*stages: input"):
        artifact.ir("after:x")


# -- damage ---------------------------------------------------------------------------------------


def fails(folder: Path, message: str) -> None:
    """Loading fails with an ArtifactError that names the folder and matches the message."""
    with pytest.raises(hr.ArtifactError, match=message) as info:
        hr.load(folder)
    assert str(folder) in str(info.value)


def test_missing_folder_and_folder_of_something_else(tmp_path: Path) -> None:
    fails(tmp_path / "none.hr", "no such folder")
    fails(tmp_path, "not a Headrace artifact")


def test_a_file_is_not_an_artifact(folder: Path) -> None:
    fails(folder / "kernels.so", "not a Headrace artifact")


@pytest.mark.parametrize("size", [0, 1, 100, 400])
def test_truncated_manifest(folder: Path, size: int) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:size])
    fails(folder, "manifest.json is damaged")


def test_binary_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"\xff\xfe\x00")
    fails(folder, "manifest.json is damaged")


@pytest.mark.parametrize("schema", [0, 2, "1", True, 1.5])
def test_another_schema(folder: Path, schema: object) -> None:
    edit_manifest(folder, schema=schema)
    fails(folder, r"schema .*written by headrace 0\.1\.0.*reads schema 1")


def test_json_that_is_no_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[1, 2]")
    fails(folder, "not an artifact manifest")
    (folder / "manifest.json").write_text("{}")
    fails(folder, "not an artifact manifest")


def test_truncated_library(folder: Path) -> None:
    path = folder / "kernels.so"
    path.write_bytes(path.read_bytes()[:-7])
    fails(folder, r"'kernels\.so' is damaged or truncated: expected sha256 [0-9a-f]{64}, but got")


@pytest.mark.parametrize("name", ["kernels.so", "ir/00-input.mlir"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    fails(folder, f"file '{name}' is missing")


@pytest.mark.parametrize("name", ["../kernels.so", "/bin/sh", "", "a/../../b"])
def test_files_outside_of_the_artifact(folder: Path, name: str) -> None:
    edit_manifest(folder, files={"library": name})
    fails(folder, "must be a relative path")


BAD: list[tuple[str, dict[str, Any]]] = [
    ("plan: missing; expected a list of objects", {"plan": None}),
    ("loader: expected a string, but got 3", {"loader": 3}),
    ("arguments: expected a list of objects", {"arguments": {}}),
    (r"arguments\[0\]: expected objects, but got 1", {"arguments": [1]}),
    (r"arguments\[0\].role: expected one of input, output, but got 'in'",
     {"arguments": [argument("x", "in", "f32", [1])]}),
    (r"arguments\[0\].dtype: expected one of f64, .*, but got 'f8'",
     {"arguments": [argument("x", "input", "f8", [1])]}),
    (r"arguments\[0\].shape: expected numbers from 0",
     {"arguments": [argument("x", "input", "f32", [-1])]}),
    (r"arguments\[0\].packed.rows: missing",
     {"arguments": [argument("x", "input", "i8", [1], packed={})]}),
    (r"transients\[0\].bytes: expected 0 to", {"transients": [{"bytes": -1}]}),
    (r"plan\[0\].grid: expected 3 numbers, but got 2",
     {"plan": [step("double_f32", [1, 1], [])]}),
    (r"plan\[0\].kernel: expected one of \['double_f32', 'reverse_f32'\], but got 'no'",
     {"plan": [step("no", [1, 1, 1], [])]}),
    (r"plan\[0\].bindings\[0\]: argument 2 does not exist; there are 2",
     {"plan": [step("double_f32", [1, 1, 1], ["a2"])]}),
    (r"plan\[0\].bindings\[0\]: transient 1 does not exist",
     {"plan": [step("double_f32", [1, 1, 1], ["t1"])]}),
    (r"plan\[0\].bindings\[0\]: offset 4097 is past the end of argument 0 \(4096 bytes\)",
     {"plan": [step("double_f32", [1, 1, 1], [("a0", 4097)])]}),
    (r"plan\[0\].bindings\[0\]: expected either 'argument' or 'transient'",
     {"plan": [{"kernel": "double_f32", "grid": [1, 1, 1], "bindings": [{}]}]}),
    (r"plan\[0\].constants: expected 32-bit numbers",
     {"plan": [step("double_f32", [1, 1, 1], [], [2**31])]}),
    ("requires.features: expected a list of strings", {"requires": {"features": "avx"}}),
    ("sha256.kernels.so: expected a string", {"sha256": {"kernels.so": 1}}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "changes"), BAD, ids=[message for message, _ in BAD])
def test_manifest_says_what_is_wrong_and_where(
    folder: Path, message: str, changes: dict[str, Any]
) -> None:
    edit_manifest(folder, **changes)
    fails(folder, message)


# -- things that only a call needs ----------------------------------------------------------------


def call_fails(folder: Path, kind: type[Exception], message: str) -> None:
    """The artifact loads, so it can be inspected; calling it fails."""
    artifact = hr.load(folder)
    for _ in range(2):  # and the failure is not forgotten
        with pytest.raises(kind, match=message):
            artifact(X)


def test_missing_cpu_feature(folder: Path) -> None:
    requires = {"machine": machine.host().machine, "os": "linux", "features": ["zz9", "aa1"]}
    edit_manifest(folder, requires=requires)
    call_fails(folder, hr.MachineError, "lacks: aa1, zz9; compile it with")


def test_another_machine(folder: Path) -> None:
    edit_manifest(folder, requires={"machine": "riscv128", "os": "linux", "features": []})
    call_fails(folder, hr.MachineError, "needs a riscv128 machine, but this one is")


def test_another_system(folder: Path) -> None:
    edit_manifest(folder, requires={"os": "plan9"})
    call_fails(folder, hr.MachineError, "needs plan9, but this machine runs linux")


def test_unknown_loader(folder: Path) -> None:
    edit_manifest(folder, loader="quantum")
    call_fails(folder, hr.ArtifactError, "unknown loader 'quantum'; installed are: .*shared-lib")


def test_library_without_checksum(folder: Path) -> None:
    edit_manifest(folder, sha256={})
    call_fails(folder, hr.ArtifactError, "'kernels.so' has no sha256")


def test_no_library(folder: Path) -> None:
    edit_manifest(folder, files={})
    call_fails(folder, hr.ArtifactError, "files.library is missing")


def test_library_that_is_none(tmp_path: Path) -> None:
    junk = tmp_path / "junk.so"
    junk.write_bytes(b"not an ELF file")
    call_fails(two_steps(tmp_path / "junk.hr", junk), hr.ArtifactError, "cannot load .*kernels.so")


def test_library_without_executor(tmp_path: Path) -> None:
    library = compile_library(tmp_path, executor=False)
    folder = two_steps(tmp_path / "bare.hr", library)
    call_fails(folder, hr.ArtifactError, "no symbol 'hr_abi_version'")


def test_executor_of_another_version(tmp_path: Path) -> None:
    source = (
        KERNELS
        + """
        KERNEL(hr_plan_run) { (void)b, (void)c, (void)wg; }
        __attribute__((visibility("default"))) uint32_t hr_abi_version(void) { return 2; }"""
    )
    library = compile_library(tmp_path, source, executor=False)
    folder = two_steps(tmp_path / "future.hr", library)
    call_fails(folder, hr.ArtifactError, "ABI version 2, but this runtime calls version 1")


def test_kernel_that_the_library_lacks(folder: Path) -> None:
    kernel = {"name": "gone", "op": "test", "bytes": 0, "operations": 0}
    edit_manifest(folder, kernels=[kernel], plan=[step("gone", [1, 1, 1], [])])
    call_fails(folder, hr.ArtifactError, "kernels.so has no kernel named 'gone'")


def test_loaders_come_from_entry_points(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = loaders.GROUP
    good = importlib.metadata.EntryPoint("echo", f"{__name__}:EchoProgram", group)
    bad = importlib.metadata.EntryPoint("broken", "no_such_module:Loader", group)
    found = importlib.metadata.EntryPoints([good, bad])
    monkeypatch.setattr(loaders, "entry_points", lambda **by: found.select(**by))
    assert loaders.names() == ["aie", "broken", "echo", "metal", "shared-library"]
    edit_manifest(folder, loader="echo")
    assert_array_equal(hr.load(folder)(X), X)
    edit_manifest(folder, loader="broken")
    call_fails(folder, hr.ArtifactError, r"'broken' \(no_such_module:Loader\) does not load")


class EchoProgram:
    """A loader whose program returns its first input."""

    def __init__(self, folder: Path, manifest: hr.Manifest) -> None:
        assert manifest.loader == "echo"
        assert (folder / "manifest.json").is_file()

    def bind(self, values: Any, *, threads: int | None, poison: bool) -> EchoProgram:
        self.outputs = (values[0],)
        return self

    def run(self) -> None:
        pass


# -- saving ---------------------------------------------------------------------------------------


def everything_under(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_save_and_load_again(folder: Path, tmp_path: Path) -> None:
    saved = hr.load(folder).save(tmp_path / "new" / "copy.hr")
    assert everything_under(saved) == everything_under(folder)
    assert saved.stat().st_mode & 0o777 == folder.stat().st_mode & 0o777
    shutil.rmtree(folder)
    assert_array_equal(hr.load(saved)(X), WANT)


def test_save_replaces_an_artifact(folder: Path, tmp_path: Path) -> None:
    target = two_steps(tmp_path / "old.hr", folder / "kernels.so")
    (target / "leftover").write_text("x")
    hr.load(folder).save(target)
    assert everything_under(target) == everything_under(folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.hr", "two.hr"]


def test_save_onto_itself(folder: Path) -> None:
    artifact = hr.load(folder)
    before = everything_under(folder)
    artifact.save(folder)
    assert everything_under(folder) == before
    assert_array_equal(artifact(X), WANT)


def test_an_artifact_replaced_in_place_is_loaded_anew(folder: Path, tmp_path: Path) -> None:
    """The dynamic linker would return the library it has seen under that path before."""
    first = hr.load(folder)
    assert_array_equal(first(X), WANT)
    (tmp_path / "build").mkdir()
    other = compile_library(tmp_path / "build", KERNELS.replace("2 *", "3 *"))
    hr.load(two_steps(tmp_path / "other.hr", other)).save(folder)
    assert_array_equal(hr.load(folder)(X), 3 * X[::-1] + 5)
    assert_array_equal(first(X), WANT)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_save_touches_nothing_but_artifacts(folder: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "precious"
    if kind == "file":
        target.write_text("mine")
    elif kind == "link":
        target.symlink_to(folder)
    else:
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    before = everything_under(tmp_path)
    with pytest.raises(hr.ArtifactError, match="cannot write artifact"):
        hr.load(folder).save(target)
    assert everything_under(tmp_path) == before


def test_save_where_no_folder_can_be(folder: Path) -> None:
    with pytest.raises(hr.ArtifactError, match="cannot write artifact"):
        hr.load(folder).save(folder / "kernels.so" / "x.hr")


@pytest.mark.parametrize("replacing", [False, True])
def test_a_failure_midway_leaves_nothing(folder: Path, tmp_path: Path, replacing: bool) -> None:
    target = tmp_path / "target.hr"
    if replacing:
        two_steps(target, folder / "kernels.so")
    artifact = hr.load(folder)
    (folder / "ir" / "lost").symlink_to("nowhere")  # cannot be copied; the other files can
    before = everything_under(tmp_path)
    with pytest.raises(hr.ArtifactError, match=r"cannot write artifact .*lost"):
        artifact.save(target)
    assert everything_under(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["target.hr", "two.hr"][not replacing :]


def test_a_failed_rename_brings_the_old_artifact_back(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = two_steps(tmp_path / "target.hr", folder / "kernels.so")
    (target / "old").write_text("old")
    artifact = hr.load(folder)
    before = everything_under(tmp_path)
    rename, calls = os.replace, []

    def fail_second(source: Any, destination: Any) -> None:
        calls.append(destination)
        if len(calls) == 2:
            raise OSError(5, "input/output error")
        rename(source, destination)

    monkeypatch.setattr(os, "replace", fail_second)
    with pytest.raises(hr.ArtifactError, match="input/output error"):
        artifact.save(target)
    assert len(calls) == 3
    assert everything_under(tmp_path) == before


def test_atomic_folder_cleans_up_after_any_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), hr.atomic_folder(tmp_path / "a.hr") as work:
        (work / "half").write_text("x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
