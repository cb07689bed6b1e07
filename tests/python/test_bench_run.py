"""The measuring loop and the whole command, on tiny shapes. No time is asserted."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from headrace import bench
from headrace.bench import runner, suite, table, weights
from headrace.bench.measure import Effort, measure
from headrace.bench.peers import Contender, Problem
from headrace.bench.probe import Probe
from headrace.bench.products import Product
from headrace.bench.report import Report
from headrace.bench.session import Session
from headrace.errors import UsageError

ITEMS = [
    Product(256, 512, name, activations)
    for name in ("q4_k", "q8_0")
    for activations in ("i8", "f32")
]
EFFORT = Effort(rounds=2, burst=2)
ROW_FIELDS = {
    "kernel": str,
    "shape": str,
    "format": str,
    "ours_us": float,
    "ours_min_us": float,
    "floor_us": float,
    "measured": bool,
    "peers": dict,
    "ratio": dict,
    "bytes": int,
    "read_gbps": float,
    "peak_gops": float,
    "error": float,
    "void": bool,
}


class Dense(Contender):
    """A NumPy product; `wrong` spoils the third call."""

    name = "dense"
    bound = 1e-5

    def __init__(self, problem: Problem, wrong: bool = False) -> None:
        self._problem, self._wrong, self._calls = problem, wrong, 0
        self.staged: list[int] = []

    def stage(self, index: int) -> None:
        self.staged.append(index)
        self._x = self._problem.xs[index % len(self._problem.xs)]

    def run(self) -> None:
        self._calls += 1
        self._y = self._problem.weights.reference(self._x).astype(np.float32)
        if self._wrong and self._calls == 3:
            self._y[7] = np.nan

    def output(self) -> np.ndarray:
        return self._y

    def reference(self, index: int) -> np.ndarray:
        return self._problem.weights.reference(self._problem.xs[index])


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(0)
    return Problem(
        m=256,
        k=512,
        format="q4_0",
        weights=weights.make("q4_0", 256, 512, 1 << 20, rng),
        xs=[rng.standard_normal(512, dtype=np.float32) for _ in range(3)],
        threads=1,
        rotation=1 << 20,
    )


def test_the_loop_takes_fresh_data_and_checks_every_result(problem: Problem) -> None:
    good, bad = Dense(problem), Dense(problem, wrong=True)
    bad.name = "wrong"
    ticks: list[None] = []
    probe = Probe(threads=1)
    session = Session("a product", len(problem.xs), lambda: problem.weights.copies[0], [good, bad])
    rng = np.random.default_rng(1)
    measured = measure(session, probe, EFFORT, rng, lambda: ticks.append(None))
    assert len(ticks) == EFFORT.rounds
    assert good.staged == list(range(EFFORT.rounds * (EFFORT.burst + 1)))
    assert measured.samples["dense"].us.shape == (EFFORT.rounds, EFFORT.burst)
    assert measured.samples["dense"].error <= 1e-6
    assert np.isnan(measured.samples["wrong"].error)
    assert set(measured.reads) == set(probe.patterns)
    assert measured.others_cpu is None or 0 <= measured.others_cpu <= 1
    assert measured.read_gbps >= measured.read_gbps_median > 0


def check_schema(document: dict[str, object], rows: int) -> None:
    assert {"machine", "date", "target", "suite", "void", "problems", "rows"} <= set(document)
    assert isinstance(document["rows"], list)
    assert len(document["rows"]) == rows
    for row in document["rows"]:
        for name, kind in ROW_FIELDS.items():
            assert isinstance(row[name], kind), name
        assert row["ok"] is True, row
        assert row["error"] <= row["bound"]
        assert row["floor_us"] > 0
        assert row["ours_min_us"] <= row["ours_us"]
        assert row["peers"] == row["ratio"] == {}


def test_our_kernels_run_and_are_right() -> None:
    report = runner.run_suite(items=ITEMS, peers=[], effort=EFFORT, rotation=1 << 20)
    document = json.loads(report.to_json())
    check_schema(document, len(ITEMS))
    assert [row["op"] for row in document["rows"]] == [item.label for item in ITEMS]
    # the machine decides whether the run is void, the rows decide the exit code
    assert report.exit_code == int(document["void"])


def test_the_command_prints_json_and_writes_its_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(suite.SUITES, "matvec", ITEMS)
    monkeypatch.setattr(runner, "QUICK", EFFORT)
    monkeypatch.setattr(runner.memory, "rotation_bytes", lambda cache, available: 1 << 20)
    code = bench.run(
        filter="q4_k i8",
        quick=True,
        json=True,
        peers=[],
        plot=tmp_path / "bench.png",
        output=tmp_path / "bench.json",
    )
    printed = json.loads(capsys.readouterr().out)
    check_schema(printed, 1)
    assert printed["rows"][0]["format"] == "q4_k"
    assert code == int(printed["void"])
    assert json.loads((tmp_path / "bench.json").read_text()) == printed
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_names_every_row_and_every_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = runner.run_suite(items=ITEMS[:1], peers=[], effort=EFFORT, rotation=1 << 20)
    row = report.rows[0]
    row.update(peers={"some peer": 5.0}, peers_min_us={"some peer": 4.0}, peers_ok={})
    row.update(ratio={"some peer": 2.5}, peers_missing={"other": "not installed"}, void=True)
    row.update(others_cpu=0.5)
    monkeypatch.setattr(runner, "run_suite", lambda *_, **__: report)
    assert bench.run() == 1
    shown = capsys.readouterr()
    for text in (
        "256x512",
        "q4_k",
        "some peer",
        "2.50x",
        "not measured: other for q4_k: not installed",
        "void: ",
        "used up to 50%",
    ):
        assert text in shown.out
    assert "bench: void: matvec:m=256" in shown.err
    console = Console(width=80, file=io.StringIO())
    console.print(table.render(report, 80))
    narrow = console.file.getvalue()  # type: ignore[attr-defined]
    for text in ("256x512 q4_k i8", "floor", "some peer", "2.50x"):
        assert text in narrow
    assert max(map(len, narrow.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "metal:m2-max"}, r"a target that can be timed here.*allowed: cpu"),
        ({"suite": "matmul"}, r"unknown suite 'matmul'"),
        ({"filter": "nothing like it"}, r"expected --filter to match"),
        ({"peers": ["none"]}, r"unknown peer 'none'"),
        ({"threads": 0}, r"expected --threads to be a number of CPUs .* got 0; allowed: 1 to \d"),
        ({"threads": 4097}, r"of CPUs of this process, but got 4097; allowed: 1 to \d"),
        ({"plot": "x.bmp"}, r"--plot to end in a picture type.*allowed: .png"),
        ({"output": "no/such/folder/x.json"}, r"the folder of --output to exist"),
        ({"plot": "no/such/folder/x.png"}, r"the folder of --plot to exist"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bench.run(**arguments)  # type: ignore[arg-type]


def test_the_api_is_reached_through_the_package() -> None:
    assert bench.run_suite is runner.run_suite
    assert bench.Report is Report
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        bench.nothing  # noqa: B018
