"""Pipelines run pass by pass: stages, dumps, reproducers, Python passes."""

import shlex
import subprocess

import pytest

import headrace
from headrace import ir, opt_tool
from headrace.errors import CompileError, UsageError
from headrace.pipeline import expand, run_pipeline, run_stages
from headrace.pipeline_text import unwrap
from headrace.targets.base import Stage

TEXT = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0 : index
  %y = arith.addf %x, %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
"""


def parse(text=TEXT):
    return ir.Module.parse(text, ir.Context())


def reject(operation, handle):
    """A pass that finds an error in the first function."""
    operation.regions[0].blocks[0].operations[0].location.emit_error("no functions here")
    handle.signal_pass_failure()


def broken(operation, handle):
    raise KeyError("a bug in the pass")


def rename(operation, handle):
    function = operation.regions[0].blocks[0].operations[0]
    function.operation.attributes["sym_name"] = ir.StringAttr.get("renamed", operation.context)


def test_expand_splits_nested_and_registered_pipelines():
    steps = expand("func.func(canonicalize,cse),symbol-dce", ir.Context())
    assert [step.partition("{")[0] for step in steps] == [
        "func.func(canonicalize",
        "func.func(cse)",
        "symbol-dce",
    ]


def test_expand_names_an_unknown_pass():
    with pytest.raises(UsageError, match="'no-such-pass' does not refer to a registered pass"):
        expand("cse,no-such-pass", ir.Context())


def test_stages_are_named_in_order_and_numbered():
    module = parse()
    trace = run_pipeline(module, "canonicalize,cse,canonicalize")
    assert trace.names() == ["input", "after:canonicalize", "after:cse", "after:canonicalize.2"]
    assert "arith.constant" in trace["input"].text
    assert "arith.constant" not in trace["after:canonicalize"].text
    assert trace["canonicalize"].name == "after:canonicalize.2"
    assert trace["canonicalize"].text == str(module)
    assert all(snapshot.seconds >= 0 for snapshot in trace)


def test_unknown_stage_lists_the_stages():
    with pytest.raises(UsageError, match="unknown stage 'after:cze', did you mean 'after:cse'"):
        run_pipeline(parse(), "cse")["after:cze"]


def test_dump_dir_gets_every_stage(tmp_path):
    trace = run_pipeline(parse(), "canonicalize,cse", dump_dir=tmp_path / "new")
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == ["00-input.mlir", "01-canonicalize.mlir", "02-cse.mlir"]
    assert files[1].read_text().strip() == trace["after:canonicalize"].text.strip()


def test_python_pass_by_name_and_as_a_stage():
    module = parse()
    trace = run_pipeline(module, "cse,rename,canonicalize", passes={"rename": rename})
    assert trace.names()[2] == "after:rename"
    assert "@main" in trace["after:cse"].text and "@renamed" in trace["after:rename"].text

    module = parse()
    trace = run_stages(module, [Stage("mine", rename), Stage("rest", "canonicalize")])
    assert trace.names() == ["input", "after:mine", "after:canonicalize"]
    assert "@renamed" in str(module)


CHANGES = {
    "attribute of a function": lambda f: f.attributes.__setitem__("a", ir.UnitAttr.get(f.context)),
    "property": lambda f: first(f).attributes.__setitem__(
        "value", ir.IntegerAttr.get(ir.IndexType.get(f.context), 7)
    ),
    "operation": lambda f: first(f).erase(),
    "order": lambda f: first(f).move_after(first(f, 1)),
    "operand": lambda f: first(f, 2).operands.__setitem__(0, f.regions[0].blocks[0].arguments[0]),
}


def first(function, at=0):
    return function.regions[0].blocks[0].operations[at].operation


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_stages_without_a_change_are_kept_once_and_no_change_is_missed(change):
    def run(operation, _):
        change(operation.regions[0].blocks[0].operations[0].operation)

    module = parse()
    trace = run_pipeline(module, "symbol-dce,change,symbol-dce", passes={"change": run})
    texts = [snapshot.text for snapshot in trace]
    assert texts[0] == texts[1] == str(parse()) and texts[2] == texts[3] == str(module)
    assert texts[0] != texts[2]
    assert [snapshot.same is not None for snapshot in trace] == [False, True, False, True]


def test_python_pass_that_makes_invalid_ir_is_caught(tmp_path):
    def spoil(operation, handle):
        del operation.regions[0].blocks[0].operations[0].operation.attributes["sym_name"]

    with pytest.raises(CompileError, match=r"pass 'spoil' failed: .*sym_name"):
        run_stages(parse(), [Stage("spoil", spoil)], dump_dir=tmp_path)


def test_failure_writes_a_reproducer_that_reproduces(tmp_path):
    text = """
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = "test.unknown"(%x) : (tensor<4xf32>) -> tensor<4xf32>
      return %y : tensor<4xf32>
    }
    """
    context = ir.Context()
    context.allow_unregistered_dialects = True
    module = ir.Module.parse(text, context)
    with pytest.raises(CompileError) as caught:
        run_pipeline(module, "cse,one-shot-bufferize", dump_dir=tmp_path)
    error = caught.value
    assert "pass 'one-shot-bufferize' failed" in str(error)
    assert "test.unknown" in str(error)
    assert error.reproducer.parent == tmp_path
    words = shlex.split(error.command)
    assert words[:2] == ["headrace-opt", str(error.reproducer)]
    assert "--allow-unregistered-dialect" in words
    assert error.command in error.reproducer.read_text()

    pipeline = unwrap(words[2].removeprefix("--pass-pipeline="))
    again = ir.Module.parse(error.reproducer.read_text(), context)
    with pytest.raises(CompileError, match="one-shot-bufferize"):
        run_pipeline(again, pipeline, dump_dir=tmp_path)


def test_reproducers_have_their_own_names(tmp_path):
    paths = set()
    for _ in range(3):
        with pytest.raises(CompileError) as caught:
            run_stages(parse(), [Stage("reject", reject)], dump_dir=tmp_path)
        paths.add(caught.value.reproducer)
    assert len(paths) == 3


def test_python_pass_failure_names_headrace_opt_with_python(tmp_path):
    with pytest.raises(CompileError, match="no functions here") as caught:
        run_pipeline(parse(), "reject", passes={"reject": reject}, dump_dir=tmp_path)
    assert caught.value.command.startswith("headrace opt ")
    assert "'builtin.module(reject)'" in caught.value.command


def test_exception_in_a_python_pass_is_its_cause(tmp_path):
    with pytest.raises(CompileError, match="KeyError: 'a bug in the pass'") as caught:
        run_pipeline(parse(), "broken", passes={"broken": broken}, dump_dir=tmp_path)
    assert isinstance(caught.value.__cause__, KeyError)


def test_nothing_runs_if_a_later_stage_does_not_exist(tmp_path):
    module = parse()
    before = str(module)
    with pytest.raises(UsageError):
        run_pipeline(module, "canonicalize,no-such-pass", dump_dir=tmp_path / "dump")
    assert str(module) == before
    assert not (tmp_path / "dump").exists()


def test_the_printed_command_fails_in_the_same_way(tmp_path):
    """headrace-opt itself, as a user would run it."""
    tool = opt_tool.path()
    with pytest.raises(CompileError) as caught:
        headrace.compile("matvec:m=33,k=40,format=q4nx", dump_dir=tmp_path)
    words = shlex.split(caught.value.command)
    assert words[0] == "headrace-opt"
    done = subprocess.run([tool, *words[1:]], capture_output=True, text=True)
    assert done.returncode == 1
    assert "expected columns in multiples of 32, but got 40" in done.stderr
