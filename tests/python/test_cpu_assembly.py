"""The assembly of an artifact is what its library is made of."""

import pytest

import headrace as hr
from headrace import ops
from headrace.errors import CompileError
from headrace.modules import load_module
from headrace.pipeline import lower
from headrace.targets import parse
from headrace.targets.cpu.description import describe
from headrace.targets.cpu.package import assemble, emit_assembly, emit_object


@pytest.mark.parametrize("cpu", ["sapphirerapids", "x86-64-v3", "neoverse-n1", "neoverse-v2"])
@pytest.mark.parametrize(
    "spec",
    [
        "matvec:m=64,k=512,format=q4_k:strips16,activations=i8",
        "matmul:m=64,k=512,n=5,format=q5_0,activations=bf16",
    ],
)
def test_same_object(cpu, spec):
    target, description = parse(f"cpu:{cpu}")
    module = load_module(ops.parse(spec))
    lower(module, target, description)
    generated = emit_object(module, description)
    assert assemble(emit_assembly(module, description), description) == generated


def test_no_code_is_generated_twice(monkeypatch):
    def fail(*_):
        raise AssertionError("expected the kernels to be assembled")

    monkeypatch.setattr("headrace.targets.cpu.package.emit_object", fail)
    spec = "matvec:m=16,k=256,format=q4_k,activations=f32"
    assert "matvec_q4_k_16x256" in hr.compile(spec, cache=False).sources["kernels.s"]
    with pytest.raises(AssertionError, match="assembled"):
        hr.compile(spec, cache=False, keep_ir=False)


def test_bad_text():
    with pytest.raises(CompileError, match=r"kernels\.s:2.*invalid instruction"):
        assemble("\t.text\n\tmultiply %zmm1\n", describe("sapphirerapids"))


def test_calls_are_refused():
    with pytest.raises(CompileError, match="call nothing, but they call memcpy"):
        assemble("\t.text\nf:\n\tjmp\tmemcpy\n", describe("sapphirerapids"))
