"""Floor, void rule and the JSON of rows, on made-up samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from headrace.bench.measure import Measurements, Samples
from headrace.bench.products import Product
from headrace.bench.report import Report, absent_row, floor_us, is_void, make_row

ITEM = Product(4096, 14336, "q4_k", "i8")
STORAGE = 4096 * 14336 // 256 * 144


def samples(us: Sequence[Sequence[float]], error: float = 1e-3, bound: float = 1e-2) -> Samples:
    return Samples(np.array(us, dtype=float), error, bound, "a note")


def measurements(ours: Samples, **peers: Samples) -> Measurements:
    reads = {"plain": np.array([20.0, 25.0]), "prefetch": np.array([30.0, 28.0])}
    return Measurements({"ours.i8": ours, **peers}, reads, [70.0, 50.0, 200.0], 0.25)


def row(ours: Samples, **peers: Samples) -> dict[str, Any]:
    measured = measurements(ours, **peers)
    return make_row(ITEM, "ours.i8", ITEM.work(STORAGE), measured, 1000.0, {"absent": "why"})


def test_the_floor_is_the_larger_of_memory_and_arithmetic() -> None:
    assert floor_us(30_000_000, 30.0, 1, 1000.0) == pytest.approx(1000)
    assert floor_us(1, 30.0, 4_000_000_000, 1000.0) == pytest.approx(4000)


def test_compulsory_work_of_a_product() -> None:
    work = ITEM.work(STORAGE)
    assert work.nbytes == STORAGE + 14336 * 4 + 4096 * 4
    assert (work.from_memory, work.peak) == (STORAGE, "i8")
    assert work.operations == 2 * 4096 * 14336
    many = Product(4096, 14336, "q4_k", "bf16", n=3).work(STORAGE)
    assert many.nbytes == STORAGE + 3 * (14336 * 2 + 4096 * 4)
    assert many.operations == 3 * work.operations


def test_a_row_that_has_no_kernel_is_kept_and_voids_nothing() -> None:
    report = Report("cpu", "matvec", {}, [absent_row(ITEM, "no kernel yet")])
    assert (report.rows[0]["measured"], report.rows[0]["reason"]) == (False, "no kernel yet")
    assert (report.measured, report.problems, report.exit_code, report.busy) == ([], [], 0, 0.0)
    assert json.loads(report.to_json())["rows"][0]["shape"] == "4096x14336"


def test_a_time_above_102_percent_of_the_probe_is_void() -> None:
    # 30e6 bytes in 1000 us are 30 GB/s
    assert not is_void(30_000_000, 1000.0, 30.0)
    assert not is_void(30_000_000, 1000.0, 30.0 / 1.019)
    assert is_void(30_000_000, 1000.0, 30.0 / 1.021)


def test_a_row_has_the_stable_fields() -> None:
    got = row(samples([[1400, 1300], [1500, 1600]]), peer=samples([[2600, 2700], [3000, 2800]]))
    assert (got["kernel"], got["shape"], got["format"]) == ("matvec", "4096x14336", "q4_k")
    assert got["op"] == ITEM.label
    assert got["measured"] is True
    assert (got["ours_us"], got["ours_min_us"]) == (1450, 1300)
    assert got["peers"] == {"peer": 2750}
    assert got["peers_min_us"] == {"peer": 2600}
    assert got["ratio"] == {"peer": 2.0}
    # rounds: 2650 / 1350 and 2900 / 1550
    assert got["ratio_median"] == {"peer": pytest.approx((2650 / 1350 + 2900 / 1550) / 2, abs=1e-3)}
    assert got["peers_missing"] == {"absent": "why"}
    assert (got["read_gbps"], got["read_gbps_median"]) == (30.0, 29.0)
    assert got["read_pattern"] == "prefetch"
    assert got["floor_us"] == pytest.approx(got["bytes"] / 30.0 * 1e-3, abs=0.01)
    assert got["of_floor"] == pytest.approx(got["floor_us"] / 1300, abs=1e-3)
    assert got["core_latency_ns"] == 70.0
    assert got["core_latency_range_ns"] == [50.0, 200.0]
    assert got["others_cpu"] == 0.25
    assert (got["samples"], got["ok"], got["void"]) == (4, True, False)
    json.dumps(got, allow_nan=False)


def test_a_row_faster_than_memory_voids_the_run() -> None:
    report = Report("cpu", "matvec", {}, [row(samples([[2000.0]]))])
    assert report.exit_code == 0
    assert report.to_dict()["void"] is False
    report.rows.append(row(samples([[1000.0]])))
    assert report.exit_code == 1
    assert report.to_dict()["void"] is True
    assert report.problems == [
        f"void: {ITEM.label} read 33.0 GB/s, more than 102% of "
        "the 30.0 GB/s the read probe measured in the same run"
    ]


@pytest.mark.parametrize("error", [2e-2, float("nan"), float("inf")])
def test_a_wrong_result_fails_the_run(error: float) -> None:
    report = Report("cpu", "matvec", {}, [row(samples([[2000.0]], error=error))])
    assert report.exit_code == 1
    assert "wrong: matvec:m=4096" in report.problems[0]
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_peer_that_computes_something_else_fails_the_run() -> None:
    bad = samples([[3000.0]], error=float("nan"))
    report = Report("cpu", "matvec", {}, [row(samples([[2000.0]]), other=bad)])
    assert report.exit_code == 1
    assert report.problems[0].startswith("wrong: other does not compute matvec:m=4096")
