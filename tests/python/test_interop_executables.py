"""The text of executables and dispatches, made from hand-written manifests."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.errors import CompileError
from headrace.interop.iree import toolchain
from headrace.interop.iree.executables import dispatch_text, executable_text, make_executable

TARGET = '#hal.executable.target<"llvm-cpu", "embedded-elf-x86_64", {cpu = "generic"}>'


def manifest(**changes: Any) -> dict[str, Any]:
    """y = w x with 8-bit activations, two kernels and one transient."""
    base: dict[str, Any] = {
        "arguments": [
            {"name": "x", "role": "input", "dtype": "f32", "shape": [2, 32]},
            {"name": "w", "role": "input", "dtype": "i8", "shape": [272], "packed": {}},
            {"name": "y0", "role": "output", "dtype": "f32", "shape": [2, 8]},
        ],
        "transients": [{"bytes": 80}],
        "kernels": [
            {"name": "quantize_0", "symbol": "e_quantize_0_iree"},
            {"name": "matmul_1", "symbol": "e_matmul_1_iree"},
        ],
        "plan": [
            {
                "kernel": "quantize_0",
                "grid": [1, 1, 1],
                "bindings": [{"argument": 0}, {"transient": 0}],
                "constants": [],
            },
            {
                "kernel": "matmul_1",
                "grid": [4, 2, 1],
                "bindings": [{"argument": 1}, {"transient": 0}, {"argument": 2}],
                "constants": [],
            },
        ],
    }
    return base | changes


def test_steps_know_what_they_write() -> None:
    executable = make_executable("e", "e.o", manifest())
    quantize, matmul = executable.steps
    assert quantize.bindings[quantize.result][0] == "t0"
    assert matmul.bindings[matmul.result][0] == "a2"
    assert [key for key, _, _ in matmul.reads] == ["a1", "t0"]


def test_dispatches_follow_the_plan() -> None:
    executable = make_executable("e", "e.o", manifest())
    text = dispatch_text(
        executable, "linear", ["tensor<2x32xf32>", "tensor<272xi8>"], "tensor<2x8xf32>"
    )
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == (
        "func.func private @linear(%arg0: tensor<2x32xf32>, %arg1: tensor<272xi8>) "
        "-> tensor<2x8xf32> {"
    )
    assert lines[1].startswith("%0 = flow.dispatch @e::@cpu::@e_quantize_0(%arg0)")
    assert lines[1].endswith("(tensor<2x32xf32>) -> tensor<80xi8>")
    assert lines[2].startswith("%1 = flow.dispatch @e::@cpu::@e_matmul_1(%arg1, %0)")
    assert lines[2].endswith("(tensor<272xi8>, tensor<80xi8>) -> tensor<2x8xf32>")
    assert lines[3] == "return %1 : tensor<2x8xf32>"


def test_object_is_named_by_its_path_and_symbols_are_the_objects() -> None:
    text = executable_text(make_executable("e", "e.o", manifest()), TARGET)
    assert 'objects([#hal.executable.object<{path = "e.o"}>])' in text
    assert f"target({TARGET})" in text
    assert "func.call @e_matmul_1_iree(" in text
    assert "hal.return %g0, %g1, %g2" in text
    assert text.count("hal.executable.export public") == 2


def test_offsets_are_handed_over_in_elements() -> None:
    plan = manifest()["plan"]
    plan[0]["bindings"][0] = {"argument": 0, "offset": 128}
    text = executable_text(make_executable("e", "e.o", manifest(plan=plan)), TARGET)
    assert "arith.constant 32 : index" in text  # 128 bytes of f32


def test_a_step_must_write_one_buffer() -> None:
    plan = manifest()["plan"]
    plan[1]["bindings"] = [{"argument": 1}, {"transient": 0}]
    with pytest.raises(CompileError, match="kernel matmul_1: expected one whole result, but got 0"):
        make_executable("e", "e.o", manifest(plan=plan))


def test_push_constants_are_refused() -> None:
    plan = manifest()["plan"]
    plan[1]["constants"] = [3]
    with pytest.raises(CompileError, match="matmul_1 has push constants"):
        make_executable("e", "e.o", manifest(plan=plan))


def test_iree_names_its_target() -> None:
    target = toolchain.executable_target(toolchain.target_flags("x86-64-v3", "+avxvnni"))
    assert target.startswith('#hal.executable.target<"llvm-cpu", "embedded-elf-x86_64", {')
    assert target.endswith("}>")
    assert 'cpu = "x86-64-v3"' in target
    assert "+avxvnni" in target
    assert target.count("<") == target.count(">")


def test_rejected_programs_come_with_a_command(tmp_path: Any) -> None:
    source = tmp_path / "bad.mlir"
    source.write_text("module { func.func @main() { return %nothing : f32 } }")
    with pytest.raises(CompileError, match="use of undeclared SSA value") as caught:
        toolchain.run_compiler([source.name, "--compile-to=flow"], source, keep=tmp_path / "kept")
    assert caught.value.command is not None
    assert "iree-compile bad.mlir --compile-to=flow" in caught.value.command
    assert caught.value.reproducer is not None
    assert caught.value.reproducer.read_text() == source.read_text()
