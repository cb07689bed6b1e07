"""How lit runs the `.mlir` and `.py` tests of this folder.

    .venv/bin/lit -v tests/dialects          one folder, after `make build`
    HEADRACE_BUILD=DIR .venv/bin/lit tests   another build folder

Substitutions: `%headrace_opt`, `%mlir_opt` (the stock tool of the LLVM in use), `%plugin`
(our plugin for it), `%python` (with the package importable), `%headrace` (the command line) and
`%inner_loops` (prints the innermost loops of assembly, inner_loops.py).
Features: `plugin` where MLIR is shared, `x86_64`, `aarch64`, `mlir-opt`, and
`<target>-registered-target` for each target of that LLVM, such as `x86-registered-target`.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import lit.formats

TESTS = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("HEADRACE_BUILD", TESTS.parent / "build")).resolve()


def cmake_cache(name: str) -> str:
    """The value of one entry of the build folder's CMakeCache.txt."""
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        key, _, value = line.partition("=")
        if key.split(":")[0] == name:
            return value
    raise SystemExit(f"error: {BUILD}/CMakeCache.txt has no {name}; run `make build`")


LLVM_TOOLS = Path(cmake_cache("MLIR_DIR"), "../../../bin").resolve()

config.name = "headrace"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".py"]
# pytest's folders, and data and helpers of lit tests.
config.excludes = ["python", "e2e", "Inputs", "lit.cfg.py", "conftest.py", "fuzz", "inner_loops.py"]
config.test_source_root = str(TESTS)
config.test_exec_root = str(BUILD / "tests")

config.environment["PATH"] = os.pathsep.join(
    [str(BUILD / "bin"), str(LLVM_TOOLS), "/usr/bin", "/bin"]
)
config.environment["PYTHONPATH"] = str(BUILD / "python_packages")
config.environment["FILECHECK_OPTS"] = "--dump-input-filter=all --dump-input=fail"

plugin = BUILD / "lib" / "HeadracePlugin.so"
config.substitutions += [
    ("%headrace_opt", str(BUILD / "bin" / "headrace-opt")),
    ("%headrace", f"{sys.executable} -m headrace"),
    ("%mlir_opt", str(LLVM_TOOLS / "mlir-opt")),
    ("%plugin", str(plugin)),
    ("%python", sys.executable),
    ("%inner_loops", f"{sys.executable} {TESTS / 'inner_loops.py'}"),
    ("%tests", str(TESTS)),
]

config.available_features.add(platform.machine())
if plugin.exists():
    config.available_features.add("plugin")
if (LLVM_TOOLS / "mlir-opt").exists():
    config.available_features.add("mlir-opt")
version = subprocess.run([LLVM_TOOLS / "llc", "--version"], capture_output=True, text=True).stdout
for target in re.findall(r"^ +(\S+) +- ", version, re.MULTILINE):
    config.available_features.add(f"{target}-registered-target")
