"""The fuzzer of IR: seeds, findings and some thousand mutations, the same in every run.

`make fuzz` looks further.
"""

import os
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))

import ir_fuzz  # noqa: E402
from ir_exercise import Broken, Exerciser  # noqa: E402
from ir_seeds import findings, pipelines, pipelines_with_options, seeds  # noqa: E402
from ir_worker import Worker, minimized  # noqa: E402

MUTATIONS = 4000


def nothing(_stage):
    pass


@pytest.fixture(scope="module")
def exercise():
    return Exerciser(pipelines())


def test_seeds(exercise):
    known = [text.encode() for text in seeds()]
    worker = Worker(exercise)
    assert worker.run(known) is None
    # Some seeds are of tests of messages.
    assert len(known) > 150 and len(known) > worker.valid > len(known) // 3


def test_every_common_pass_is_run():
    assert "builtin.module(decompose-qlinear)" in pipelines()
    assert any("capabilities=" in text for text in pipelines_with_options())
    assert len(pipelines()) == len(set(pipelines()))


@pytest.mark.parametrize("name", sorted(findings()))
def test_findings(exercise, name):
    assert Worker(exercise).run([findings()[name]]) is None


def test_mutations():
    campaign = ir_fuzz.Campaign(seed=1)
    campaign.run(seconds=float("inf"), most=MUTATIONS)
    worker = campaign.worker
    assert worker.cases == MUTATIONS
    # Both ways are taken.
    assert MUTATIONS // 20 < worker.valid < MUTATIONS // 2
    ours = [same[0] for where, same in campaign.found.items() if where[0] != ir_fuzz.UPSTREAM]
    assert ours == []


def test_what_is_found(monkeypatch):
    """Crashes, endless loops, memory, messages: each is found, and made small."""
    monkeypatch.setattr("ir_worker.SECONDS", 0.2)

    def exercise(text, note):
        note("some pass")
        if b"abort" in text:
            os.abort()
        while b"loop" in text:
            pass
        if b"memory" in text:
            bytearray(1 << 32)
        if b"invalid" in text:
            raise Broken("it is invalid: 7")
        return b"valid" in text

    worker = Worker(exercise)
    assert worker.run([b"valid", b"nothing"]) is None
    assert (worker.cases, worker.valid) == (2, 1)
    for word, what in {
        b"abort": "SIGABRT",
        b"loop": "more than",
        b"memory": "more than 1024 MiB",
        b"invalid": "it is invalid: 7",
    }.items():
        text = b"first\nthen %0 = " + word + b" : type\nlast"
        found = worker.run([b"nothing", text, b"never run"])
        assert found.stage == "some pass" and found.text == text
        assert found.what.startswith(what)
        assert minimized(exercise, found).text == word


def test_what_a_text_must_do(exercise):
    with pytest.raises(Broken, match="the pass fails without a message"):
        exercise._check_pass(None, Silent())
    assert exercise(b"module {}", nothing)
    assert not exercise(b"module {", nothing)


class Silent:
    """A pass manager whose pass fails and says nothing."""

    def run(self, _operation):
        from headrace import ir

        raise ir.MLIRError("failed", [])
