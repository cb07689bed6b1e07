"""Devices as the cost model sees them: one JSON file each, with the source of every figure."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any

from headrace.errors import UsageError, unknown

__all__ = ["PRECISIONS", "Device", "device", "device_for_cpu", "devices"]

# What an operation computes in, and in what a device without it does instead.
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "f32": ("f32", "bf16"),
    "bf16": ("bf16", "f32"),
    "fp8": ("fp8", "bf16", "f32"),
    "i8": ("i8", "bf16", "f32"),
    "lookup": ("lookup",),
}


@dataclass(frozen=True)
class Device:
    """Rates and energies of a device; `sources` says for each field where its figure is from.

    read_gb_per_s: 1e9 bytes a second of memory.
    peak_gops: precision -> 1e9 operations a second; `lookup` counts table lookups.
    threads: units that work beside each other. overhead_us: what starting a kernel takes.
    cpus: LLVM's names of the CPUs that artifacts for the target cpu are modelled with.
    """

    name: str
    summary: str
    read_gb_per_s: float
    peak_gops: Mapping[str, float]
    dram_pj_per_byte: float
    pj_per_operation: Mapping[str, float]
    sources: Mapping[str, str]
    threads: int = 1
    overhead_us: float = 0.0
    cpus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.peak_gops, *self.pj_per_operation):
            if name not in PRECISIONS:
                raise unknown(f"precision of device {self.name}", name, PRECISIONS)
        rates = {"read_gb_per_s": self.read_gb_per_s, **self.peak_gops, "threads": self.threads}
        for name, rate in rates.items():
            if not rate > 0:
                raise UsageError(
                    f"device {self.name}: expected {name} to be above 0, but got {rate}"
                )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Device:
        """Read the object of a device file; `UsageError` for missing or unknown fields."""
        known = {field.name for field in fields(cls)}
        name = str(data.get("name", "without a name"))
        for key in data:
            if key not in known:
                raise unknown(f"field of device {name}", key, known)
        try:
            return cls(**{**data, "cpus": tuple(data.get("cpus", ()))})
        except TypeError as error:
            raise UsageError(f"device {name}: {error}") from error

    def precision(self, wanted: str) -> str | None:
        """What the device computes in where `wanted` is asked for; None if it cannot be said."""
        return next((name for name in PRECISIONS[wanted] if name in self.peak_gops), None)

    def time_us(self, nbytes: float, operations: float, precision: str) -> float:
        """The roofline: the larger of what moving and what computing takes, without overhead.

        Where no peak is known for the precision, what moving takes.
        """
        used = self.precision(precision)
        computing = 0.0 if used is None else operations / self.peak_gops[used]
        return max(nbytes / self.read_gb_per_s, computing) * 1e-3

    def energy_uj(self, nbytes: float, operations: float, precision: str) -> float:
        """Energy of memory and arithmetic in 1e-6 J, without what the device takes idle."""
        used = self.precision(precision)
        each = 0.0 if used is None else self.pj_per_operation.get(used, 0.0)
        return (nbytes * self.dram_pj_per_byte + operations * each) * 1e-6

    def choose_kernel(self, precision: str = "f32", **options: float) -> str:
        """Pipeline text of the pass `choose-kernel` for this device."""
        used = self.precision(precision)
        if used is None:
            allowed = ", ".join(self.peak_gops)
            raise UsageError(
                f"device {self.name}: no peak for {precision}; there are peaks for: {allowed}"
            )
        values: dict[str, float] = {
            "read-bandwidth": self.read_gb_per_s,
            "dense-gops": self.peak_gops[used],
            "lookup-gops": self.peak_gops.get("lookup", 0),
            "threads": self.threads,
            "overhead-us": self.overhead_us,
            **options,
        }
        return f"choose-kernel{{{' '.join(f'{key}={value}' for key, value in values.items())}}}"


@functools.cache
def _all() -> dict[str, Device]:
    folder = resources.files(__package__) / "devices"
    found = [
        Device.from_json(json.loads(file.read_text(encoding="utf-8")))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    ]
    return {item.name: item for item in sorted(found, key=lambda item: item.name)}


def devices() -> list[str]:
    """Names of the devices that are described."""
    return list(_all())


def device(name: str) -> Device:
    """The device of that name; `UsageError` with the names that there are."""
    if name not in _all():
        raise unknown("device", name, devices())
    return _all()[name]


def device_for_cpu(cpu: str) -> Device | None:
    """The device that artifacts for LLVM's CPU `cpu` are modelled with, if one is described."""
    return next((item for item in _all().values() if cpu in item.cpus), None)
