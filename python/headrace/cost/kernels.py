"""Modelled time and energy of an artifact's kernels."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

from headrace.cost.device import PRECISIONS, Device, device_for_cpu
from headrace.cost.device import device as named_device
from headrace_runtime.report import Report

__all__ = ["model_kernels", "remodelled"]


def model_kernels(manifest: MutableMapping[str, Any]) -> None:
    """Write `modelled` beside the kernels of a manifest whose CPU is described as a device.

    For other CPUs, and other targets, nothing is written: then bytes and operations are all that
    is known.
    """
    cpu = manifest.get("description", {}).get("cpu")
    device = device_for_cpu(cpu) if isinstance(cpu, str) else None
    if device is None:
        return
    for kernel in manifest["kernels"]:
        time, energy = _model(
            device,
            kernel["op"],
            kernel.get("activations"),
            kernel["bytes"],
            kernel["operations"],
        )
        kernel["modelled"] = {"device": device.name, "time_us": time, "energy_uj": energy}


def remodelled(report: Report, device: str | Device) -> Report:
    """The report of an artifact with times and energies modelled on another device."""
    described = named_device(device) if isinstance(device, str) else device
    rows = []
    for row in report.rows:
        time, energy = _model(described, row.op, row.activations, row.bytes, row.operations)
        rows.append(replace(row, modelled_us=time, energy_uj=energy))
    return replace(report, rows=tuple(rows), device=described.name)


def _model(
    device: Device, op: str, activations: str | None, nbytes: int, operations: int
) -> tuple[float, float]:
    """Time in us and energy in uJ of a kernel; what has no activations computes in f32."""
    precision = "lookup" if op == "qlinear.lut_matvec" else activations or "f32"
    if precision not in PRECISIONS:
        precision = "f32"
    return (
        device.time_us(nbytes, operations, precision),
        device.energy_uj(nbytes, operations, precision),
    )
