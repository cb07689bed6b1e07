"""The target `aie`: what is compiled, what an artifact says, and that the array computes it."""

import json

import ml_dtypes
import numpy as np
import pytest

import headrace
from headrace import formats, reference, targets
from headrace.check import runner
from headrace.check.shapes import specs
from headrace.errors import CompileError, UsageError
from headrace.ops import OpSpec
from headrace.targets.aie import describe
from headrace.targets.aie.cycles import cycles_of
from headrace.targets.aie.simulate import CORES, DESIGN, run_timed
from headrace_runtime import ArgumentError, aie_packing
from headrace_runtime.aie_packing import pack_weights

MATVEC = "matvec:m=67,k=512,format=q4_k"


def compiled(text, target="aie"):
    return headrace.compile(text, target=target, cache=False)


@pytest.fixture(scope="module")
def artifact():
    return compiled(MATVEC)


def inputs_of(spec, seed=0):
    draw = np.random.default_rng(seed)
    form = formats.get(spec.format)
    weights = [
        form.encode(draw.standard_normal((spec.m, spec.k), dtype=np.float32)) for _ in spec.weights
    ]
    return [draw.standard_normal(spec.k).astype(ml_dtypes.bfloat16), *weights]


def test_arrays_by_name():
    assert describe(None).device == "npu2" and describe("npu1").columns == 4
    with pytest.raises(UsageError, match="unknown device 'npu3', did you mean 'npu"):
        targets.parse("aie:npu3")


def test_an_artifact_says_how_arguments_become_those_of_the_sequence(artifact, tmp_path):
    manifest = json.loads((artifact.save(tmp_path / "a.hr") / "manifest.json").read_text())
    assert manifest["source"] == f"{MATVEC},activations=bf16"
    assert [(a["name"], a["dtype"]) for a in manifest["arguments"]] == [
        ("x", "bf16"),
        ("w", "i8"),
        ("y", "f32"),
    ]
    array = manifest["array"]
    (product,) = array["products"]
    weights, activations, results = (product[k] for k in ("weights", "activations", "results"))
    sizes = aie_packing.sizes(array)
    assert product["op"] == "qlinear.matvec"
    assert list(sizes) == ["weights", "activations", "results"]
    assert [part["memory"] for part in (weights, activations, results)] == [0, 1, 2]
    for part, size in zip((weights, activations, results), sizes.values(), strict=True):
        assert (part["offset"], part["bytes"]) == (0, size)
    assert (weights["arguments"], weights["format"]) == ([1], "q4_k")
    assert (weights["rows"], weights["cols"]) == (67, 512)
    assert weights["bytes"] % 4864 == 0 and weights["bytes"] >= 3 * 2 * 4864
    assert (activations["argument"], activations["dtype"]) == (0, "bf16")
    assert activations["shape"] == [512] and activations["padded"] == [activations["bytes"] // 2]
    assert (results["argument"], results["shape"]) == (2, [67])
    assert results["padded"] == [results["bytes"] // 4] and results["bytes"] >= 4 * 67
    modelled = array["modelled"]
    assert modelled["read_bytes"] == sizes["weights"] + sizes["activations"]
    (kernel,) = manifest["kernels"]
    assert kernel["modelled"]["time_us"] == modelled["run_us"] + modelled["dispatch_us"]
    assert kernel["operations"] == 2 * 67 * 512


def test_each_pass_is_a_stage(artifact):
    names = artifact.stages()
    order = [
        "verify-target-legality",
        "dataflow-partition-products",
        "aie-place",
        "aie-assign-objectfifos",
        "aie-assign-dma",
        "aie-generate-cores",
        "aie-check-program-memory",
    ]
    found = [names.index(f"after:{name}") for name in order]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (MATVEC, "aie"),
        ("matvec:m=33,k=96,format=q4_0", "aie:npu1"),
        ("matvec:m=1,k=160,format=q4nx", "aie"),
        ("gated_matvec:m=100,k=768,format=q4_k,act=gelu_tanh", "aie"),
        ("gated_matvec:m=40,k=288,format=q4nx", "aie:npu1"),
    ],
)
def test_the_array_computes_it_however_fast_its_cores_are(text, target):
    program = compiled(text, target)
    spec = OpSpec.parse(text, activations="bf16")
    inputs = inputs_of(spec)
    results = [
        targets.find("aie").simulate(program, inputs, order).arguments[-1] for order in range(3)
    ]
    want = reference.evaluate(spec, inputs[0], inputs[1:])
    assert results[0].shape == (spec.m,)
    assert reference.relative_l2(results[0], want) < 1e-4
    assert all(other.tobytes() == results[0].tobytes() for other in results[1:])


def test_a_slow_core_takes_longer(artifact):
    inputs = inputs_of(OpSpec.parse(MATVEC, activations="bf16"))
    as_modelled, slow = (run_timed(artifact, inputs, speed)[1] for speed in (1.0, 4.0))
    assert as_modelled.us == pytest.approx(artifact.manifest["array"]["modelled"]["run_us"])
    assert slow.us > as_modelled.us


def test_memory_of_another_size_is_refused(artifact):
    inputs = inputs_of(OpSpec.parse(MATVEC, activations="bf16"))
    (product,) = artifact.manifest["array"]["products"]
    weights = product["weights"]
    assert pack_weights(weights, inputs[1:]).nbytes == weights["bytes"]
    with pytest.raises(ArgumentError, match="expected 1 matrices, but got 2"):
        pack_weights(weights, inputs[1:] * 2)
    with pytest.raises(ArgumentError, match="expected 19296 bytes of q4_k for 67x512, but got 4"):
        pack_weights(weights, [np.zeros(4, np.uint8)])
    with pytest.raises(ArgumentError, match="weights: expected 19 bytes, but got [0-9]+"):
        pack_weights({**weights, "bytes": 19}, inputs[1:])
    with pytest.raises(ArgumentError, match="activations: expected 1024 bytes, but got 4"):
        aie_packing.pack_activations(product["activations"], np.zeros(4, np.uint8))
    with pytest.raises(UsageError, match="expected 2 inputs, but got 1"):
        run_timed(artifact, inputs[:1])
    with pytest.raises(UsageError, match="argument 'x': expected 1024 bytes, but got 4"):
        run_timed(artifact, [np.zeros(2, ml_dtypes.bfloat16), inputs[1]])


def test_texts_of_an_artifact_are_what_the_emitters_give(artifact):
    design, cores = artifact.sources[DESIGN], artifact.sources[CORES]
    assert "aie.device(npu2)" in design and "aie.runtime_sequence @sequence" in design
    assert "func.func @accumulate_q4_k_" in cores and "dataflow." not in design
    assert "\nvoid accumulate_q4_k_" in artifact.sources["cores.cpp"]


def test_cycles_are_those_of_the_slot_that_is_needed_most():
    from headrace import ir

    text = """
    func.func @copy(%x: memref<64xf32>, %y: memref<64xf32>) {
      %c0 = arith.constant 0 : index
      %c8 = arith.constant 8 : index
      %c1 = arith.constant 1 : index
      scf.for %i = %c0 to %c8 step %c1 {
        %a = vector.load %x[%i] : memref<64xf32>, vector<16xf32>
        %b = arith.addf %a, %a : vector<16xf32>
        vector.store %b, %y[%i] : memref<64xf32>, vector<16xf32>
      }
      return
    }"""
    with ir.Context():
        module = ir.Module.parse(text)
        # One addition and one store in each of 8 cycles; npu1 stores 256 bits in one.
        assert cycles_of(module, describe("npu2")) == {"copy": 12 + 8}
        assert cycles_of(module, describe("npu1")) == {"copy": 12 + 16}
        endless = text.replace("%c8 step", "%n step").replace("(%x", "(%n: index, %x")
        with pytest.raises(CompileError, match="expected loops with constant bounds"):
            cycles_of(ir.Module.parse(endless), describe("npu2"))
        other = "func.func @f() { scf.execute_region { scf.yield } return }"
        with pytest.raises(CompileError, match="expected straight code and loops, but got"):
            cycles_of(ir.Module.parse(other), describe("npu2"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("matvec:m=64,k=32768,format=q4_k", "needs .* bytes of memory in a core for 32768 columns"),
        ("matvec:m=64,k=32768,format=q4nx", "a core has 65536; nearest that fits: 2[0-9]+ columns"),
        ("matvec:m=64,k=256,format=q6_k", "not claimed by target aie"),
        ("matvec:m=64,k=256,format=q4_k,activations=f32", "not claimed by target aie"),
    ],
)
def test_what_does_not_fit_does_not_compile(text, message):
    with pytest.raises(CompileError, match=message):
        compiled(text)


def test_two_products_are_refused(artifact):
    text = OpSpec.parse(MATVEC, activations="bf16").text()
    both = text + text.replace("@main", "@other").replace("func.func", "func.func private")
    with pytest.raises(CompileError, match="expected an aie.device, one product .* but got 2"):
        compiled(both.encode())


def test_full_checks_have_projections_of_models():
    target = targets.find("aie")
    cells = {cell.name: cell for cell in target.cells()}
    whole = runner.select("aie", 1, filter="gated_matvec/q4_k")
    assert {(10240, 2560), (8192, 2048)} <= {(spec.m, spec.k) for _, spec in whole}
    quick = runner.select("aie", 1, filter="gated_matvec/q4_k", quick=True)
    assert len(quick) == 2 and max(spec.m for _, spec in quick) < 100
    cell = cells["matvec/q4_k/bf16"]
    # Blocks of q4_k have 256 columns.
    assert all(spec.k % 256 == 0 for spec in specs(cell, 1, shapes=target.shapes[cell.op]))


def test_a_check_finds_a_wrong_result(monkeypatch):
    (task, *_) = runner.select("aie", 1, filter="matvec/q4_0", quick=True)
    assert all(row.ok for row in runner.check_task("aie", 1, task))
    right = aie_packing.pack_activations
    monkeypatch.setattr(
        aie_packing, "pack_activations", lambda part, x: right(part, x[::-1].copy())
    )
    assert not all(row.ok for row in runner.check_task("aie", 1, task))
