"""The C++ compiler that kernels are compiled with."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headrace.errors import CompileError, ToolMissingError

__all__ = ["Clang", "find_clang"]

_OLDEST = 18
_INSTALLED = ["/usr/lib/llvm-22/bin/clang++"]
_NAMES = ["clang++-22", "clang++", *(f"clang++-{version}" for version in range(21, 17, -1))]


@dataclass(frozen=True)
class Clang:
    """path: the program; version: what it calls itself, machine included."""

    path: str
    version: str

    def run(self, arguments: Sequence[str], folder: Path, what: str) -> str:
        """Its output. `what` is compiled: for the message if it is not accepted."""
        result = subprocess.run(
            [self.path, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            said = result.stderr.strip() or f"exit code {result.returncode}"
            raise CompileError(f"clang does not accept {what}:\n{said}")
        return result.stdout

    def line_of(self, library: Path, offset: int) -> str | None:
        """`file:line` of an address in a library, if a tool is there that finds it."""
        beside = Path(self.path).resolve().parent / "llvm-symbolizer"
        tools = [[str(beside), "--obj"], ["addr2line", "-e"]]
        for tool, option in tools:
            if shutil.which(tool):
                command = [tool, option, str(library), hex(offset)]
                if option == "--obj":
                    command = [tool, f"--obj={library}", "--output-style=GNU", hex(offset)]
                result = subprocess.run(command, capture_output=True, text=True, check=False)
                for line in result.stdout.splitlines():
                    if found := re.search(r"([^/\s]+):(\d+)", line):
                        return f"{found[1]}:{found[2]}" if found[2] != "0" else None
        return None


@cache
def find_clang() -> Clang:
    """The clang to use: of LLVM 22, or another one that is new enough."""
    seen = []
    for name in [*_NAMES, *_INSTALLED]:
        path = shutil.which(name)
        if path is None:
            continue
        version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        found = re.search(r"clang version (\d+)", version)
        if found and int(found[1]) >= _OLDEST:
            return Clang(path, version)
        seen.append(f"{path} ({version.partition(chr(10))[0] or 'no version'})")
    raise ToolMissingError(
        "the simulator compiles kernels with clang, which is not installed; expected clang "
        f"{_OLDEST} or newer as {', '.join(_NAMES[:2])}, but got {', '.join(seen) or 'none'} "
        "(Debian: apt-get install clang-22)"
    )
