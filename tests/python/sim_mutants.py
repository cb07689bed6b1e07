"""A kernel that is right, for tests that break it in one place each time."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from headrace.sim import msl
from headrace.sim.msl import Schedule, SimulationError

ROWS, COLUMNS = 64, 128  # the weights are one page, so that guard pages are next to both ends
KERNEL = """\
#include <metal_stdlib>
using namespace metal;
// One row for each threadgroup; a byte has the weights of columns i and i + 64.
kernel void rows(device const uchar* w [[buffer(0)]], device const float* x [[buffer(1)]],
                 device float* y [[buffer(2)]], uint3 workgroup [[threadgroup_position_in_grid]],
                 uint subgroup [[simdgroup_index_in_threadgroup]],
                 uint lane [[thread_index_in_simdgroup]],
                 uint thread_index [[thread_index_in_threadgroup]]) {
  threadgroup float sums[2];
  device const uchar* row = w + workgroup.x * 64u;
  const uint byte = uint(row[thread_index]);
  const float low = float(byte & 15u) * x[thread_index];
  const float high = float(byte >> 4u) * x[thread_index + 64u];
  const float sum = simd_sum(low + high);
  if (lane == 0u) {
    sums[subgroup] = sum;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index == 0u) {
    y[workgroup.x] = sums[0] + sums[1];
  }
}
"""
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"
STORE = "y[workgroup.x] = sums[0] + sums[1];"
SCHEDULES = [Schedule("forward"), Schedule("reverse"), *(Schedule(seed=s) for s in range(3))]


def mutant(old: str, new: str) -> str:
    assert KERNEL.count(old) == 1, old
    return KERNEL.replace(old, new)


@cache
def data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Weights, activations, and what their product is."""
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 256, (ROWS, COLUMNS // 2)).astype(np.uint8)
    x = rng.standard_normal(COLUMNS).astype(np.float32)
    whole = np.concatenate([weights & 15, weights >> 4], axis=1)
    return weights, x, whole @ x.astype(np.float64)


def line(text: str) -> int:
    """Where in the kernel something stands."""
    assert KERNEL.count(text) == 1, text
    return KERNEL[: KERNEL.index(text)].count("\n") + 1


def error(result: np.ndarray[Any, Any]) -> float:
    expected = data()[2]
    return float(np.linalg.norm(result - expected) / np.linalg.norm(expected))


def run(source: str, schedule: Schedule | None = None, *, check: bool = True) -> Any:
    weights, x, _ = data()
    y = np.full(ROWS, np.nan, np.float32)
    msl.build(source, check=check).launch(
        "rows", buffers=[weights, x, y], grid=(ROWS, 1, 1), threads=(64, 1, 1), schedule=schedule
    )
    return y


def failure(source: str, schedule: Schedule | None = None, *, check: bool = True) -> Any:
    with pytest.raises(SimulationError) as caught:
        run(source, schedule, check=check)
    assert "kernel 'rows'" in str(caught.value)
    assert caught.value.kernel == "rows"
    return caught.value
