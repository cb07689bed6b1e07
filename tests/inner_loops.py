"""The innermost loops of assembly, for tests of instructions and spills.

    inner_loops.py kernels.s --with vpdpbusd

Reads assembly of x86-64 (AT&T) or AArch64 with LLVM's comments, as `headrace translate --to asm`
writes it, and prints the loops that no other loop is inside of, function by function. A loop
reaches from a label to the last jump back to it. `spill` marks that a register is saved to the
stack, `reload` that it is loaded from there. Arrays that a kernel keeps on the stack are neither:
LLVM's comments tell them apart. A reload without a spill in its loop is of what the loop does not
change, like a constant.

    function matvec_q4_k_64x512_i8
    loop .LBB0_2: 3 instructions
      vpdpbusd  (%rsi,%rax), %zmm1, %zmm2
      spill: vmovups  %zmm2, 64(%rsp)
      jne  .LBB0_2

Exits with 1 where no loop is left to print.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

JUMP = re.compile(r"\s+(?:j\w+|b(?:\.\w+)?|cbn?z|tbn?z)\s+(?:[^,\s]+, )*(\.L\w+)")
STACK = re.compile(r"\d+-byte (?:Folded )?(Spill|Reload)")


@dataclass(frozen=True)
class Loop:
    """function, label: where it is. body: its instructions, with one space for each tab, marked
    where they spill and reload, and without comments."""

    function: str
    label: str
    body: tuple[str, ...]

    def having(self, pattern: str) -> list[str]:
        """The instructions in which `pattern` (a regular expression) is found."""
        return [line for line in self.body if re.search(pattern, line)]

    @property
    def spills(self) -> list[str]:
        """Instructions that save a register to the stack or load it from there."""
        return self.having("^(spill|reload): ")


def inner_loops(assembly: str, pattern: str = "") -> list[Loop]:
    """The innermost loops that have an instruction in which `pattern` is found, in order.

    Raises ValueError for assembly without the comments that name spills.
    """
    mark = next((mark for mark in ("#", "//") if f"{mark} -- Begin function" in assembly), None)
    if mark is None:
        raise ValueError("expected assembly with LLVM's comments ('# -- Begin function NAME')")
    found = [
        loop for name, lines in _functions(assembly, mark) for loop in _loops(name, lines, mark)
    ]
    return [loop for loop in found if loop.having(pattern)]


def _functions(assembly: str, mark: str) -> Iterator[tuple[str, list[str]]]:
    parts = re.split(rf"{mark} -- Begin function (\S+)\n", assembly)
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        yield name, text.partition(f"{mark} -- End function")[0].splitlines()


def _loops(function: str, lines: list[str], mark: str) -> Iterator[Loop]:
    labels: dict[str, int] = {}
    ends: dict[str, int] = {}  # label -> the last jump back to it
    for number, line in enumerate(lines):
        if here := re.match(r"(\.L\w+):", line):
            labels[here[1]] = number
        elif (jump := JUMP.match(line)) and jump[1] in labels:
            ends[jump[1]] = number
    for label, end in ends.items():
        start = labels[label]
        if not any(
            start <= labels[other] and ends[other] <= end for other in ends if other != label
        ):
            every = (_instruction(text, mark) for text in lines[start + 1 : end + 1])
            yield Loop(function, label, tuple(filter(None, every)))


def _instruction(line: str, mark: str) -> str:
    """What a line says to the CPU; empty for labels, directives and comments."""
    text, _, comment = line.partition(mark)
    if not re.match(r"\s+[a-z]", text):
        return ""
    instruction = " ".join(text.split())
    stack = STACK.search(comment)
    return f"{stack[1].lower()}: {instruction}" if stack else instruction


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", type=Path, help="assembly; - for standard input")
    parser.add_argument("--with", dest="pattern", default="", help="only loops that have this")
    options = parser.parse_args()
    text = sys.stdin.read() if str(options.file) == "-" else options.file.read_text()
    loops = inner_loops(text, options.pattern)
    function = None
    for loop in loops:
        if loop.function != function:
            print(f"function {loop.function}")
        function = loop.function
        print(f"loop {loop.label}: {len(loop.body)} instructions")
        print("\n".join(f"  {line}" for line in loop.body))
    return 0 if loops else 1


if __name__ == "__main__":
    sys.exit(main())
