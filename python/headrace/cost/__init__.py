"""What operations cost: bytes, operations, and modelled time and energy on a described device.

    from headrace import cost
    report = cost.estimate(Path("layer.mlir"), "v80", length=4096)
    print(report)                     # a row for each operation
    report.time_us, report.to_json()
    report.plot("layer.png")          # bars, and the roofline

Bytes and operations come from the operations themselves (pass `annotate-costs`, docs/cost.md). Time
is a roofline, the larger of bytes over bandwidth and operations over peak, and energy is so many
picojoules for each: both are modelled, never measured, from the published figures that
`cost.device(name).sources` names.
"""

from headrace.cost.device import Device, device, device_for_cpu, devices
from headrace.cost.estimate import estimate
from headrace.cost.report import Report, Row

__all__ = ["Device", "Report", "Row", "device", "device_for_cpu", "devices", "estimate"]
