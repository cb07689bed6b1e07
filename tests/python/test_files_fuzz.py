"""The fuzzers' seeds and findings, and some thousand mutations of them, the same in every run.

`make fuzz` looks further, guided by coverage.
"""

import resource
import sys
from pathlib import Path
from random import Random

import pytest

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))

from exercise import Exerciser  # noqa: E402
from mutate import mutated  # noqa: E402
from seeds import findings, seeds  # noqa: E402

KINDS = ["gguf", "safetensors", "index"]
MUTATIONS = 6000


@pytest.fixture
def exercise(kind):
    exerciser = Exerciser(kind)
    yield exerciser
    exerciser.close()


@pytest.fixture
def limited_memory():
    """Address space that a reader which believes a length of gigabytes would not find enough."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_open(exercise, kind):
    assert len(seeds(kind)) >= 3
    for name, data in seeds(kind).items():
        assert exercise(data), name
    assert seeds(kind) == seeds(kind)


FOUND = [(kind, name) for kind in KINDS for name in findings(kind)]


@pytest.mark.parametrize(("kind", "name"), FOUND)
def test_findings(exercise, limited_memory, kind, name):
    exercise(findings(kind)[name])


@pytest.mark.parametrize("kind", KINDS)
def test_mutations(exercise, limited_memory, kind):
    known = [*seeds(kind).values(), *findings(kind).values()]
    rng = Random(1)
    opened = 0
    for step in range(MUTATIONS):
        data = mutated(kind, rng.choice(known), rng, known)
        try:
            opened += exercise(data)
        except Exception as error:
            error.add_note(f"mutation {step} of Random(1): {data[:2000]!r}")
            raise
    # Both ways through the readers are taken.
    assert MUTATIONS // 50 < opened < MUTATIONS // 2
