"""`headrace.run_reference`: by either engine, of text or a module, and its messages."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import headrace as hr
from headrace import ir, reference_run
from headrace.errors import CompileError, ToolMissingError, UsageError

TWO = """
func.func @double(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %y = arith.addf %x, %x : tensor<2x3xf32>
  return %y, %x : tensor<2x3xf32>, tensor<2x3xf32>
}
func.func private @twice(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y:2 = call @double(%x) : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  %z:2 = call @double(%y#0) : (tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  return %z#0 : tensor<2x3xf32>
}
"""
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("engine", reference_run.ENGINES)
def test_packed_weights(engine):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(5, 64)).astype(np.float32)
    x = rng.normal(size=64).astype(np.float32)
    form = hr.formats.get("q8_0")
    packed = form.encode(values)
    module = hr.ops.matvec(5, 64, format="q8_0").build()
    before = str(module)
    (y,) = hr.run_reference(module, [x, packed], engine=engine)
    want = form.decode(packed, 5, 64).astype(np.float64) @ x
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    assert str(module) == before


@pytest.mark.parametrize("engine", reference_run.ENGINES)
def test_several_functions_and_results(engine):
    first, second = hr.run_reference(TWO, [X], engine=engine)
    np.testing.assert_array_equal(first, 2 * X)
    np.testing.assert_array_equal(second, X)
    (again,) = hr.run_reference(TWO, [X[:, ::-1]], engine=engine, function="twice")
    np.testing.assert_array_equal(again, 4 * X[:, ::-1])


STEP = """
!c = !qattn.kv_cache<4x1x2, f16>
func.func private @step(%k: tensor<1x1x2xf32>, %cache: !c, %at: tensor<1xi32>)
    -> (!c, tensor<2x1x2xf32>) {
  %new = qattn.append_kv %k, %k into %cache at %at
      : tensor<1x1x2xf32>, tensor<1x1x2xf32>, !c, tensor<1xi32> -> !c
  %e = tensor.empty() : tensor<2x1x2xf32>
  %y:2 = qattn.fetch_kv ins(%new, %at : !c, tensor<1xi32>)
      outs(%e, %e : tensor<2x1x2xf32>, tensor<2x1x2xf32>) -> tensor<2x1x2xf32>, tensor<2x1x2xf32>
  return %new, %y#0 : !c, tensor<2x1x2xf32>
}
"""


@pytest.mark.parametrize("engine", reference_run.ENGINES)
def test_caches_are_bytes(engine):
    """That are given and returned; what is given stays, though the program updates it in place."""
    cache = np.zeros((4, 2, 1, 2), np.float16)
    cache[3] = 7
    given, at = cache.reshape(-1).view(np.uint8), np.array([2], np.int32)
    new, values = hr.run_reference(
        STEP, [np.array([[[0.5, -3]]], np.float32), given, at], engine=engine
    )
    np.testing.assert_array_equal(values, [[[0.5, -3]], [[7, 7]]])
    assert not cache[:3].any()
    cache[2] = [[0.5, -3]]
    assert new.dtype == np.int8
    np.testing.assert_array_equal(new.view(np.uint8), cache.reshape(-1).view(np.uint8))


def test_refuses():
    with pytest.raises(UsageError, match="unknown engine 'jot', did you mean 'jit'; allowed: jit,"):
        hr.run_reference(TWO, [X], engine="jot")
    with pytest.raises(UsageError, match="unknown function 'doubel', did you mean 'double'; allo"):
        hr.run_reference(TWO, [X], function="doubel")
    with pytest.raises(UsageError, match="expected an ir.Module or MLIR text, but got OpSpec"):
        hr.run_reference(hr.ops.matvec(2, 32, format="q8_0"), [X])
    with pytest.raises(UsageError, match="expected a list of arrays, but got ndarray"):
        hr.run_reference(TWO, X)
    with pytest.raises(UsageError, match="expected 1 inputs, but got 2"):
        hr.run_reference(TWO, [X, X])
    with pytest.raises(UsageError, match="expected input 0 to be a numpy array, but got list"):
        hr.run_reference(TWO, [[1.0]])
    with pytest.raises(UsageError, match=r"of shape \(2, 3\), but got float32 of shape \(3, "):
        hr.run_reference(TWO, [X.T])
    with pytest.raises(UsageError, match="cannot parse the given text:\n.*expected"):
        hr.run_reference("func.func", [])
    two = TWO.replace("private ", "")
    with pytest.raises(CompileError, match="one called 'main', but got 2 public functions"):
        hr.run_reference(two, [X])


UNKNOWN = """
func.func private @elsewhere(tensor<2xf32>) -> tensor<2xf32>
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @elsewhere(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
"""


def test_what_cannot_be_compiled_by_iree():
    x = np.zeros(2, np.float32)
    with pytest.raises(CompileError, match="cannot be compiled by iree: "):
        hr.run_reference(UNKNOWN, [x], engine="iree")


def test_iree_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "iree.compiler", None)
    with pytest.raises(ToolMissingError, match="the iree engine needs the python package"):
        hr.run_reference(TWO, [X], engine="iree")
    # The other does not need it.
    assert len(hr.run_reference(ir.Module.parse(TWO, ir.Context()), [X])) == 2
