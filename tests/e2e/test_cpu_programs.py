"""Programs of several operations, from Python to results, on the CPU."""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import headrace as hr
from headrace import formats, reference

DRAW = np.random.default_rng(11)


def encode(name, rows, cols):
    values = DRAW.normal(0, 0.05, (rows, cols)).astype(np.float32)
    return formats.get(name).encode(values)


def values(name, data, rows, cols):
    return reference.decode(name, data, rows, cols).astype(np.float64)


def test_chain_of_two_layers():
    """The first result is a transient; both weights have their own format."""
    text = """
    func.func @main(
        %x: tensor<256xf32> {headrace.name = "x"},
        %w1: !qlinear.packed<96x256, #qlinear.gguf<q4_k>> {headrace.name = "w1"},
        %w2: !qlinear.packed<33x96, #qlinear.gguf<q8_0>> {headrace.name = "w2"}
    ) -> (tensor<33xf32> {headrace.name = "y"}) {
      %e1 = tensor.empty() : tensor<96xf32>
      %h = qlinear.matvec
          ins(%w1, %x : !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, tensor<256xf32>)
          outs(%e1 : tensor<96xf32>) -> tensor<96xf32>
      %e2 = tensor.empty() : tensor<33xf32>
      %y = qlinear.matvec
          ins(%w2, %h : !qlinear.packed<33x96, #qlinear.gguf<q8_0>>, tensor<96xf32>)
          outs(%e2 : tensor<33xf32>) -> tensor<33xf32>
      return %y : tensor<33xf32>
    }
    """
    art = hr.compile(text.encode())
    assert len(art.manifest["plan"]) == 2
    assert art.manifest["transients"] == [{"bytes": 384}]
    w1, w2 = encode("q4_k", 96, 256), encode("q8_0", 33, 96)
    x = DRAW.normal(size=256).astype(np.float32)
    want = values("q8_0", w2, 33, 96) @ (values("q4_k", w1, 96, 256) @ x.astype(np.float64))
    for threads in (1, 2, 5):
        got = art(x, w1, w2, threads=threads, poison=True)
        assert reference.relative_l2(got, want) < 1e-5


def test_slices_of_one_weight_and_two_results():
    """Q and K from one merged weight: two steps at offsets, one kernel where they are equal."""
    merged, part = (f"!qlinear.packed<{rows}x512, #qlinear.q4nx>" for rows in (128, 64))
    products = "".join(
        f"""
      %s{i} = qlinear.slice %w rows [{64 * i}, 64] : {merged} to {part}
      %e{i} = tensor.empty() : tensor<64xf32>
      %y{i} = qlinear.matvec ins(%s{i}, %x : {part}, tensor<512xbf16>)
          outs(%e{i} : tensor<64xf32>) -> tensor<64xf32>"""
        for i in range(2)
    )
    text = f"""
    func.func @main(%x: tensor<512xbf16>, %w: {merged}) -> (tensor<64xf32>, tensor<64xf32>) {{
      {products}
      return %y0, %y1 : tensor<64xf32>, tensor<64xf32>
    }}
    """
    art = hr.compile(text.encode())
    offsets = [step["bindings"][0].get("offset", 0) for step in art.manifest["plan"]]
    assert offsets == [0, formats.get("q4nx").storage_bytes(64, 512)]
    assert len(art.kernels) == 1
    w = encode("q4nx", 128, 512)
    x = DRAW.normal(size=512).astype(ml_dtypes.bfloat16)
    got = art(x, w)
    assert isinstance(got, tuple)
    want = values("q4nx", w, 128, 512) @ x.astype(np.float64)
    assert reference.relative_l2(np.concatenate(got), want) < 5e-3


def test_saved_artifact_runs_without_the_compiler(tmp_path):
    """Another process, with the runtime only."""
    spec = hr.ops.gated_matvec(64, 96, format="q5_0", activations="i8")
    art = hr.compile(spec)
    path = art.save(tmp_path / "gated.hr")
    gate, up = encode("q5_0", 64, 96), encode("q5_0", 64, 96)
    x = DRAW.normal(size=96).astype(np.float32)
    np.savez(tmp_path / "in.npz", x=x, gate=gate, up=up, y=art(x, gate, up))
    code = f"""
import sys
import numpy as np
import headrace_runtime
data = np.load({str(tmp_path / "in.npz")!r})
y = headrace_runtime.load({str(path)!r})(data["x"], data["gate"], data["up"])
assert np.array_equal(y, data["y"])
assert not [name for name in sys.modules if name == "headrace" or name.startswith("headrace.")]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_results_do_not_depend_on_threads(threads):
    spec = hr.ops.matmul(515, 256, 5, format="q6_k")
    art = hr.compile(spec, keep_ir=False)
    w = encode("q6_k", 515, 256)
    x = DRAW.normal(size=(5, 256)).astype(np.float32)
    assert np.array_equal(art(x, w, threads=threads, poison=True), art(x, w, threads=1))


def test_torch_in_and_out():
    torch = pytest.importorskip("torch")
    spec = hr.ops.matvec(64, 128, format="q4_0", activations="bf16")
    art = hr.compile(spec, keep_ir=False)
    w = torch.from_numpy(encode("q4_0", 64, 128))
    x = torch.randn(128, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    y = art(x, w)
    assert isinstance(y, torch.Tensor) and y.dtype == torch.float32
    want = values("q4_0", w.numpy(), 64, 128) @ x.double().numpy()
    assert reference.relative_l2(y.numpy(), want) < 5e-3


def test_module_built_with_the_python_builders():
    from headrace import ir
    from headrace.dialects import func, qlinear, tensor

    with ir.Context(), ir.Location.unknown():
        f32 = ir.F32Type.get()
        weight = qlinear.PackedType.get(48, 64, ir.Attribute.parse("#qlinear.gguf<q8_0>"))
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):

            @func.FuncOp.from_py_func(ir.RankedTensorType.get([64], f32), weight, name="main")
            def main(x, w):
                init = tensor.EmptyOp([48], f32).result
                return qlinear.matvec(w, x, init)

        art = hr.compile(module)
    w = encode("q8_0", 48, 64)
    x = DRAW.normal(size=64).astype(np.float32)
    want = values("q8_0", w, 48, 64) @ x.astype(np.float64)
    assert reference.relative_l2(art(x, w), want) < 1e-5


def test_decomposition_means_the_same():
    """What decompose-qlinear says and what the kernels compute."""
    from headrace import ir
    from headrace.execution_engine import ExecutionEngine
    from headrace.pipeline import run_pipeline
    from headrace.runtime import get_ranked_memref_descriptor

    spec = hr.ops.gated_matvec(9, 64, format="q4_0", act="gelu_tanh")
    module = spec.build()
    entry = module.body.operations[0]
    entry.operation.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get(module.context)
    run_pipeline(
        module,
        "decompose-qlinear,one-shot-bufferize{bufferize-function-boundaries "
        "function-boundary-type-conversion=identity-layout-map},"
        "func.func(convert-linalg-to-loops),expand-strided-metadata,lower-affine,"
        "convert-scf-to-cf,convert-math-to-llvm,convert-math-to-libm,finalize-memref-to-llvm,"
        "convert-arith-to-llvm,convert-index-to-llvm,convert-cf-to-llvm,convert-func-to-llvm,"
        "reconcile-unrealized-casts",
    )
    x = DRAW.normal(size=64).astype(np.float32)
    gate, up = encode("q4_0", 9, 64), encode("q4_0", 9, 64)
    want = hr.compile(spec)(x, gate, up)

    import ctypes

    from headrace.runtime import make_nd_memref_descriptor, ranked_memref_to_numpy

    result = make_nd_memref_descriptor(1, ctypes.c_float)()
    inputs = [
        ctypes.pointer(ctypes.pointer(get_ranked_memref_descriptor(array)))
        for array in (x, gate.view(np.int8), up.view(np.int8))
    ]
    engine = ExecutionEngine(module, opt_level=2)
    engine.invoke("main", ctypes.pointer(ctypes.pointer(result)), *inputs)
    got = ranked_memref_to_numpy(ctypes.pointer(result))
    assert reference.relative_l2(got, want.astype(np.float64)) < 1e-5
