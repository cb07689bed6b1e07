"""What the simulator counts: bytes, sectors, and the instructions of a loop."""

from typing import Any

import numpy as np
import pytest

from headrace.errors import UsageError
from headrace.sim import msl
from headrace.sim.msl import Schedule, Traffic

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNELS = """
struct block { half scale; uchar codes[16]; };
kernel void each(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
  y[i] = x[i] + 1.0f;
}
kernel void apart(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  y[i] = x[32u * i];
}
kernel void wide(device const float4* x [[buffer(0)]], device float* y [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
  const float4 v = x[i];
  y[i] = v.x + v.y + v.z + v.w;
}
kernel void again(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  constant int* times [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  float sum = 0.0f;
  for (int k = 0; k < times[0]; ++k)
    sum += x[(i + 32u * uint(k)) % 64u];
  y[i] = sum;
}
kernel void whole(device const block* x [[buffer(0)]], device block* y [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  y[i].scale = x[i].scale;
  for (int k = 0; k < 16; ++k)
    y[i].codes[k] = x[i].codes[k];
}
kernel void clear(device float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  for (uint k = 0u; k < 16u; ++k)  // one fill, when clang is done with it
    x[16u * i + k] = 0.0f;
  y[i] = 0.0f;
}
"""


@pytest.fixture(scope="module")
def library() -> msl.Library:
    return msl.build(HEAD + KERNELS, trace=True)


def trace(
    library: msl.Library,
    kernel: str,
    sizes: tuple[int, int],
    schedule: Schedule | None = None,
    **options: Any,
) -> tuple[Traffic, Traffic]:
    """Of the two buffers, each of so many bytes, in a launch of 64 threads."""
    x, y = (np.ones(size, np.uint8) for size in sizes)
    run = library.launch(
        kernel, buffers=[x, y], grid=(1, 1, 1), threads=(64, 1, 1), schedule=schedule, **options
    )
    assert run.traffic is not None
    return run.traffic[0], run.traffic[1]


def test_neighbours_share_sectors(library: msl.Library) -> None:
    x, y = trace(library, "each", (256, 256))
    assert (x.loads, x.loaded, x.loaded_64, x.loaded_128) == (64, 256, 4, 2)
    assert (x.distinct_loaded_64, x.distinct_loaded_128) == (4, 2)
    assert (y.stores, y.stored, y.stored_64, y.stored_128) == (64, 256, 4, 2)
    assert (y.distinct_stored_64, y.distinct_stored_128) == (4, 2)
    assert (x.stores, x.stored_64, y.loads, y.distinct_loaded_64) == (0, 0, 0, 0)


def test_lanes_apart_have_sectors_of_their_own(library: msl.Library) -> None:
    x, _ = trace(library, "apart", (64 * 128, 256))
    assert (x.loaded, x.loaded_64, x.loaded_128) == (256, 64, 64)
    assert (x.distinct_loaded_64, x.distinct_loaded_128) == (64, 64)


def test_wide_loads_are_one_access(library: msl.Library) -> None:
    x, _ = trace(library, "wide", (1024, 256))
    assert (x.loads, x.loaded, x.loaded_64, x.loaded_128) == (64, 1024, 16, 8)


def test_times_of_a_loop_are_told_apart(library: msl.Library) -> None:
    """Six times, two simdgroups, 32 floats: 24 sectors asked for, of 4 that there are, in any order
    of threads."""
    for schedule in (Schedule("forward"), Schedule("reverse"), Schedule(seed=4)):
        x, _ = trace(library, "again", (256, 256), schedule, constants=[6])
        assert (x.loads, x.loaded_64, x.loaded_128) == (384, 24, 12)
        assert (x.distinct_loaded_64, x.distinct_loaded_128) == (4, 2)


def test_structures_and_fills_count(library: msl.Library) -> None:
    x, y = trace(library, "whole", (64 * 18, 64 * 18))
    assert (x.loaded, y.stored) == (64 * 18, 64 * 18)
    assert (x.distinct_loaded_64, y.distinct_stored_64) == (18, 18)
    x, _ = trace(library, "clear", (64 * 64, 256))
    assert (x.stored, x.distinct_stored_64, x.loaded) == (64 * 64, 64, 0)
    with pytest.raises(msl.SimulationError, match=r"buffer 0 \(x\): out of bounds"):
        trace(library, "clear", (63 * 64 + 60, 256))


def test_no_traffic_without_trace() -> None:
    library = msl.build(HEAD + KERNELS, kernels=["each"])
    x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
    run = library.launch("each", buffers=[x, y], grid=(2, 1, 1), threads=(32, 1, 1))
    assert run.traffic is None
    assert (y == 2).all()


LOOP = (
    HEAD
    + """
kernel void k(device const uint* w [[buffer(0)]], device const float4* x [[buffer(1)]],
              device float* y [[buffer(2)]], constant int* n [[buffer(3)]],
              uint i [[thread_position_in_grid]]) {
  float sum = 0.0f;
  for (int k = int(i); k < n[0]; k += 32) {
    const uint word = w[k];
    for (int part = 0; part < 2; ++part) {
      const float4 v = x[2 * k + part];
      for (int j = 0; j < 4; ++j)
        sum += v[j] * float((word >> (16 * part + 4 * j)) & 15u);
    }
  }
  y[i] = sum;
}
"""
)


def test_the_inner_loop() -> None:
    """Inner loops of known length are unrolled: eight weights with their loads in one iteration."""
    loop = msl.inner_loop(LOOP, "k")
    assert (loop.loads, loop.load_bytes, loop.private) == (3, 4 + 32, 0)
    assert loop.operations["v_fmac_f32_e32"] == 8
    assert 8 * 3 <= loop.instructions <= 8 * 5
    assert loop.instructions == sum(loop.operations.values())
    assert "global_load_dwordx4" in loop.text
    # A root for each weight shows.
    roots = LOOP.replace("* float((", "* sqrt(float((").replace("& 15u);", "& 15u));")
    more = msl.inner_loop(roots, "k")
    assert more.instructions >= loop.instructions + 8


def test_kernels_without_a_loop() -> None:
    with pytest.raises(UsageError, match="kernel 'each' has no loop that is not unrolled"):
        msl.inner_loop(HEAD + KERNELS, "each")
    with pytest.raises(UsageError, match="unknown kernel 'eahc', did you mean 'each'"):
        msl.inner_loop(HEAD + KERNELS, "eahc")
