"""Operations: the written form, what is refused, the modules they make."""

import pytest

from headrace import formats, ir, ops
from headrace.errors import UsageError
from headrace.ops import OpSpec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("matvec:m=4096,k=14336,format=q4_k", ops.matvec(4096, 14336, format="q4_k")),
        (
            "matvec:m=4096,k=14336,format=q4_k,activations=i8",
            ops.matvec(4096, 14336, format="q4_k", activations="i8"),
        ),
        ("matmul:m=8,k=64,n=3,format=q8_0", ops.matmul(8, 64, 3, format="q8_0")),
        (
            "gated_matvec:m=8,k=64,format=q4nx,act=gelu_tanh,activations=bf16",
            ops.gated_matvec(8, 64, format="q4nx", act="gelu_tanh", activations="bf16"),
        ),
        ("dequantize:m=8,k=64,format=q4_0", ops.dequantize(8, 64, format="q4_0")),
        ("quantize:k=64", ops.quantize(64)),
        ("quantize:k=64,n=5", ops.quantize(64, 5)),
    ],
)
def test_written_form(text, spec):
    assert OpSpec.parse(text) == spec
    assert str(spec) == text
    assert OpSpec.parse(str(spec)) == spec


def test_parse_takes_any_order_spaces_and_defaults():
    spec = OpSpec.parse(" matvec: format=q8_0 , k=32, m=1, activations=f32,")
    assert spec == ops.matvec(1, 32, format="q8_0")
    assert hash(spec) == hash(ops.matvec(1, 32, format="q8_0"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("matvek:m=1", "unknown operation 'matvek', did you mean 'matvec'; allowed: matvec, "),
        ("", "unknown operation ''"),
        ("matvec:m=1,k=32", "matvec: missing format in .* for example format=q4_k"),
        ("matvec", "matvec: missing m, k, format"),
        ("matvec:m=1,k=32,format=q4_kk", "unknown format 'q4_kk', did you mean 'q4_k'; allowed: "),
        ("matvec:m=1,k=32,format=act_i8", "format 'act_i8' does not hold weights; allowed: "),
        ("quantize:k=32,format=q4_0", "format 'q4_0' does not hold activations; allowed: act_i8"),
        ("matvec:m=1,k=33,format=q4_0", "multiple of 32, the block of q4_0, .*k=33; .* 32 or 64"),
        ("matvec:m=1,k=128,format=q4_k", "multiple of 256, the block of q4_k, .*; .*allowed: 256$"),
        ("matvec:m=1,k=33,format=q4nx,activations=i8", "multiple of 32, the block of act_i8"),
        ("matvec:m=0,k=32,format=q4_0", "matvec: expected m to be a positive integer, but got 0"),
        ("matvec:m=-3,k=32,format=q4_0", "expected m to be a positive integer, but got -3"),
        ("matvec:m=x,k=32,format=q4_0", "expected m to be an integer, but got 'x'"),
        ("matvec:m=1.5,k=32,format=q4_0", "expected m to be an integer, but got '1.5'"),
        ("matvec:m=1,m=2,k=32,format=q4_0", "parameter 'm' is given twice"),
        ("matvec:m=1,k=32,n=4,format=q4_0", "unknown parameter of matvec 'n'"),
        ("matvec:m,k=32,format=q4_0", "expected name=value, but got 'm'"),
        ("matvec:m=1,k=32,format=q4_0,activations=i4", "unknown activation type 'i4'"),
        ("gated_matvec:m=1,k=32,format=q4_0,act=relu", "unknown gate function 'relu'"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(UsageError, match=message):
        OpSpec.parse(text)


def test_parameters_of_other_operations_are_refused():
    with pytest.raises(UsageError, match="dequantize: has no parameter 'activations'; allowed: m"):
        OpSpec("dequantize", m=1, k=32, format="q4_0", activations="i8")
    with pytest.raises(UsageError, match="expected m to be a positive integer, but got True"):
        ops.matvec(True, 32, format="q4_0")


def every_spec():
    for name in formats.names():
        if name.startswith("act_"):
            yield ops.quantize(256, format=name)
            yield ops.quantize(512, 3, format=name)
            continue
        yield ops.dequantize(33, 256, format=name)
        for activations in ops.ACTIVATIONS:
            yield ops.matvec(33, 512, format=name, activations=activations)
            yield ops.matmul(33, 256, 7, format=name, activations=activations)
            yield ops.gated_matvec(33, 256, format=name, activations=activations)


@pytest.mark.parametrize("spec", list(every_spec()), ids=str)
def test_build_makes_a_valid_module(spec):
    module = spec.build()
    assert module.operation.verify()
    function = module.body.operations[0]
    assert function.name.value == "main"
    inputs = function.type.inputs
    assert len(inputs) == len(spec.weights) + (spec.x_shape is not None)
    if spec.x_shape is not None:
        x = ir.RankedTensorType(inputs[0])
        assert (tuple(x.shape), str(x.element_type)) == (spec.x_shape, spec.x_dtype)
    names = [ir.DictAttr(item)["headrace.name"].value for item in function.arg_attrs]
    assert names == [*(["x"] if spec.x_shape else []), *spec.weights]


def test_padding_is_in_the_type():
    text = ops.matvec(33, 288, format="q4nx").text()
    assert "!qlinear.packed<33x288, #qlinear.q4nx, padded = 64x512>" in text
    assert "padded" not in ops.matvec(32, 256, format="q4nx").text()


def test_i8_activations_are_quantized_in_the_module():
    text = ops.matvec(8, 64, format="q8_0", activations="i8").text()
    assert "qlinear.quantize %x" in text
    assert "#qlinear.act_i8" in text


def test_build_in_a_given_context():
    context = ir.Context()
    assert ops.matvec(8, 64, format="q8_0").build(context).context == context
