"""Products that skip columns, by name: the written form, what is refused, results on targets."""

import ml_dtypes
import numpy as np
import pytest
from typer.testing import CliRunner

import headrace as hr
from headrace import cost, ops, targets
from headrace.cli.app import app
from headrace.cli.compile import default_name
from headrace.errors import UsageError
from headrace.ops_sparse import default_band
from headrace.runs import compare, inputs_for
from headrace.runs_sparse import evaluate
from headrace.targets.metal import simulate


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        (
            "sparse_matvec:m=4096,k=14336,format=q4_k",
            ops.sparse_matvec(4096, 14336, format="q4_k"),
        ),
        (
            "sparse_matvec:m=300,k=7,format=q8_0:zigzag1024,activations=bf16,density=0.25",
            ops.sparse_matvec(300, 7, format="q8_0:zigzag1024", activations="bf16", density=0.25),
        ),
        ("select_columns:k=64,threshold=0.5", ops.select_columns(64, threshold=0.5)),
        ("select_columns:k=1", ops.select_columns(1)),
    ],
)
def test_written_form(text, spec):
    assert ops.parse(text) == spec and str(spec) == text
    assert hash(ops.parse(f" {text}, ")) == hash(spec)
    assert spec.build().operation.verify()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sparse_matvec", "sparse_matvec: missing k, m, format in .* for example k=14336,m=4096,f"),
        ("sparse_matvec:m=0,k=1,format=q4_k", "sparse_matvec: expected m to be a positive integer"),
        ("select_columns:k=-1", "select_columns: expected k to be a positive integer, but got -1"),
        ("select_columns:k=4,n=1", "unknown parameter of select_columns 'n'"),
        ("select_columns:k=4,density=half", "expected density to be a number, but got 'half'"),
        ("select_columns:k=4,density=0", "density to be above 0 and at most 1, but got 0.0"),
        ("select_columns:k=4,density=1.5", "density to be above 0 and at most 1, but got 1.5"),
        ("select_columns:k=4,density=nan", "density to be above 0 and at most 1, but got nan"),
        ("select_columns:k=4,threshold=-1", "threshold to be an f32 of at least 0, but got -1.0"),
        ("select_columns:k=4,threshold=1e39", "threshold to be an f32 of at least 0, but got 1e"),
        ("select_columns:k=4,threshold=1,density=1", "expected a density or a threshold, but got"),
        ("select_columns:k=4,activations=i8", "type of select_columns 'i8'.* allowed: f32, bf16"),
        ("sparse_matvec:m=1,k=4,format=q4", "unknown format 'q4'"),
        ("sparse_matvec:m=1,k=4,format=act_i8", "format 'act_i8' does not hold weights; allowed"),
        ("sparse_matvec:m=1,k=4,format=q4nx", "zigzag: expected a format whose rows are runs of"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(UsageError, match=message):
        ops.parse(text)


def test_a_density_is_a_threshold_of_normal_activations():
    x = np.random.default_rng(1).standard_normal(200_000)
    for density in (0.1, 0.25, 0.5, 0.9, 1):
        spec = ops.select_columns(4, density=density)
        assert np.mean(np.abs(x) > spec.limit) == pytest.approx(density, abs=0.005)
        back = ops.select_columns(4, threshold=spec.limit)
        assert back.expected_density == pytest.approx(density)
    assert ops.select_columns(4).expected_density == 0.5


def test_bands_are_the_targets():
    assert [default_band(rows) for rows in (1, 300, 1024, 4096, 11008, 17000)] == [
        *(256, 256, 1024, 1024, 1024, 1024)
    ]
    spec = ops.sparse_matvec(4096, 64, format="q4_k")
    assert "#qlinear.zigzag<#qlinear.gguf<q4_k>, band = 1024>" in spec.text()
    assert spec.laid_out(lambda rows: 512).format == "q4_k:zigzag512"
    given = ops.sparse_matvec(4096, 64, format="q4_k:zigzag")
    assert given.laid_out(lambda rows: 512) == given
    assert targets.find("metal").sparse_band(4096) == 1024
    manifest = hr.compile("sparse_matvec:m=300,k=64,format=q4_k", target="metal").manifest
    assert manifest["source"] == "sparse_matvec:m=300,k=64,format=q4_k:zigzag"


@pytest.mark.parametrize("target", ["cpu", "metal:m2-max"])
@pytest.mark.parametrize(
    "text",
    [
        "sparse_matvec:m=300,k=101,format=q4_k",
        "sparse_matvec:m=1024,k=64,format=q8_0,density=0.25",
        "sparse_matvec:m=256,k=96,format=q6_k,activations=bf16,threshold=1",
        "sparse_matvec:m=33,k=40,format=q4_0,density=1",
        "sparse_matvec:m=33,k=40,format=q4_0,threshold=1e9",
        "select_columns:k=1000,density=0.25",
        "select_columns:k=31,activations=bf16,threshold=0.5",
    ],
)
def test_results(target, text):
    artifact = hr.compile(text, target=target)
    inputs = inputs_for(artifact, 3)
    spec = ops.parse(artifact.manifest["source"])
    if target == "cpu":
        results = artifact(*inputs)
        results = results if isinstance(results, tuple) else (results,)
    else:
        arguments = simulate.run_plan(artifact, inputs, 2)
        results = arguments[len(inputs) :]
    (item,) = compare(artifact, inputs, results)
    assert item["ok"], item
    # the comparison is one: a wrong result is found
    wrong = [value + 1 for value in results]
    assert not compare(artifact, inputs, wrong)[0]["ok"]
    if spec.op == "select_columns":
        assert 0 < results[1][0] < spec.k


@pytest.mark.parametrize(
    ("text", "packing"),
    [
        ("sparse_matvec:m=1024,k=512,format=q4_k", {"from": "q4_k", "exact": False}),
        ("matvec:m=32,k=256,format=q4_k:strips16", {"from": "q4_k", "exact": True}),
        ("matvec:m=32,k=256,format=q4_k", None),
    ],
)
def test_the_manifest_says_how_weights_are_packed(text, packing):
    """What it says makes the weights that the artifact takes of those that a file has."""
    artifact = hr.compile(text, target="cpu")
    packed = artifact.manifest["arguments"][1]["packed"]
    assert packed.get("packing") == packing
    if packing is None:
        return
    rows, cols = packed["rows"], packed["cols"]
    values = np.random.default_rng(5).normal(0, 0.02, (rows, cols)).astype(np.float32)
    stored = hr.formats.get(packing["from"]).encode(values)
    exact = packing["exact"]
    made = hr.formats.convert(
        stored, rows, cols, packing["from"], packed["format"], requantize=not exact
    )
    assert made.exact == exact and made.relative_rmse < 0.1
    x = np.random.default_rng(6).standard_normal(cols, dtype=np.float32)
    (item,) = compare(artifact, [x, made.data], [artifact(x, made.data)])
    assert item["ok"]


def test_what_it_means():
    """A column at the threshold is left out, NaN is not."""
    spec = ops.sparse_matvec(2, 4, format="q8_0:zigzag32", threshold=0.5)
    weights = np.arange(8, dtype=np.float32).reshape(2, 4)
    data = hr.formats.get(spec.format).encode(weights)
    decoded = hr.formats.get(spec.format).decode(data, 2, 4)
    x = np.array([0.5, -0.75, 0.25, 2], np.float32)
    (y,) = evaluate(spec, [x, data])
    assert np.allclose(y, decoded[:, [1, 3]] @ x[[1, 3]])
    indices, count = evaluate(ops.select_columns(2, threshold=0.5), [x[:2] * np.nan])
    assert indices.tolist() == [0, 1] and count[0] == 2
    bf16 = x.astype(ml_dtypes.bfloat16)
    assert np.allclose(evaluate(spec, [bf16, data])[0], y)


@pytest.mark.parametrize("target", ["cpu", "metal:m2-max"])
def test_costs_are_those_of_the_density(target):
    """Kernels are charged with the columns that are expected, their list included."""
    rows, columns = 1024, 4096
    made = {
        density: hr.compile(
            ops.sparse_matvec(rows, columns, format="q4_k", density=density), target=target
        )
        for density in (0.25, 0.5, 1)
    }
    stored = made[1].arguments[1].bytes
    shares = {density: art.kernels[1].bytes / stored for density, art in made.items()}
    assert shares[1] == pytest.approx(1, abs=0.06)
    assert shares[0.5] == pytest.approx(0.51, abs=0.06)
    assert shares[0.25] == pytest.approx(0.26, abs=0.06)
    operations = {density: art.kernels[1].operations for density, art in made.items()}
    assert operations[0.25] == pytest.approx(operations[1] / 4, rel=0.01)
    modelled = {density: art.kernels[1].modelled for density, art in made.items()}
    if target != "cpu":
        assert modelled[0.25].time_us < modelled[0.5].time_us < modelled[1].time_us


def test_the_cost_report_knows_the_density():
    full, half = (
        cost.estimate(f"sparse_matvec:m=4096,k=14336,format=q4_k,density={density}", "m2-max")
        for density in (1, 0.5)
    )
    assert [row.op for row in half.rows] == ["qlinear.select_columns", "qlinear.sparse_matvec"]
    assert half.bytes == pytest.approx(0.5 * full.bytes, rel=0.02)


def test_on_the_command_line(tmp_path):
    runner = CliRunner()
    text = "sparse_matvec:m=256,k=64,format=q4_k"
    assert default_name(text) == "sparse_matvec-m256-k64-q4_k.hr"
    result = runner.invoke(app, ["run", text, "--repeat", "1"])
    assert result.exit_code == 0 and "ok, against float64, weights by gguf" in result.stdout
    result = runner.invoke(app, ["run", text, "--target", "metal:m4-pro", "--simulate"])
    assert result.exit_code == 0 and "ok, against float64, weights by gguf" in result.stdout
    assert "ran in the simulator, which has no times" in result.stdout
    result = runner.invoke(app, ["translate", text, "--to", "msl"])
    assert result.exit_code == 0 and "weights in q4_k:zigzag, 256 rows" in result.stdout
    result = runner.invoke(app, ["translate", text, "--to", "llvm"])
    assert result.exit_code == 0 and "@sparse_matvec_q4_k_zigzag_256x64_f32" in result.stdout
    result = runner.invoke(app, ["run", text, "--target", "metal"])
    assert "this machine runs nothing for metal; `headrace run sparse" in str(result.exception)
    result = runner.invoke(app, ["run", text, "--simulate"])
    told = str(result.exception)
    assert "target cpu has no simulator; allowed with --simulate: " in told and "metal" in told


def test_the_folder_of_an_artifact_has_everything(tmp_path):
    """Text, manifest, modelled time, also printed, and the IR after each stage."""
    folder = tmp_path / "out"
    result = CliRunner().invoke(
        app,
        [
            *("compile", "sparse_matvec:m=4096,k=14336,format=q4_k"),
            *("--target", "metal:m2-max", "-o", str(folder)),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "modelled on metal:m2-max" in result.stdout and "model us" in result.stdout
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"manifest.json", "kernels.metal", "ir/00-input.mlir"} < names
    artifact = hr.load(folder)
    assert all(kernel.modelled.time_us > 0 for kernel in artifact.kernels)
    select, product, *_ = artifact.kernels
    assert (select.op, product.op) == ("qlinear.select_columns", "qlinear.sparse_matvec")
    for kernel in artifact.kernels:
        assert f"kernel void {kernel.name}(" in artifact.sources["kernels.metal"]
    stages = artifact.stages()
    assert len(stages) == sum(name.startswith("ir/") for name in names) > 6
    assert "qlinear.sparse_matvec" in artifact.ir("input")
    assert "gpu.barrier" in artifact.ir(stages[-1])
