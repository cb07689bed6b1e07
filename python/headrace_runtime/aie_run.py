"""Runs an artifact on the NPU of a Ryzen AI with data of one's own:
`python -m headrace_runtime.aie_run DIR --input w=weights.bin --input x=x.npy --output y.npz`.

Inputs are those of the artifact, by name: weights in its format, activations in bf16 or, in a .npy
file, in f32, which are rounded. Those that are not given are the drawn ones of the artifact.
Weights are packed here in the order in which the design reads them; `--packed FOLDER` writes the
arguments of its runtime sequence for another host program, and needs no device.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import aie_packing
from .aie import TIMEOUT_MS, AieProgram, array_of, download, timed, upload
from .core_blocks import bf16_bits
from .errors import ArgumentError, HeadraceError
from .manifest import Argument, Manifest, read_manifest
from .verification import Verification

U8 = npt.NDArray[np.uint8]


def read_input(argument: Argument, path: Path) -> U8:
    """The bytes of one input, from a .npy file or any other with just these."""
    try:
        values: Any = np.load(path) if path.suffix == ".npy" else np.fromfile(path, np.uint8)
    except (OSError, ValueError) as error:
        raise ArgumentError(f"argument '{argument.name}': cannot read {path}: {error}") from error
    if argument.dtype == "bf16" and values.dtype == np.float32:
        values = bf16_bits(values)
    data: U8 = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    if data.size != argument.bytes:
        what = argument.contents or f"{argument.bytes} bytes of {argument.dtype}"
        raise ArgumentError(
            f"argument '{argument.name}': expected {what}, but got {data.size} bytes in {path}"
        )
    return data


def inputs_of(folder: Path, manifest: Manifest, given: Sequence[str]) -> list[U8]:
    """All inputs in order; `given` are texts NAME=FILE."""
    files = {}
    names = [argument.name for argument in manifest.inputs]
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or name not in names:
            raise ArgumentError(
                f"--input: expected NAME=FILE, but got '{text}'; names: {', '.join(names)}"
            )
        files[name] = Path(file)
    drawn = [] if len(files) == len(names) else Verification(folder, manifest).memory()
    return [
        read_input(argument, files[argument.name]) if argument.name in files else drawn[index]
        for index, argument in enumerate(manifest.inputs)
    ]


def run(folder: Path, given: argparse.Namespace) -> None:
    """The command, but for its errors."""
    manifest = read_manifest(folder)
    array = array_of(folder, manifest)
    # Before data is packed for a device that is not there.
    program = None if given.packed is not None else AieProgram(folder, manifest)
    memory = aie_packing.pack(array, inputs_of(folder, manifest, given.input))
    if program is None:
        given.packed.mkdir(parents=True, exist_ok=True)
        written = aie_packing.memories_of(array, "results")
        for index, (name, data) in enumerate(zip(aie_packing.sizes(array), memory, strict=True)):
            if index not in written:
                data.tofile(given.packed / f"{name}.bin")
                print(f"wrote {given.packed / name}.bin, {data.size} bytes")
        return
    npu = program.npu
    on_device = upload(npu, memory)
    seconds = timed(npu, [on_device], given.repeat, TIMEOUT_MS)
    found = download(npu, array, memory, on_device)
    names = [argument.name for argument in manifest.outputs]
    for name, values in zip(names, found, strict=True):
        head = ", ".join(f"{value:.6g}" for value in values.reshape(-1)[:4])
        print(f"{name}: f32 {list(values.shape)} = {head}, ...")
    if given.output is not None:
        arrays: dict[str, Any] = dict(zip(names, found, strict=True))
        np.savez(given.output, **arrays)
    print(f"best of {given.repeat} on {npu.name}: {min(seconds) * 1e6:.1f} us, launch included")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0 if it ran."""
    parser = argparse.ArgumentParser(
        prog="python -m headrace_runtime.aie_run",
        description="Runs an artifact on the NPU of a Ryzen AI with data of one's own.",
    )
    parser.add_argument("folder", type=Path, help="an artifact compiled for aie, and built")
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE", help="an input; the drawn one"
    )
    parser.add_argument("--output", type=Path, help="write results here (.npz)")
    parser.add_argument(
        "--packed", type=Path, help="write what the runtime sequence takes here, and run nothing"
    )
    parser.add_argument("--repeat", type=int, default=1, help="how often to run it (1)")
    given = parser.parse_args(arguments)
    try:
        if given.repeat < 1:
            raise ArgumentError(f"--repeat: expected a number from 1, but got {given.repeat}")
        run(given.folder.absolute(), given)
    except HeadraceError as error:
        print(f"aie_run: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
