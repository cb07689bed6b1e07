"""The table of limits, on made-up rows. Nothing here is timed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headrace import bench
from headrace.bench import limits, runner, suite, table
from headrace.bench.plot import plot
from headrace.bench.report import Report, absent_row
from headrace.bench.session import Item

SECONDS = {"kernel": 0.2, "again": 0.02, "model": 12.0}
CORRECT = {"cortex-a72": 1.0, "neoverse-n1": 0.95, "neoverse-v1": "no QEMU"}


def row(item: Item, **more: Any) -> dict[str, Any]:
    """A row that is exactly at the memory's rate, with every peer twice as long."""
    made = absent_row(item, "") | {
        "measured": True,
        "ours_min_us": 100.0,
        "ours_us": 110.0,
        "floor_us": 90.0,
        "of_read": 0.95,
        "of_floor": 0.9,
        "of_peak": 0.5,
        "ratio": dict.fromkeys(
            [*limits.LLAMA[:2], *limits.LLAMA_AVX2, "dense", "dense.strips16", "llama.cpp.f16"], 2.0
        ),
        "peers": {},
        "peers_min_us": {},
        "peers_missing": {"openvino": "not installed; `make bench-peers` installs it"},
        "peers_ok": {},
        "void": False,
        "ok": True,
        "read_gbps": 40.0,
        "core_latency_ns": 50.0,
        "others_cpu": 0.0,
        "peak_gops": 900.0,
        "operations": 1000,
        "bytes": 1000,
    }
    return made | more


def record(records: list[dict[str, Any]], limit: str, case: str) -> dict[str, Any]:
    (found,) = [r for r in records if r["limit"].startswith(limit) and r["case"] == case]
    return found


def test_every_case_is_measured_reached_or_says_why() -> None:
    rows = [row(item) for item in limits.items()]
    records = limits.evaluate(rows, SECONDS, CORRECT)
    assert len(records) == sum(len(limit.cases) for limit in limits.LIMITS)
    for found in records:
        assert (found["measured"] is None) == (found["reached"] is None) == ("why" in found)
    assert record(records, "matvec, strips16", "q4_k")["reached"] is True
    assert record(records, "matvec against", "q4_0, its plain buffer")["reached"] is True
    assert record(records, "prefill n=512", "q8_0, llama.cpp")["reached"] is False
    openvino = record(records, "prefill n=512", "q4_k, OpenVINO")
    assert openvino["why"] == "openvino: not installed; `make bench-peers` installs it"
    assert record(records, "prefill attention", "bf16 peak")["reached"] is False
    assert record(records, "AArch64", "NEON")["reached"] is True
    assert record(records, "AArch64", "dot products")["reached"] is False
    assert record(records, "AArch64", "i8mm, bf16")["why"] == "no QEMU"
    json.dumps(records, allow_nan=False)


def test_compile_times_are_at_most_their_goals() -> None:
    records = limits.evaluate([], SECONDS, {})
    assert record(records, "compile", "one kernel")["reached"] is True
    again = record(records, "compile", "one kernel, compiled before")
    assert (again["measured"], again["reached"]) == (pytest.approx(0.1), True)
    assert record(records, "compile", "kernels of 26 layers")["reached"] is False
    left_out = limits.evaluate([], {}, {})
    assert record(left_out, "compile", "one kernel")["why"] == "left out of this run"
    assert record(left_out, "decode", "f16 4k")["why"] == "left out of this run"


def test_the_fastest_variant_and_the_best_mode_count() -> None:
    rows = {item.label: row(item) for item in limits.items()}
    (case,) = [c for c in limits.LIMITS[2].cases if c.name == "q4_k, its best mode"]
    slow, fast = (rows[item.label] for item in case.items)
    slow.update(ours_min_us=200.0, ratio={"llama.cpp": 9.0})
    fast.update(ours_min_us=50.0, ratio={"llama.cpp": 1.6, "llama.cpp.repack": 1.2})
    found = record(limits.evaluate(rows.values(), {}, {}), "matvec against", case.name)
    assert (found["measured"], found["row"], found["reached"]) == (1.2, fast["op"], True)
    plain = record(
        limits.evaluate(rows.values(), {}, {}), "matvec against", "q4_k, its plain buffer"
    )
    assert plain["measured"] == 1.6


def test_missing_kernels_and_void_rows_have_no_figure() -> None:
    items = limits.items()
    rows = [absent_row(item, "no kernel yet: 'qattn.decode' op is not claimed") for item in items]
    found = record(limits.evaluate(rows, {}, {}), "decode attention", "f16 4k")
    assert found["why"] == "no kernel yet: 'qattn.decode' op is not claimed"
    found = record(
        limits.evaluate([row(item, void=True) for item in items], {}, {}),
        "decode attention",
        "f16 4k",
    )
    assert (found["measured"], found["why"]) == (None, "the row is void or wrong")


@pytest.fixture
def report() -> Report:
    rows = [row(item) for item in limits.items()]
    rows[0] = absent_row(limits.items()[0], "no kernel yet: it is not claimed")
    machine = {
        "cpu": "a CPU",
        "threads": 2,
        "rotation_bytes": 1 << 20,
        "last_level_cache_bytes": 1 << 20,
        "load_average": 0.1,
    }
    made = Report("cpu", limits.SUITE, machine, rows, compile_seconds=SECONDS)
    made.limits = limits.evaluate(rows, SECONDS, CORRECT)
    return made


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_says_what_is_reached(report: Report, width: int) -> None:
    console = Console(width=width, file=io.StringIO())
    console.print(table.render(report, width))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    flat = " ".join(shown.split())
    for text in ("matvec, stored", ">= 90% of read", "95% of read", ">= 1.15x", "<= 0.30 s", "yes"):
        assert text in flat, text
    assert "not measured" in flat
    if width == 160:
        assert "40 GB/s 50 ns" in flat
        assert "llama.cpp 2.00x, dense 2.00x" in flat
        assert "no kernel" in flat
    assert max(map(len, shown.splitlines())) <= width


def test_the_json_and_the_plot_have_the_limits(report: Report, tmp_path: Path) -> None:
    document = json.loads(report.to_json())
    assert len(document["limits"]) == len(report.limits)
    assert document["compile_seconds"] == SECONDS
    assert {"limit", "case", "goal", "unit", "measured", "reached"} <= set(document["limits"][0])
    plot(report, tmp_path / "limits.png")
    assert (tmp_path / "limits.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_without_times_can_be_shown_and_drawn(report: Report, tmp_path: Path) -> None:
    items = limits.items()[:2]
    empty = Report("cpu", "matvec", report.machine, [absent_row(i, "no kernel") for i in items])
    console = Console(width=160, file=io.StringIO())
    console.print(table.render(empty, 160))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"not measured: {items[0].label}: no kernel" in " ".join(shown.split())
    plot(empty, tmp_path / "empty.svg")
    assert (tmp_path / "empty.svg").stat().st_size > 0


def test_the_command_runs_the_suite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {item.label for item in suite.SUITES[limits.SUITE]} == {
        item.label for item in limits.items()
    }
    monkeypatch.setitem(suite.SUITES, limits.SUITE, [])
    monkeypatch.setattr(suite, "select", lambda *_: [])
    monkeypatch.setattr(runner.compile_times, "measure", lambda target: SECONDS)
    monkeypatch.setattr(runner.emulated, "measure", lambda seed, tick: CORRECT)
    assert bench.run(suite=limits.SUITE, json=True) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert "limits of cpu" in shown.err
    assert "left out" in shown.err and "decode attention" not in shown.err
    assert record(document["limits"], "compile", "one kernel")["reached"] is True
    assert record(document["limits"], "AArch64", "NEON")["reached"] is True
    assert record(document["limits"], "decode", "f16 4k")["why"] == "left out of this run"
