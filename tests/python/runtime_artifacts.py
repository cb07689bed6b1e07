"""Small hand-written artifacts for the runtime's tests: a few C kernels and a manifest."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

RUNTIME_CPU = Path(__file__).resolve().parents[2] / "runtime" / "cpu"

KERNELS = r"""
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#define KERNEL(NAME)                                                                    \
  __attribute__((visibility("default"))) void NAME(                                     \
      void *const *b, const int32_t *c, const uint32_t wg[3])

// t[i] = 2 x[i], 16 elements a workgroup.
KERNEL(double_f32) {
  (void)c;
  for (uint32_t i = wg[0] * 16; i < wg[0] * 16 + 16; ++i)
    ((float *)b[1])[i] = 2 * ((const float *)b[0])[i];
}
// y[i] = t[n-1-i] + c[1], n = c[0]: reads what another thread wrote in the step before.
KERNEL(reverse_f32) {
  for (uint32_t i = wg[0] * 16; i < wg[0] * 16 + 16; ++i)
    ((float *)b[1])[i] = ((const float *)b[0])[c[0] - 1 - (int32_t)i] + (float)c[1];
}
// y[z][y][x] = old + 1 + 1000 x + 100 y + 10 z with the grid's size in c.
KERNEL(mark_i32) {
  ((int32_t *)b[0])[(wg[2] * c[1] + wg[1]) * c[0] + wg[0]] +=
      1 + 1000 * (int32_t)wg[0] + 100 * (int32_t)wg[1] + 10 * (int32_t)wg[2];
}
KERNEL(clear_i32) {
  for (int32_t i = 0; i < c[0]; ++i)
    ((int32_t *)b[0])[i] = (int32_t)wg[0];
}
// y = the kernel's number of the thread.
KERNEL(thread_i32) { ((int32_t *)b[0])[wg[0]] = (int32_t)syscall(SYS_gettid); }
// y = sum of bytes w.
KERNEL(sum_i8) {
  (void)wg;
  float sum = 0;
  for (int32_t i = 0; i < c[0]; ++i)
    sum += ((const int8_t *)b[0])[i];
  *(float *)b[1] = sum;
}
KERNEL(copy_16) {
  (void)c;
  ((uint16_t *)b[1])[wg[0]] = ((const uint16_t *)b[0])[wg[0]];
}
// Spins until flag[0] is set, then y = flag[1]. flag[2] tells that it runs.
KERNEL(wait_i32) {
  (void)c, (void)wg;
  volatile int32_t *flag = b[0];
  flag[2] = 1;
  while (!flag[0])
    ;
  *(int32_t *)b[1] = flag[1];
}
// y[i] = 1; the first workgroup waits (a minute at most) for all others: did they run?
KERNEL(others_i32) {
  volatile int32_t *y = b[0];
  int32_t left = 1;
  if (wg[0] == 0)
    for (int32_t ms = 0; left && ms < 60000; ++ms, usleep(1000)) {
      left = 0;
      for (int32_t i = 1; i < c[0]; ++i)
        left += !y[i];
    }
  y[wg[0]] = wg[0] || !left;
}
KERNEL(nothing) { (void)b, (void)c, (void)wg; }
"""


def compile_library(folder: Path, source: str = KERNELS, executor: bool = True) -> Path:
    """Builds kernels.so in `folder` as the compiler does: one object, the executor, no libc."""
    clang = shutil.which("clang-22") or shutil.which("clang")
    assert clang, "the runtime tests compile C kernels: install clang-22"
    (folder / "kernels.c").write_text(source)
    flags = ["-O2", "-std=c11", "-fPIC", "-fvisibility=hidden", "-Wall", "-Werror"]
    sources = [folder / "kernels.c"] + ([RUNTIME_CPU / "executor.c"] if executor else [])
    output = folder / "kernels.so"
    command = [clang, *flags, "-shared", "-nostdlib", "-fuse-ld=lld", *map(str, sources)]
    subprocess.run([*command, "-o", str(output)], check=True)
    return output


def write_artifact(folder: Path, library: Path, **parts: Any) -> Path:
    """Writes an artifact folder around a library; `parts` are sections of the manifest."""
    folder.mkdir(parents=True)
    shutil.copy(library, folder / "kernels.so")
    (folder / "ir").mkdir()
    (folder / "ir" / "00-input.mlir").write_text("module {}\n")
    names = list(dict.fromkeys(step["kernel"] for step in parts["plan"]))
    manifest: dict[str, Any] = {
        "schema": 1,
        "headrace": "0.1.0",
        "llvm": "22.1.8",
        "target": "cpu",
        "loader": "shared-library",
        "requires": {"machine": platform.machine(), "os": "linux", "features": []},
        "description": {"cpu": "test"},
        "entry": "main",
        "transients": [],
        "kernels": [
            {"name": n, "op": f"test.{n}", "format": None, "bytes": 1000, "operations": 2000}
            for n in names
        ],
        "files": {
            "library": "kernels.so",
            "ir": {"input": "ir/00-input.mlir"},
            "sources": {"kernels": "ir/00-input.mlir"},
        },
        "sha256": {"kernels.so": hashlib.sha256(library.read_bytes()).hexdigest()},
    }
    manifest |= parts
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Overwrites sections of an artifact's manifest; None removes one."""
    path = folder / "manifest.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


def argument(name: str, role: str, dtype: str, shape: list[int], **more: Any) -> dict[str, Any]:
    """One entry of a manifest's arguments."""
    return {"name": name, "role": role, "dtype": dtype, "shape": shape, **more}


def step(kernel: str, grid: list[int], bindings: list[Any], constants: Any = ()) -> dict[str, Any]:
    """One step of a plan. A binding is "a0", "t1" or ("a0", byte offset)."""
    kinds = {"a": "argument", "t": "transient"}
    entries = []
    for binding in bindings:
        name, offset = binding if isinstance(binding, tuple) else (binding, 0)
        entries.append({kinds[name[0]]: int(name[1:]), "offset": offset})
    return {"kernel": kernel, "grid": grid, "bindings": entries, "constants": list(constants)}


N = 1024


def two_steps(folder: Path, library: Path, **parts: Any) -> Path:
    """y = reversed(2 x) + 5, through a transient at a byte offset of 64."""
    return write_artifact(
        folder,
        library,
        **{
            "arguments": [argument("x", "input", "f32", [N]), argument("y0", "output", "f32", [N])],
            "transients": [{"bytes": 4 * N + 64}],
            "plan": [
                step("double_f32", [N // 16, 1, 1], ["a0", ("t0", 64)]),
                step("reverse_f32", [N // 16, 1, 1], [("t0", 64), "a1"], [N, 5]),
            ],
        }
        | parts,
    )


def packed_sum(folder: Path, library: Path, **parts: Any) -> Path:
    """y = sum of x's first bytes ignored, sum of 64 weight bytes: a packed argument."""
    packed = {"rows": 2, "cols": 30, "padded_rows": 2, "padded_cols": 32}
    packed |= {"format": "q8_0", "attribute": "#qlinear.gguf<q8_0>"}
    return write_artifact(
        folder,
        library,
        **{
            "arguments": [
                argument("x", "input", "f32", [3, 4]),
                argument("w", "input", "i8", [64], packed=packed),
                argument("y0", "output", "f32", []),
            ],
            "plan": [step("sum_i8", [1, 1, 1], ["a1", "a2"], [64])],
        }
        | parts,
    )
