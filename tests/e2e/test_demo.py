"""The demo on the real sentence encoder: two of its configurations, and its report."""

from __future__ import annotations

import io
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headrace import formats
from headrace.interop import iree

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo_sentence_encoder.py"
CHOSEN = ("q8_0", "q4_k + q4_0")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("demo")
    only = [part for name in CHOSEN for part in ("--only", name)]
    return run_demo(folder, *only)[0]


def run_demo(folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The demo's report, and what it said meanwhile."""
    command = [sys.executable, str(DEMO), "--json", "--rounds", "1", "--output", str(folder)]
    finished = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout), finished.stderr


def test_a_second_run_takes_the_program_of_the_first(result: dict[str, Any]) -> None:
    first = result["configurations"][0]
    folder = Path(first["artifact"]).parent
    again, said = run_demo(folder, "--only", "q8_0")
    assert "q8_0: compiled before" in said
    timeless = {key: value for key, value in first.items() if not key.endswith("ms")}
    assert timeless.items() <= again["configurations"][0].items()
    (folder / "q8_0.key").write_text("another compiler")
    assert "q8_0: compiled in" in run_demo(folder, "--only", "q8_0")[1]


def test_embeddings_are_close_to_the_float_models(result: dict[str, Any]) -> None:
    q8_0, mixed = result["configurations"]
    assert (q8_0["name"], mixed["name"]) == CHOSEN
    assert q8_0["cosine_min"] > 0.999
    assert 0.94 < mixed["cosine_min"] < 0.999
    for ours, exact in zip(q8_0["similarities"], result["float"]["similarities"], strict=True):
        assert abs(ours - exact) < 0.02


def test_similar_sentences_are_found_similar(result: dict[str, Any]) -> None:
    for config in (result["float"], *result["configurations"]):
        alike, unlike = config["similarities"][:4], config["similarities"][4:]
        assert min(alike) > max(unlike)


def test_kernels_and_bytes_are_those_of_the_model(result: dict[str, Any]) -> None:
    q8_0, mixed = result["configurations"]
    square, up = formats.get("q8_0").storage_bytes(384, 384), 384 * 1536 // 32 * 34
    assert q8_0["weight_bytes"] == 6 * (4 * square + 2 * up)
    small, down = 384 * 384 // 32 * 18, formats.get("q4_k").storage_bytes(384, 1536)
    assert mixed["weight_bytes"] == 6 * (4 * small + 4 * small + down)
    for config in (q8_0, mixed):
        # A layer has six products; query, key and value share one rounding of their input.
        assert config["dispatches"]["headrace"] == 6 * (6 + 4)
        assert config["kernels"] == 6
        assert config["ms"] > 0


def test_artifacts_are_written_and_small(result: dict[str, Any]) -> None:
    for config in result["configurations"]:
        program = iree.load(config["artifact"])
        assert len(program.kernels) == config["kernels"]
        assert config["program_bytes"] < 1_000_000 < config["archive_bytes"]


def test_report_shows_every_configuration(result: dict[str, Any]) -> None:
    printed = io.StringIO()
    print_report = runpy.run_path(str(DEMO))["print_report"]
    print_report(Console(file=printed, width=160), result)
    text = printed.getvalue()
    for name in CHOSEN:
        assert name in text
    for config in result["configurations"]:
        assert f"{config['cosine_min']:.5f}" in text
        assert f"{config['weight_bytes']:,}" in text
        assert config["artifact"] in text


def test_unknown_configuration() -> None:
    command = [sys.executable, str(DEMO), "--only", "q9"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert "'q9'" in finished.stderr
    assert "q4nx" in finished.stderr
