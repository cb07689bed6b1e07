"""How long a kernel takes on a chip that nobody here has: modelled, never measured.

    time = launch + max(64-byte sectors read and written / sustained bandwidth, instructions / rate)
                    / share of the cores that have a threadgroup

Two numbers are fitted, for all chips together: the share of the nominal bandwidth that a kernel
sustains and the time of a launch. `calibrate` takes them from published rows (published.json, use
"calibration"); `judge` compares the model with other published rows (use "judged").
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.cost.device import Device, device
from headrace.targets.metal.description import MetalDescription, describe

__all__ = [
    "PROVEN",
    "Judged",
    "Model",
    "calibrate",
    "device_of",
    "judge",
    "mean_error",
    "modelled",
    "sector_share",
]

PUBLISHED = Path(__file__).with_name("published.json")
SECTOR_BYTES = 64
# A mean error above this makes the figures of a model unproven.
PROVEN = 0.10
# Launches of a decoded token in llama.cpp of 2023. A layer has 24: norms (2, and their weights), 7
# products, rope of q and k, k and v into the cache, scores, scale, softmax, weighted sum
# and its copy, activation and its product, 2 sums. Behind the layers: norm, weight, vocabulary.
LAUNCHES_OF_A_LAYER = 24
LAUNCHES_BEHIND = 3
# A sparse layer also collects columns for q/k/v, for o, for gate/up and for down.
SELECTIONS_OF_A_LAYER = 4
# Energies of memory and arithmetic are those of the processes and memories, not of a chip.
ENERGY_DEVICE = "m2-max"
Q4_K_PIECE = 144  # bytes of 256 rows of a column
Q4_K_BITS, Q6_K_BITS = 4.5, 6.5625


@dataclass(frozen=True)
class Model:
    """efficiency: of the nominal bandwidth, 0 to 1. launch_us: each kernel's. error: mean relative
    error on the rows that it was fitted to."""

    efficiency: float
    launch_us: float
    error: float

    def memory_us(self, chip: MetalDescription, nbytes: float) -> float:
        """What moving takes. nbytes: of whole sectors."""
        return nbytes / (self.efficiency * chip.gb_per_s) * 1e-3

    def kernel_us(
        self,
        chip: MetalDescription,
        nbytes: float,
        lane_instructions: float = 0,
        workgroups: int | None = None,
    ) -> float:
        """One launch. nbytes: sectors times 64. lane_instructions: of all threads together.

        workgroups: a core without one computes nothing and draws none of the bandwidth; None: there
        are enough.
        """
        issue_us = lane_instructions / chip.lane_rate_ghz * 1e-3
        busy = 1.0 if workgroups is None else min(1.0, workgroups / chip.cores)
        return self.launch_us + max(self.memory_us(chip, nbytes), issue_us) / busy


@dataclass(frozen=True)
class Judged:
    """A published figure and the modelled one. group: the rows' name in published.json and the
    figure: `us`, `tokens/s` or `speed-up`."""

    group: str
    figure: str
    row: str
    published: float
    modelled: float

    @property
    def error(self) -> float:
        """Relative; positive where the model says more."""
        return self.modelled / self.published - 1


@functools.cache
def published() -> dict[str, Any]:
    """The rows, by group, with their sources."""
    groups: dict[str, Any] = json.loads(PUBLISHED.read_text())
    return groups


def sector_share(density: float, piece_bytes: int) -> float:
    """Share of sectors that are read where each piece is needed with probability `density`.

    Pieces follow each other; a sector is read once any piece in it is needed. Exact where pieces
    and sectors divide each other, otherwise the mean over where pieces lie.
    """
    period = SECTOR_BYTES * piece_bytes  # the pattern repeats at the latest here
    shares = []
    for first in range(0, period, SECTOR_BYTES):
        pieces = (first + SECTOR_BYTES - 1) // piece_bytes - first // piece_bytes + 1
        shares.append(1 - (1 - density) ** pieces)
    return sum(shares) / len(shares)


def mean_error(rows: Iterable[Judged]) -> float:
    """Mean of the relative errors without their signs."""
    errors = [abs(row.error) for row in rows]
    return sum(errors) / len(errors)


@functools.cache
def calibrate() -> Model:
    """Fits the model. The bandwidth comes from sustained ones; the launch from whole tokens, with
    the least sum of squared relative errors."""
    sustained = published()["sustained_gb_per_s"]["rows"]
    shares = [row["gb_per_s"] / describe(row["chip"]).gb_per_s for row in sustained]
    bare = Model(sum(shares) / len(shares), 0, 0)
    # (memory + launches * t - measured) / measured is linear in t
    slopes, rests = [], []
    for row in published()["llama_cpp_tokens"]["rows"]:
        memory_ms = bare.memory_us(describe(row["chip"]), row["gb"] * 1e9) * 1e-3
        slopes.append(_launches(row["layers"]) * 1e-3 / row["ms"])
        rests.append((row["ms"] - memory_ms) / row["ms"])
    launch_us = sum(s * r for s, r in zip(slopes, rests, strict=True)) / sum(s * s for s in slopes)
    errors = [abs(s * launch_us - r) for s, r in zip(slopes, rests, strict=True)]
    return Model(bare.efficiency, launch_us, sum(errors) / len(errors))


def modelled(
    chip: MetalDescription, nbytes: int, operations: int, workgroups: int
) -> dict[str, Any]:
    """What manifests say of a kernel that moves `nbytes` in whole sectors: `device`, `time_us`,
    `energy_uj`. A lane is taken to need one instruction for each operation."""
    energy = device(ENERGY_DEVICE).energy_uj(nbytes, operations, "f32")
    return {
        "device": f"metal:{chip.chip}",
        "time_us": calibrate().kernel_us(chip, nbytes, operations, workgroups),
        "energy_uj": energy,
    }


def device_of(chip: MetalDescription) -> Device:
    """The chip as passes see devices: `device_of(chip).choose_kernel()` is the pass that decides
    between products with all columns and with some."""
    model, energies = calibrate(), device(ENERGY_DEVICE)
    return Device(
        name=f"metal:{chip.chip}",
        summary=f"the GPU of {chip.chip}, as its kernels are modelled",
        read_gb_per_s=model.efficiency * chip.gb_per_s,
        peak_gops={"f32": chip.lane_rate_ghz},
        dram_pj_per_byte=energies.dram_pj_per_byte,
        pj_per_operation=energies.pj_per_operation,
        sources={"read_gb_per_s": "headrace.targets.metal.timing, chips.json"},
        threads=chip.cores,
        overhead_us=model.launch_us,
    )


def judge(model: Model | None = None) -> list[Judged]:
    """The model against every judged row."""
    model = model or calibrate()
    return [*_mlx_kernels(model), *_spqt_tokens(model)]


def _launches(layers: int, of_a_layer: int = LAUNCHES_OF_A_LAYER) -> int:
    return layers * of_a_layer + LAUNCHES_BEHIND


def _mlx_kernels(model: Model) -> list[Judged]:
    group = published()["mlx_sparse_kernels"]
    chip = describe(group["chip"])
    found = []
    for row in group["rows"]:
        pieces = row["m"] / group["band_rows"] * row["k"]
        for density, us in zip(group["densities"], row["us"], strict=True):
            if us is None:
                continue
            nbytes = sum(pieces * b * sector_share(density, b) for b in group["piece_bytes"])
            name = f"{row['m']}x{row['k']}, density {density}"
            found.append(
                Judged("mlx_sparse_kernels", "us", name, us, model.kernel_us(chip, nbytes))
            )
    return found


def _spqt_tokens(model: Model) -> list[Judged]:
    group = published()["spqt_tokens"]
    share = sector_share(group["density"], Q4_K_PIECE)
    found = []
    for row in group["rows"]:
        facts = group["models"][row["model"]]
        chip = describe(row["chip"])
        table = facts["vocabulary"] * facts["hidden"]  # embeddings, and again the last product
        layers = (facts["parameters"] - 2 * table) * Q4_K_BITS / 8
        last = table * Q6_K_BITS / 8
        dense = _token_us(model, chip, layers + last, _launches(facts["layers"]))
        more = LAUNCHES_OF_A_LAYER + SELECTIONS_OF_A_LAYER
        sparse = _token_us(model, chip, layers * share + last, _launches(facts["layers"], more))
        name = f"{row['model']} on {row['chip']}"
        figures: Sequence[tuple[str, float, float]] = (
            ("tokens/s", row["dense"], 1e6 / dense),
            ("tokens/s", row["sparse"], 1e6 / sparse),
            ("speed-up", row["sparse"] / row["dense"], dense / sparse),
        )
        found += [Judged("spqt_tokens", kind, name, want, got) for kind, want, got in figures]
    return found


def _token_us(model: Model, chip: MetalDescription, nbytes: float, launches: int) -> float:
    return launches * model.launch_us + model.memory_us(chip, nbytes)
