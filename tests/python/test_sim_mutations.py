"""What the simulator finds in the order of threads: barriers, races, functions of simdgroups."""

import numpy as np
import pytest
from sim_mutants import BARRIER, KERNEL, SCHEDULES, STORE, error, failure, line, mutant, run

from headrace.sim.msl import Schedule


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
