"""What the simulator of Metal finds: a kernel that is right, broken in one place each time."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from headrace.errors import CompileError
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


@pytest.mark.parametrize("check", [True, False])
def test_the_kernel_is_right_and_gives_the_same_bits_in_every_order(check: bool) -> None:
    results = [run(KERNEL, schedule, check=check) for schedule in SCHEDULES]
    assert error(results[0]) < 1e-6
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_missing_barrier() -> None:
    source = mutant(BARRIER, "")
    kinds = {failure(source, schedule).kind for schedule in SCHEDULES}
    assert kinds <= {"race", "uninitialized"}
    # Without looking at accesses, poison shows in an order that a device may take.
    assert any(np.isnan(run(source, schedule, check=False)).any() for schedule in SCHEDULES)


def test_barrier_for_other_memory() -> None:
    found = failure(mutant(BARRIER, "threadgroup_barrier(mem_flags::mem_device);"))
    assert (found.kind, found.buffer, found.thread) == ("race", "sums", 0)
    assert "thread 32 of workgroup" in str(found)


def test_simdgroup_barrier_orders_one_simdgroup_only() -> None:
    found = failure(mutant(BARRIER, "simdgroup_barrier(mem_flags::mem_threadgroup);"), SCHEDULES[1])
    assert (found.kind, found.buffer) == ("race", "sums")


def test_divergent_barrier() -> None:
    found = failure(mutant(BARRIER, f"if (thread_index < 32u) {{ {BARRIER} }}"))
    assert found.kind == "divergent barrier"
    assert "thread 32 has ended" in str(found)
    assert f"kernel.metal:{line(BARRIER)}:" in str(found)
    # Each simdgroup waits, but at another barrier.
    found = failure(mutant(BARRIER, f"if (subgroup == 0u) {{ {BARRIER} }} else {{ {BARRIER} }}"))
    assert found.kind == "divergent barrier"


@pytest.mark.parametrize("check", [True, False])
def test_divergent_simdgroup_operation(check: bool) -> None:
    call = "const float sum = simd_sum(low + high);"
    found = failure(
        mutant(call, "float sum = low; if (lane < 16u) { sum = simd_sum(low + high); }"),
        check=check,
    )
    assert found.kind == "divergent subgroup"
    assert f"waits at kernel.metal:{line(call)}:" in str(found)
    assert f"but thread 16 is at kernel.metal:{line(BARRIER)}:" in str(found)
    found = failure(mutant(call, f"if (lane == 31u) return; {call}"), check=check)
    assert found.kind == "divergent subgroup"
    assert "31 has ended" in str(found)
    # The same operation of another place in the source is another one.
    found = failure(
        mutant(call, "float sum = lane < 16u ? simd_sum(low) : simd_sum(high);"), check=check
    )
    assert found.kind == "divergent subgroup"


def test_missing_address_space() -> None:
    at = f"kernel.metal:{line('uchar* row')}:"
    with pytest.raises(CompileError, match=rf"{at}\d+: error: cannot initialize .*MSL_DEVICE"):
        msl.build(mutant("device const uchar* row", "const uchar* row"))
    with pytest.raises(CompileError, match=rf"{at}\d+: error: cannot initialize"):
        msl.build(mutant("device const uchar* row", "threadgroup const uchar* row"))
    with pytest.raises(CompileError, match="device, constant or threadgroup"):
        msl.build(mutant("device float* y", "float* y"))


def test_wrong_shift_of_a_nibble_gives_a_wrong_result() -> None:
    assert error(run(mutant("byte >> 4u", "byte >> 3u"))) > 0.1


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "access", "where"),
    [
        ("row[thread_index]", "w[thread_index + 4096u]", "reads", ("w", 4096)),
        ("row[thread_index]", "w[int(thread_index) - 64]", "reads", ("w", -64)),
        (STORE, "y[workgroup.x + 64u] = sums[0];", "writes", ("y", 256)),
        (STORE, "y[int(workgroup.x) - 1000] = sums[0];", "writes", ("y", -4000)),
        (STORE, "sums[2] = 1.0f;", "writes", ("sums", 8)),
    ],
)
def test_out_of_bounds(
    old: str, new: str, access: str, where: tuple[str, int], check: bool
) -> None:
    found = failure(mutant(old, new), Schedule("forward"), check=check)
    assert found.kind == "out of bounds"
    assert (found.buffer, found.offset) == ({"w": 0, "y": 2}.get(where[0], "sums"), where[1])
    assert where[0] in str(found)
    assert access in str(found)
    if found.thread is not None:  # damage next to a buffer is seen only at the end
        assert (found.workgroup, found.thread) == ((0, 0, 0), 0)
    if check:
        assert "kernel.metal:" in str(found)


def test_out_of_bounds_to_the_byte() -> None:
    """One byte in front of a buffer that begins inside of a page, which only a checked build sees
    when it is read, and any build when it was written."""
    before = mutant(STORE, f"y[workgroup.x] = float(as_type<uint>(y[-1])); {STORE}")
    found = failure(before)
    assert (found.kind, found.buffer, found.offset) == ("out of bounds", 2, -4)
    found = failure(mutant(STORE, f"y[-1] = 0.0f; {STORE}"), check=False)
    assert (found.kind, found.buffer, found.offset) == ("out of bounds", 2, -4)


def test_race_within_a_workgroup_on_device_memory() -> None:
    found = failure(mutant("if (thread_index == 0u) {", "{"))
    assert (found.kind, found.buffer) == ("race", 2)
    assert found.offset == 4 * found.workgroup[0]
    # A barrier for the wrong memory does not help, one for device memory does.
    twice = "y[workgroup.x] = 0.0f; }} {} if (thread_index == 1u) {{ y[workgroup.x] = sums[0];"
    found = failure(mutant(STORE, twice.format(BARRIER)))
    assert (found.kind, found.buffer, found.thread) == ("race", 2, 1)
    run(mutant(STORE, twice.format("threadgroup_barrier(mem_flags::mem_device);")))


def test_race_between_workgroups() -> None:
    found = failure(mutant(STORE, "y[0] = sums[0];"), Schedule("forward"))
    assert (found.kind, found.buffer, found.offset) == ("workgroup race", 2, 0)
    assert found.workgroup == (1, 0, 0)
    assert "thread 0 of workgroup (0, 0, 0) writes too" in str(found)
    # Reading what another workgroup writes, whichever runs first.
    source = mutant(STORE, "y[workgroup.x] = workgroup.x == 1u ? y[0] : sums[0];")
    for schedule in SCHEDULES:
        assert failure(source, schedule).kind == "workgroup race"


def test_atomics_do_not_race_with_each_other() -> None:
    y = "device float* y"
    assert KERNEL.count(y) == 1
    add = "atomic_fetch_add_explicit(y, 1.0f, memory_order_relaxed);"
    atomic = mutant(STORE, add).replace(y, "device atomic_float* y")
    result = run(atomic.replace("(y, 1.0f", "(y + workgroup.x / 2u, 0.0f"))
    assert np.isnan(result).all()  # NaN + 0
    plain = f"{add} if (workgroup.x == 5u) {{ *(device float*)y = 1.0f; }}"
    found = failure(mutant(STORE, plain).replace(y, "device atomic_float* y"))
    assert found.kind == "workgroup race"


def test_threadgroup_memory_that_nobody_wrote() -> None:
    source = mutant("if (lane == 0u) {", "if (thread_index == 0u) {")
    for schedule in SCHEDULES:
        found = failure(source, schedule)
        assert (found.kind, found.buffer, found.offset) == ("uninitialized", "sums", 4)
    assert np.isnan(run(source, check=False)).all()


def test_lanes_that_exchange_through_memory() -> None:
    """A simdgroup operation orders no memory, `simdgroup_barrier` does."""
    shared = (
        "threadgroup float all[64]; all[thread_index] = low + high; BARRIER"
        "const float sum = all[thread_index ^ 1u] + simd_sum(low + high);"
    )
    source = mutant("const float sum = simd_sum(low + high);", shared)
    run(source.replace("BARRIER", "simdgroup_barrier(mem_flags::mem_threadgroup);"))
    for without in ("", "simd_sum(1.0f);", "simdgroup_barrier(mem_flags::mem_none);"):
        assert failure(source.replace("BARRIER", without)).kind in ("race", "uninitialized")


def test_misaligned_access() -> None:
    """By the type of the pointer, as far as clang does not know better."""
    wide = (
        "as_type<uint>(*(device const uchar4*)(row + 4u * (thread_index / 4u)))"
        " >> (8u * (thread_index % 4u)) & 255u"
    )
    source = mutant("uint(row[thread_index])", wide)
    assert error(run(source)) < 1e-6
    shifted = source.replace("* (thread_index / 4u)", "* (thread_index / 4u) + 2u")
    found = failure(shifted, Schedule("forward"))
    assert (found.kind, found.buffer, found.offset) == ("misaligned", 0, 2)
    assert "at 2, which is no multiple of 4" in str(found)
    packed = mutant("uint(row[thread_index])", wide.replace("uchar4*", "packed_uchar4*"))
    assert error(run(packed)) < 1e-6


def test_writing_what_is_read_only() -> None:
    for check in (True, False):
        found = failure(mutant(STORE, "*(device uchar*)(w + 7) = 1;"), check=check)
        assert (found.kind, found.buffer, found.offset) == ("read-only", 0, 7)


def test_lanes_that_are_not_there() -> None:
    call = "simd_sum(low + high)"
    found = failure(mutant(call, "simd_shuffle(low, ushort(lane + 1u))"))
    assert (found.kind, found.thread) == ("lane", 31)
    assert "lane 32" in str(found)


def test_other_ends_of_a_kernel() -> None:
    array = "threadgroup float many[8192]; many[thread_index] = 0.0f;"
    assert failure(mutant(STORE, f"{array} {STORE}")).kind == "workgroup memory"
    found = failure(mutant(STORE, "y[workgroup.x] = float(int(byte) / int(lane));"))
    assert found.kind == "trap"
    found = failure(mutant(STORE, "*(device float*)(ulong(lane) + 4096ul) = 1.0f;"))
    assert found.kind == "address"
    assert "0x1000" in str(found)
    deep = "thread float deep[100000]; deep[lane] = sums[0]; y[workgroup.x] = deep[uint(sums[1])];"
    assert failure(mutant(STORE, deep)).kind in ("stack", "address")


def test_a_failed_launch_leaves_the_arrays_and_the_next_launch_alone() -> None:
    weights, x, _ = data()
    library = msl.build(mutant(STORE, f"{STORE} if (workgroup.x == 63u) {{ y[64] = 0.0f; }}"))
    y = np.full(ROWS, 7, np.float32)
    with pytest.raises(SimulationError, match="out of bounds"):
        library.launch("rows", buffers=[weights, x, y], grid=(ROWS, 1, 1), threads=(64, 1, 1))
    assert (y == 7).all()
    assert error(run(KERNEL)) < 1e-6
