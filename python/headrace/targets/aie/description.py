"""Arrays of AI Engines, and what the pipeline asks about them."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.errors import UsageError, nearest

__all__ = ["DEVICES", "AieDescription", "describe", "device_names"]

DEVICES = Path(__file__).with_name("devices.json")

# The array that `aie` alone stands for: that of Strix and Krackan.
DEFAULT = "npu2"


@dataclass(frozen=True)
class AieDescription:
    """An array: what its designs may use.

    rows: cores of a column. channels: of a column's shim tile, that read memory, and that write
    it. core_memory: bytes of a core. load_bits, store_bits: of one cycle of a core, each access.
    mac_lanes: products of bf16 that a core adds to as many sums in a cycle. bf16_macs, bfp16_macs:
    products of matrices in a cycle; 0 if there are none. multiply: tokens, columns and rows of
    weights of the tiles that a core multiplies.
    """

    device: str
    columns: int
    rows: int
    channels: int
    core_memory: int
    load_bits: tuple[int, ...]
    store_bits: tuple[int, ...]
    mac_lanes: int
    bf16_macs: int
    bfp16_macs: int
    multiply: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """For manifests."""
        return asdict(self)


@functools.cache
def _devices() -> dict[str, Any]:
    devices: dict[str, Any] = json.loads(DEVICES.read_text())["devices"]
    return devices


def device_names() -> list[str]:
    """Every array that has a description."""
    return list(_devices())


def describe(option: str | None) -> AieDescription:
    """The array `option` (`npu1`); without one that of Strix.

    Raises `UsageError` with the known arrays for another name.
    """
    name = option or DEFAULT
    devices = _devices()
    if name not in devices:
        close = nearest(name, devices)
        hint = f", did you mean '{close}'" if close else ""
        raise UsageError(
            f"target aie: unknown device '{name}'{hint}; allowed: {', '.join(devices)}"
        )
    facts = devices[name]
    return AieDescription(
        device=name,
        columns=facts["columns"],
        rows=facts["rows"]["core"],
        channels=min(facts["shim"]["channels_in"], facts["shim"]["channels_out"]),
        core_memory=facts["core"]["memory_bytes"],
        load_bits=tuple(facts["load_bits"]),
        store_bits=tuple(facts["store_bits"]),
        mac_lanes=facts["mac_lanes"],
        bf16_macs=facts["macs_per_cycle"]["bf16"],
        bfp16_macs=facts["macs_per_cycle"].get("bfp16", 0),
        multiply=tuple(facts["multiply"]),
    )
