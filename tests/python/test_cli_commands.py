"""The command line, command by command."""

import json
import subprocess
import sys

import numpy as np
import pytest

import headrace
from headrace import formats, ops, reference
from headrace.cli import main

SPEC = "matvec:m=33,k=96,format=q4_0"
COMMANDS = [
    *("compile", "run", "inspect", "check", "bench", "quantize", "targets", "formats", "opt"),
    "translate",
]


@pytest.fixture
def call(capsys):
    """Run a command: (exit code, standard output, standard error)."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(item) for item in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return headrace.compile(SPEC).save(tmp_path_factory.mktemp("saved") / "matvec.hr")


def test_help_lists_every_command(call):
    code, out, _ = call("--help")
    assert code == 0
    for command in COMMANDS:
        assert f" {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Usage:" in out and command in out


def test_version(call):
    assert call("--version") == (0, f"headrace {headrace.__version__}\n", "")


def test_module_entry_point():
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"headrace {headrace.__version__}\n"


def test_compile_writes_an_artifact(call, tmp_path):
    path = tmp_path / "out.hr"
    code, out, _ = call("compile", SPEC, "-o", path)
    assert code == 0
    assert "qlinear.matvec" in out and "dot " in out and str(path) in out
    assert headrace.load(path).manifest["source"] == SPEC


def test_compile_names_its_output(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("compile", f"{SPEC},activations=i8", "--no-keep-ir")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["matvec-m33-k96-q4_0-i8.hr"]


def test_compile_json_timing_and_dump(call, tmp_path):
    code, out, _ = call(
        "compile", SPEC, "-o", tmp_path / "a.hr", "--json", "--timing", "--dump-dir", tmp_path / "d"
    )
    facts = json.loads(out)
    assert code == 0 and facts["artifact"] == str(tmp_path / "a.hr")
    assert facts["manifest"]["timing"][0]["stage"] == "input"
    assert (tmp_path / "d" / "00-input.mlir").is_file()


def test_compile_an_mlir_file(call, tmp_path):
    path = tmp_path / "x.mlir"
    path.write_text(ops.OpSpec.parse(SPEC).text())
    code, out, _ = call("compile", path, "-o", tmp_path / "x.hr", "--timing")
    assert code == 0 and "ms  after:verify-target-legality" in out


def test_inspect(call, saved):
    code, out, _ = call("inspect", saved)
    assert code == 0
    for part in (SPEC, "dot ", "33x96 q4_0", "scratch", "qlinear.matvec", "requires"):
        assert part in out


def test_inspect_json_ir_and_sources(call, saved):
    facts = json.loads(call("inspect", saved, "--json")[1])
    assert facts["manifest"]["source"] == SPEC
    assert facts["report"]["rows"][0]["op"] == "qlinear.matvec"
    stages = json.loads(call("inspect", saved, "--stages", "--json")[1])["stages"]
    assert call("inspect", saved, "--stages")[1].split() == stages
    assert "qlinear.matvec" in call("inspect", saved, "--ir", "input")[1]
    assert ".text" in call("inspect", saved, "--source", "kernels.s")[1]


def test_inspect_plot(call, saved, tmp_path):
    pytest.importorskip("matplotlib")
    assert call("inspect", saved, "--plot", tmp_path / "report.png")[0] == 0
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "spec", [SPEC, f"{SPEC},activations=i8", "dequantize:m=3,k=256,format=q4_k"]
)
def test_run_compares_with_the_reference(call, spec):
    code, out, _ = call("run", spec, "--repeat", 2)
    assert code == 0
    assert "ok, against" in out and "best of 2" in out


def test_run_json_of_a_saved_artifact(call, saved):
    code, out, _ = call("run", saved, "--json", "--repeat", 1, "--threads", 1)
    facts = json.loads(out)
    assert code == 0 and facts["operation"] == SPEC
    assert facts["outputs"][0]["shape"] == [33]
    (comparison,) = facts["comparisons"]
    assert comparison["ok"] and 0 < comparison["error"] <= comparison["bound"] == 1e-5


def test_run_reads_and_writes_files(call, saved, tmp_path):
    draw = np.random.default_rng(3)
    x = draw.normal(size=96).astype(np.float32)
    values = draw.normal(size=(33, 96)).astype(np.float32)
    w = formats.get("q4_0").encode(values)
    want = headrace.load(saved)(x, w)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", w)
    np.savez(tmp_path / "named.npz", w=values, x=x)  # values are quantized on the way
    for inputs in (["x.npy", "w.npy"], ["named.npz"]):
        options = [item for name in inputs for item in ("-i", tmp_path / name)]
        assert call("run", saved, *options, "-o", tmp_path / "y.npz", "--repeat", 1)[0] == 0
        assert np.array_equal(np.load(tmp_path / "y.npz")["y"], want)


def test_run_without_a_reference(call, tmp_path):
    path = tmp_path / "x.mlir"
    path.write_text(ops.OpSpec.parse(SPEC).text())
    code, out, _ = call("run", path, "--repeat", 1)
    assert code == 0 and "no reference" in out


def test_check_a_cell(call):
    code, out, _ = call("check", "--seed", 2, "--filter", "matvec/q4_0/i8", "--quick", "--json")
    cells = json.loads(out)["cells"]
    assert code == 0
    assert {cell["reference"] for cell in cells} == {
        "float64, weights by gguf",
        "float64, weights by gguf, activations by act_i8",
    }
    assert all(cell["ok"] and cell["error"] <= cell["bound"] for cell in cells)
    code, out, _ = call("check", "--seed", 2, "--filter", "dequantize/q6_k", "--quick")
    assert code == 0 and " ok " in out and "0 above the bound" in out


def test_check_fails_with_exit_code_1(call, monkeypatch):
    monkeypatch.setitem(reference.BOUNDS, "f32", 1e-12)
    code, out, _ = call("check", "--filter", "matvec/q4_0/f32", "--sample", 1)
    assert code == 1 and "FAILED" in out


def test_targets(call):
    code, out, _ = call("targets")
    assert code == 0 and "cpu:znver5" in out and "f32 bf16 i8" in out
    found = {row["name"]: row for row in json.loads(call("targets", "--json")[1])["targets"]}
    every = {row["name"]: row for row in headrace.targets()}
    assert len(found["cpu"]["cells"]) == len(every["cpu"]["cells"])


def test_formats(call):
    out = call("formats")[1]
    assert "32x256" in out and "checked by" in out and len(out.splitlines()) >= 23
    rows = json.loads(call("formats", "--json")[1])["formats"]
    assert {row["name"] for row in rows} == set(formats.names())
    by_name = {row["name"]: row for row in rows}
    assert {
        "family": "gguf",
        "attribute": "#qlinear.gguf<q4_k>",
        "block": [1, 256],
        "block_bytes": 144,
        "bits_per_weight": 4.5,
        "checked_by": "gguf",
    }.items() <= by_name["q4_k"].items()
    assert by_name["act_i8"]["holds"] == "activations"
    assert all(row["checked_by"] and row["summary"] for row in rows)
    families = [row["family"] for row in rows]
    assert families == sorted(families)


def test_check_formats(call):
    code, out, _ = call("check", "--formats", "--seed", 2, "--filter", "mxfp4", "--json")
    report = json.loads(out)
    assert code == 0 and report["target"] == "formats" and report["seed"] == 2
    assert {cell["op"] for cell in report["cells"]} == {"decode", "encode", "ir-decode"}
    assert all(cell["ok"] and cell["error"] == cell["bound"] == 0 for cell in report["cells"])
    code, out, _ = call("check", "--formats", "--filter", "encode/nvfp4", "--quick")
    assert code == 0 and " ok " in out and "0 above the bound" in out and "%" in out


def test_check_formats_fails_with_exit_code_1(call, monkeypatch):
    monkeypatch.setattr(reference, "count_differences", lambda got, want: 1.0)
    code, out, _ = call("check", "--formats", "--filter", "decode/q4_0", "--sample", 1)
    assert code == 1 and "FAILED" in out


@pytest.mark.parametrize(
    ("flag", "case"),
    [("--ops", "qattn.merge_partials/one part"), ("--passes", "decompose-qattn/*")],
)
def test_check_cases(call, flag, case):
    code, out, _ = call("check", flag, "--seed", 3, "--filter", case, "--json")
    report = json.loads(out)
    assert code == 0 and report["target"] == flag.removeprefix("--") and report["seed"] == 3
    assert all(cell["ok"] and cell["engine"] in ("jit", "iree") for cell in report["cells"])
    code, out, _ = call("check", flag, "--filter", case)
    assert code == 0 and " ok " in out and "0 above the bound" in out
    code, _, err = call("check", flag, "--filter", "q9")
    assert code == 2 and f"no case of {flag} matches 'q9'; allowed: " in err


def test_check_takes_one_of_its_checks(call):
    code, _, err = call("check", "--ops", "--passes")
    assert code == 2 and "expected one of --ops, --passes, as each is a check of its own" in err


def test_check_formats_takes_no_target(call):
    code, _, err = call("check", "--formats", "--target", "cpu:znver5")
    assert code == 2 and "expected one of --formats, --target cpu:znver5, as each is" in err


@pytest.mark.parametrize(
    ("kind", "expected"), [("llvm", "define void @"), ("asm", ".text"), ("object", "\x7fELF")]
)
def test_translate(call, tmp_path, kind, expected):
    path = tmp_path / "out"
    assert call("translate", SPEC, "--to", kind, "-o", path, "--target", "cpu:x86-64-v3")[0] == 0
    assert expected in path.read_bytes().decode("latin-1")
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_translate_prints_and_takes_lowered_modules(call, tmp_path):
    path = tmp_path / "lowered.mlir"
    path.write_text("llvm.func @f(%a: i32) -> i32 { llvm.return %a : i32 }")
    code, out, _ = call("translate", path, "--to", "llvm", "--no-lower")
    assert code == 0 and "define" in out and "@f(i32" in out


def test_bench_passes_its_options_on(call, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "headrace.bench.run", lambda *args, **options: seen.append((args, options)) or 3
    )
    code, _, _ = call("bench", "--suite", "matvec", "--quick", "--peers", "torch, iree", "--json")
    assert code == 3
    ((args, options),) = seen
    assert args == ("cpu", "matvec")
    assert options["quick"] and options["json"] and options["peers"] == ["torch", "iree"]
