"""Runs IREE's compiler, always out of process: its LLVM and ours must not share one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from headrace.errors import CompileError, ToolMissingError

# Below O2 IREE does not fuse, and a whole model runs many times slower.
OPTIMIZE = "--iree-opt-level=O3"

_PROBE = "func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> { return %x : tensor<1xf32> }"


def target_flags(cpu: str, features: str) -> list[str]:
    """Flags that choose IREE's CPU backend: LLVM's name of the CPU, and features on and off."""
    return [
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        f"--iree-llvmcpu-target-cpu={cpu}",
        f"--iree-llvmcpu-target-cpu-features={features}",
        "--iree-llvmcpu-link-embedded=true",
    ]


def executable_target(flags: list[str]) -> str:
    """The `#hal.executable.target<...>` that IREE gives to kernels under these target flags.

    Our executables must carry the same attribute as those IREE generates, features included, or
    IREE takes them for another machine's. So IREE itself is asked.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        probe = Path(folder, "probe.mlir")
        probe.write_text(_PROBE)
        text = run_compiler([str(probe), "--compile-to=preprocessing", *flags], probe)
    found = re.search(r"#hal\.executable\.target<", text)
    if found is None:
        raise CompileError(f"iree: iree-compile named no target for {flags}")
    depth, quoted = 1, False
    for end in range(found.end(), len(text)):
        if text[end] == '"':
            quoted = not quoted
        elif not quoted:
            # "->" and "=>" do not occur in this attribute, so every ">" closes a "<".
            depth += {"<": 1, ">": -1}.get(text[end], 0)
        if depth == 0:
            return text[found.start() : end + 1]
    raise CompileError("iree: cannot read the target that iree-compile printed")


def run_compiler(arguments: list[str], source: Path, *, keep: Path | None = None) -> str:
    """Run iree-compile in the folder of `source`; what it printed to stdout.

    Raises CompileError with the compiler's first errors; the source is then copied to `keep` or a
    temporary folder, and the message has the command that reproduces the failure.
    """
    command = [str(find_tool("iree-compile")), *arguments]
    result = subprocess.run(
        command, cwd=source.parent, capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode == 0:
        return result.stdout
    folder = keep or Path(tempfile.mkdtemp(prefix="headrace-iree-"))
    folder.mkdir(parents=True, exist_ok=True)
    for part in source.parent.iterdir():
        if part.suffix in (".o", ".mlir"):
            (folder / part.name).write_bytes(part.read_bytes())
    errors = [line for line in result.stderr.splitlines() if "error:" in line][:3]
    detail = "\n".join(errors or result.stderr.splitlines()[:3]) or f"exit {result.returncode}"
    shown = [Path(command[0]).name, *arguments]
    raise CompileError(
        f"iree: iree-compile rejected the program: {detail}",
        reproducer=folder / source.name,
        command=f"cd {shlex.quote(str(folder))} && {shlex.join(shown)}",
    )


def find_tool(name: str) -> Path:
    """The path of one of IREE's compiler tools, inside its own wheel."""
    try:
        from iree.compiler.tools import binaries
    except ImportError as error:
        raise ToolMissingError(
            "iree: the Python package iree-base-compiler is not installed"
        ) from error
    path = Path(binaries.find_tool(name))
    if not os.access(path, os.X_OK):
        raise ToolMissingError(f"iree: {name} is missing from iree-base-compiler")
    return path
