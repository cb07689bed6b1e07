"""Stand-ins for the tools that `build.sh` calls: they note how, and make files of those names."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

# The design itself stands for the xclbin; xrt_fake runs it.
_AIECC = """#!/usr/bin/env bash
case "${1:-}" in
  --help) echo "$OPTIONS"; exit 0 ;;
  --aie-version) echo "aiecc 1.2.3"; exit 0 ;;
esac
echo "aiecc $PWD $(ls) $*" >>"$LOG"
[[ ${NOTHING:-} ]] && exit 0
for option; do
  case "$option" in
    --xclbin-name=*) xclbin=${option#*=} ;;
    --npu-insts-name=*) insts=${option#*=} ;;
  esac
done
cp "${!#}" "$xclbin"
printf 'instruct' >"$insts"
"""
_CLANG = """#!/usr/bin/env bash
case "${1:-}" in --version) echo "clang 19 of Peano"; exit 0 ;; esac
echo "clang++ $*" >>"$LOG"
while (($#)); do
  case "$1" in
    -c) [[ -f $2 ]] || { echo "no $2" >&2; exit 1; } ;;
    -o) echo object >"$2" ;;
  esac
  shift
done
"""
_XCLBINUTIL = """#!/usr/bin/env bash
echo "xclbinutil 2.21"
"""


class Tools:
    """In `folder`; each can be taken away. log: what was called, line by line."""

    def __init__(self, folder: Path) -> None:
        self.mlir_aie, self.peano, self.xrt = (folder / n for n in ("mlir_aie", "peano", "xrt"))
        self.log = folder / "log.txt"
        self.files = {
            "aiecc": self.mlir_aie / "bin" / "aiecc",
            "clang++": self.peano / "bin" / "clang++",
            "xclbinutil": self.xrt / "xclbinutil",
            "aie_api": self.mlir_aie / "include" / "aie_api" / "aie.hpp",
        }
        texts = {"aiecc": _AIECC, "clang++": _CLANG, "xclbinutil": _XCLBINUTIL, "aie_api": ""}
        for name, path in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[name])
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def build(self, artifact: Path, **changes: str) -> subprocess.CompletedProcess[str]:
        """Runs build.sh of an artifact with no other tools than these."""
        variables = {
            "PATH": f"{self.xrt}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "MLIR_AIE_INSTALL_DIR": str(self.mlir_aie),
            "PEANO_INSTALL_DIR": str(self.peano),
            "LOG": str(self.log),
            "OPTIONS": "--aie-generate-xclbin - Generate xclbin",
        }
        return subprocess.run(
            [str(artifact / "build.sh")],
            env=variables | changes,
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
        )
