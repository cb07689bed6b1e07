"""Fuzzes the parser, the verifiers and each common pass: `ir_fuzz.py --seconds 600 --seed 1`.

What breaks something is made small and written to a folder, with the command that shows it. Exits
with 1 if anything was found; crashes without any code of ours on the stack are listed but do not
count.
"""

import argparse
import os
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ir_exercise import Exerciser
from ir_mutate import Mutator
from ir_seeds import TESTS, findings, pipelines, pipelines_with_options, seeds
from ir_worker import Finding, Note, Worker, limit, minimized

BUILD = Path(os.environ.get("HEADRACE_BUILD", TESTS.parent / "build"))
_MOST_BRED = 1000
UPSTREAM = "in MLIR"
_OURS = re.compile(rb"(= |\n *|\")(qlinear|qattn|linalg)\.")  # operations that passes look at
_OUR_FRAME = re.compile(r"headrace::|[A-Z]\w+\.(cpp|h):")


class Campaign:
    """Draws cases from the seeds, and from valid variants of them; keeps what it finds."""

    def __init__(self, seed: int, exercise=None) -> None:
        self._rng = random.Random(seed)
        known = [*seeds(), *(text.decode(errors="replace") for text in findings().values())]
        self._known = known + generic_forms(known)
        self._mutator = Mutator(self._known, pipelines_with_options(), self._rng)
        self._bred: list[str] = []
        self._inner = exercise or Exerciser(pipelines())
        self.worker = Worker(self.exercise)
        self.found: dict[tuple[str, ...], list[Finding]] = {}

    def exercise(self, text: bytes, note: Note) -> bool:
        valid = self._inner(text, note)
        if valid and len(text) < 8000 and _OURS.search(text):
            if len(self._bred) < _MOST_BRED:
                self._bred.append("")
            self._bred[self._rng.randrange(len(self._bred))] = text.decode()
        return valid

    def cases(self, until: float, most: int) -> Iterator[bytes]:
        for _ in range(most):
            if time.monotonic() > until:
                return
            bred = self._bred and self._rng.random() < 0.5
            text = self._rng.choice(self._bred if bred else self._known)
            yield self._mutator(text).encode(errors="replace")

    def run(self, seconds: float, most: int) -> None:
        until = time.monotonic() + seconds
        while self.worker.cases < most and time.monotonic() < until:
            finding = self.worker.run(self.cases(until, most - self.worker.cases))
            if finding is None:
                break
            # The next process must not repeat what this one did.
            self._rng.seed(self._rng.getrandbits(64) ^ self.worker.cases)
            self.found.setdefault(signature(finding), []).append(finding)


def generic_forms(texts: list[str]) -> list[str]:
    """The valid ones as MLIR writes them without our printers, which has more to be mutated."""
    from headrace import ir

    context = ir.Context()
    context.allow_unregistered_dialects = True
    forms = []
    for text in texts:
        try:
            module = ir.Module.parse(text, context)
        except ir.MLIRError:
            continue
        forms.append(module.operation.get_asm(print_generic_op_form=True))
    return forms


def command(finding: Finding, path: Path | str) -> list[str]:
    """What shows it, with the case in `path`."""
    tool = [str(BUILD / "bin" / "headrace-opt"), "--allow-unregistered-dialect", str(path)]
    plain = finding.stage in ("parse", "print")
    return tool if plain else [*tool, f"--pass-pipeline={finding.stage}"]


def signature(finding: Finding) -> tuple[str, ...]:
    """What findings of one cause have in common: for crashes, where they are."""
    if not finding.what.startswith("SIG"):
        return finding.stage.split("{")[0], re.sub(r"\d+", "N", finding.what)[:80]
    shown = subprocess.run(
        command(finding, "-"),
        input=finding.text,
        capture_output=True,
        preexec_fn=limit,
        check=False,
    )
    frames = re.findall(r"^ *#\d+ 0x\w+ (.+)", shown.stderr.decode(errors="replace"), re.M)
    names = [frame[:60] for frame in frames if "mlir::" in frame]
    if frames and not any(_OUR_FRAME.search(frame) for frame in frames):
        return UPSTREAM, *names[:2]
    return finding.stage if finding.stage in ("parse", "print") else "pass", *names[:3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cases", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=BUILD / "fuzz")
    arguments = parser.parse_args()
    start = time.monotonic()
    campaign = Campaign(arguments.seed)
    campaign.run(arguments.seconds, arguments.cases)
    worker, seconds = campaign.worker, time.monotonic() - start
    runs = worker.valid * len(pipelines())
    print(
        f"ir: {worker.cases} texts in {seconds:.0f} s ({worker.cases / seconds:.0f} a second), "
        f"{worker.valid} of them valid: {runs} runs of {len(pipelines())} passes; "
        f"{len(campaign.found)} findings"
    )
    for number, (where, same) in enumerate(campaign.found.items()):
        small = minimized(campaign.exercise, min(same, key=lambda finding: len(finding.text)))
        path = arguments.out / f"ir-{arguments.seed}-{number}.mlir"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small.text)
        print(f"{len(same)} times: {small.stage}: {small.what}; {' < '.join(where)}")
        print("  " + shlex.join(command(small, path)))
    return any(where[0] != UPSTREAM for where in campaign.found)


if __name__ == "__main__":
    sys.exit(main())
