"""The model of time of Metal kernels: what it is fitted to, and what it is judged on."""

from __future__ import annotations

import numpy as np
import pytest

import headrace as hr
from headrace.targets.metal import timing
from headrace.targets.metal.description import chip_names, describe


def figures(kind: str) -> list[timing.Judged]:
    return [row for row in timing.judge() if row.figure == kind]


def test_no_row_is_used_twice() -> None:
    uses = {name: group["use"] for name, group in timing.published().items()}
    assert set(uses.values()) == {"calibration", "judged"}
    assert {row.group for row in timing.judge()} == {
        n for n, use in uses.items() if use == "judged"
    }
    assert all(group["source"] for group in timing.published().values())


def test_kernels_and_speed_ups_are_within_what_proves_a_model() -> None:
    assert len(figures("us")) == 24
    assert len(figures("speed-up")) == 10
    assert timing.mean_error(figures("us")) < 0.05 < timing.PROVEN
    assert timing.mean_error(figures("speed-up")) < 0.03 < timing.PROVEN


def test_tokens_a_second_stay_unproven() -> None:
    """They hold attention, sampling and an unknown number of launches. The docs say so."""
    assert timing.mean_error(figures("tokens/s")) > timing.PROVEN


def test_a_wrong_model_is_found_out() -> None:
    model = timing.calibrate()
    half = timing.Model(model.efficiency / 2, model.launch_us, 0)
    instant = timing.Model(model.efficiency, 0, 0)
    for wrong in (half, instant):
        assert timing.mean_error([j for j in timing.judge(wrong) if j.figure == "us"]) > 0.07


@pytest.mark.parametrize("piece", [4, 18, 32, 64, 144, 210])
@pytest.mark.parametrize("density", [0.0, 0.25, 0.5, 1.0])
def test_sectors_as_counted(piece: int, density: float) -> None:
    rng = np.random.default_rng(piece)
    pieces = 64 * 4000
    needed = rng.random(pieces) < density
    sectors = np.zeros(pieces * piece // 64, bool)
    for byte in range(0, piece, min(piece, 32)):
        sectors[(np.flatnonzero(needed) * piece + byte) // 64] = True
    sectors[(np.flatnonzero(needed) * piece + piece - 1) // 64] = True
    assert timing.sector_share(density, piece) == pytest.approx(sectors.mean(), abs=0.005)


@pytest.mark.parametrize("name", chip_names())
def test_every_chip_has_a_time(name: str) -> None:
    chip, model = describe(name), timing.calibrate()
    small, large = model.kernel_us(chip, 1e6), model.kernel_us(chip, 1e8)
    assert model.launch_us < small < large
    assert model.kernel_us(chip, 0, 1e12) > model.kernel_us(chip, 0, 1e6)
    assert model.memory_us(chip, 1e9) > 1e6 / chip.gb_per_s


def test_artifacts_have_the_modelled_time() -> None:
    artifact = hr.compile("matvec:m=64,k=256,format=q4_0", target="metal:m4-pro")
    (kernel,) = artifact.kernels
    assert kernel.modelled is not None
    assert kernel.modelled.device == "metal:m4-pro"
    assert kernel.modelled.time_us == timing.calibrate().kernel_us(
        describe("m4-pro"), kernel.bytes, kernel.operations
    )
    assert kernel.modelled.energy_uj > 0
