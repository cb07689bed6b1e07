"""The check of scratch memory: it must notice a kernel that reads what it did not write."""

from dataclasses import replace

import numpy as np
import pytest

import headrace as hr
from headrace import ir
from headrace.check.compiled import Compiled, DifferenceError
from headrace.errors import UsageError
from headrace.pipeline import expand
from headrace.targets import cpu
from headrace.targets.base import Stage

NORM = """
func.func @main(%x: tensor<64xf32>, %w: tensor<64xf32>) -> tensor<64xf32> {
  %e = tensor.empty() : tensor<64xf32>
  %y = qlinear.rms_norm eps = 1.0e-6 ins(%x, %w : tensor<64xf32>, tensor<64xf32>)
      outs(%e : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}
"""
# Copies x by way of scratch memory, of which it writes `written` numbers and reads 64. What is
# behind the first 32 has no weight, so that whatever it is does not matter, unless it is NaN.
KERNEL = """
func.func private @kernel(%x: memref<64xf32>, %w: memref<64xf32>, %y: memref<64xf32>) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %half = arith.constant 32 : index
  %written = arith.constant {written} : index
  %none = arith.constant 0.0 : f32
  %s = memref.alloca() : memref<64xf32>
  scf.for %i = %c0 to %written step %c1 {{
    %v = memref.load %x[%i] : memref<64xf32>
    memref.store %v, %s[%i] : memref<64xf32>
  }}
  scf.for %i = %c0 to %half step %c1 {{
    %j = arith.addi %i, %half : index
    %v = memref.load %s[%i] : memref<64xf32>
    %u = memref.load %s[%j] : memref<64xf32>
    %weightless = arith.mulf %u, %none : f32
    %sum = arith.addf %v, %weightless : f32
    memref.store %sum, %y[%i] : memref<64xf32>
    memref.store %sum, %y[%j] : memref<64xf32>
  }}
  return
}}
"""


def with_kernel(text):
    """The CPU target, whose kernels are all replaced by that of `text`."""

    def put(module, _):
        (old,) = [op for op in module.regions[0].blocks[0] if "headrace.kernel" in op.attributes]
        parsed = ir.Module.parse(text)
        new = parsed.body.operations[0].operation.clone(ip=ir.InsertionPoint(old))
        for name in ("headrace.kernel", "sym_name"):
            new.attributes[name] = old.attributes[name]
        old.operation.erase()

    def stages(description):
        (whole,) = cpu.stages(description)
        passes = expand(whole.run, ir.Context())
        lowered = max(i for i, text in enumerate(passes) if text.startswith("cpu-lower-")) + 1
        return [
            Stage("lower", ",".join(passes[:lowered])),
            Stage("put-kernel", put),
            Stage("rest", ",".join(passes[lowered:])),
        ]

    return replace(cpu.TARGET, stages=stages)


@pytest.mark.parametrize("written", [64, 32, 63])
def test_a_kernel_that_reads_what_it_did_not_write_is_noticed(monkeypatch, written):
    monkeypatch.setattr(cpu, "TARGET", with_kernel(KERNEL.format(written=written)))
    program = Compiled(NORM.encode(), "cpu")
    x = np.arange(64, dtype=np.float32)
    if written == 64:
        (y,) = program(x, x)
        np.testing.assert_array_equal(y, np.tile(x[:32], 2))
        return
    with pytest.raises(DifferenceError, match="whatever the kernels find in their scratch memory"):
        program(x, x)


def test_scratch_memory_is_as_it_is_for_anybody():
    spec = "matmul:m=40,k=256,n=9,format=q4_k,activations=i8"
    plain, poisoned = (hr.compile(spec, poison_scratch=poison) for poison in (False, True))
    assert "after:cpu-poison-scratch" not in plain.stages()
    assert "dense<0xFFFFFFFF>" in poisoned.ir("after:cpu-poison-scratch")
    assert "poison_scratch" not in plain.manifest["description"]
    assert poisoned.manifest["description"].pop("poison_scratch") is True
    for key in ("kernels", "plan", "arguments", "requires", "description"):
        assert plain.manifest[key] == poisoned.manifest[key]


def test_models_are_not_poisoned():
    torch = pytest.importorskip("torch")
    with pytest.raises(UsageError, match="poison_scratch and verification go with single modules"):
        hr.compile(torch.nn.Linear(4, 4), (torch.zeros(1, 4),), poison_scratch=True)
