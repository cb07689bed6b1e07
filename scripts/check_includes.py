"""Checks that C++ files include what the precompiled header hides.

    check_includes.py [BUILD]

A build takes MLIR's largest headers from one precompiled header (cmake/HeadraceLink.cmake), so a
file that forgets one of them compiles there, but not with HEADRACE_PCH=OFF. Each file that names
something of such a header must include it, itself or by one of our headers. With BUILD, a build
folder, so must a pass for the dialects that TableGen says it depends on, and two files are compiled
without the precompiled header.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("dialects", "passes", "lib", "tools")
COMPILED = ("passes/cpu/LowerRope.cpp", "passes/common/ChunkPrefill.cpp")
# A header of the precompiled one -> what is there for others to name.
NAMES = {
    "mlir/Dialect/Arith/IR/Arith.h": r"\barith::",
    "mlir/Dialect/Func/IR/FuncOps.h": r"\bfunc::",
    "mlir/Dialect/LLVMIR/LLVMDialect.h": r"\bLLVM::",
    "mlir/Dialect/Linalg/IR/Linalg.h": r"\blinalg::",
    "mlir/Dialect/Math/IR/Math.h": r"\bmath::",
    "mlir/Dialect/MemRef/IR/MemRef.h": r"\bmemref::",
    "mlir/Dialect/SCF/IR/SCF.h": r"\bscf::",
    "mlir/Dialect/Tensor/IR/Tensor.h": r"\btensor::",
    "mlir/Dialect/Vector/IR/VectorOps.h": r"\bvector::",
    "mlir/IR/BuiltinOps.h": r"\b(ModuleOp|UnrealizedConversionCastOp)\b",
    "mlir/Pass/Pass.h": r"\b(OperationPass|PassWrapper)\b",
    "mlir/Pass/PassManager.h": r"(?<!legacy::)\b(Op)?PassManager\b",
    "mlir/Transforms/DialectConversion.h": r"\b(TypeConverter|ConversionTarget)\b",
    "mlir/Transforms/GreedyPatternRewriteDriver.h": r"\bapplyPatternsGreedily\b",
}


@cache
def included(path: Path) -> frozenset[str]:
    """What a file of ours includes, also by other files of ours."""
    found = set(re.findall(r'^#include ["<]([^">]+)[">]', path.read_text(), re.MULTILINE))
    for name in list(found):
        for other in (ROOT / name, ROOT / "lib" / name):
            if other.is_file():
                found |= included(other)
    return frozenset(found)


def generated(text: str, build: Path) -> str:
    """What TableGen made for the passes that are defined in `text`."""
    parts = []
    for passes in re.findall(r'^#include "(\S+/Passes.h.inc)"', text, re.MULTILINE):
        made = (build / passes).read_text()
        parts += [
            made.partition(f"#ifdef {name}\n")[2].partition(f"#endif // {name}\n")[0]
            for name in re.findall(r"^#define (GEN_PASS_DEF_\w+)", text, re.MULTILINE)
        ]
    return "\n".join(parts)


def missing(path: Path, build: Path | None) -> Iterator[str]:
    """Messages on the headers that `path` should include."""
    text = path.read_text()
    code = re.sub(r"//.*", "", text) + (generated(text, build) if build else "")
    for header, pattern in NAMES.items():
        # Any header of a dialect declares its namespace.
        folder = header.partition("/IR/")[0] if "/Dialect/" in header else header
        use = re.search(pattern, code)
        if use and not any(name.startswith(folder) for name in included(path)):
            yield f'{path.relative_to(ROOT)}: names {use[0]}, expected #include "{header}"'


def compile_alone(name: str, build: Path) -> str:
    """What the compiler says to a file without the precompiled header; empty if nothing."""
    commands = json.loads((build / "compile_commands.json").read_text())
    command = next(item["command"] for item in commands if item["file"] == str(ROOT / name))
    command = re.sub(r"(-Xclang -include(-pch)? -Xclang \S+)|(-o \S+)|( -c )", " ", command)
    done = subprocess.run(
        [*shlex.split(command), "-fsyntax-only"], cwd=build, capture_output=True, text=True
    )
    return done.stderr if done.returncode else ""


def unknown() -> Iterator[str]:
    """Messages on headers that are precompiled and not in `NAMES`."""
    cmake = (ROOT / "cmake/HeadraceLink.cmake").read_text()
    for header in re.findall(r"<(mlir/\S+\.h)>", cmake):
        if header not in NAMES:
            yield f"{header} is precompiled: expected NAMES in {Path(__file__).name} to have it"


def main() -> int:
    build = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.[ch]*"))]
    messages = list(unknown())
    messages += [
        message
        for path in files
        if path.suffix in (".cpp", ".h")
        for message in missing(path, build)
    ]
    if build:
        with ThreadPoolExecutor() as pool:
            messages += filter(None, pool.map(lambda name: compile_alone(name, build), COMPILED))
    print("\n".join(messages), end="\n" if messages else "", file=sys.stderr)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
