"""The model of time of Metal kernels: what it is fitted to, and what it is judged on."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

import headrace as hr
from headrace import ir, pipeline
from headrace.check.operations.text import packed
from headrace.modules import parse_text
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
    (step,) = artifact.manifest["plan"]
    assert kernel.modelled is not None
    assert kernel.modelled.device == "metal:m4-pro"
    assert kernel.modelled.time_us == timing.calibrate().kernel_us(
        describe("m4-pro"), kernel.bytes, kernel.operations, step["grid"][0]
    )
    assert kernel.modelled.energy_uj > 0


def test_cores_without_work_draw_nothing() -> None:
    chip, model = describe("m2-max"), timing.calibrate()
    assert chip.cores == 38
    whole, half = (model.kernel_us(chip, 1e8, workgroups=count) for count in (38, 19))
    assert whole == model.kernel_us(chip, 1e8) == model.kernel_us(chip, 1e8, workgroups=1000)
    assert half - model.launch_us == pytest.approx(2 * (whole - model.launch_us))


LAYER = (4096, 14336)  # a projection down


@functools.cache
def plan_us(chip: str, density: float | None) -> float:
    """Modelled time of all launches: of the product with all columns of zigzag weights, or of the
    selection and the product with that share of them."""
    rows, columns = LAYER
    operation = (
        hr.ops.matvec(rows, columns, format="q4_k:zigzag")
        if density is None
        else hr.ops.sparse_matvec(rows, columns, format="q4_k:zigzag", density=density)
    )
    artifact = hr.compile(operation, target=f"metal:{chip}")
    kernels = {kernel["name"]: kernel for kernel in artifact.manifest["kernels"]}
    return sum(kernels[step["kernel"]]["modelled"]["time_us"] for step in artifact.manifest["plan"])


def chosen(chip: str, density: float) -> str:
    """What choose-kernel decides with the chip's description."""
    rows, columns = LAYER
    w = packed("q4_k:zigzag", rows, columns)
    x, y = f"tensor<{columns}xf32>", f"tensor<{rows}xf32>"
    text = f"""
    func.func @main(%w: {w}, %x: {x}) -> {y} {{
      %o = tensor.empty() : {y}
      %y = qlinear.matvec ins(%w, %x : {w}, {x}) outs(%o : {y})
          {{headrace.density = {density} : f64, headrace.threshold = 0.5 : f32}} -> {y}
      return %y : {y}
    }}"""
    module = parse_text(text, ir.Context(), "choose")
    trace = pipeline.run_pipeline(module, timing.device_of(describe(chip)).choose_kernel())
    (choice,) = re.findall(r'headrace.kernel = "(\w+)"', trace["after:choose-kernel"].text)
    return str(choice)


def break_even(chip: str) -> float:
    """The largest density in steps of 1/64 at which choose-kernel takes some columns only."""
    low, high = 0, 64
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if chosen(chip, middle / 64) == "sparse" else (low, middle)
    return low / 64


@pytest.mark.parametrize("chip", ["m1", "m2", "m2-max", "m4-pro", "m5-max", "m3-ultra"])
def test_choose_kernel_knows_the_break_even_of_a_chip(chip: str) -> None:
    """Where it changes its mind, plans that were compiled either way take the same time."""
    density = break_even(chip)
    dense, sparse = plan_us(chip, None), plan_us(chip, density)
    assert 0.2 < density < 0.97
    assert sparse == pytest.approx(dense, rel=0.1)
    assert plan_us(chip, max(density - 0.15, 0)) < dense
    assert plan_us(chip, min(density + 0.15, 1)) > dense


def test_fast_memory_makes_skipping_pay_later() -> None:
    assert [chosen(chip, 0.75) for chip in ("m1", "m2-max")] == ["sparse", "dense"]
    assert [chosen(chip, 0.5) for chip in ("m1", "m2-max", "m3-ultra")] == [
        "sparse",
        "sparse",
        "dense",
    ]


@pytest.mark.parametrize("name", chip_names())
def test_half_of_the_columns_beside_the_ceiling(name: str) -> None:
    """One launch and half of the bytes of the weight, at the model's bandwidth. 64 threadgroups of
    64 rows are not enough for the 76 and 80 cores of two chips."""
    chip, model = describe(name), timing.calibrate()
    rows, columns = LAYER
    operation = hr.ops.sparse_matvec(rows, columns, format="q4_k", density=0.5)
    artifact = hr.compile(operation, target=f"metal:{name}")
    product = artifact.manifest["kernels"][-1]
    assert product["density"] == 0.5
    assert len(artifact.manifest["plan"]) == 2, "a selection, and one launch"
    ceiling = model.kernel_us(chip, 0.5 * rows * columns * 144 / 256)
    share = ceiling / product["modelled"]["time_us"]
    print(f"{name}: {share:.3f} of the ceiling of {ceiling:.1f} us")
    assert share >= (0.95 if chip.cores <= 64 else 0.85)
