"""Published rows beside the model: with the rates of devices.json, which all modelled times have,
and with those that are fitted to other published rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace import ir, ops
from headrace.bench.session import compiled
from headrace.sim import aie_timing as timing
from headrace.targets.aie.cycles import cycles_of
from headrace.targets.aie.description import describe
from headrace.targets.aie.simulate import CORES

__all__ = ["Row", "judge", "mean_error", "slot_macs"]

# A small product, for the function that its cores call; it is the same in large ones.
_PRODUCT, _MULTIPLY = "matmul:m=256,k=512,n=256,format=q4nx", "multiply_"


@dataclass(frozen=True)
class Row:
    """A judged row. used: what modelled times are made with; fitted: the best of the model."""

    used: timing.Judged
    fitted: timing.Judged

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return vars(self.used) | {
            "error": self.used.error,
            "counts": self.used.counts,
            "fitted": self.fitted.modelled,
            "fitted_error": self.fitted.error,
        }


def judge(device: str) -> list[Row]:
    """Every row that was published of the array."""
    macs = slot_macs(device)
    models = (timing.shipped(), None)
    rows = zip(*(timing.judge(model, macs) for model in models), strict=True)
    return [Row(used, fitted) for used, fitted in rows if used.device == device]


def mean_error(rows: Sequence[Row], *, fitted: bool = False) -> float | None:
    """Of the rows that count; None if there are none."""
    chosen = [row.fitted if fitted else row.used for row in rows]
    return timing.mean_error(chosen) if any(row.counts for row in chosen) else None


def slot_macs(device: str) -> dict[tuple[str, str], float]:
    """Multiplications a cycle of our own core function for matrix products, as its slots count
    them, by device and type. On npu2 each is three of bfp16."""
    artifact = compiled(ops.parse(_PRODUCT, activations="bf16"), f"aie:{device}")
    with ir.Context():
        module = ir.Module.parse(artifact.sources[CORES])
        cycles = cycles_of(module, describe(device))
        functions: list[Any] = list(module.body.operations)
        (name, kind), *_ = (
            (op.name.value, op.type) for op in functions if op.name.value.startswith(_MULTIPLY)
        )
        # Tokens by columns, rows by columns and tokens by rows.
        sizes = [ir.MemRefType(operand).shape[0] for operand in kind.inputs]
    return {(device, "bf16"): math.sqrt(math.prod(sizes)) / cycles[name]}
