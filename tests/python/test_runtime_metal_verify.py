"""`python -m headrace_runtime.metal_verify`: drawn inputs, carried results, the report."""

import json

import metal_fakes
import numpy as np
import pytest

import headrace
from headrace import formats, ops, reference, runs_sparse, verification
from headrace_runtime import Artifact, ArtifactError, drawn, metal_verify
from headrace_runtime.checked_json import Table
from headrace_runtime.drawn import Numbers
from headrace_runtime.files import sha256_of
from headrace_runtime.manifest import parse_manifest, read_manifest


def saved(text, path, target="metal:m2-max"):
    return headrace.compile(text, target=target, verification=True).save(path)


# --- drawing -------------------------------------------------------------------------------------


def test_bytes_are_the_same_everywhere():
    """What NumPy promises of its bit generators, and integers, is all that is used."""
    numbers = [Numbers("f16", 2, (3, 2), (10, 4), 0.5), Numbers("bf16", 33, (4,), (2,), 1.0)]
    data = drawn.draw(45, numbers, seed=7, stream=1)
    assert drawn.sha256(data) == EXPECTED
    assert drawn.sha256(drawn.draw(45, numbers, seed=7, stream=2)) != EXPECTED


EXPECTED = "7eed3c37563001de774df9e9b1f99d435b07b1c2fcabfcf7173fa3f3a6c1f7d1"


@pytest.mark.parametrize("dtype", drawn.DTYPES)
def test_numbers_are_normal(dtype):
    import ml_dtypes

    size = {"f32": 4, "f16": 2, "bf16": 2}[dtype]
    kind = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}[dtype]
    data = drawn.draw(200_000 * size, [Numbers(dtype, 0, (200_000,), (size,), 2.0)], 1, 0)
    values = data.view(kind).astype(np.float64)
    assert abs(values.mean()) < 0.02 and values.std() == pytest.approx(2, abs=0.02)
    assert np.mean(np.abs(values) > 2 * 0.6745) == pytest.approx(0.5, abs=0.01)
    assert len(np.unique(values)) > 1000


def test_numbers_lie_inside():
    good = json.loads(json.dumps(Numbers("f32", 4, (2,), (8,), 1.0).to_json()))
    assert Numbers.of(Table(good, "n"), 16).shape == (2,)
    for change in (
        {"offset": 8},
        {"strides": [12]},
        {"shape": [3]},
        {"shape": [2, 1]},
        {"shape": []},
    ):
        with pytest.raises(ArtifactError, match="expected numbers inside of 16 bytes"):
            Numbers.of(Table(good | change, "n"), 16)


# --- what the compiler puts in -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "matvec:m=20,k=256,format=q6_k",
        "matvec:m=40,k=288,format=q4nx",
        "gated_matvec:m=6,k=128,format=int4:g128,act=gelu_tanh",
        "matvec:m=6,k=64,format=int4:g32:fz:bf16",
    ],
)
def test_results_are_those_of_independent_codecs(tmp_path, text):
    path = saved(text, tmp_path / "op.hr")
    manifest = read_manifest(path)
    x, *weights = metal_verify.Verification(path, manifest).inputs()
    want = reference.evaluate(ops.parse(text), x, weights)
    found = np.load(path / "verify" / "y.npy")
    assert found.dtype == np.float64 and reference.relative_l2(found, want) < 1e-12
    assert all(np.isfinite(found))


@pytest.mark.parametrize("name", ["q4_k", "q8_0:zigzag", "int4:g32", "q4nx"])
def test_large_products_are_checked_in_some_rows(tmp_path, monkeypatch, name):
    monkeypatch.setattr(verification, "_MOST_WEIGHTS", 64 * 256)
    rows = 1000
    text = f"{'sparse_matvec' if 'zigzag' in name else 'matvec'}:m={rows},k=256,format={name}"
    path = headrace.compile(text, target="metal", verification=True, cache=False).save(
        tmp_path / "op.hr"
    )
    manifest = read_manifest(path)
    (record,) = manifest.data["verification"]["outputs"]
    spans = record["rows"]
    assert spans[-1][1] == rows and sum(b - a for a, b in spans) < rows
    x, weight = metal_verify.Verification(path, manifest).inputs()
    spec = ops.parse(manifest.data["source"])
    if "zigzag" in name:
        (want,) = runs_sparse.evaluate(spec, [x, weight])
    else:
        want = formats.get(name).decode(weight, rows, 256).astype(np.float64) @ x
    picked = np.concatenate([want[a:b] for a, b in spans])
    assert reference.relative_l2(np.load(path / "verify" / "y.npy"), picked) < 1e-12


def test_what_has_no_reference_carries_none(tmp_path):
    module = ops.matvec(4, 32, format="q8_0").build()
    artifact = headrace.compile(module, target="metal", verification=True)
    assert "verification" not in artifact.manifest
    path = artifact.save(tmp_path / "op.hr")
    with pytest.raises(ArtifactError, match="has nothing to compare results with; compile it from"):
        metal_verify.Verification(path, parse_manifest(artifact.manifest))
    plain = headrace.compile("matvec:m=4,k=32,format=q8_0", target="metal")
    assert "verification" not in plain.manifest and not (plain.path / "verify").exists()


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["matvec:m=12,k=64,format=q8_0", "sparse_matvec:m=256,k=40,format=q4_0"]
)
def test_the_report(tmp_path, monkeypatch, capsys, text):
    path = saved(text, tmp_path / "op.hr")
    metal_fakes.install(monkeypatch, "torch", "mlx", "pyobjc")
    monkeypatch.setattr(metal_verify, "ROTATION_BYTES", 1 << 10)
    output = tmp_path / "report.json"
    assert metal_verify.main([str(path), "--repeat", "1", "--output", str(output)]) == 0
    report = json.loads(output.read_text())
    assert report["schema"] == 1 and report["target"] == "metal:m2-max"
    assert report["operation"] == read_manifest(path).data["source"]
    assert report["manifest_sha256"] == sha256_of(path / "manifest.json")
    assert [record["backend"] for record in report["backends"]] == ["pyobjc", "torch", "mlx"]
    kernels = len(read_manifest(path).plan)
    for record in report["backends"]:
        assert record["ok"] and record["runs_agree"] and record["device"] == "Apple M2 Max"
        assert all(item["error"] <= item["bound"] for item in record["outputs"])
        assert len(record["kernels"]) == kernels
        for row in record["kernels"]:
            assert 0 < row["best_us"] <= row["median_us"]
            assert row["gb_per_s"] == pytest.approx(row["bytes"] / row["best_us"] / 1e3, abs=0.01)
            assert row["modelled_us"] > 0 and row["modelled_device"] == "metal:m2-max"
    printed = capsys.readouterr().out
    assert "pyobjc on Apple M2 Max: ok" in printed and "modelled for metal:m2-max" in printed
    assert f"wrote {output}: please send it back" in printed


def changed(path, old, new):
    """The artifact with another kernel text, its sum made right."""
    text = (path / "kernels.metal").read_text()
    assert old in text
    (path / "kernels.metal").write_text(text.replace(old, new))
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sha256"]["kernels.metal"] = sha256_of(path / "kernels.metal")
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_wrong_results_are_found(tmp_path, monkeypatch, capsys):
    path = saved("matvec:m=12,k=64,format=q4_0", tmp_path / "op.hr")
    changed(path, "0x0FFF", "0x07FF")
    metal_fakes.install(monkeypatch, "pyobjc")
    monkeypatch.setattr(metal_verify, "ROTATION_BYTES", 1)
    arguments = [str(path), "--repeat", "1", "--output", str(tmp_path / "r.json")]
    assert metal_verify.main([*arguments, "--backend", "pyobjc"]) == 1
    (record,) = json.loads((tmp_path / "r.json").read_text())["backends"]
    assert not record["ok"] and record["outputs"][0]["error"] > 1e-3
    assert "FAILED" in capsys.readouterr().out


def test_inputs_that_are_not_the_same_are_found(tmp_path, monkeypatch):
    path = saved("matvec:m=12,k=64,format=q4_0", tmp_path / "op.hr")
    check = metal_verify.Verification(path, read_manifest(path))
    monkeypatch.setattr(drawn, "draw", lambda size, *_: np.zeros(size, np.uint8))
    with pytest.raises(ArtifactError, match="input 'x' is not the one that results were computed"):
        check.inputs()


def test_rows_that_are_none(tmp_path):
    path = saved("matvec:m=12,k=64,format=q4_0", tmp_path / "op.hr")
    manifest = json.loads((path / "manifest.json").read_text())
    for rows in ([[0]], 3, [["a", 4]]):
        manifest["verification"]["outputs"][0]["rows"] = rows
        check = metal_verify.Verification(path, parse_manifest(manifest))
        with pytest.raises(ArtifactError, match="rows: expected pairs of rows, but got"):
            check.compare([np.zeros(12, np.float32)])


def test_a_backend_that_does_not_work_is_reported(tmp_path, monkeypatch, capsys):
    path = saved("matvec:m=12,k=64,format=q4_0", tmp_path / "op.hr")
    metal_fakes.install(monkeypatch, "pyobjc", "torch")
    import sys

    monkeypatch.setattr(sys.modules["torch"].backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(metal_verify, "ROTATION_BYTES", 1)
    arguments = [str(path), "--repeat", "1", "--output", str(tmp_path / "r.json")]
    assert metal_verify.main(arguments) == 0
    assert "torch: torch finds no MPS device on this machine" in capsys.readouterr().out
    monkeypatch.setattr(sys.modules["Metal"], "MTLCreateSystemDefaultDevice", lambda: None)
    assert metal_verify.main(arguments) == 1


def test_what_it_refuses(tmp_path, monkeypatch, capsys):
    path = saved("matvec:m=12,k=64,format=q4_0", tmp_path / "op.hr")
    assert metal_verify.main([str(path)]) == 2
    assert "is for the GPU of an Apple M2 Max, and this machine runs" in capsys.readouterr().err
    metal_fakes.install(monkeypatch)
    assert metal_verify.main([str(path)]) == 2
    assert "nothing here runs Metal kernels; allowed: pip install" in capsys.readouterr().err
    assert metal_verify.main([str(path), "--repeat", "0"]) == 2
    assert "--repeat: expected a number from 1, but got 0" in capsys.readouterr().err
    assert metal_verify.main([str(tmp_path / "none.hr")]) == 2
    assert "none.hr: no such folder" in capsys.readouterr().err
    other = saved("matvec:m=12,k=64,format=q4_0", tmp_path / "cpu.hr", target="cpu")
    assert metal_verify.main([str(other)]) == 2
    assert "is for cpu; expected one for metal" in capsys.readouterr().err
    assert isinstance(Artifact.load(other), Artifact)
