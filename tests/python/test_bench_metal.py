"""`headrace bench --target metal --suite model`: what is simulated and modelled, and its report."""

import json
from dataclasses import replace

import pytest
from metal_kernels import there
from typer.testing import CliRunner

from headrace.bench import metal
from headrace.bench.metal import figures, ggml, iree, limits, sparse
from headrace.bench.metal.figures import Counted, Problem
from headrace.bench.metal.limits import Row
from headrace.bench.metal.sparse import ChipTimes, SparseTraffic
from headrace.bench.peers.base import Unavailable
from headrace.cli.app import app
from headrace.errors import CompileError, UsageError
from headrace.sim import msl
from headrace.targets.metal import describe, timing


@pytest.fixture(scope="module")
def problem():
    return Problem.draw("q4_0", 16, 1024, 1)


def test_ours(problem):
    found = figures.ours(problem, "m2-max")
    assert found.stored_share == 1 and found.launches == 1 and found.error < 1e-6
    assert found.bytes_per_weight == 18 / 32
    assert 3 < found.instructions_per_weight < 4.6 and found.loads_per_weight < 0.3


@there
def test_ggml(problem):
    found = ggml.count(problem)
    assert found.stored_share == 1 and found.error < 1e-6
    assert found.instructions_per_weight == pytest.approx(4.6, abs=0.1)
    with pytest.raises(Unavailable, match="ggml has no q4nx"):
        ggml.count(Problem.draw("q4nx", 32, 256, 1))


def test_ggml_that_was_not_fetched(problem, monkeypatch):
    monkeypatch.setattr(ggml, "folder", lambda: None)
    with pytest.raises(
        Unavailable, match="not fetched; third_party/fetch_metal_kernels.sh does so"
    ):
        ggml.count(problem)


def test_iree(problem):
    """It writes the weights as f32 and reads them again: 8 bytes a weight more than ours."""
    pytest.importorskip("iree.compiler")
    found = iree.count(problem)
    assert found.launches == 2 and found.error < 1e-6
    assert found.bytes_per_weight == pytest.approx(18 / 32 + 8, abs=0.01)
    assert found.loads_per_weight > 2


def test_a_turn_has_as_many_multiplications_as_weights():
    loop = msl.InnerLoop(96, 3, 12, 0, {"v_fma_f32": 60, "v_mac_f32": 4, "v_add_f32": 32}, "")
    assert figures.weights_of_a_turn(loop, 64) == 1.5
    for wrong in (32 - 1, 128):
        with pytest.raises(
            CompileError, match="expected a loop that multiplies .* one with 64 mul"
        ):
            figures.weights_of_a_turn(loop, wrong)


def test_modelled_times():
    chip, model = describe("m2-max"), timing.calibrate()
    one = Counted("ours", 1.0, 0.5625, 0.2, 1.0, 1, 0.0)
    nbytes = 0.5625 * 4096 * 14336 + 4 * (4096 + 14336)
    assert one.modelled_us(chip, 4096, 14336) == pytest.approx(model.kernel_us(chip, nbytes))
    two = replace(one, launches=2).modelled_us(chip, 4096, 14336)
    assert two == pytest.approx(model.kernel_us(chip, nbytes) + model.launch_us)
    slow = replace(one, instructions_per_weight=1e3).modelled_us(chip, 4096, 14336)
    assert slow > 10 * one.modelled_us(chip, 4096, 14336)


def test_the_ceiling_of_sparse_products():
    """A kernel cannot be above it; a launch less, or a faster selection, would change the rest."""
    for chip in sparse.chip_times(["m1", "m5-max"], "q4_k", 4096, 14336):
        assert chip.ceiling <= chip.sparse < chip.dense < 2 * chip.ceiling
        assert chip.of_ceiling == chip.ceiling / chip.sparse > 0.7
        assert 0 < chip.break_even < 1 and chip.selection > timing.calibrate().launch_us


def test_half_of_the_columns_are_half_of_the_traffic():
    found = sparse.traffic("q4_k", 1024, 512, 0)
    assert found.case == "q4_k:zigzag1024, 1024x512"
    assert 0.5 <= found.weights < 0.52 and found.weights < found.share < 0.7


def test_keys_and_values_are_loaded_once():
    case, share = figures.cache_share("f16", 64, 0)
    assert case == "f16, 64 tokens" and 1 <= share < 1.2


def counted(**values):
    return replace(Counted("x", 1.0, 0.5, 1.0, 5.0, 1, 0.0), **values)


def records(rows, share=0.5, of_ceiling=1.0):
    chips = [ChipTimes("m1", 2.0, 1.0, 0.1, of_ceiling, 0.9)]
    made = limits.evaluate(rows, {"f16": 1.01}, [SparseTraffic("half", share, share)], chips)
    return {(item["limit"], item["case"]): item for item in made}


def test_limits_are_judged_by_others():
    ours = counted(stored_share=1.02, instructions_per_weight=4.0, loads_per_weight=0.5)
    theirs = {"ggml": counted(instructions_per_weight=4.5), "iree": counted(loads_per_weight=1.1)}
    good = records([Row("q4_0", {"ours": ours, **theirs}, {})])
    assert all(item["reached"] for key, item in good.items() if key[0] != "error of the model")
    assert {item["how"] for item in good.values()} == {"simulated", "counted", "modelled"}
    assert good["instructions for each weight", "q4_0"]["others"] == {"ggml": 4.5, "iree": 5.0}
    assert good["loads for each weight", "q4_0"]["goal"] == 0.55
    ours = counted(stored_share=1.04, instructions_per_weight=4.6, loads_per_weight=0.56)
    bad = records([Row("q4_0", {"ours": ours, **theirs}, {})], share=0.59, of_ceiling=0.94)
    others = ("error of the model", "sectors of a cache")
    assert not any(item["reached"] for key, item in bad.items() if key[0] not in others)
    alone = records([Row("q4nx", {"ours": ours}, {"ggml": "ggml has no q4nx", "iree": "none"})])
    record = alone["instructions for each weight", "q4nx"]
    assert record["reached"] is None and record["why"] == "ggml has no q4nx"
    model = {key[1]: item for key, item in bad.items() if key[0] == "error of the model"}
    assert [item["reached"] for item in model.values()] == [True, True, False]


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metal, "QUICK_SHAPE", (8, 1024))
    monkeypatch.setattr(metal, "QUICK_CHIPS", ("m4-pro",))
    monkeypatch.setattr(metal, "SPARSE_FORMATS", ("q4_k",))
    monkeypatch.setattr(metal, "CACHES", ("i8",))
    monkeypatch.setattr(metal, "QUICK_TOKENS", 32)
    result = CliRunner().invoke(
        app,
        [
            *("bench", "--target", "metal:m4-pro", "--suite", "model", "--quick"),
            *("--filter", "q4_0", "--peers", "ggml", "--json", "--plot"),
        ],
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["target"] == "metal:m4-pro" and report["problems"] == []
    (row,) = report["rows"]
    assert row["measured"] is False and row["how"] == "modelled for metal:m4-pro"
    assert row["ours_us"] >= row["floor_us"] > 0
    assert row["peers_missing"]["iree"] == "left out by --peers"
    assert {record["reached"] for record in report["limits"]} <= {True, False, None}
    assert len(report["judged"]) == len(timing.judge())
    assert [chip["chip"] for chip in report["chips"]] == ["m4-pro"]
    assert (tmp_path / "bench.png").stat().st_size > 10_000
    assert "nothing is measured" in result.stderr


def test_what_it_refuses():
    with pytest.raises(UsageError, match="suite model is of target metal, but got 'cpu'"):
        metal.run("cpu")
    with pytest.raises(UsageError, match="unknown peer 'torch'; allowed: ggml, iree"):
        metal.run("metal", peers=["torch"])
    with pytest.raises(
        UsageError, match="--filter to match a format of suite 'model', but got 'z'"
    ):
        metal.run("metal", pattern="z")
    with pytest.raises(UsageError, match="unknown chip 'm9'"):
        metal.run("metal:m9")
    result = CliRunner().invoke(
        app, ["bench", "--target", "metal", "--suite", "model", "--threads", "2"]
    )
    assert "suite model measures nothing and has no --threads" in str(result.exception)
