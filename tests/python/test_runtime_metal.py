"""Artifacts for Metal on a Mac: three backends, as fakes that run the text in the simulator."""

import json
import sys

import metal_fakes
import numpy as np
import pytest

import headrace
from headrace_runtime import (
    ArgumentError,
    Artifact,
    ArtifactError,
    MachineError,
    metal_backends,
)
from headrace_runtime.files import sha256_of
from headrace_runtime.metal import MetalProgram

BACKENDS = metal_backends.NAMES
OPERATIONS = [
    "matvec:m=12,k=256,format=q4_k",
    "sparse_matvec:m=300,k=40,format=q4_0",
    "select_columns:k=5",
    "matvec:m=256,k=32,format=q8_0:zigzag,activations=bf16",
]
# mlx writes signatures of its own: it sees the buffers of every kind of kernel.
RUNS = [
    *((backend, text) for backend in BACKENDS for text in OPERATIONS),
    ("mlx", "decode:heads=4,kv_heads=2,dim=32,slots=64,cache=i8,layout=paged,page=16,splits=2"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Artifacts by operation, with what their results should be."""
    made = {}

    def compiled(text):
        if text not in made:
            path = tmp_path_factory.mktemp("metal") / "op.hr"
            artifact = headrace.compile(text, target="metal:m2-max", verification=True)
            made[text] = artifact.save(path)
        return made[text]

    return compiled


def inputs_of(path):
    from headrace_runtime.manifest import read_manifest
    from headrace_runtime.metal_verify import Verification

    check = Verification(path, read_manifest(path))
    return check.inputs(), check


@pytest.mark.parametrize(("backend", "text"), RUNS)
def test_results(folder, monkeypatch, backend, text):
    metal_fakes.install(monkeypatch, backend)
    path = folder(text)
    inputs, check = inputs_of(path)
    call = Artifact.load(path).bind(*inputs, poison=True)
    for _ in range(2):
        call.run()
        assert all(item["ok"] for item in check.compare(call.outputs))
    seconds = call.time_steps(3)
    assert len(seconds) == len(call.launches) and all(value > 0 for value in seconds)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_reads_what_inputs_hold_then(folder, monkeypatch, backend):
    metal_fakes.install(monkeypatch, backend)
    (x, w), _ = inputs_of(folder(OPERATIONS[0]))
    call = Artifact.load(folder(OPERATIONS[0])).bind(x, w)
    call.run()
    first = call.outputs[0].copy()
    x *= 2
    call.run()
    assert np.array_equal(call.outputs[0], 2 * first) and first.any()


def test_tensors_on_the_device_stay_there(folder, monkeypatch):
    metal_fakes.install(monkeypatch, "torch")
    path = folder(OPERATIONS[1])
    inputs, check = inputs_of(path)
    tensors = [metal_fakes.Tensor(np.array(value), "mps") for value in inputs]
    y = Artifact.load(path)(*tensors)
    assert isinstance(y, metal_fakes.Tensor) and y.device.type == "mps"
    assert check.compare([y.cpu().numpy()])[0]["ok"]
    assert Artifact.load(path).bind(*tensors).memories[1].array.base is not None, "no copy"
    with pytest.raises(ArgumentError, match=r"argument 0 'x' of .*: expected float32 of shape \["):
        Artifact.load(path)(metal_fakes.Tensor(np.zeros(3, np.float32), "mps"), tensors[1])


def test_arrays_of_mlx_stay_arrays_of_mlx(folder, monkeypatch):
    metal_fakes.install(monkeypatch, "mlx")
    path = folder(OPERATIONS[2])
    (x,), check = inputs_of(path)
    results = Artifact.load(path)(metal_fakes.MlxArray(x))
    assert all(isinstance(value, metal_fakes.MlxArray) for value in results)
    assert all(item["ok"] for item in check.compare([np.asarray(value) for value in results]))


def test_tensors_that_lie_with_the_cpu(folder, monkeypatch):
    torch = pytest.importorskip("torch")
    metal_fakes.install(monkeypatch, "pyobjc")
    monkeypatch.setitem(sys.modules, "torch", torch)
    path = folder(OPERATIONS[1])
    inputs, check = inputs_of(path)
    monkeypatch.setattr(metal_backends, "installed", lambda: ["pyobjc"])
    y = Artifact.load(path)(*map(torch.from_numpy, inputs))
    assert isinstance(y, torch.Tensor)
    assert check.compare([y.numpy()])[0]["ok"]


def test_the_backend_is_that_of_the_inputs(folder, monkeypatch):
    metal_fakes.install(monkeypatch, "torch", "mlx", "pyobjc")
    assert metal_backends.installed() == list(BACKENDS)
    assert metal_backends.wanted([np.zeros(1)]) == "pyobjc"
    assert metal_backends.wanted([np.zeros(1), metal_fakes.MlxArray([1.0])]) == "mlx"
    metal_fakes.install(monkeypatch)
    (x, w), _ = inputs_of(folder(OPERATIONS[0]))
    with pytest.raises(MachineError, match="nothing here runs Metal kernels; allowed: pip install"):
        Artifact.load(folder(OPERATIONS[0]))(x, w)
    with pytest.raises(MachineError, match="backend mlx needs the package mlx.core: pip install m"):
        metal_backends.make("mlx", "", [])
    with pytest.raises(MachineError, match="unknown backend 'cuda'; allowed: pyobjc, torch, mlx"):
        metal_backends.make("cuda", "", [])


def test_wrong_arguments(folder, monkeypatch):
    metal_fakes.install(monkeypatch, "pyobjc")
    artifact = Artifact.load(folder(OPERATIONS[0]))
    (x, w), _ = inputs_of(folder(OPERATIONS[0]))
    with pytest.raises(ArgumentError, match=r"expected 2 arguments \(x, w\), but got 1"):
        artifact(x)
    with pytest.raises(ArgumentError, match="argument 1 'w' of qlinear.matvec: .* of q4_k weights"):
        artifact(x, w[:-1])
    with pytest.raises(ArgumentError, match="threads: a program for Metal has none to choose"):
        artifact(x, w, threads=2)


def test_safe_mathematics_on_any_system(folder, monkeypatch):
    for has_math_mode in (True, False):
        metal_fakes.install(monkeypatch, "pyobjc")
        monkeypatch.setattr(metal_fakes.MTLCompileOptions, "has_math_mode", has_math_mode)
        artifact = Artifact.load(folder(OPERATIONS[0]))
        backend = artifact._load_program().backend("pyobjc")
        assert backend._device.options.safe
        assert backend.device == "Apple M2 Max"


def test_elsewhere_the_error_says_what_to_do(folder):
    path = folder(OPERATIONS[0])
    artifact = Artifact.load(path)
    with pytest.raises(MachineError) as caught:
        artifact(*inputs_of(path)[0])
    told = str(caught.value)
    assert f"artifact {path} is for the GPU of an Apple M2 Max, and this machine runs linux" in told
    assert f"its kernels are in {path / 'kernels.metal'}" in told
    assert "python -m headrace_runtime.metal_verify op.hr" in told


def damaged(path, tmp_path, change, *, text=None):
    """A copy of an artifact whose manifest was changed, sums made right again."""
    copy = Artifact.load(path).save(tmp_path / "damaged.hr")
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    for name, source in (text or {}).items():
        (copy / name).write_text(source)
        manifest["sha256"][name] = sha256_of(copy / name)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["files"].pop("metal"), "the text of its kernels has no sha256"),
        (lambda m: m["files"]["bodies"].clear(), "files.bodies: expected the body of kernel 'mat"),
        (lambda m: m["kernels"][0].pop("buffers"), r"kernels\[0\].buffers: missing"),
        (lambda m: m["kernels"][0]["buffers"].pop(), r"plan\[0\].bindings: expected 2, the buffe"),
        (lambda m: m["kernels"][0]["buffers"][0].update(read=1), r"read: expected true or false"),
        (lambda m: m["kernels"][0].update(workgroup=[2048, 1, 1]), "workgroup: expected 3 sizes"),
    ],
)
def test_damaged_manifests(folder, monkeypatch, tmp_path, change, message):
    metal_fakes.install(monkeypatch, "pyobjc")
    path = damaged(folder(OPERATIONS[0]), tmp_path, change)
    with pytest.raises(ArtifactError, match=message):
        Artifact.load(path).bind(*inputs_of(folder(OPERATIONS[0]))[0])


@pytest.mark.parametrize("backend", ["torch", "pyobjc"])
def test_text_that_does_not_compile(folder, monkeypatch, tmp_path, backend):
    metal_fakes.install(monkeypatch, backend)
    text = {"kernels.metal": "kernel void matvec(device float* y [[buffer(0)]]) { y[0] = }"}
    path = damaged(folder(OPERATIONS[0]), tmp_path, lambda m: None, text=text)
    if backend == "torch":  # the real one raises these
        monkeypatch.setattr(metal_fakes.TorchLibrary, "__init__", _refuse)
    with pytest.raises(ArtifactError, match="Metal's compiler refuses the kernels: "):
        Artifact.load(path).bind(*inputs_of(folder(OPERATIONS[0]))[0])


def _refuse(self, source):
    raise SyntaxError("program_source:1:58: error: expected expression")


def test_a_program_loads_whole(folder, monkeypatch):
    metal_fakes.install(monkeypatch, "pyobjc")
    artifact = Artifact.load(folder(OPERATIONS[1]))
    assert isinstance(artifact._load_program(), MetalProgram)
    assert len(artifact.manifest["transients"]) >= 2
    assert artifact.report(measure=True, args=inputs_of(artifact.path)[0], repeats=2).measured
