"""The README of an artifact: its files, steps on a machine with the device, what was verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import headrace
from headrace.targets.aie.hardware.template import filled
from headrace_runtime import aie_packing

__all__ = ["text"]

TEMPLATE = Path(__file__).with_name("README.md.in")
CHIPS = {"npu1": "Phoenix, Hawk Point", "npu2": "Strix, Krackan"}
_PURPOSES = {
    "weights": "in the order in which channels bring them",
    "activations": "bf16, with zeros to whole blocks",
    "results": "f32",
}


def text(manifest: Mapping[str, Any], commit: str, triple: str) -> str:
    """`README.md` of an artifact, whose manifest is whole but for the sums of its files.

    commit: of mlir-aie. triple: what cores are compiled for.
    """
    array = manifest["array"]
    modelled, sizes = array["modelled"], aie_packing.sizes(array)
    packed = array.get("packed", {})
    inputs = [a["name"] for a in manifest["arguments"] if a["role"] == "input"]
    rate = sum(sizes.values()) / modelled["run_us"] * 1e-3
    sources = [name for name in manifest["files"]["sources"] if name.endswith(".cpp")]
    return filled(
        TEMPLATE.read_text(),
        OPERATION=_title(manifest),
        PRODUCTS=_products(manifest),
        DEVICE=array["device"],
        CHIPS=CHIPS[array["device"]],
        VERSION=headrace.__version__,
        SHARE=(
            f"Modelled: {modelled['run_us']:.1f} us for a run, {rate:.1f} GB/s, "
            f"and {modelled['dispatch_us']:g} us of dispatch."
        ),
        COMMIT=commit,
        TRIPLE=triple,
        SEQUENCE=array["sequence"],
        CPP="`, `".join(sources),
        PACKED_FILES="".join(
            f"| `{file}` | argument `{name}` of the sequence: data drawn from a seed |\n"
            for name, file in packed.items()
        )
        + ("| `verify/` | what results should be, by float64 |\n" if "simulated" in array else ""),
        ARGUMENTS="\n".join(
            f"| {index} | {size} | {name}: {_PURPOSES[name.rstrip('0123456789')]} |"
            for index, (name, size) in enumerate(sizes.items())
        ),
        OWN=_own(inputs),
        FORMAT=array["products"][0]["weights"]["format"],
        VERIFIED=_verified(manifest),
    )


def _own(inputs: Sequence[str]) -> str:
    """Options that give inputs; not hundreds of them."""
    shown = [f"--input {name}=FILE" for name in inputs[:3]]
    return " ".join([*shown, "..."] if len(inputs) > len(shown) else shown)


def _products(manifest: Mapping[str, Any]) -> str:
    """Each product once, with how many there are."""
    products = manifest["array"]["products"]
    if len(products) == 1:
        return ""
    counts = Counter(product["operation"] for product in products)
    return "".join(f"- {count} of `{text}`\n" for text, count in counts.items()) + "\n"


def _title(manifest: Mapping[str, Any]) -> str:
    products = manifest["array"]["products"]
    if len(products) > 1:
        return f"{len(products)} products in one design"
    return f"`{products[0]['operation']}`"


def _verified(manifest: Mapping[str, Any]) -> str:
    array = manifest["array"]
    lines = [
        "On the machine that made this folder:",
        "",
        "- Passes checked the design: tiles, channels, memory, buffer descriptors, locks, access",
        "  patterns, releases, and that as many elements are fed as taken.",
        "- The simulator of the array ran `design.mlir` as it is, with `cores.mlir` compiled for",
        "  that machine: locks, streams, DMA addresses and queues; it ended, and nothing was left.",
    ]
    found = array.get("simulated", [])
    if found:
        worst = max(found, key=lambda item: item["error"] / (item["bound"] or 1))
        which = "" if len(found) == 1 else f", the largest of {len(found)} results,"
        lines += [
            f"- On data drawn from a seed the error of `{worst['output']}`{which} was",
            f"  {worst['error']:.2g} against float64 (bound {worst['bound']:.2g}, Euclidean norm).",
        ]
    if "simulated" not in array:
        lines.append("- Results were not compared: the folder was made without `verification`.")
    lines += [
        "",
        "Once for Headrace, in its tests: functions in C++ give the same bits as those of the",
        "simulator, when clang compiles them for a host with a stand-in for aie_api.",
    ]
    return "\n".join(lines)
