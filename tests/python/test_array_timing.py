"""The array simulator against published times."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from headrace.sim import aie_references as references
from headrace.sim import aie_timing as timing
from headrace.sim.aie_device import timing_of


@pytest.fixture(scope="module")
def judged() -> list[timing.Judged]:
    return timing.judge()


def test_no_row_is_used_twice(judged: list[timing.Judged]) -> None:
    groups = timing.published()
    uses = {name: group["use"] for name, group in groups.items()}
    assert set(uses.values()) == {"calibration", "judged"}
    assert all(group["source"] for group in groups.values())
    assert {row.group for row in judged} == {n for n, use in uses.items() if use == "judged"}
    fitted = {row.group for row in timing.calibrate().fitted}
    assert fitted == {name for name, use in uses.items() if use == "calibration"}
    for core, others in (("gemv_core", "gemv_panels"), ("gemm_core", "gemm_tiles")):
        shapes = [
            {(r["m"], r["k"], r.get("n")) for r in groups[name]["rows"]} for name in (core, others)
        ]
        assert not shapes[0] & shapes[1]


def test_the_fit_is_close() -> None:
    model = timing.calibrate()
    assert timing.mean_error(model.fitted) < 0.03
    assert 55 < model.timing.ddr_gb_per_s < 80  # several sources say 63 to 70
    assert 40 < model.timing.dispatch_us < 110


def test_products_are_predicted(judged: list[timing.Judged]) -> None:
    products = [row for row in judged if row.group in ("gemv_panels", "gemv_rows")]
    assert len(products) == 7
    assert timing.mean_error(products) < 0.03
    for row in products:
        assert row.counts and row.error is not None and abs(row.error) < 0.05, row


def test_matrix_products_are_predicted(judged: list[timing.Judged]) -> None:
    """Large ones; of small ones filling and emptying the array is modelled too slow."""
    rows = {row.row: row.error for row in judged if row.group == "gemm_tiles"}
    assert len(rows) == 5
    for shape, error in rows.items():
        small = shape in ("512x512x512", "1024x1024x1024")
        assert error is not None and abs(error) < (0.16 if small else 0.06), shape


def test_what_cannot_be_said_is_not_counted(judged: list[timing.Judged]) -> None:
    counted = {row.group for row in judged if row.counts}
    assert counted == {"gemv_panels", "gemv_rows", "fused_q4", "gemm_tiles"}
    for row in judged:
        if not row.counts:
            # What it says is a bound, and the published figure keeps to it.
            assert row.needs and row.modelled is not None
            assert row.published < 1.01 * row.modelled, row


def test_one_channel_of_a_shim_is_less_than_was_published(judged: list[timing.Judged]) -> None:
    """Four channels of 4 bytes a cycle are 28.8 GB/s; 35.7 were published. The report says so."""
    row = next(row for row in judged if row.group == "fused_q4" and not row.needs)
    assert row.error is not None and -0.25 < row.error < -0.18


def test_the_report_says_whether_times_are_proven(judged: list[timing.Judged]) -> None:
    said = timing.report(rows=judged)
    assert "modelled times are proven" in said and "not counted: needs" in said
    assert all(row.row in said for row in judged)
    worse = [replace(row, published=row.published * 2) for row in judged]
    assert "modelled times are UNPROVEN" in timing.report(rows=worse)


@pytest.mark.parametrize("index", [0, 4, 5])
def test_the_figures_of_the_device_are_not_far_off(index: int) -> None:
    """What `aie.load` uses, instead of the fitted rate and dispatch."""
    model = replace(timing.calibrate(), timing=timing_of("npu2"))
    row = timing.published()["gemv_panels"]["rows"][index]
    text = references.gemv_panels(row["m"], row["k"], row["tile_m"])
    cycles = row["tile_m"] * row["k"] / 64 * model.step_cycles
    us = references.run_reference(text, cycles, model.timing).total_us
    assert -0.10 < us / row["us"] - 1 < 0


def test_a_wrong_model_is_found_out() -> None:
    model = timing.calibrate()
    twice = replace(model, timing=model.timing.scaled(clock_ghz=3.6))
    lazy = replace(model, step_cycles=2 * model.step_cycles)
    row = timing.published()["gemv_panels"]["rows"][4]
    for wrong in (twice, lazy):
        text = references.gemv_panels(row["m"], row["k"], row["tile_m"])
        cycles = row["tile_m"] * row["k"] / 64 * wrong.step_cycles
        us = references.run_reference(text, cycles, wrong.timing).total_us
        assert abs(us / row["us"] - 1) > 0.15


def test_a_block_of_a_matrix_product_takes_its_steps() -> None:
    """The longer of a core's work and what its channels bring: 8 KB of B are 2048 cycles."""
    npu2 = timing_of("npu2")

    def slope(cycles: float) -> float:
        texts = [references.gemm_block((64, 32, 128), steps) for steps in (16, 48)]
        short, long = (references.run_reference(text, cycles, npu2).cycles for text in texts)
        return (long - short) / 32

    assert slope(6000.0) == pytest.approx(6000, rel=0.02)
    assert slope(10.0) >= 2048
    npu1 = references.gemm_block((32, 32, 64), 4, columns=4, device="npu1")
    run = references.run_reference(npu1, 10.0, timing_of("npu1"))
    assert run.ddr_read == 4 * (4 * 32 * 32 + 4 * 32 * 64) * 2
    assert run.ddr_written == 16 * 32 * 64 * 4


def test_rows_of_whole_arrays_count_once_their_cores_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, groups = timing.calibrate(), timing.published()
    none = {name: {**group, "rows": []} for name, group in groups.items()}
    monkeypatch.setattr(timing, "published", lambda: none | {"gemm": groups["gemm"]})
    bounds = {row.row: row for row in timing.judge(model)}
    assert not any(row.counts for row in bounds.values()) and len(bounds) == 4
    assert bounds["npu2, bf16"].modelled == bounds["npu2, i8"].modelled  # both are 512 a cycle
    found = {row.row: row for row in timing.judge(model, {("npu1", "bf16"): 64.0})}
    assert [name for name, row in found.items() if row.counts] == ["npu1, bf16"]
    half, bound = found["npu1, bf16"].modelled, bounds["npu1, bf16"].modelled
    assert half is not None and bound is not None and 0.4 * bound < half < 0.5 * bound


def test_more_columns_are_faster_until_the_memory_is_full() -> None:
    npu2 = timing_of("npu2")
    rates = []
    for columns in (1, 2, 4, 8):
        run = references.run_reference(references.streamed(columns, 2, 16), 100.0, npu2)
        rates.append(run.ddr_read / run.us * 1e-3)
    assert rates[1] / rates[0] == pytest.approx(2, rel=0.05)
    assert rates[2] / rates[1] == pytest.approx(2, rel=0.05)
    assert rates[3] < npu2.ddr_gb_per_s < 2 * rates[2]


def test_a_large_product_takes_seconds() -> None:
    """As many blocks as a 4-bit product of 10240x2560 has, on 32 cores."""
    text = references.streamed(8, 2, 100)
    start = time.monotonic()
    run = references.run_reference(text, 1000.0, timing_of("npu2"))
    assert time.monotonic() - start < 20
    assert run.ddr_read == 3200 * 5120
    cores = [use for name, use in run.uses.items() if name.startswith("core")]
    assert len(cores) == 32
    assert np.mean([use.busy for use in cores]) >= 100 * 1000
