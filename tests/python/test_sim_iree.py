"""The simulator runs the MSL that IREE compiles: argument buffers, SPIRV-Cross's arrays."""

import re
from pathlib import Path

import numpy as np
import pytest

from headrace.sim import msl
from headrace.sim.msl import Schedule, SimulationError

compiler = pytest.importorskip("iree.compiler")

ROWS, COLUMNS = 32, 1024
MODULE = f"""
func.func @matvec(%w: tensor<{ROWS}x{COLUMNS}xf16>, %x: tensor<{COLUMNS}xf16>)
    -> tensor<{ROWS}xf32> {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<{ROWS}xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<{ROWS}xf32>) -> tensor<{ROWS}xf32>
  %y = linalg.matvec ins(%w, %x : tensor<{ROWS}x{COLUMNS}xf16>, tensor<{COLUMNS}xf16>)
      outs(%start : tensor<{ROWS}xf32>) -> tensor<{ROWS}xf32>
  return %y : tensor<{ROWS}xf32>
}}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What IREE compiles the matrix-vector product to, on any machine."""
    folder = tmp_path_factory.mktemp("iree")
    compiler.compile_str(
        MODULE,
        extra_args=[
            "--iree-hal-target-device=metal",
            "--iree-metal-compile-to-metallib=false",
            f"--iree-hal-dump-executable-files-to={folder}",
        ],
    )
    (found,) = Path(folder).glob("*.metal")
    return found.read_text()


def test_a_product_of_iree(source: str) -> None:
    (kernel,) = re.findall(r"kernel void (\w+)\(", source)
    assert "spvUnsafeArray" in source
    rng = np.random.default_rng(8)
    w = rng.standard_normal((ROWS, COLUMNS)).astype(np.float16)
    x = rng.standard_normal(COLUMNS).astype(np.float16)
    w.flags.writeable = x.flags.writeable = False
    expected = w.astype(np.float64) @ x
    library = msl.build(source, trace=True)
    results = []
    for schedule in (Schedule("forward"), Schedule("reverse"), Schedule(seed=2)):
        y = np.full(ROWS, np.nan, np.float32)
        run = library.launch(
            kernel, buffers=[[w, x, y]], grid=(ROWS, 1, 1), threads=(256, 1, 1), schedule=schedule
        )
        results.append(y)
    assert np.linalg.norm(results[0] - expected) < 1e-6 * np.linalg.norm(expected)
    assert all((result == results[0]).all() for result in results)
    assert run.traffic is not None
    pointers, weights, _, stored = run.traffic
    assert pointers.loads > 0
    assert weights.loaded == w.nbytes
    assert stored.stored == 4 * ROWS
    with pytest.raises(SimulationError, match=r"buffer 0\[2\]: out of bounds") as caught:
        short = np.zeros(ROWS - 1, np.float32)
        library.launch(kernel, buffers=[[w, x, short]], grid=(ROWS, 1, 1), threads=(256, 1, 1))
    assert (caught.value.buffer, caught.value.workgroup) == ("0[2]", (ROWS - 1, 0, 0))
