"""The check of AArch64 kernels under QEMU, as part of a report."""

from __future__ import annotations

from collections.abc import Callable

from headrace.errors import MachineError

__all__ = ["CPUS", "measure"]

#: The CPUs whose kernels are checked, and what they multiply 8-bit integers with.
CPUS = {"cortex-a72": "NEON", "neoverse-n1": "dot products", "neoverse-v1": "i8mm, bf16"}
#: Operations of each: some of every kind.
SAMPLE = 24


def measure(seed: int, tick: Callable[[], None]) -> dict[str, float | str]:
    """For each of `CPUS` the share of what was checked that is correct, or why there is none."""
    from headrace import check

    shares: dict[str, float | str] = {}
    for cpu in CPUS:
        try:
            report = check.run(f"cpu:{cpu}", seed, sample=SAMPLE, quick=True)
            shares[cpu] = 1 - len(report.failed) / len(report.rows)
        except MachineError as error:
            shares[cpu] = str(error)
        tick()
    return shares
