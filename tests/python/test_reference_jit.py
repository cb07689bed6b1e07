"""The meaning of every operation (its decomposition, on MLIR's JIT) against NumPy in float64.

Nothing of the CPU target takes part: weights are decoded by the `gguf` package where it knows the
format, and everything else is float64 in NumPy.
"""

import math

import ml_dtypes
import numpy as np
import pytest

from headrace import formats, ir, ops, reference
from headrace.errors import CompileError, UsageError
from headrace.reference_jit import Meaning

WEIGHTS = [name for name in formats.names() if not name.startswith("act_")]
DTYPES = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "i8": np.float32}


def columns(name: str, blocks: int) -> int:
    """A few blocks of columns, of activations too; for a format that pads, an odd number."""
    form = formats.get(name)
    unit = math.lcm(32, form.k_multiple)
    return unit * (2 * blocks + 1) if form.pads else unit * blocks


def weights(name: str, rows: int, cols: int, rng: np.random.Generator) -> np.ndarray:
    values = rng.normal(0.0, 1.0, (rows, cols)).astype(np.float32)
    return formats.get(name).encode(values)


def run(spec, x, *packed):
    """The result of the JIT, and what it should be in float64."""
    inputs = [*([] if x is None else [x]), *packed]
    before = [array.copy() for array in inputs]
    (got,) = Meaning(spec.build())(*inputs)
    for array, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array.view(np.uint8), old.view(np.uint8))
    if x is not None and spec.activations == "i8":
        x = reference.quantized_activations(x)
    return got, reference.evaluate(spec, x, packed)


@pytest.mark.parametrize("activations", ops.ACTIVATIONS)
@pytest.mark.parametrize("name", WEIGHTS)
def test_products(name, activations):
    rng = np.random.default_rng([WEIGHTS.index(name), ops.ACTIVATIONS.index(activations)])
    m, k, n = 37, columns(name, 3), 5
    w, gate, up = (weights(name, m, k, rng) for _ in range(3))
    x = rng.normal(size=k).astype(DTYPES[activations])
    xs = rng.normal(size=(n, k)).astype(DTYPES[activations])
    how = {"format": name, "activations": activations}
    cases = [
        (ops.matvec(m, k, **how), x, w),
        (ops.matmul(m, k, n, **how), xs, w),
        (ops.gated_matvec(m, k, act="silu", **how), x, gate, up),
        (ops.gated_matvec(m, k, act="gelu_tanh", **how), x, gate, up),
    ]
    for spec, *inputs in cases:
        got, want = run(spec, *inputs)
        assert got.shape == want.shape
        error = reference.relative_l2(got, want)
        assert error < 1e-5, f"{spec}: {error}"
        # An exact zero would mean that the two are not independent, unless the sums of products of
        # such short numbers are exact.
        assert error > 0.0 or activations == "bf16"


@pytest.mark.parametrize("name", WEIGHTS)
def test_dequantize_is_exact(name):
    rng = np.random.default_rng(WEIGHTS.index(name))
    rows, cols = 35, columns(name, 2)
    packed = weights(name, rows, cols, rng)
    (got,) = Meaning(ops.dequantize(rows, cols, format=name).build())(packed)
    want = reference.decode(name, packed, rows, cols)
    assert got.shape == (rows, cols) and np.count_nonzero(want) > rows
    np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))


def hard_activations(n: int, k: int) -> np.ndarray:
    """Groups of 32 in which rounding is difficult, one kind after the other."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, k // 32, 32)).astype(np.float32)
    kinds = x.reshape(-1, 32)
    kinds[0] = 0.0
    kinds[1] = -0.0
    kinds[2] *= np.float32(2.0**-130)  # counts as zeros
    kinds[3] = np.float32(2.0**-120)  # the smallest that does not
    kinds[4] = np.nextafter(np.float32(2.0**-120), np.float32(0))  # the largest that does
    kinds[5] = np.arange(-15.5, 16.5)  # ties
    kinds[5, 0] = 127.0
    kinds[6] *= np.float32(1e30)
    kinds[7, 1:] = 0.0
    kinds[8] = -np.abs(kinds[8])
    kinds[9] = np.float32(1e-42)  # denormal
    return x.reshape(n, k)


@pytest.mark.parametrize(("n", "k"), [(1, 320), (5, 64), (3, 352)])
def test_quantize_gives_the_same_bytes(n, k):
    x = hard_activations(n, k)
    spec = ops.quantize(k, n)
    (got,) = Meaning(spec.build())(x.reshape(spec.x_shape))
    want = formats.get("act_i8").encode(x)
    np.testing.assert_array_equal(got.view(np.uint8), want)
    assert np.count_nonzero(want) > want.size // 4


def test_quantize_keeps_what_is_not_finite():
    x = np.ones((1, 96), np.float32)
    x[0, 3], x[0, 40] = np.nan, np.inf
    (got,) = Meaning(ops.quantize(96).build())(x.reshape(-1))
    with np.errstate(invalid="ignore"):
        values = formats.get("act_i8").decode(got.view(np.uint8), 1, 96).reshape(3, 32)
    assert np.isnan(values[0]).all() and not np.isfinite(values[1]).any()
    np.testing.assert_array_equal(values[2], 1.0)


SLICE = """
!w = !qlinear.packed<80x288, #qlinear.q4nx, padded = 96x512>
!s = !qlinear.packed<16x288, #qlinear.q4nx, padded = 32x512>
func.func @main(%w: !w, %x: tensor<288xf32>)
    -> (tensor<16xf32>, tensor<10240xi8>, tensor<288xf32>) {
  %o = tensor.empty() : tensor<16xf32>
  %s = qlinear.slice %w rows [64, 16] : !w to !s
  %y = qlinear.matvec ins(%s, %x : !s, tensor<288xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  %b = qlinear.to_bytes %s : !s to tensor<10240xi8>
  return %y, %b, %x : tensor<16xf32>, tensor<10240xi8>, tensor<288xf32>
}
"""


def test_slice_and_bytes():
    rng = np.random.default_rng(3)
    packed = weights("q4nx", 80, 288, rng)
    x = rng.normal(size=288).astype(np.float32)
    y, data, same = Meaning(ir.Module.parse(SLICE, ir.Context()))(packed, x)
    rows = reference.decode("q4nx", packed, 80, 288)[64:].astype(np.float64)
    assert reference.relative_l2(y, rows @ x) < 1e-5
    np.testing.assert_array_equal(data.view(np.uint8), packed[20480:])
    np.testing.assert_array_equal(same, x)


def test_the_destination_is_not_read():
    text = """
    !w = !qlinear.packed<2x32, #qlinear.gguf<q8_0>>
    func.func @main(%w: !w, %x: tensor<32xf32>, %o: tensor<2xf32>) -> tensor<2xf32> {
      %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<2xf32>) -> tensor<2xf32>
      return %y : tensor<2xf32>
    }
    """
    rng = np.random.default_rng(4)
    packed, x = weights("q8_0", 2, 32, rng), rng.normal(size=32).astype(np.float32)
    (y,) = Meaning(ir.Module.parse(text, ir.Context()))(packed, x, np.full(2, np.nan, np.float32))
    want = reference.decode("q8_0", packed, 2, 32).astype(np.float64) @ x
    assert reference.relative_l2(y, want) < 1e-5


def test_refuses():
    meaning = Meaning(ops.matvec(2, 32, format="q8_0").build())
    x, w = np.zeros(32, np.float32), np.zeros(68, np.uint8)
    with pytest.raises(UsageError, match="expected 2 inputs, but got 1"):
        meaning(x)
    with pytest.raises(
        UsageError, match=r"input 0 to be float32 of shape \(32,\), but got float64"
    ):
        meaning(x.astype(np.float64), w)
    with pytest.raises(UsageError, match=r"input 1 to be int8 of shape \(68,\), but got int8 of "):
        meaning(x, w[:-1])
    text = "func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> { return %x : tensor<?xf32> }"
    with pytest.raises(CompileError, match="static tensors of f32, bf16, i8, i32, but got tensor<"):
        Meaning(ir.Module.parse(text, ir.Context()))
    text = """
    func.func @main(%b: tensor<34xi8>) -> tensor<34xi8> {
      %m = bufferization.to_buffer %b : tensor<34xi8> to memref<34xi8>
      %w = qlinear.from_bytes %m : memref<34xi8> to !qlinear.packed<1x32, #qlinear.gguf<q8_0>>
      %c = qlinear.to_bytes %w : !qlinear.packed<1x32, #qlinear.gguf<q8_0>> to tensor<34xi8>
      return %c : tensor<34xi8>
    }
    """
    with pytest.raises(CompileError, match="cannot be decomposed: .*\n*.*expected tensors"):
        Meaning(ir.Module.parse(text, ir.Context()))
