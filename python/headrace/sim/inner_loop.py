"""What the innermost loop of a kernel takes, in instructions of a GPU that clang knows.

Apple's instructions are not public. Those of AMD's RDNA 2 are close in kind: a lane has 32-bit
registers and one arithmetic instruction for one number, 64-bit addresses, and loads of up to 16
bytes. So the figures compare kernels with each other; they are no cycles of any chip.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import UsageError
from headrace.sim.clang import find_clang
from headrace.sim.msl_compiler import COMMON_FLAGS, to_cpp

__all__ = ["InnerLoop", "inner_loop"]

_TARGET = [
    *("--target=amdgcn-amd-amdhsa", "-mcpu=gfx1030", "-nogpulib", "-O2", "-ffp-contract=fast"),
    *("-fno-vectorize", "-fno-slp-vectorize", "-fno-builtin"),
    # A loop of the source is unrolled whole or not at all, so that its weights can be counted.
    *("-mllvm", "-unroll-allow-partial=0", "-mllvm", "-unroll-runtime=0"),
    *("-mllvm", "-unroll-threshold=20000", "-mllvm", "-unroll-full-max-count=64"),
    *("-mllvm", "-inline-threshold=100000"),
]
# Waiting and hints, which do no work.
_IDLE = re.compile(r"s_(waitcnt\w*|nop|clause|inst_prefetch|delay_alu|sleep)$")
_WIDTHS = {
    **{f"{sign}byte{half}": 1 for sign in "us" for half in ("", "_d16", "_d16_hi")},
    **dict.fromkeys(("ushort", "sshort", "short_d16", "short_d16_hi"), 2),
    **{f"dword{suffix}": 4 * int(suffix[1:] or 1) for suffix in ("", "x2", "x3", "x4")},
    **{f"dword{suffix}": 4 * int(suffix[1:]) for suffix in ("x8", "x16")},
}
_LOAD = re.compile(r"(?:global|flat|s)_load_(\w+)$")


@dataclass(frozen=True)
class InnerLoop:
    """One iteration, for one thread. instructions: all but waiting. loads: from device memory, and
    load_bytes: theirs. private: accesses to memory of the thread: arrays that found no registers.
    operations: how often each instruction is there. text: the loop."""

    instructions: int
    loads: int
    load_bytes: int
    private: int
    operations: Mapping[str, int]
    text: str


def inner_loop(
    source: str,
    kernel: str,
    *,
    function_constants: Mapping[int, int | float | bool] | None = None,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
) -> InnerLoop:
    """The innermost loop of a kernel of MSL; the longest, where there are several.

    Loops whose count is known are unrolled. Raises UsageError for a kernel without a loop.
    """
    clang = find_clang()
    with tempfile.TemporaryDirectory(prefix="headrace-msl-") as name:
        work = Path(name)
        cpp = to_cpp(
            *(clang, work, source, [kernel], function_constants or {}),
            *(list(include), defines or {}),
        )
        (work / "kernel.cpp").write_text(cpp.source)
        clang.run([*COMMON_FLAGS, *_TARGET, "-S", "-o", "k.s", "kernel.cpp"], work, "the MSL")
        loops = _inner_loops((work / "k.s").read_text(), "headrace_entry_0")
    if not loops:
        raise UsageError(f"kernel '{kernel}' has no loop that is not unrolled")
    return max((_describe(lines) for lines in loops), key=lambda loop: loop.instructions)


def _inner_loops(assembly: str, function: str) -> list[list[str]]:
    """The instructions of each loop without a loop inside, by LLVM's comments on blocks."""
    body = assembly.partition(f"-- Begin function {function}\n")[2].partition("-- End function")[0]
    blocks = re.split(r"^(?=\.LBB\w+:|; %bb\.\d+:)", body, flags=re.MULTILINE)[1:]
    loops: dict[str, list[str]] = {}
    for block in blocks:
        label = re.match(r"\.L(BB\w+):", block)
        if label and "=>This Inner Loop Header" in block:
            loops[label[1]] = []
        elif label is None or "Loop Header" not in block:
            label = re.match(r"[^\n]*(?:\n +;[^\n]*)*in Loop: Header=(BB\w+)", block)
        if label and label[1] in loops:
            loops[label[1]] += [
                " ".join(line.partition(";")[0].split())
                for line in block.splitlines()
                if re.match(r"\t[a-z]", line)
            ]
    return list(loops.values())


def _describe(lines: list[str]) -> InnerLoop:
    operations = Counter(line.split()[0] for line in lines)
    working = {name: count for name, count in operations.items() if not _IDLE.match(name)}
    widths = [
        (count, _WIDTHS[found[1]])
        for name, count in working.items()
        if (found := _LOAD.match(name)) and found[1] in _WIDTHS
    ]
    private = sum(
        count for name, count in working.items() if name.startswith(("buffer_", "scratch_"))
    )
    return InnerLoop(
        instructions=sum(working.values()),
        loads=sum(count for count, _ in widths),
        load_bytes=sum(count * width for count, width in widths),
        private=private,
        operations=dict(sorted(working.items(), key=lambda item: -item[1])),
        text="\n".join(lines),
    )
