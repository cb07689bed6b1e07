"""Makes mistakes in our own AIE designs: `aie_fuzz.py --seed 1 --count 2000`.

Each mistake of `aie_mutate` must be found: by the parser and the verifiers, by a pass of
`headrace-aie-check`, by the simulator of the array, or by results that are others than those of the
right design, which `headrace check` compares. What a run cannot end with, the passes must find:
nobody wants to wait for an array that hangs. Exits with 1, and prints what was not found.
"""

import argparse
import contextlib
import faulthandler
import gc
import os
import random
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
from aie_mutate import MISTAKES

import headrace
from headrace import formats, ir
from headrace.errors import HeadraceError
from headrace.passmanager import PassManager
from headrace.sim import aie
from headrace.targets.aie.description import DEVICES
from headrace.targets.aie.simulate import CORES, DESIGN, SPEEDS, load_design, run_timed

# Several rounds, gates, an odd number of rows, one block, both arrays, formats of each size.
DESIGNS = (
    ("gated_matvec:m=200,k=512,format=q4_k", "npu1"),
    ("matvec:m=1100,k=512,format=q4nx", "npu1"),
    ("matvec:m=33,k=256,format=q4_0", "npu1"),
    ("matvec:m=1500,k=768,format=q4_k", "npu2"),
    ("matmul:m=200,k=512,n=64,format=q4nx", "npu1"),
    ("several", "npu1"),
)
# Two products, one after the other, which share an input.
SEVERAL = """
func.func @main(%x: tensor<512xbf16> {headrace.name = "x"},
                %w: !qlinear.packed<200x512, #qlinear.gguf<q4_k>> {headrace.name = "w"},
                %v: !qlinear.packed<72x512, #qlinear.gguf<q4_k>> {headrace.name = "v"})
    -> (tensor<200xf32>, tensor<72xf32>) {
  %0 = tensor.empty() : tensor<200xf32>
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<200x512, #qlinear.gguf<q4_k>>, tensor<512xbf16>)
    outs(%0 : tensor<200xf32>) -> tensor<200xf32>
  %1 = tensor.empty() : tensor<72xf32>
  %z = qlinear.matvec ins(%v, %x : !qlinear.packed<72x512, #qlinear.gguf<q4_k>>, tensor<512xbf16>)
    outs(%1 : tensor<72xf32>) -> tensor<72xf32>
  return %y, %z : tensor<200xf32>, tensor<72xf32>
}
"""
CHECK = f"builtin.module(headrace-aie-check{{devices={DEVICES}}})"
# Nothing here takes longer unless it goes on for ever.
LIMIT_US = 2000.0
SECONDS = 5

# What the simulator says of data: passes do not look into the functions of cores.
_DATA = "uninitialized|overwrite|index|division|fault"

# Where a mistake was found, the earliest first. SAME needs none: results are right.
TEXT, CHECKED, SIMULATED, RESULT, SAME = "text", "check", "simulator", "result", "same"


@dataclass(frozen=True)
class Verdict:
    where: str
    said: str


class Design:
    """A right design, and what it computes on drawn data."""

    def __init__(self, operation: str, device: str) -> None:
        self.name = f"{operation} on {device}"
        source = SEVERAL.encode() if operation == "several" else operation
        artifact = headrace.compile(source, target=f"aie:{device}", cache=False)
        self.text, self._cores = artifact.sources[DESIGN], artifact.sources[CORES]
        self._device = device
        loaded = load_design(self.text, self._cores, device)
        self._kernels, self._functions = loaded.keep, loaded.functions
        self._data = [_sequence_arguments(artifact, seed) for seed in (1, 2)]
        self._results = [self._run(loaded, data) for data in self._data]

    @staticmethod
    def _run(design: aie.AieDesign, data: list[np.ndarray]) -> bytes:
        arrays = [array.copy() for array in data]
        design.run(arrays, limit_us=LIMIT_US)
        return b"".join(array.tobytes() for array in arrays)

    def judge(self, text: str) -> Verdict:
        """Where the mistake in `text`, or that there is none, comes to light."""
        with ir.Context():
            try:
                module = ir.Module.parse(text)
            except ir.MLIRError as error:
                return Verdict(TEXT, _first(error))
            try:
                PassManager.parse(CHECK).run(module.operation)
            except ir.MLIRError as error:
                return Verdict(CHECKED, _first(error))
        try:
            cycles = {name: count for name, (_, count) in self._functions.items()}
            design = aie.load(text, kernels=self._kernels, cycles=cycles)
        except aie.ArraySimulationError as error:
            return Verdict(SIMULATED, f"{error.kind}: {_first(error)}")
        except HeadraceError as error:
            return Verdict(SIMULATED, f"text: {_first(error)}")
        return apart(lambda: self._compare(design))

    def _compare(self, design: aie.AieDesign) -> Verdict:
        """Runs it with cores of each speed."""
        try:
            for speed in SPEEDS:
                functions = {
                    name: (entry, speed * count)
                    for name, (entry, count) in design.functions.items()
                }
                scaled = replace(design, functions=functions)
                for data, right in zip(self._data, self._results, strict=True):
                    if self._run(scaled, data) != right:
                        return Verdict(RESULT, f"at speed {speed}")
        except aie.ArraySimulationError as error:
            return Verdict(SIMULATED, f"{error.kind}: {_first(error)}")
        except HeadraceError as error:  # arguments of other sizes, say
            return Verdict(TEXT, _first(error))
        return Verdict(SAME, "")


def apart(work: Callable[[], Verdict]) -> Verdict:
    """In a process of its own: a function of a core that gets a wrong number may write into other
    memory of this one, or go on for hours."""
    end, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the verdict says what happens
        faulthandler.disable()
        gc.disable()  # what it would end are threads of a context, which are not here
        signal.alarm(SECONDS)
        verdict = work()
        os.write(begin, f"{verdict.where} {verdict.said}"[:4000].encode())
        os._exit(0)
    os.close(begin)
    with os.fdopen(end) as pipe:
        where, _, said = pipe.read().partition(" ")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        ended = signal.Signals(os.WTERMSIG(status))
        if ended == signal.SIGALRM:
            return Verdict(SIMULATED, "fault: a function of a core does not come to its end")
        return Verdict(SIMULATED, f"the simulator ends with {ended.name}")
    return Verdict(where, said)


def _first(error: Exception) -> str:
    lines = str(error).splitlines()
    said = next((line for line in lines if "error:" in line), lines[0])
    return said.partition("error: ")[2] or said


def _sequence_arguments(artifact: Any, seed: int) -> list[np.ndarray]:
    """What the host gives the runtime sequence, for drawn inputs of the artifact."""
    draw = np.random.default_rng(seed)
    inputs = []
    for argument in artifact.manifest["arguments"]:
        if argument["role"] != "input":
            continue
        if packed := argument.get("packed"):
            weights = draw.standard_normal((packed["rows"], packed["cols"]), dtype=np.float32)
            inputs.append(formats.get(packed["format"]).encode(weights))
        else:
            inputs.append(draw.standard_normal(argument["shape"]).astype(ml_dtypes.bfloat16))
    taken: list[np.ndarray] = []
    with _recorded(taken):
        run_timed(artifact, inputs)
    return taken


@contextlib.contextmanager
def _recorded(taken: list[np.ndarray]) -> Iterator[None]:
    """Copies of the arrays that a design is run with."""
    run = aie.AieDesign.run

    def record(self: aie.AieDesign, arrays: Any, **how: Any) -> aie.Run:
        taken.extend(array.copy() for array in arrays)
        return run(self, arrays, **how)

    aie.AieDesign.run = record  # type: ignore[method-assign]
    try:
        yield
    finally:
        aie.AieDesign.run = run  # type: ignore[method-assign]


@dataclass(frozen=True)
class Mutant:
    design: Design
    mistake: str
    seed: int

    @property
    def text(self) -> str | None:
        """The wrong text; None where the design has no place for this mistake."""
        lines = self.design.text.splitlines()
        changed = MISTAKES[self.mistake](lines, random.Random(f"{self.mistake} {self.seed}"))
        return None if changed is None or changed == lines else "\n".join(changed) + "\n"

    def difference(self) -> str:
        """Lines that are gone and that are new."""
        was, now = self.design.text.splitlines(), (self.text or "").splitlines()
        gone = [f"  - {line.strip()}" for line in was if line not in now or _moved(line, was, now)]
        new = [f"  + {line.strip()}" for line in now if line not in was or _moved(line, now, was)]
        return "\n".join([*gone[:4], *new[:4]])


def _moved(line: str, here: list[str], there: list[str]) -> bool:
    return here.count(line) > there.count(line)


def mutants(designs: list[Design], seed: int) -> Iterator[Mutant]:
    """Each mistake in each design, again and again at other places."""
    turn = seed * 1_000_000
    while True:
        for design in designs:
            for name in MISTAKES:
                yield Mutant(design, name, turn)
        turn += 1


def overlooked(mutant: Mutant, verdict: Verdict) -> str | None:
    """Why a verdict is not good enough; None if it is."""
    if verdict.where != SIMULATED or re.match(_DATA, verdict.said):
        return None
    return "the checks let a design through that the simulator refuses"


def campaign(
    designs: list[Design], seed: int, count: int
) -> Iterator[tuple[Mutant, Verdict, str | None]]:
    left = count
    for mutant in mutants(designs, seed):
        if left == 0:
            return
        if (text := mutant.text) is None:
            continue
        left -= 1
        verdict = mutant.design.judge(text)
        yield mutant, verdict, overlooked(mutant, verdict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1 << 40)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--show", nargs="*", default=[], help="also those of these places")
    parser.add_argument("--only", default="", help="mistakes with this in their name")
    options = parser.parse_args()
    for name in [name for name in MISTAKES if options.only not in name]:
        del MISTAKES[name]
    designs = [Design(*design) for design in DESIGNS]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    found = 0
    began = time.monotonic()
    for mutant, verdict, why in campaign(designs, options.seed, options.count):
        table[mutant.mistake][verdict.where] += 1
        if why or verdict.where in options.show:
            found += why is not None
            print(f"{mutant.mistake} {mutant.seed} in {mutant.design.name}: {why or ''}")
            print(f"  {verdict.where}: {verdict.said}\n{mutant.difference()}", flush=True)
        if time.monotonic() - began > options.seconds:
            break
    places = (TEXT, CHECKED, SIMULATED, RESULT, SAME)
    print(f"{'':28}" + "".join(f"{place:>10}" for place in places))
    for name, row in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"{name:28}" + "".join(f"{row[place]:10}" for place in places))
    made = sum(sum(row.values()) for row in table.values())
    print(f"{made} mistakes in {time.monotonic() - began:.0f} s, {found} overlooked")
    return found > 0


if __name__ == "__main__":
    sys.exit(main())
