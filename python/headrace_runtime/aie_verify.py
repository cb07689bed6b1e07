"""Checks and measures an artifact on the NPU of a Ryzen AI:
`python -m headrace_runtime.aie_verify DIR`.

The design runs on the packed weights and activations of the artifact, results are compared with
those that it carries, and the time of a run is set beside the one that the simulator of the array
has for it. The report is JSON, to be sent back: it is what the model is to be judged with.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import aie_packing
from .aie import TIMEOUT_MS, AieProgram, download, timed, upload
from .aie_xrt import INSTRUCTIONS, XCLBIN, Npu
from .checked_json import Table
from .errors import ArtifactError, HeadraceError, MachineError
from .files import check_sha256, inside, sha256_of
from .manifest import Manifest, read_manifest
from .verification import Verification, agree

SCHEMA = 1
RUNS = 3
# Copies of all memory that runs take in turn are together as large: no cache of a chip is.
ROTATION_BYTES = 256 << 20
# What build.sh wrote about its tools.
TOOLS = "build/tools.txt"

U8 = npt.NDArray[np.uint8]


def packed_memory(
    folder: Path, manifest: Manifest, array: dict[str, Any], check: Verification
) -> list[U8]:
    """The arguments of the runtime sequence; results are bytes of NaN.

    Those that the artifact has as files are read, others are drawn and packed here. Raises
    ArtifactError for files of another size.
    """
    if "packed" not in array:
        return aie_packing.pack(array, check.memory())
    files = Table(array, "array").text_map("packed")
    written = aie_packing.memories_of(array, "results")
    memory = []
    for index, (name, size) in enumerate(aie_packing.sizes(array).items()):
        if index in written:
            memory.append(np.full(size, 0xFF, np.uint8))
            continue
        if name not in files:
            raise ArtifactError(f"artifact {folder}: array.packed has no '{name}'")
        check_sha256(folder, {files[name]: manifest.sha256.get(files[name], "")})
        data = np.fromfile(inside(folder, files[name]), np.uint8)
        if data.size != size:
            raise ArtifactError(
                f"artifact {folder}: expected {size} bytes in {files[name]}, but got {data.size}"
            )
        memory.append(data)
    return memory


def report(folder: Path, repeats: int, timeout_ms: int) -> dict[str, Any]:
    """The whole report."""
    manifest = read_manifest(folder)
    program = AieProgram(folder, manifest)
    check = Verification(folder, manifest)
    memory = packed_memory(folder, manifest, program.array, check)
    npu = program.npu
    runs = [_run(npu, program.array, memory, timeout_ms) for _ in range(RUNS)]
    same = agree(runs)
    outputs = check.compare(runs[0])
    tools = folder / TOOLS
    products = Table(program.array, "array").tables("products")
    return {
        "schema": SCHEMA,
        "operation": manifest.data.get("source") or f"{len(products)} products",
        "products": [product.text("operation") for product in products],
        "target": f"{manifest.target}:{program.array['device']}",
        "headrace": manifest.headrace,
        "manifest_sha256": sha256_of(folder / "manifest.json"),
        "device": npu.name,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "built": {name: sha256_of(folder / name) for name in (XCLBIN, INSTRUCTIONS)},
        "tools": tools.read_text(encoding="utf-8").splitlines() if tools.is_file() else [],
        "ok": same and all(item["ok"] for item in outputs),
        "outputs": outputs,
        "runs_agree": same,
        "repeats": repeats,
        "time": _times(npu, program.array, memory, repeats, timeout_ms),
    }


def _run(
    npu: Npu, array: dict[str, Any], memory: Sequence[U8], timeout_ms: int
) -> list[npt.NDArray[np.float32]]:
    """Outputs of a run in memory of its own: what it leaves as it was is NaN."""
    on_device = upload(npu, memory)
    npu.run(on_device, timeout_ms)
    return download(npu, array, memory, on_device)


def _times(
    npu: Npu, array: dict[str, Any], memory: Sequence[U8], repeats: int, timeout_ms: int
) -> dict[str, Any]:
    """Best and median time of a run, beside the modelled one."""
    size = sum(data.size for data in memory)
    copies = [upload(npu, memory) for _ in range(max(2, min(64, -(-ROTATION_BYTES // size))))]
    timed(npu, copies, len(copies), timeout_ms)
    seconds = sorted(timed(npu, copies, repeats, timeout_ms))
    best, median = seconds[0] * 1e6, seconds[len(seconds) // 2] * 1e6
    modelled = Table(array, "array").table("modelled")
    run_us, dispatch_us = modelled.amount("run_us"), modelled.amount("dispatch_us")
    return {
        "measured": "from the CPU, launch included",
        "bytes": size,
        "best_us": round(best, 3),
        "median_us": round(median, 3),
        "gb_per_s": round(size / best * 1e-3, 2),
        "modelled_run_us": round(run_us, 3),
        "modelled_dispatch_us": round(dispatch_us, 3),
        "modelled_gb_per_s": round(size / (run_us + dispatch_us) * 1e-3, 2),
    }


def _print(found: dict[str, Any]) -> None:
    print(f"{found['operation']} for {found['target']}")
    print(f"  on {found['device']}: {'ok' if found['ok'] else 'FAILED'}")
    for item in found["outputs"]:
        verdict = "ok" if item["ok"] else "FAILED"
        print(
            f"    {item['output']}: error {item['error']:.3g} (bound {item['bound']:.3g}) {verdict}"
        )
    if not found["runs_agree"]:
        print(f"    FAILED: {RUNS} runs on the same memory gave different results")
    time = found["time"]
    print(
        f"    {time['best_us']:.1f} us, {time['gb_per_s']:.1f} GB/s ({time['measured']}); "
        f"modelled: {time['modelled_run_us']:.1f} us and {time['modelled_dispatch_us']:.1f} us of "
        f"dispatch, {time['modelled_gb_per_s']:.1f} GB/s"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0 if results are right."""
    parser = argparse.ArgumentParser(
        prog="python -m headrace_runtime.aie_verify",
        description="Checks and measures an artifact on the NPU of a Ryzen AI.",
    )
    parser.add_argument("folder", type=Path, help="an artifact compiled for aie, and built")
    parser.add_argument("--repeat", type=int, default=50, help="timed runs (50)")
    parser.add_argument(
        "--timeout", type=int, default=TIMEOUT_MS, help=f"milliseconds of a run ({TIMEOUT_MS})"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("aie_verify.json"), help="the report to send back"
    )
    given = parser.parse_args(arguments)
    try:
        for name in ("repeat", "timeout"):
            if getattr(given, name) < 1:
                raise MachineError(
                    f"--{name}: expected a number from 1, but got {getattr(given, name)}"
                )
        found = report(given.folder.absolute(), given.repeat, given.timeout)
    except HeadraceError as error:
        print(f"aie_verify: {error}", file=sys.stderr)
        return 2
    _print(found)
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.output}: please send it back")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
