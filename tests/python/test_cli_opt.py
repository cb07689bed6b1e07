"""`headrace opt`: passes in C++ and in Python, parts, diagnostics."""

import os
import shlex
import stat

import pytest

from headrace import ops, targets
from headrace.cli import main
from headrace.cli.diagnostics import Message, expected, mismatches
from headrace.cli.mlirfile import split_chunks
from headrace.targets.base import Target

TWO = """
func.func @a() { %0 = arith.constant 0 : index return }
// -----
func.func @b() { %0 = arith.constant 1 : index return }
"""


@pytest.fixture
def opt(capsys, tmp_path):
    def run(text, *arguments):
        path = tmp_path / "in.mlir"
        path.write_text(text)
        capsys.readouterr()
        code = main(["opt", str(path), *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def python_target(monkeypatch, tmp_path):
    """A target with a Python pass that renames the first function, and one that complains."""

    def rename(operation, handle):
        from headrace import ir

        function = operation.regions[0].blocks[0].operations[0]
        function.operation.attributes["sym_name"] = ir.StringAttr.get("new", operation.context)

    def complain(operation, handle):
        function = operation.regions[0].blocks[0].operations[0]
        function.location.emit_error("'func.func' op is not wanted")
        handle.signal_pass_failure()

    table = tmp_path / "capabilities.json"
    table.write_text('{"target": "toy", "cells": []}')
    target = Target(
        "toy",
        table,
        lambda option: None,
        lambda _: [],
        lambda *_, **__: {},
        passes={"toy-rename": rename, "toy-complain": complain},
        emitters={"names": lambda module, _: str(module.body.operations[0].name)},
    )
    find = targets.find
    monkeypatch.setattr(targets, "installed", lambda: ["cpu", "toy"])
    monkeypatch.setattr(targets, "find", lambda name: target if name == "toy" else find(name))
    return target


@pytest.mark.parametrize(
    "option", ["--pass-pipeline=builtin.module(canonicalize)", "--canonicalize"]
)
def test_passes(opt, option):
    code, out, _ = opt(TWO.partition("// -----")[0], option)
    assert code == 0
    assert "@a" in out and "arith.constant" not in out


def test_pass_options_and_order(opt):
    code, out, _ = opt(
        ops.matvec(8, 64, format="q8_0").text(), "--decompose-qlinear", "--canonicalize=top-down=1"
    )
    assert code == 0 and "linalg." in out and "qlinear.matvec" not in out


def test_registered_pipeline(opt):
    table = targets.find("cpu").capabilities
    options = f"capabilities={table} dot=portable abi=plan"
    code, out, _ = opt(
        ops.matvec(8, 64, format="q8_0").text(), f"--headrace-cpu-pipeline={options}"
    )
    assert code == 0 and "llvm.func" in out


def test_generic_form_output_file_and_dump(opt, tmp_path):
    code, out, _ = opt(
        TWO.partition("// -----")[0],
        *("--mlir-print-op-generic", "--cse", "-o", tmp_path / "out.mlir"),
        *("--dump-dir", tmp_path / "dump"),
    )
    assert (code, out) == (0, "")
    assert '"func.func"' in (tmp_path / "out.mlir").read_text()
    assert (tmp_path / "dump" / "01-cse.mlir").is_file()


def test_split_input_file(opt):
    code, out, _ = opt(TWO, "--split-input-file", "--canonicalize")
    assert code == 0
    first, second = out.split("// -----")
    assert "@a" in first and "@b" in second


def test_python_passes_mix_with_others(opt, python_target):
    code, out, _ = opt(
        TWO.partition("// -----")[0], "--pass-pipeline=builtin.module(cse,toy-rename,canonicalize)"
    )
    assert code == 0 and "@new" in out
    code, out, _ = opt("", "--show-python-passes")
    assert (code, out.split()) == (0, ["toy-complain", "toy-rename"])


def test_the_printed_command_reproduces(opt, python_target, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = opt(TWO.partition("// -----")[0], "--cse", "--toy-complain")
    assert (code, out) == (1, "")
    assert "headrace: error: pass 'toy-complain' failed" in err and "is not wanted" in err
    command = shlex.split(err.partition("reproduce with: ")[2])
    assert command[:2] == ["headrace", "opt"]
    assert main(command[1:]) == 1
    assert "pass 'toy-complain' failed" in capsys.readouterr().err


def test_python_emitter(python_target, capsys, tmp_path):
    path = tmp_path / "in.mlir"
    path.write_text("func.func @f() { return }")
    assert main(["translate", str(path), "--to", "names", "--no-lower"]) == 0
    assert '"f"' in capsys.readouterr().out


def test_verify_diagnostics_of_a_pass(opt, python_target):
    good = """
// expected-error @+1 {{is not wanted}}
func.func @a() { return }
// -----
func.func @b() { return } // expected-error {{'func.func' op is}}
"""
    assert opt(good, "--toy-complain", "--split-input-file", "--verify-diagnostics")[0] == 0
    code, out, err = opt(
        good.replace("is not wanted", "is fine"),
        *("--toy-complain", "--split-input-file", "--verify-diagnostics"),
    )
    assert (code, out) == (1, "")
    assert "line 3: expected error 'is fine' did not come" in err
    assert "line 3: unexpected error: 'func.func' op is not wanted" in err


def test_verify_diagnostics_of_the_verifier(opt):
    text = """
    func.func @f(%x: tensor<4xf32>) -> tensor<3xf32> {
      // expected-error @+2 {{type of return operand 0}}
      // expected-error @below {{type of return operand 0}}
      return %x : tensor<4xf32>
    }
    """
    code, _, err = opt(text, "--verify-diagnostics")
    assert code == 1 and err.count("did not come") == 1
    single = text.replace("      // expected-error @+2 {{type of return operand 0}}\n", "")
    assert opt(single, "--verify-diagnostics")[0] == 0


def test_expectations():
    text = "a // expected-error {{x}}\n// expected-note@-1 {{y}} expected-warning @+1 {{z}}\nb"
    assert [(item.kind, item.line, item.text) for item in expected(text)] == [
        ("error", 1, "x"),
        ("note", 1, "y"),
        ("warning", 3, "z"),
    ]
    (pattern,) = expected("// expected-error-re {{a{{[0-9]+}}b}}}}")
    assert pattern.matches(Message("error", 1, "xa12by"))
    assert not pattern.matches(Message("error", 1, "xab"))


def test_unexpected_notes_are_allowed_and_errors_are_not():
    assert mismatches([Message("note", 1, "n"), Message("remark", 1, "r")], []) == []
    assert mismatches([Message("error", 4, "e")], []) == ["line 4: unexpected error: e"]


def test_chunks_keep_line_numbers():
    first, second = split_chunks("a\nb\n// -----\nc")
    assert first == "a\nb\n"
    assert second.split("\n")[3] == "c"


def test_output_to_what_is_no_file_keeps_it(opt, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        code, _, err = opt("module {}", "-o", pipe)
        assert (code, err) == (0, "")
        assert b"module" in os.read(reader, 100)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
