"""Fuzzes a reader with atheris: `fuzz_files.py gguf|safetensors|index [libFuzzer's options]`.

Without a corpus folder among the options, one is made from the seeds and the findings, and lives
as long as the run. `make fuzz` runs all.
"""

import mmap
import os
import resource
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
with atheris.instrument_imports(include=["headrace.files", "headrace.formats", "json"]):
    from exercise import Exerciser
    from mutate import mutated
    from seeds import findings, seeds

# Address space beyond what is mapped after start-up. A reader that believes a length of gigabytes
# gets a MemoryError, which is a finding.
MEMORY = 1 << 30


def main() -> int:
    kind, *options = sys.argv[1:]
    known = {**seeds(kind), **findings(kind)}
    counts = np.frombuffer(mmap.mmap(-1, 16), dtype=np.int64)  # runs, opened; shared when forked
    exercise = Exerciser(kind)
    with tempfile.TemporaryDirectory() as corpus:
        for name, data in known.items():
            Path(corpus, name).write_bytes(data)
        if all(option.startswith("-") for option in options):
            options.append(corpus)
        # libFuzzer ends its process at once; the parent is left to clean up.
        child = os.fork()
        if not child:
            fuzz(kind, options, list(known.values()), exercise, counts)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    exercise.close()
    print(f"{kind}: {counts[1]} of {counts[0]} files opened")
    return status


def fuzz(
    kind: str, options: list[str], others: list[bytes], exercise: Exerciser, counts: np.ndarray
) -> None:
    for data in others:
        exercise(data)  # loads what is loaded at the first use, before memory is limited

    def one_input(data: bytes) -> None:
        counts[0] += 1
        counts[1] += exercise(data)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < 0.3:
            return atheris.Mutate(data, max_size)
        return mutated(kind, data, rng, others)[:max_size]

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    atheris.Setup([sys.argv[0], *options], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
