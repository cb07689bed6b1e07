"""`headrace bench --target aie --suite model`: what is modelled and judged, and its report."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from headrace.bench import aie
from headrace.bench.aie import judged, limits, products, token_products
from headrace.bench.aie.judged import Row
from headrace.bench.aie.products import Modelled, Product
from headrace.bench.aie.token_products import Token
from headrace.cli.app import app
from headrace.errors import UsageError
from headrace.sim import aie_timing as timing
from headrace.sim.aie_device import timing_of

SMALL = Product("model", "part", "matvec:m=1100,k=512,format=q4nx")


def row(error=0.05, *, needs="", device="npu2", group="gemv_rows"):
    return timing.Judged(group, "1x1", "us", 100.0, 100.0 * (1 + error), needs, device)


def modelled(share, product=SMALL, cap=60.0):
    us = product.stored_bytes / (1e3 * cap * share)
    return Modelled(product, us, 50.0, product.stored_bytes, 0, 3.0, 0.0)


def test_products_are_those_of_a_token():
    """Weights of a token, as docs/cost.md counts them from the models."""
    for model, layers, nbytes in (("gemma3-4b", 34, 2.425e9), ("gemma3-1b", 26, 0.678e9)):
        parts = {item.name: item.stored_bytes for item in products.model_products(model)}
        head = parts.pop("head")
        total = layers * (sum(parts.values()) + parts["k, v"]) + head
        assert total == pytest.approx(nbytes, rel=1e-3)
    labels = [item.label for item in aie.items()]
    assert len(set(labels)) == len(labels) == 3 * 6 + 3 + 5


def test_an_array_reads_what_its_channels_take():
    assert products.cap_gb_per_s(timing_of("npu2")) == 60  # of 115 GB/s of its channels
    assert products.cap_gb_per_s(timing_of("npu1")) == 32
    few = timing_of("npu2").scaled(columns=2)
    assert products.cap_gb_per_s(few) == pytest.approx(2 * 2 * 4 * 1.8)


def test_a_product_in_the_simulator():
    found = SMALL.simulate("npu2", 1)
    assert found.error < 1e-4 and found.seconds > 0
    assert found.read_bytes >= SMALL.stored_bytes == 35 * 2 * 5120
    assert 0 < found.gb_per_s < 60 and found.dispatch_us == 50


def test_a_token_is_all_of_its_layers_and_the_head():
    token = Token("gemma3-4b", 34)
    assert token.stored_bytes == pytest.approx(2.425e9, rel=1e-3)
    assert token.describe()["shape"] == "205 products"
    parts = {item.name: item for item in products.model_products("gemma3-4b")}
    layer = sum(item.operations for item in parts.values()) + parts["k, v"].operations
    head = parts["head"].operations
    assert token.operations == 34 * (layer - head) + head


def test_a_token_in_the_simulator(monkeypatch):
    """Each product of each layer is compared: with its own activations, and none of another."""
    monkeypatch.setitem(products.MODELS, "tiny", (256, 512, 288, 64, 1024, "silu"))
    token = Token("tiny", 2)
    found = token.simulate("npu2", 3)
    assert found.error < 1e-4 and found.read_bytes >= token.stored_bytes
    alone = sum(item.simulate("npu2", 3).total_ms for item in products.model_products("tiny"))
    assert found.total_ms < alone  # of one layer, with a dispatch for each product
    simulated = token_products.simulated

    def exchanged(*arguments):
        made, results = simulated(*arguments)
        results[0], results[6] = results[6], results[0]  # q of both layers
        return made, results

    monkeypatch.setattr(token_products, "simulated", exchanged)
    assert token.simulate("npu2", 3).error > 0.1


def test_a_matrix_product_in_the_simulator():
    found = Product("m", "p", "matmul:m=72,k=320,n=40,format=q4nx").simulate("npu1", 1)
    assert found.error < products.BOUND and found.tflop_per_s > 0
    ((key, macs),) = judged.slot_macs("npu1").items()
    assert key == ("npu1", "bf16") and 32 < macs <= 128


def test_a_wrong_result_fails_the_run(monkeypatch):
    run_timed = products.run_timed

    def wrong(artifact, inputs):
        arguments, run = run_timed(artifact, inputs)
        arguments[-1][1090] += 1000 * np.abs(arguments[-1]).max()
        return arguments, run

    monkeypatch.setattr(products, "run_timed", wrong)
    monkeypatch.setattr(aie, "items", lambda: [SMALL])
    monkeypatch.setattr(timing, "judge", lambda model=None, macs=None: [row()])
    report = aie.run("aie", quick=True)
    assert report.exit_code == 1
    assert "model part matvec:m=1100" in report.problems[0] and "above 0.005" in report.problems[0]


def test_shares_are_of_stored_weights():
    """Whatever a design pads or repeats takes time and counts for nothing."""
    item = modelled(0.5)
    assert item.gb_per_s == pytest.approx(30)
    assert replace(item, read_bytes=2 * item.read_bytes).gb_per_s == item.gb_per_s


def records(shares, speed=None, rows=(), device="npu2"):
    made = limits.evaluate([modelled(s) for s in shares], speed, rows, device, 60.0)
    return [(item["limit"], item["figure"], item["reached"], item["how"]) for item in made]


def test_limits():
    shares = "weights a second, without dispatch"
    rows = [Row(row(0.2), row(0.01)), Row(row(9.0, needs="more"), row(9.0, needs="more"))]
    slow = replace(modelled(1.0), seconds=20.5)
    made = records([0.93, 0.91], slow, rows)
    assert made == [
        (shares, 0.93, True, "modelled"),
        (shares, 0.91, False, "modelled"),
        ("error of the model", 0.2, False, "modelled"),
        ("error of the model", 0.01, True, "modelled"),
        ("seconds of the simulator", 20.5, False, "measured here"),
    ]
    assert [reached for _, _, reached, _ in records([0.93], device="npu1")] == [None] * 3


def test_matrices_are_judged_by_operations():
    many = Product("gemma3-4b", "gate", "matmul:m=1024,k=512,n=256,format=q4nx")
    item = replace(modelled(1.0, many), us=83.0, dispatch_us=1.0)
    assert item.tflop_per_s == pytest.approx(2 * 1024 * 512 * 256 / 84e-6 * 1e-12)
    (found, *_) = limits.evaluate([item], None, [], "npu2", 60.0)
    assert found["unit"] == "TFLOP/s" and found["goal"] == 8 and found["reached"] is False
    assert found["others"] == {"published": 3.5} and found["case"] == "gemma3-4b gate"


def test_tokens_are_judged_by_their_time():
    token = Token("gemma3-4b", 34)
    item = replace(modelled(1.0), item=token, us=45e3, dispatch_us=50.0)
    (found, *_) = limits.evaluate([item], None, [], "npu2", 60.0)
    assert found["figure"] == 45.05 and found["goal"] == 45 and found["reached"] is False
    assert found["others"] == {"published": round(1e3 / 18.2, 4)}
    other = replace(item, item=Token("gemma3-1b", 26))
    assert limits.evaluate([other], None, [], "npu2", 60.0)[0]["goal"] is None


def test_published_rates():
    assert limits.published("gemma3-4b", "gb_per_s") == 44.1
    assert limits.published("llama3.2-1b", "tokens_per_s") == 52.3
    assert limits.published("model", "gb_per_s") is None
    for model in products.MODELS:
        parts = {item.name: item.stored_bytes for item in products.model_products(model)}
        rate, tokens = (limits.published(model, name) for name in ("gb_per_s", "tokens_per_s"))
        # A token reads its layers (tested above) and the head.
        assert parts["head"] < rate / tokens * 1e9


def test_rows_are_judged_with_the_rates_that_times_have(monkeypatch):
    def judge(model=None, macs=None):
        ((device, kind),) = macs
        assert device in ("npu1", "npu2") and kind == "bf16"
        if model is None:
            return [row(0.01), row(0.5, device="npu1", needs="more")]
        assert model.timing == timing_of("npu2")
        return [row(-0.08), row(0.5, device="npu1", needs="more")]

    monkeypatch.setattr(timing, "judge", judge)
    (found,) = judged.judge("npu2")
    assert found.to_json()["error"] == pytest.approx(-0.08)
    assert found.to_json()["fitted_error"] == pytest.approx(0.01)
    assert judged.mean_error([found]) == pytest.approx(0.08)
    assert judged.mean_error([found], fitted=True) == pytest.approx(0.01)
    (other,) = judged.judge("npu1")
    assert not other.to_json()["counts"] and judged.mean_error([other]) is None


@pytest.mark.parametrize(("error", "said"), [(0.1, "are proven"), (0.11, "are UNPROVEN: mean e")])
def test_the_report_says_whether_times_are_proven(error, said):
    report = aie.ArrayReport("aie:npu2", "", 60.0, [], [], error, [], [])
    assert said in report.verdict and said in json.loads(report.to_json())["verdict"]
    assert "UNPROVEN: no published row" in replace(report, mean_error=None).verdict


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [row(0.02), row(-0.3, needs="more"), row(0.04, device="npu1")]
    monkeypatch.setattr(timing, "judge", lambda model=None, macs=None: rows)
    command = ("bench", "--target", "aie:npu2", "--suite", "model", "--quick", "--json", "--plot")
    result = CliRunner().invoke(app, [*command, "--filter", "gemma3-1b k,"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["target"] == "aie:npu2" and report["problems"] == []
    assert report["mean_error"] == pytest.approx(0.02) and "are proven" in report["verdict"]
    (found,) = report["rows"]
    assert found["measured"] is False and found["how"] == "modelled for aie:npu2"
    assert found["op"] == "matvec:m=256,k=1152,format=q4nx" and found["row"] == "gemma3-1b k, v"
    assert found["bytes"]["stored"] == 8 * 5 * 5120
    assert found["ours_us"] > found["floor_us"] == pytest.approx(8 * 5 * 5120 / 60e3, abs=1e-3)
    assert [item["counts"] for item in report["judged"]] == [True, False]
    share = report["limits"][0]
    assert share["goal"] == 0.92 and share["others"] == {"published": round(25.7 / 60, 4)}
    assert (tmp_path / "bench.png").stat().st_size > 10_000
    assert "no array was there" in result.stderr and "no: needs more" in result.stderr


def test_what_it_refuses():
    with pytest.raises(UsageError, match="of arrays is of target aie, not 'cpu'"):
        aie.run("cpu")
    with pytest.raises(UsageError, match="unknown device 'npu3'"):
        aie.run("aie:npu3")
    with pytest.raises(UsageError, match="suite model of aie has published rows, and no --peers"):
        aie.run("aie", peers=["ggml"])
    with pytest.raises(UsageError, match="to match a row of suite 'model', but got 'z'"):
        aie.run("aie", pattern="z")
    result = CliRunner().invoke(app, ["bench", "--target", "cpu", "--suite", "model"])
    assert "suite model is of targets aie, metal, but got 'cpu'" in str(result.exception)
