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

from . import drawn, metal_backends
from .checked_json import Table
from .errors import ArtifactError, HeadraceError, MachineError
from .files import check_sha256, inside, sha256_of
from .manifest import Argument, Manifest, read_manifest
from .metal import MetalProgram

SCHEMA = 1
RUNS = 3
# Copies of an input that launches take in turn are together as large: no cache of a chip is.
ROTATION_BYTES = 512 << 20

Array = npt.NDArray[Any]
_DTYPES = {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "i16": "<i2", "i8": "i1"}
_PACKAGES = ("pyobjc-framework-Metal", "torch", "mlx", "numpy")


class Verification:
    """What an artifact says its results should be: inputs, and comparison of outputs."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        top = Table(manifest.data, "")
        if "verification" not in manifest.data:
            raise ArtifactError(
                f"artifact {folder} has nothing to compare results with; compile it from an "
                "operation: headrace compile OPERATION --target metal:CHIP -o DIR"
            )
        self._folder = folder
        self._manifest = manifest
        self._table = top.table("verification")

    def inputs(self) -> list[Array]:
        """The inputs in order, in the types that a call takes."""
        seed = self._table.count("seed")
        recipes = self._table.tables("inputs")
        if len(recipes) != len(self._manifest.inputs):
            raise ArtifactError(f"verification.inputs: expected {len(self._manifest.inputs)}")
        found = []
        for stream, (table, argument) in enumerate(
            zip(recipes, self._manifest.inputs, strict=True)
        ):
            if "file" in table.data:
                data = self._load(table).view(np.uint8).reshape(-1)
            else:
                numbers = [drawn.Numbers.of(t, argument.bytes) for t in table.tables("numbers")]
                data = drawn.draw(argument.bytes, numbers, seed, stream)
            if drawn.sha256(data) != table.text("sha256"):
                raise ArtifactError(
                    f"verification: input '{argument.name}' is not the one that results were "
                    f"computed with (NumPy {np.__version__})"
                )
            found.append(_typed(data, argument))
        return found

    def compare(self, outputs: Sequence[Array]) -> list[dict[str, Any]]:
        """For each output: relative error, or how many differ where none may; the bound."""
        records = []
        tables = self._table.tables("outputs")
        for table, argument, got in zip(tables, self._manifest.outputs, outputs, strict=True):
            want, bound = self._load(table), table.amount("bound")
            if "rows" in table.data:
                got = np.concatenate([got[..., a:b] for a, b in _spans(table)], -1)
            if got.shape != want.shape:
                raise ArtifactError(
                    f"verification: '{argument.name}' has shape {list(got.shape)}, but results to "
                    f"compare with have {list(want.shape)}"
                )
            error = _error(got, want, exact=bound == 0)
            records.append(
                {"output": argument.name, "error": error, "bound": bound, "ok": error <= bound}
            )
        return records

    def _load(self, table: Table) -> Array:
        name = table.text("file")
        check_sha256(self._folder, {name: self._manifest.sha256.get(name, "")})
        values: Array = np.load(inside(self._folder, name), allow_pickle=False)
        return values


def _spans(table: Table) -> list[tuple[int, int]]:
    """First row and the one behind the last, of each part that there are results for."""
    spans = table.data["rows"]
    if not isinstance(spans, list) or not all(
        isinstance(span, list) and len(span) == 2 and all(type(row) is int for row in span)
        for span in spans
    ):
        raise ArtifactError(f"{table.where('rows')}: expected pairs of rows, but got {spans!r:.80}")
    return [(span[0], span[1]) for span in spans]


def _typed(data: npt.NDArray[np.uint8], argument: Argument) -> Array:
    if argument.dtype == "bf16":
        try:
            import ml_dtypes
        except ImportError as error:
            raise MachineError(
                "inputs in bfloat16 need the package ml_dtypes: pip install ml_dtypes"
            ) from error
        return data.view(ml_dtypes.bfloat16).reshape(argument.shape)
    return data.view(_DTYPES[argument.dtype]).reshape(argument.shape)


def _error(got: Array, want: Array, *, exact: bool) -> float:
    """Relative in the Euclidean norm; 1e300 for what is no number."""
    if exact:
        return float(np.count_nonzero(got != want))
    values, norm = got.astype(np.float64), float(np.linalg.norm(want))
    error = float(np.linalg.norm(values - want)) / norm if norm else float(np.abs(values).max())
    return error if np.isfinite(error) else 1e300


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
    same = all(
        one.tobytes() == other.tobytes()
        for run in results[1:]
        for one, other in zip(results[0], run, strict=True)
    )
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
