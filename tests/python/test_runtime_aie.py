"""Artifacts for NPUs on a machine with one: build.sh with stand-ins for its tools, then a stand-in
for pyxrt that runs what was built in the simulator."""

import json

import numpy as np
import pytest
import xrt_fake
from aie_built import MATVEC, builder, own_data

from headrace import reference
from headrace.cli import main
from headrace_runtime import (
    ArgumentError,
    Artifact,
    ArtifactError,
    MachineError,
    aie_packing,
    aie_verify,
    aie_xrt,
)
from headrace_runtime.files import sha256_of
from headrace_runtime.manifest import read_manifest

GATED = "gated_matvec:m=40,k=288,format=q4nx,act=silu"
MATMUL = "matmul:n=20,m=70,k=288,format=q4nx"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return builder(tmp_path_factory)


@pytest.fixture(autouse=True)
def few_copies(monkeypatch):
    monkeypatch.setattr(aie_verify, "ROTATION_BYTES", 1 << 10)


def changed(path, change):
    """The manifest of an artifact, changed."""
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


# --- as any artifact -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "target"), [(MATVEC, "aie"), (GATED, "aie:npu1"), (MATMUL, "aie")]
)
def test_a_loaded_artifact_is_called(built, tmp_path, monkeypatch, text, target):
    machine = xrt_fake.install(monkeypatch)
    machine.name = "RyzenAI-npu1" if target == "aie:npu1" else "RyzenAI-npu4"
    spec, inputs = own_data(text)
    call = Artifact.load(built(tmp_path, text, target)).bind(*inputs, poison=True)
    call.run()
    want = reference.evaluate(spec, inputs[0], inputs[1:])
    # Many tokens are multiplied with weights that were rounded to bf16.
    bound = reference.BOUNDS["bf16"] if text is MATMUL else 1e-4
    assert call.outputs[0].shape == want.shape
    assert reference.relative_l2(call.outputs[0], want) < bound
    first = call.outputs[0].copy()
    inputs[0][:] = 0
    call.run()
    assert first.any() and not call.outputs[0].any(), "a run reads the activations of then"
    assert len(call.time_steps(2)) == 1
    assert machine.flags[0] is xrt_fake.Flags.cacheable
    assert machine.flags[1:] == [xrt_fake.Flags.host_only] * 3


def test_tensors(built, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    xrt_fake.install(monkeypatch)
    spec, (x, weight) = own_data(MATVEC)
    tensor = torch.from_numpy(x.astype(np.float32)).to(torch.bfloat16)
    y = Artifact.load(built(tmp_path))(tensor, torch.from_numpy(weight))
    assert isinstance(y, torch.Tensor)
    assert reference.relative_l2(y.numpy(), reference.evaluate(spec, x, [weight])) < 1e-4


def test_wrong_arguments(built, tmp_path, monkeypatch):
    xrt_fake.install(monkeypatch)
    artifact = Artifact.load(built(tmp_path))
    _, (x, weight) = own_data(MATVEC)
    with pytest.raises(ArgumentError, match=r"expected 2 arguments \(x, w\), but got 1"):
        artifact(x)
    with pytest.raises(ArgumentError, match="argument 1 'w' of qlinear.matvec: expected 19296"):
        artifact(x, weight[:-1])
    with pytest.raises(ArgumentError, match="argument 0 'x' of .*: expected bfloat16 of shape"):
        artifact(x.astype(np.float32), weight)
    with pytest.raises(ArgumentError, match="threads: a program for an NPU has none to choose"):
        artifact(x, weight, threads=2)


def test_elsewhere_the_error_says_what_to_do(built, tmp_path, capsys):
    path = built(tmp_path)
    _, inputs = own_data(MATVEC)
    with pytest.raises(MachineError) as caught:
        Artifact.load(path)(*inputs)
    told = str(caught.value)
    assert f"{path} is for the NPU of a Ryzen AI (npu2: Strix or Krackan)" in told
    assert "no pyxrt" in told and str(path / "design.mlir") in told
    assert "./build.sh && python -m headrace_runtime.aie_verify ." in told
    assert main(["run", str(path)]) != 0
    assert "python -m headrace_runtime.aie_verify ." in capsys.readouterr().err


def test_headrace_run_on_a_machine_with_the_device(built, tmp_path, monkeypatch, capsys):
    xrt_fake.install(monkeypatch)
    assert main(["run", str(built(tmp_path)), "--repeat", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["target"] == "aie" and facts["comparisons"][0]["ok"] and facts["best_us"] > 0


# --- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("NPU Phoenix", "npu1"),
        ("RyzenAI-npu1", "npu1"),
        ("NPU Hawk Point", "npu1"),
        ("NPU Strix Halo", "npu2"),
        ("RyzenAI-npu4", "npu2"),
        ("NPU Krackan 1", "npu2"),
        ("xilinx_u50", None),
    ],
)
def test_devices_by_name(name, device):
    assert aie_xrt.device_of(name) == device


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"name": "NPU Phoenix"},
            "the array npu2, but device 'NPU Phoenix' has npu1; .*aie:npu1",
        ),
        ({"name": "xilinx_u50"}, "device 'xilinx_u50' has none that is known"),
        ({"devices": 0}, "XRT cannot open the device: No such device with index '0'"),
        ({"kernel": ""}, "has no kernel 'MLIR_AIE'; run build.sh again"),
        ({"arguments": 5}, "takes 3 memories, but got one with 2"),
        ({"state": xrt_fake.State.ERT_CMD_STATE_TIMEOUT}, "did not end .*: ERT_CMD_STATE_TIMEOUT"),
        ({"state": xrt_fake.State.ERT_CMD_STATE_ERROR}, "did not end on 'NPU Strix': .*_ERROR"),
    ],
)
def test_what_a_device_cannot(built, tmp_path, monkeypatch, settings, message):
    machine = xrt_fake.install(monkeypatch)
    for name, value in settings.items():
        setattr(machine, name, value)
    _, inputs = own_data(MATVEC)
    with pytest.raises(MachineError, match=message):
        Artifact.load(built(tmp_path))(*inputs)


def test_memory_that_is_too_small(built, tmp_path, monkeypatch):
    xrt_fake.install(monkeypatch)
    npu = aie_xrt.Npu(built(tmp_path), "npu2", 3)
    small = npu.allocate(0, 16)
    with pytest.raises(MachineError, match="expected memory of 32 bytes, but got 16"):
        npu.write(small, np.zeros(32, np.uint8))
    with pytest.raises(MachineError, match="XRT cannot read memory: .* past buffer size"):
        npu.read(small, 32)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("build/aie.xclbin", None, "is not built for its device: build/aie.xclbin is missing; run"),
        ("build/insts.bin", None, "build/insts.bin is missing; run .*build.sh, which says what it"),
        ("build/insts.bin", 0, "expected words of 4 bytes in build/insts.bin, but got 0 bytes"),
        ("build/insts.bin", 6, "expected words of 4 bytes in build/insts.bin, but got 6 bytes"),
    ],
)
def test_what_is_not_built(built, tmp_path, monkeypatch, capsys, name, size, message):
    xrt_fake.install(monkeypatch)
    path = built(tmp_path)
    if size is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(bytes(size))
    with pytest.raises((MachineError, ArtifactError), match=message):
        aie_verify.report(path, 1, 1000)
    assert aie_verify.main([str(path)]) == 2
    assert capsys.readouterr().err.startswith("aie_verify: artifact ")


# --- aie_verify ----------------------------------------------------------------------------------


def test_the_report(built, tmp_path, monkeypatch, capsys):
    xrt_fake.install(monkeypatch)
    path, output = built(tmp_path), tmp_path / "report.json"
    assert aie_verify.main([str(path), "--repeat", "3", "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    manifest = read_manifest(path)
    assert found["schema"] == 1 and found["ok"] and found["runs_agree"]
    assert found["operation"] == f"{MATVEC},activations=bf16" and found["target"] == "aie:npu2"
    assert found["products"] == [f"{MATVEC},activations=bf16"]
    assert found["device"] == "NPU Strix"
    assert found["manifest_sha256"] == sha256_of(path / "manifest.json")
    assert found["built"]["build/insts.bin"] == sha256_of(path / "build" / "insts.bin")
    assert found["tools"][:2] == ["aiecc: aiecc 1.2.3 ", "clang++: clang 19 of Peano"]
    (item,) = found["outputs"]
    assert item["output"] == "y" and 0 < item["error"] <= item["bound"]
    time, array = found["time"], manifest.data["array"]
    assert time["bytes"] == sum(aie_packing.sizes(array).values())
    assert time["best_us"] <= time["median_us"]
    assert time["gb_per_s"] == pytest.approx(time["bytes"] / time["best_us"] * 1e-3, abs=0.01)
    assert time["modelled_run_us"] == pytest.approx(array["modelled"]["run_us"], abs=1e-3)
    told = capsys.readouterr().out
    assert "on NPU Strix: ok" in told and "50.0 us of dispatch" in told


def wrong(run, y):
    y.view(np.float32)[5] += 10


def unwritten(run, y):
    y[:4] = 0xFF


def unsteady(run, y):
    if run == 2:
        y[40] ^= 1


@pytest.mark.parametrize("damage", [wrong, unwritten, unsteady])
def test_wrong_results_are_found(built, tmp_path, monkeypatch, capsys, damage):
    machine = xrt_fake.install(monkeypatch)
    machine.damage = damage
    output = tmp_path / "report.json"
    arguments = [str(built(tmp_path)), "--repeat", "1", "--output", str(output)]
    assert aie_verify.main(arguments) == 1
    found = json.loads(output.read_text())
    assert not found["ok"] and "FAILED" in capsys.readouterr().out
    assert found["runs_agree"] is (damage is not unsteady)
    assert found["outputs"][0]["ok"] is (damage is unsteady)


def test_damaged_folders(built, tmp_path, monkeypatch, capsys):
    xrt_fake.install(monkeypatch)
    path = built(tmp_path)
    weights = path / "packed" / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert aie_verify.main([str(path)]) == 2
    assert "'packed/weights.bin' is damaged or truncated" in capsys.readouterr().err
    short = sha256_of(weights)
    changed(path, lambda m: m["sha256"].update({"packed/weights.bin": short}))
    with pytest.raises(ArtifactError, match=r"expected (\d+) bytes in .*, but got \d+"):
        aie_verify.report(path, 1, 1000)
    changed(path, lambda m: m["array"]["packed"].pop("weights"))
    with pytest.raises(ArtifactError, match="array.packed has no 'weights'"):
        aie_verify.report(path, 1, 1000)
    changed(path, lambda m: m["array"].pop("packed"))
    assert aie_verify.report(path, 1, 1000)["ok"], "drawn again"
    changed(path, lambda m: m.pop("verification"))
    with pytest.raises(ArtifactError, match="nothing to compare results with; .*--target aie"):
        aie_verify.report(path, 1, 1000)
    assert aie_verify.main([str(path), "--repeat", "0"]) == 2
    assert aie_verify.main([str(path), "--timeout", "0"]) == 2
    assert "--timeout: expected a number from 1, but got 0" in capsys.readouterr().err
    assert aie_verify.main([str(tmp_path / "none.hr")]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, p: a.update(device="npu9"), "array.device: expected one of npu1, npu2"),
        (lambda a, p: p["weights"].update(groups=[1, 2, 3]), "groups: expected pairs"),
        (lambda a, p: p["weights"].update(arguments=[7]), r"\[0\]: argument 7 does not exist"),
        (lambda a, p: p["weights"].update(offset=4), "weights: lies outside of the memory"),
        (lambda a, p: p["results"].update(memory=3), "results: lies outside of the memory"),
        (lambda a, p: p["results"].update(padded=[2]), r"expected a shape within \[2\]"),
        (lambda a, p: p["results"].update(padded=[99]), "results: expected 396 bytes"),
        (lambda a, p: p["activations"].pop("shape"), "activations.shape: missing"),
        (lambda a, p: a["memory"][1].pop("bytes"), r"memory\[1\].bytes: missing"),
    ],
)
def test_damaged_manifests(built, tmp_path, monkeypatch, change, message):
    xrt_fake.install(monkeypatch)
    path = changed(built(tmp_path), lambda m: change(m["array"], m["array"]["products"][0]))
    with pytest.raises(ArtifactError, match=message):
        aie_verify.report(path, 1, 1000)
