"""Arguments of a call: kinds, shapes, dtypes, layouts, NumPy and torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from runtime_artifacts import (
    N,
    argument,
    compile_library,
    packed_sum,
    step,
    two_steps,
    write_artifact,
)

import headrace_runtime as hr

X = np.arange(N, dtype=np.float32)
WANT = 2 * X[::-1] + 5
XP = np.zeros((3, 4), np.float32)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def two(tmp_path: Path, library: Path) -> hr.Artifact:
    return hr.load(two_steps(tmp_path / "two.hr", library))


@pytest.fixture
def packed(tmp_path: Path, library: Path) -> hr.Artifact:
    return hr.load(packed_sum(tmp_path / "sum.hr", library))


@pytest.fixture
def bf16(tmp_path: Path, library: Path) -> hr.Artifact:
    folder = write_artifact(
        tmp_path / "bf16.hr",
        library,
        arguments=[argument("x", "input", "bf16", [8]), argument("y0", "output", "bf16", [8])],
        plan=[step("copy_16", [8, 1, 1], ["a0", "a1"])],
    )
    return hr.load(folder)


@pytest.mark.parametrize(
    ("bad", "got"),
    [
        (X[:-1], r"float32 of shape \[1023\]"),
        (X.reshape(1, N), r"float32 of shape \[1, 1024\]"),
        (X.astype(np.float64), r"float64 of shape \[1024\]"),
        (X.astype(np.float16), r"float16 of shape \[1024\]"),
        (X.astype(">f4"), r">f4 of shape \[1024\]"),
        (torch.zeros(N, dtype=torch.bfloat16), r"bfloat16 of shape \[1024\]"),
        (torch.zeros(2, N), r"float32 of shape \[2, 1024\]"),
    ],
)
def test_wrong_shape_or_dtype(two: hr.Artifact, bad: Any, got: str) -> None:
    message = (
        rf"argument 0 'x' of test.double_f32: expected float32 of shape \[1024\], but got {got}"
    )
    with pytest.raises(hr.ArgumentError, match=message):
        two(bad)


@pytest.mark.parametrize("bad", [[1.0, 2.0], None, 3.5, "x"])
def test_things_that_are_no_arrays(two: hr.Artifact, bad: Any) -> None:
    with pytest.raises(hr.ArgumentError, match="expected a NumPy array or a torch tensor, but got"):
        two(bad)


def test_wrong_number_of_arguments(packed: hr.Artifact) -> None:
    for args in [(), (XP,), (XP, XP, XP)]:
        with pytest.raises(hr.ArgumentError, match=r"main: expected 2 arguments \(x, w\), but got"):
            packed(*args)


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "2"])
def test_wrong_threads(two: hr.Artifact, threads: Any) -> None:
    with pytest.raises(hr.ArgumentError, match="threads: expected a number from 1"):
        two(X, threads=threads)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("shape", [(64,), (2, 32), (4, 4, 4)])
def test_packed_weights_are_bytes_of_any_shape(
    packed: hr.Artifact, dtype: Any, shape: tuple[int, ...]
) -> None:
    w = np.arange(64, dtype=dtype).reshape(shape)
    y = packed(XP, w, poison=True)
    assert y == 2016
    assert (y.shape, y.dtype) == ((), np.float32)
    assert packed(torch.zeros(3, 4), torch.from_numpy(w)) == torch.tensor(2016.0)


@pytest.mark.parametrize(
    ("bad", "got"),
    [
        (np.zeros(63, np.int8), "63 bytes"),
        (np.zeros(128, np.uint8), "128 bytes"),
        (np.zeros(16, np.float32), r"float32 of shape \[16\]"),
        (np.zeros(128, np.uint8)[::2], "in contiguous memory, but got a strided array"),
        (torch.zeros(8, 8, dtype=torch.int8).T, "in contiguous memory, but got a strided array"),
    ],
)
def test_wrong_packed_weights(packed: hr.Artifact, bad: Any, got: str) -> None:
    message = (
        r"argument 1 'w' of test.sum_i8: expected 64 bytes \(int8 or uint8\) of q8_0 weights, "
        rf"2x30 padded to 2x32.*{got}"
    )
    with pytest.raises(hr.ArgumentError, match=message):
        packed(XP, bad)


def test_strided_activations_are_copied(two: hr.Artifact) -> None:
    wide = np.stack([X, -X], axis=1)
    assert_array_equal(two(wide[:, 0]), WANT)
    assert_array_equal(two(X[::-1]), 2 * X + 5)
    assert_array_equal(two(torch.from_numpy(wide)[:, 0]).numpy(), WANT)


def test_read_only_and_unaligned_inputs(two: hr.Artifact) -> None:
    raw = np.zeros(4 * N + 1, np.uint8)
    unaligned = raw[1:].view(np.float32)
    unaligned[:] = X
    unaligned.flags.writeable = False
    assert_array_equal(two(unaligned), WANT)


def test_nan_and_infinity_pass_through(two: hr.Artifact) -> None:
    x = X.copy()
    x[3], x[7] = np.nan, -np.inf
    assert_array_equal(two(x), 2 * x[::-1] + 5)


def test_outputs_are_of_the_first_inputs_kind(packed: hr.Artifact) -> None:
    w = np.ones(64, np.int8)
    assert isinstance(packed(XP, torch.from_numpy(w)), np.ndarray)
    assert isinstance(packed(torch.zeros(3, 4), w), torch.Tensor)


def test_outputs_are_new_memory_every_time(two: hr.Artifact) -> None:
    first = two(X)
    two(X + 1)
    assert_array_equal(first, WANT)


def test_torch_tensors(two: hr.Artifact) -> None:
    x = torch.from_numpy(X.copy()).requires_grad_()
    y = two(x, poison=True)
    assert (y.dtype, tuple(y.shape), y.requires_grad) == (torch.float32, (N,), False)
    assert_array_equal(y.numpy(), WANT)
    lazy = torch.view_as_complex(torch.stack([x.detach(), x.detach()], 1)).conj().imag
    assert_array_equal(two(lazy).numpy(), -2 * X[::-1] + 5)


@pytest.mark.parametrize("bad", [torch.zeros(N, device="meta"), torch.zeros(N).to_sparse()])
def test_tensors_without_plain_memory(two: hr.Artifact, bad: torch.Tensor) -> None:
    with pytest.raises(hr.ArgumentError, match="expected a dense tensor on the CPU, but got one"):
        two(bad)


def test_bfloat16(bf16: hr.Artifact) -> None:
    x = np.array([0, 1, -2, 0.5, np.nan, np.inf, 3e38, 1e-40], ml_dtypes.bfloat16)
    y = bf16(x)
    assert y.dtype == ml_dtypes.bfloat16
    assert_array_equal(y.view(np.uint16), x.view(np.uint16))
    t = torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    assert bf16(t).dtype == torch.bfloat16
    assert torch.equal(bf16(t).view(torch.int16), t.view(torch.int16))
    with pytest.raises(hr.ArgumentError, match=r"expected bfloat16 of shape \[8\], but got uint16"):
        bf16(x.view(np.uint16))


def test_several_outputs_are_a_tuple(tmp_path: Path, library: Path) -> None:
    folder = write_artifact(
        tmp_path / "many.hr",
        library,
        arguments=[
            argument("x", "input", "f32", [16]),
            argument("y0", "output", "f32", [16]),
            argument("y1", "output", "f32", [4, 4]),
        ],
        plan=[
            step("double_f32", [1, 1, 1], ["a0", "a1"]),
            step("double_f32", [1, 1, 1], ["a1", "a2"]),
        ],
    )
    y0, y1 = hr.load(folder)(X[:16])
    assert_array_equal(y0, 2 * X[:16])
    assert_array_equal(y1, 4 * X[:16].reshape(4, 4))


def test_bind_runs_again_on_the_same_memory(two: hr.Artifact) -> None:
    x = X.copy()
    call = two.bind(x, threads=2)
    call.run()
    assert_array_equal(call.outputs[0], WANT)
    x += 1
    call.run()
    assert_array_equal(call.outputs[0], WANT + 2)


ALONE = """
import builtins, sys

class NothingButNumpy:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in sys.stdlib_module_names and root not in ("numpy", "headrace_runtime"):
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, NothingButNumpy())
for name in ("headrace", "ml_dtypes", "torch", "matplotlib"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} should be out of reach")

import numpy as np
import headrace_runtime as hr

artifact = hr.load(sys.argv[1])
x = np.arange(1024, dtype=np.float32)
assert np.array_equal(artifact(x, threads=2), 2 * x[::-1] + 5)
assert artifact.report().rows
try:
    artifact.report().plot("never.png")
except hr.HeadraceError as error:
    assert "pip install matplotlib" in str(error)
else:
    raise SystemExit("plot worked without matplotlib")
try:
    hr.load(sys.argv[2])(np.zeros(8, np.float32))
except hr.ArgumentError:
    pass

mapped = open("/proc/self/maps").read()
for library in ("libMLIR", "libLLVM", "_mlir", "libHeadrace", "_headrace", "torch"):
    assert library not in mapped, library
assert not [name for name in sys.modules if name.split(".")[0] == "headrace"]
"""


def test_the_runtime_works_alone(two: hr.Artifact, bf16: hr.Artifact) -> None:
    """Only NumPy importable: no compiler, no torch, no ml_dtypes, no native compiler library."""
    where = str(Path(hr.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(two.path), str(bf16.path)],
        env={"PYTHONPATH": where, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
