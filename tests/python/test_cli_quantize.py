"""`headrace quantize`: options, what it prints, exit codes."""

import json

import numpy as np
import pytest

from headrace import files
from headrace.cli import main
from headrace.files import Out


@pytest.fixture
def call(capsys):
    """Run a command: (exit code, standard output, standard error)."""

    def run(*arguments):
        capsys.readouterr()
        code = main(["quantize", *(str(item) for item in arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(3)
    shapes = {"up.weight": (64, 256), "down.weight": (64, 96), "norm.weight": (256,)}
    outs = []
    for name, shape in shapes.items():
        raw = rng.standard_normal(shape, dtype=np.float32).reshape(-1).view(np.uint8)
        outs.append(Out(name, shape, "f32", raw))
    path = tmp_path / "in.safetensors"
    files.write_safetensors(path, outs)
    return path


def test_the_report_names_formats_errors_and_fallbacks(call, source, tmp_path):
    code, out, err = call(source, "-o", tmp_path / "o.gguf", "--weights", "q4_k")
    assert code == 0
    lines = out.splitlines()
    up = next(line for line in lines if line.startswith("up.weight")).split()
    assert up[1:5] == ["64x256", "f32", "q4_k", "4.50"]
    assert 5 < float(up[5].rstrip("%")) < 10 and up[7] == "9,216"
    down = next(line for line in lines if line.startswith("down.weight"))
    assert "q8_0" in down and "fallback: for q4_k its 96 columns are no multiple of 256" in down
    assert "1 copied as f32: no matrix, 1,024 bytes" in lines
    assert "1 of 3 tensors are q8_0, not q4_k: their shapes do not fill its blocks" in lines
    assert any(
        "note: llama.cpp will not run this file: there is no config.json beside it" in line
        for line in lines
    )
    assert "16,768 bytes of 91,136" in lines[-1]
    assert "22528 of 22528" in err


def test_json_has_the_same(call, source, tmp_path):
    code, out, _ = call(
        *(source, "-o", tmp_path / "o.safetensors", "--weights", "q4nx", "--json"),
        *("--tensor", "down*=q4_0", "--threads", "1"),
    )
    assert code == 0
    report = json.loads(out)
    rows = {row["name"]: row for row in report["tensors"]}
    assert {name: row["format"] for name, row in rows.items()} == {
        "up.weight": "q4nx",
        "down.weight": "q4_0",
        "norm.weight": "f32",
    }
    assert rows["up.weight"]["bits_per_weight"] == 5.0
    assert 0.05 < rows["up.weight"]["relative_rmse"] < 0.1
    assert rows["norm.weight"]["action"] == "copied"
    totals = report["totals"]
    assert totals["bytes"] == sum(row["nbytes"] for row in rows.values())
    assert totals["quantized"] == 2 and totals["fallen_back"] == 0
    assert report["container"] == "safetensors" and report["architecture"] is None


def test_keep_force_and_requantize(call, source, tmp_path):
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    assert call(source, "-o", first, "-w", "q8_0", "--keep", "down*")[0] == 0
    code, _, err = call(source, "-o", first, "-w", "q8_0")
    assert code == 2 and "a.gguf: it exists; allowed: --force" in err
    assert call(source, "-o", first, "-w", "q8_0", "--force")[0] == 0
    code, _, err = call(first, "-o", second, "-w", "q4_0")
    assert code == 2 and "is quantized already (q8_0)" in err and not second.exists()
    code, out, _ = call(first, "-o", second, "-w", "q4_0", "--requantize", "--json")
    assert code == 0
    assert {row["action"] for row in json.loads(out)["tensors"]} == {"requantized", "copied"}


def test_plot(call, source, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "errors.png"
    assert call(source, "-o", tmp_path / "o.gguf", "-w", "q8_0", "--plot", picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, _, err = call(source, "-o", tmp_path / "p.gguf", "-w", "q8_0", "--plot", "a.jpeg")
    assert code == 2 and "allowed: .png, .svg, .pdf" in err
    assert not (tmp_path / "p.gguf").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-w", "q4_kk"), 2, "unknown format of --weights 'q4_kk', did you mean 'q4_k'"),
        (("-w", "q4nx"), 2, "expected a format that a gguf file holds for --weights"),
        (("-w", "q8_0", "--tensor", "up"), 2, "--tensor: expected PATTERN=FORMAT, but got 'up'"),
        (("-w", "q8_0", "--tensor", "=q8_0"), 2, "expected PATTERN=FORMAT"),
        (("-w", "q8_0", "--tensor", "a*=q4_0"), 2, "no tensor matches 'a*'; it has 3 tensors"),
        (("-w", "q8_0", "--keep", "a*"), 2, "no tensor matches 'a*'"),
        (("-w", "q4_k", "--fallback", "error"), 2, "'down.weight': cannot be q4_k"),
        (("-w", "q8_0", "--importance", "none.gguf"), 1, "none.gguf"),
        ((), 2, "--weights"),
    ],
)
def test_errors(call, source, tmp_path, options, code, message):
    got, out, err = call(source, "-o", tmp_path / "o.gguf", *options)
    assert (got, out) == (code, "")
    assert message in err
    assert list(tmp_path.iterdir()) == [source]


def test_a_file_that_is_damaged_or_missing(call, source, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(source.read_bytes()[:-8])
    for path in (cut, tmp_path / "none.safetensors", tmp_path):
        code, out, err = call(path, "-o", tmp_path / "o.gguf", "-w", "q8_0")
        assert (code, out) == (1, "") and "headrace: error: " in err and str(path) in err
    assert not (tmp_path / "o.gguf").exists()
