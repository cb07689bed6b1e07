"""What the simulator of Metal finds in accesses: bounds, address spaces, alignment, other ends."""

import numpy as np
import pytest
from sim_mutants import (
    KERNEL,
    ROWS,
    SCHEDULES,
    STORE,
    data,
    error,
    failure,
    line,
    mutant,
    run,
)

from headrace.errors import CompileError
from headrace.sim import msl
from headrace.sim.msl import Schedule, SimulationError


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


def test_threadgroup_memory_that_nobody_wrote() -> None:
    source = mutant("if (lane == 0u) {", "if (thread_index == 0u) {")
    for schedule in SCHEDULES:
        found = failure(source, schedule)
        assert (found.kind, found.buffer, found.offset) == ("uninitialized", "sums", 4)
    assert np.isnan(run(source, check=False)).all()


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


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("elements", [70_000, 1_000_000, 100_000_000])
def test_a_frame_larger_than_a_stack(elements: int, check: bool) -> None:
    """Found in the page in front of the stack, however far below it the frame ends: what lies
    there is another thread's, or this process's."""
    deep = f"thread float deep[{elements}]; deep[lane] = sums[0]; y[workgroup.x] = deep[lane / 2u];"
    for schedule in SCHEDULES:
        assert failure(mutant(STORE, deep), schedule, check=check).kind == "stack"


def test_a_failed_launch_leaves_the_arrays_and_the_next_launch_alone() -> None:
    weights, x, _ = data()
    library = msl.build(mutant(STORE, f"{STORE} if (workgroup.x == 63u) {{ y[64] = 0.0f; }}"))
    y = np.full(ROWS, 7, np.float32)
    with pytest.raises(SimulationError, match="out of bounds"):
        library.launch("rows", buffers=[weights, x, y], grid=(ROWS, 1, 1), threads=(64, 1, 1))
    assert (y == 7).all()
    assert error(run(KERNEL)) < 1e-6
