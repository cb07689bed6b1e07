"""Devices of the cost model: what their files must say, and rooflines and energies from them."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import cost
from headrace.cost import Device
from headrace.errors import UsageError

FOLDER = Path(cost.__file__).parent / "devices"

TOY = Device(
    name="toy",
    summary="a device for tests",
    read_gb_per_s=10.0,
    peak_gops={"f32": 100.0, "i8": 400.0},
    dram_pj_per_byte=20.0,
    pj_per_operation={"f32": 2.0, "i8": 0.5},
    sources={},
)


def test_files_are_named_after_their_device():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(cost.devices())
    assert len(cost.devices()) >= 8


@pytest.mark.parametrize("name", cost.devices())
def test_every_figure_has_a_source(name):
    device = cost.device(name)
    assert device.summary
    figures = {field.name for field in dataclasses.fields(device)}
    figures -= {"name", "summary", "cpus", "sources"}
    assert set(device.sources) == figures
    assert all(len(source) > 10 for source in device.sources.values())
    assert "Horowitz, ISSCC 2014" in device.sources["pj_per_operation"]
    # What it can compute has an energy, or the report would say 0.
    assert set(device.peak_gops) <= set(device.pj_per_operation)


def test_the_larger_of_moving_and_computing_is_the_time():
    # 1000 bytes are 0.1 us, 20000 operations 0.2 us.
    assert TOY.time_us(1000, 5000, "f32") == pytest.approx(0.1)
    assert TOY.time_us(1000, 20000, "f32") == pytest.approx(0.2)
    assert TOY.time_us(1000, 20000, "i8") == pytest.approx(0.1)


def test_energy_is_that_of_bytes_and_operations():
    assert TOY.energy_uj(1000, 20000, "f32") == pytest.approx((20e3 + 40e3) * 1e-6)
    assert TOY.energy_uj(1000, 20000, "i8") == pytest.approx((20e3 + 10e3) * 1e-6)


def test_a_missing_precision_is_replaced_by_a_wider_one_or_not_at_all():
    assert TOY.precision("i8") == "i8"
    assert TOY.precision("fp8") == TOY.precision("bf16") == "f32"
    assert TOY.precision("lookup") is None
    assert TOY.time_us(1000, 1e9, "lookup") == pytest.approx(0.1)
    # The NPU has no f32 unit.
    assert cost.device("ryzen-ai-npu2").precision("f32") == "bf16"


def test_names_and_fields_are_checked():
    with pytest.raises(UsageError, match="unknown device 'v81', did you mean 'v80'; allowed: a100"):
        cost.device("v81")
    data = json.loads((FOLDER / "v80.json").read_text())
    assert Device.from_json(data) == cost.device("v80")
    with pytest.raises(UsageError, match="unknown field of device v80 'speed'"):
        Device.from_json(data | {"speed": 1})
    with pytest.raises(UsageError, match="device v80: .*read_gb_per_s"):
        Device.from_json({key: value for key, value in data.items() if key != "read_gb_per_s"})
    with pytest.raises(UsageError, match="expected read_gb_per_s to be above 0, but got -1"):
        Device.from_json(data | {"read_gb_per_s": -1})
    with pytest.raises(UsageError, match="unknown precision of device v80 'f64'"):
        Device.from_json(data | {"peak_gops": {"f64": 1.0}})


def test_options_of_choose_kernel():
    assert TOY.choose_kernel("i8", density=0.5) == (
        "choose-kernel{read-bandwidth=10.0 dense-gops=400.0 lookup-gops=0 threads=1 "
        "overhead-us=0.0 density=0.5}"
    )
    with pytest.raises(UsageError, match="device toy: no peak for lookup; there are .*: f32, i8"):
        TOY.choose_kernel("lookup")


def test_cpus_are_known_by_llvms_name():
    device = cost.device_for_cpu("emeraldrapids")
    assert device is not None and device.name == "cpu-emerald-rapids-2"
    assert cost.device_for_cpu("z80") is None


def test_devices_need_no_native_library():
    code = (
        "import sys; from headrace import cost; cost.device('h100');"
        "sys.exit(any('_mlir' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
