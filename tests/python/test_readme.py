"""The README's examples run, and what it says of the package is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import headrace
from headrace import formats, ops

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def section(title):
    """The text under one heading, up to the next of the same level."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL
    )
    assert found is not None, title
    return found[1]


def blocks(text, language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def row(title, text=None):
    """The words in code font in one row of a table."""
    line = next(item for item in (text or README).splitlines() if item.startswith(f"| {title} |"))
    return re.findall(r"`([^`]+)`", line)


def test_the_python_examples_run(tmp_path):
    pytest.importorskip("torch")
    code = "\n".join(blocks(section("First use"), "python"))
    assert "hr.compile(hr.ops.matvec" in code and "torch.nn" in code
    code += "\nimport numpy\nassert numpy.array_equal(same, y) and y.shape == (rows,)\n"
    code += "want = hr.formats.get('q4_k').decode(w, rows, columns).astype(numpy.float64) @ x\n"
    code += "assert numpy.linalg.norm(y - want) < 1e-5 * numpy.linalg.norm(want)\n"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "matvec_q4_k_1024x4096_f32" in result.stdout
    assert "torch.Size([1, 256])" in result.stdout
    assert (tmp_path / "matvec.hr" / "manifest.json").is_file()


def test_the_commands_run(tmp_path):
    (script,) = blocks(section("First use"), "sh")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "0 above the bound" in result.stdout
    assert "vfmadd" in result.stdout, "assembly for x86-64-v3"
    assert "define" in (tmp_path / "kernel.ll").read_text()


def test_what_works_is_what_is_there():
    text = section("What works today")
    names = [name for name in formats.names() if not formats.get(name).holds_activations]
    cells = [cell for target in headrace.targets() for cell in target["cells"]]
    with_kernels = {cell["format"] for cell in cells} & set(names)
    assert set(row("weight formats with kernels", text)) == with_kernels
    assert f"| weight formats in all | {len(names)}, " in text
    for name in row("weight formats in all", text):
        if " " not in name:  # no command, and no attribute
            assert any(known.startswith(name) for known in names), name
    described = "".join(path.read_text() for path in ROOT.glob("dialects/Q*/*Ops.td"))
    dialects = {"qlinear", "qattn"}
    every = set(re.findall(r'Op<"([a-z_]+)"', described))
    claimed = {cell["op"].partition(".")[2] for cell in cells}
    assert set(row("operations with kernels", text)) - dialects == claimed
    only_ir = [
        name
        for name in row("operations in IR only", text)
        if name not in dialects and "." not in name
    ]
    storage = row("operations on storage", text)
    assert sorted([*claimed, *only_ir, *storage]) == sorted(every)
    assert set(row("operations by name", text)) - {"hr.ops", "headrace.dialects"} == {
        *ops.OPS,
        ops.DecodeSpec.op,
        ops.PrefillSpec.op,
        ops.SelectSpec.op,
        ops.SparseSpec.op,
    }
    assert set(row("activations", text)) == {*ops.ACTIVATIONS, "act_i8"}
    assert row("targets", text) == sorted(
        path.parent.name for path in (ROOT / "python/headrace/targets").glob("*/__init__.py")
    )


def test_every_make_target_and_variable_exists():
    makefile = (ROOT / "Makefile").read_text()
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    code = [*blocks(README, "sh"), *re.findall(r"`([^`]+)`", prose)]
    targets = set(re.findall(r"\bmake\s+([a-z][a-z-]*)", "\n".join(code)))
    assert {"demo", "test", "build", "wheel", "test-wheel", "bench-peers"} <= targets
    for name in targets:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name
    for variable in ("BUILD", "MLIR_DIR", "LLVM_SOURCE_TARBALL"):
        assert re.search(rf"\b{variable}\b", makefile), variable


def test_every_folder_exists():
    for line in section("Layout").splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                assert (ROOT / name).is_dir(), name
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_scaffolds_are_those_of_the_command():
    from headrace.new.__main__ import app

    (script,) = blocks(section("Add a target, a pass or a format"), "sh")
    named = {line.split()[3] for line in script.splitlines()}
    assert named == {command.name for command in app.registered_commands}
