"""Reports of what an artifact costs, and what the runtime knows of machines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from runtime_artifacts import N, compile_library, two_steps

import headrace_runtime as hr
from headrace_runtime import machine

X = np.arange(N, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    return two_steps(root / "two.hr", compile_library(root))


def test_report(folder: Path) -> None:
    report = hr.load(folder).report()
    assert [row.kernel for row in report.rows] == ["double_f32", "reverse_f32"]
    assert report.rows[0].grid == (N // 16, 1, 1)
    assert (report.bytes, report.operations, report.time_us) == (2000, 4000, None)
    data = json.loads(report.to_json())
    assert data["measured"] is False
    assert data["description"] == {"cpu": "test"}
    assert data["rows"][1]["bytes"] == 1000
    assert data["rows"][1]["time_us"] is None
    lines = str(report).splitlines()
    assert lines[0] == "main on cpu (cpu test)"
    assert lines[1].split() == ["kernel", "op", "format", "MB", "Mop", "grid"]
    assert lines[2].split() == ["double_f32", "test.double_f32", "-", "0.001", "0.002", "64x1x1"]


def test_measured_report(folder: Path) -> None:
    report = hr.load(folder).report(
        measure=True, args=[X], threads=2, repeats=3, bandwidth_gb_per_s=2.0
    )
    for row in report.rows:
        assert row.time_us is not None
        assert row.time_us > 0
        assert row.floor_us == pytest.approx(0.5)
        assert row.gb_per_s == pytest.approx(1.0 / row.time_us)
    assert json.loads(report.to_json())["measured"] is True
    assert "floor us" in str(report)
    with pytest.raises(hr.ArgumentError, match="expected 1 arguments"):
        hr.load(folder).report(measure=True)
    with pytest.raises(hr.ArgumentError, match="repeats"):
        hr.load(folder).report(measure=True, args=[X], repeats=0)


def test_plot(folder: Path, tmp_path: Path) -> None:
    hr.load(folder).report(measure=True, args=[X]).plot(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_cpuinfo_of_both_architectures() -> None:
    x86 = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2\n\nflags\t\t: other\n"
    assert machine.parse_cpuinfo(x86) == ("Some CPU", frozenset({"fpu", "avx2"}))
    arm = "processor\t: 0\nFeatures\t: fp asimd asimddp\n"
    assert machine.parse_cpuinfo(arm) == ("", frozenset({"fp", "asimd", "asimddp"}))
    assert machine.parse_cpuinfo("") == ("", frozenset())


def test_host() -> None:
    host = machine.host()
    assert host.system == "linux"
    assert host.features
    host.check(host.machine, "linux", sorted(host.features)[:3])
    assert 1 <= machine.default_threads() <= machine.MAX_THREADS
