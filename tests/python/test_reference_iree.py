"""The same meaning through another compiler: decompositions that IREE compiles and runs."""

import ml_dtypes
import numpy as np
import pytest

from headrace import formats, ops, reference
from headrace.reference_iree import Meaning

SPECS = [
    "matvec:m=9,k=256,format=q4_k",
    "matvec:m=9,k=64,format=q5_0,activations=bf16",
    "matmul:m=5,k=96,n=3,format=q8_0,activations=i8",
    "gated_matvec:m=33,k=96,format=q4nx,act=gelu_tanh",
    "dequantize:m=3,k=512,format=q6_k",
    "quantize:k=96,n=2",
]


@pytest.mark.parametrize("text", SPECS)
def test_decomposition_runs_in_iree(text):
    spec = ops.OpSpec.parse(text)
    rng = np.random.default_rng(SPECS.index(text))
    packed = [
        formats.get(spec.format).encode(rng.normal(size=(spec.m, spec.k)).astype(np.float32))
        for _ in spec.weights
    ]
    x = None
    if spec.x_shape is not None:
        dtype = ml_dtypes.bfloat16 if spec.x_dtype == "bf16" else np.float32
        x = rng.normal(size=spec.x_shape).astype(dtype)
    meaning = Meaning(spec.build())
    # Twice: nothing of a call stays.
    meaning(*([] if x is None else [x * 0]), *packed)
    (got,) = meaning(*([] if x is None else [x]), *packed)
    if spec.op == "quantize":
        np.testing.assert_array_equal(got.view(np.uint8), formats.get("act_i8").encode(x))
        return
    if spec.activations == "i8":
        x = reference.quantized_activations(x)
    want = reference.evaluate(spec, x, packed)
    assert got.shape == want.shape
    assert reference.relative_l2(got, want) < (1e-5 if spec.op != "dequantize" else 1e-7)
