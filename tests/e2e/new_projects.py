"""What the tests of scaffolds share: run commands with a private site folder, install, run lit."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HEADRACE_BUILD", ROOT / "build")).resolve()
BIN = Path(sys.executable).parent

NUMBERS = """
import sys
import numpy as np
import headrace

target, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(rows * columns)
q8_0 = headrace.formats.get("q8_0")
w = q8_0.encode(random.standard_normal((rows, columns), dtype=np.float32))
x = random.standard_normal(columns, dtype=np.float32)
artifact = headrace.compile(headrace.ops.matvec(rows, columns, format="q8_0"), target=target)
want = q8_0.decode(w, rows, columns).astype(np.float64) @ x.astype(np.float64)
print(np.linalg.norm(artifact(x, w) - want) / np.linalg.norm(want))
"""


def cmake_cache(name: str) -> str:
    """One entry of the build folder's CMake cache."""
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        key, _, value = line.partition("=")
        if key.split(":")[0] == name:
            return value
    raise KeyError(name)


LLVM_BIN = (Path(cmake_cache("MLIR_DIR")) / "../../../bin").resolve()


class Site:
    """A folder of installed packages that only the commands run here see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        temporary = folder.parent / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        path = [str(BIN), str(LLVM_BIN), os.environ["PATH"]]
        self.environment = os.environ | {
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.pathsep.join(path),
            "TMPDIR": str(temporary),
            "CC": str(LLVM_BIN / "clang"),
            "CXX": str(LLVM_BIN / "clang++"),
            "MLIR_DIR": cmake_cache("MLIR_DIR"),
        }

    def run(
        self, *command: str | Path, code: int | None = 0, timeout: float | None = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; `code` is what it must exit with (None: anything)."""
        result = subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if code is not None:
            assert result.returncode == code, result.stdout + result.stderr
        return result

    def headrace(
        self, *words: str | Path, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run the `headrace` command."""
        return self.run(sys.executable, "-m", "headrace", *words, code=code)

    def json(self, *words: str | Path) -> dict:
        """What `headrace ... --json` prints."""
        return json.loads(self.headrace(*words, "--json").stdout)

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line as a user would who copied it."""
        return self.run("sh", "-c", line, code=None)

    def scaffold(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `python -m headrace.new`."""
        return self.run(sys.executable, "-m", "headrace.new", *words, code=code)

    def install(self, project: Path) -> None:
        """Install a project from its folder, without a network."""
        options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--upgrade"]
        self.run(sys.executable, "-m", "pip", "install", *options, "--target", self.folder, project)

    def error(self, target: str, rows: int, columns: int) -> float:
        """Relative L2 error of a compiled q8_0 matvec against float64."""
        result = self.run(sys.executable, "-c", NUMBERS, target, str(rows), str(columns))
        return float(result.stdout)

    def lit(self, folder: Path) -> dict[str, str]:
        """Run lit; test name -> PASS, FAIL, ...."""
        output = folder.parent / "lit.json"
        self.run(BIN / "lit", "-q", "--output", output, folder, code=None)
        tests = json.loads(output.read_text())["tests"]
        return {test["name"].partition(" :: ")[2]: test["code"] for test in tests}


def change(path: Path, old: str, new: str) -> None:
    """Replace `old`, which must be there once."""
    text = path.read_text()
    assert text.count(old) == 1, (path, old, text.count(old))
    path.write_text(text.replace(old, new))
