"""What goes with a design to a machine with the device: how it is built, data to run it on, and a
README that says what was verified.

`headrace_runtime.aie_verify` and `aie_run` are the programs of the host.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.cost.device import device as cost_device
from headrace.errors import CompileError
from headrace.ops import OpSpec
from headrace.sim.aie import Run
from headrace.targets.aie.hardware import readme
from headrace.targets.aie.hardware.template import filled
from headrace.targets.aie.simulate import CORES, DESIGN, load_design
from headrace.verification import describe_products
from headrace_runtime import Manifest, aie_packing, parse_manifest
from headrace_runtime.verification import Verification

__all__ = ["finish", "write_build_script"]

BUILD, README = "build.sh", "README.md"
# Of packed data; more is drawn and packed where it is used.
MOST_PACKED_BYTES = 256 << 20
# Of mlir-aie, whose assembly designs have and whose options build.sh gives.
COMMIT = "979629649"
# Of Peano, by array.
TRIPLES = {"npu1": "aie2-none-unknown-elf", "npu2": "aie2p-none-unknown-elf"}
# Memories that the kernel of an xclbin takes, as aiecc describes it.
MOST_MEMORIES = 5
_FOLDER = Path(__file__).parent


def write_build_script(folder: Path, design: str, device: str) -> None:
    """`build.sh` of a design. Raises `CompileError` where cores want an object that has no source
    in `folder`."""
    objects = sorted(set(re.findall(r'link_with = "([^"]*)"', design)))
    sources = [Path(name).with_suffix(".cpp").name for name in objects]
    for name, source in zip(objects, sources, strict=True):
        if not (folder / source).is_file():
            raise CompileError(f"target aie: cores link with {name}, but there is no {source}")
    text = filled(
        (_FOLDER / "build.sh.in").read_text(),
        TRIPLE=TRIPLES[device],
        DEVICE=device,
        SOURCES=" ".join(sources),
        COMMIT=COMMIT,
    )
    (folder / BUILD).write_text(text)
    (folder / BUILD).chmod(0o755)


def finish(manifest: dict[str, Any], folder: Path, verification: bool) -> None:
    """Adds modelled times, packed data, where results to compare with are wanted, and the README.

    Raises `CompileError` where the simulated design gives other results, or no xclbin can hold it.
    """
    array = manifest["array"]
    if len(array["memory"]) > MOST_MEMORIES:
        raise CompileError(
            f"target aie: expected at most {MOST_MEMORIES} arguments of the runtime sequence, as "
            f"xclbins of aiecc have, but got {len(array['memory'])}; compile fewer products at once"
        )
    memory, check = [np.zeros(size, np.uint8) for size in aie_packing.sizes(array).values()], None
    if verification:
        # A module has no written form that the compiler knows references by.
        if "verification" not in manifest:
            manifest["verification"] = _described(manifest, folder)
        check = Verification(folder, _as_read(manifest, _sums(folder / "verify")))
        memory = aie_packing.pack(array, check.memory())
        _store(array, memory, folder)
    design, cores = ((folder / name).read_text() for name in (DESIGN, CORES))
    _model(manifest, load_design(design, cores, array["device"]).run(memory))
    if check is not None:
        array["simulated"] = _compared(check, aie_packing.results(array, memory))
    (folder / README).write_text(readme.text(manifest, COMMIT, TRIPLES[array["device"]]))


def _described(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    products = sorted(
        manifest["array"]["products"], key=lambda product: product["results"]["argument"]
    )
    calls = [
        (
            OpSpec.parse(product["operation"]),
            (product["activations"]["argument"], *product["weights"]["arguments"]),
        )
        for product in products
    ]
    found = describe_products(calls, _as_read(manifest, {}), folder)
    assert found is not None, "packed weights and bf16 can be drawn"
    return found


def _as_read(manifest: dict[str, Any], sums: dict[str, str]) -> Manifest:
    return parse_manifest(json.loads(json.dumps(manifest | {"sha256": sums})))


def _sums(folder: Path) -> dict[str, str]:
    """Of what is compared with, which the runtime reads only with its sum."""
    return {
        path.relative_to(folder.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
    }


def _store(array: dict[str, Any], memory: Sequence[npt.NDArray[np.uint8]], folder: Path) -> None:
    """Writes the arguments of the sequence, but results."""
    if sum(data.size for data in memory) > MOST_PACKED_BYTES:
        return
    (folder / "packed").mkdir()
    array["packed"] = {}
    written = aie_packing.memories_of(array, "results")
    for index, (name, data) in enumerate(zip(aie_packing.sizes(array), memory, strict=True)):
        if index not in written:
            array["packed"][name] = f"packed/{name}.bin"
            data.tofile(folder / array["packed"][name])


def _model(manifest: dict[str, Any], run: Run) -> None:
    """Times of a simulated run, which do not depend on data."""
    array, (kernel,) = manifest["array"], manifest["kernels"]
    array["modelled"] = {
        "run_us": run.us,
        "dispatch_us": run.dispatch_us,
        "read_bytes": run.ddr_read,
        "written_bytes": run.ddr_written,
    }
    device = cost_device(f"ryzen-ai-{array['device']}")
    kernel["modelled"] = {
        "device": f"aie:{array['device']}",
        "time_us": run.total_us,
        "energy_uj": device.energy_uj(kernel["bytes"], kernel["operations"], "bf16"),
    }


def _compared(
    check: Verification, results: Sequence[npt.NDArray[np.float32]]
) -> list[dict[str, Any]]:
    """Errors of the simulated outputs."""
    found = check.compare(results)
    for item in found:
        if not item["ok"]:
            raise CompileError(
                f"target aie: expected an error of at most {item['bound']:.3g} in "
                f"'{item['output']}', but the simulated design has {item['error']:.3g}"
            )
    return found
