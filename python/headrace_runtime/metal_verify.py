"""Checks and measures an artifact on a Mac: `python -m headrace_runtime.metal_verify DIR`.

Inputs are drawn from the artifact's seed, results compared with those that it carries, and each
kernel's time on the GPU is set beside the one that the compiler's model has for it. The report is
JSON, to be sent back: it is what the model is to be judged with.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import metal_backends
from .errors import ArtifactError, HeadraceError, MachineError
from .files import sha256_of
from .manifest import Manifest, read_manifest
from .metal import MetalProgram
from .verification import Verification, agree

SCHEMA = 1
RUNS = 3
# Copies of an input that launches take in turn are together as large: no cache of a chip is.
ROTATION_BYTES = 512 << 20

Array = npt.NDArray[Any]
_PACKAGES = ("pyobjc-framework-Metal", "torch", "mlx", "numpy")


def verify(folder: Path, backend: str, repeats: int) -> dict[str, Any]:
    """The record of one backend: results, whether runs agree, times of kernels."""
    manifest = read_manifest(folder)
    program = MetalProgram(folder, manifest)
    device = program.backend(backend).device
    check = Verification(folder, manifest)
    inputs = check.inputs()
    call = program.bind(inputs, poison=True, backend=backend)
    results = []
    for _ in range(RUNS):
        call.run()
        results.append([np.array(value, copy=True) for value in call.outputs])
    same = agree(results)
    outputs = check.compare(results[0])
    return {
        "backend": backend,
        "device": device,
        "ok": same and all(item["ok"] for item in outputs),
        "outputs": outputs,
        "runs_agree": same,
        "kernels": _times(program, manifest, backend, inputs, repeats),
    }


def _times(
    program: MetalProgram, manifest: Manifest, backend: str, inputs: Sequence[Array], repeats: int
) -> list[dict[str, Any]]:
    """Best and median time of each launch of the plan, beside the modelled one."""
    size = sum(argument.bytes for argument in manifest.inputs)
    copies = max(2, min(64, -(-ROTATION_BYTES // size)))
    calls = [program.bind(inputs, backend=backend) for _ in range(copies)]
    for call in calls:
        call.run()
    device = program.backend(backend)
    rows = []
    for index, step in enumerate(manifest.plan):
        launches = [calls[turn % copies].launches[index] for turn in range(repeats)]
        device.time(launches[:copies])
        seconds = sorted(device.time(launches))
        kernel = manifest.kernel(step.kernel)
        best, median = seconds[0] * 1e6, seconds[len(seconds) // 2] * 1e6
        row: dict[str, Any] = {
            "kernel": step.kernel,
            "op": kernel.op,
            "format": kernel.format,
            "bytes": kernel.bytes,
            "best_us": round(best, 3),
            "median_us": round(median, 3),
            "gb_per_s": round(kernel.bytes / best * 1e-3, 2) if best > 0 else None,
            "measured": "on the device" if backend != "mlx" else "from the CPU, launch included",
        }
        if kernel.modelled is not None:
            row["modelled_us"] = round(kernel.modelled.time_us, 3)
            row["modelled_gb_per_s"] = round(kernel.bytes / kernel.modelled.time_us * 1e-3, 2)
            row["modelled_device"] = kernel.modelled.device
        rows.append(row)
    return rows


def report(folder: Path, backends: Sequence[str], repeats: int) -> dict[str, Any]:
    """The whole report; a backend that does not work here has an `error` instead of results."""
    manifest = read_manifest(folder)
    records = []
    for name in backends:
        try:
            records.append(verify(folder, name, repeats))
        except HeadraceError as error:
            records.append({"backend": name, "ok": False, "error": str(error)})
    return {
        "schema": SCHEMA,
        "operation": manifest.data.get("source"),
        "target": f"{manifest.target}:{_chip(manifest)}",
        "headrace": manifest.headrace,
        "manifest_sha256": sha256_of(folder / "manifest.json"),
        "macos": platform.mac_ver()[0],
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "repeats": repeats,
        "backends": records,
    }


def _chip(manifest: Manifest) -> str:
    description = manifest.data.get("description")
    return str(description.get("chip")) if isinstance(description, dict) else "unknown"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _print(found: dict[str, Any]) -> None:
    print(f"{found['operation']} for {found['target']}")
    for record in found["backends"]:
        if "error" in record:
            print(f"  {record['backend']}: {record['error']}")
            continue
        print(f"  {record['backend']} on {record['device']}: {'ok' if record['ok'] else 'FAILED'}")
        for item in record["outputs"]:
            verdict = "ok" if item["ok"] else "FAILED"
            print(
                f"    {item['output']}: error {item['error']:.3g} (bound {item['bound']:.3g}) "
                f"{verdict}"
            )
        if not record["runs_agree"]:
            print(f"    FAILED: {RUNS} runs on the same inputs gave different results")
        for row in record["kernels"]:
            rate = f", {row['gb_per_s']:.1f} GB/s" if row["gb_per_s"] is not None else ""
            line = f"    {row['kernel']}: {row['best_us']:.1f} us{rate} ({row['measured']})"
            if "modelled_us" in row:
                line += (
                    f"; modelled for {row['modelled_device']}: {row['modelled_us']:.1f} us, "
                    f"{row['modelled_gb_per_s']:.1f} GB/s"
                )
            print(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0 if every backend that ran gave the right results, and one did."""
    parser = argparse.ArgumentParser(
        prog="python -m headrace_runtime.metal_verify", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="an artifact compiled for metal")
    parser.add_argument(
        "--backend",
        choices=metal_backends.NAMES,
        help="only this one; without it, each whose package is installed",
    )
    parser.add_argument("--repeat", type=int, default=50, help="launches of each kernel (50)")
    parser.add_argument(
        "--output", type=Path, default=Path("metal_verify.json"), help="the report to send back"
    )
    given = parser.parse_args(arguments)
    try:
        if given.repeat < 1:
            raise MachineError(f"--repeat: expected a number from 1, but got {given.repeat}")
        folder = given.folder.absolute()
        manifest = read_manifest(folder)
        if manifest.loader != "metal":
            raise ArtifactError(
                f"artifact {folder} is for {manifest.target}; expected one for metal"
            )
        MetalProgram(folder, manifest)  # says where it can run, before anything else does
        Verification(folder, manifest)
        names = [given.backend] if given.backend else metal_backends.installed()
        if not names:
            metal_backends.wanted([])
        found = report(folder, names, given.repeat)
    except HeadraceError as error:
        print(f"metal_verify: {error}", file=sys.stderr)
        return 2
    _print(found)
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {given.output}: please send it back")
    ran = [record for record in found["backends"] if "error" not in record]
    return 0 if ran and all(record["ok"] for record in ran) else 1


if __name__ == "__main__":
    sys.exit(main())
