"""The engine of the array simulator on designs that are written down by hand."""

from __future__ import annotations

import ctypes
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from array_designs import Drawn, copies

from headrace.sim.aie_design import Argument, Descriptor
from headrace.sim.aie_device import timing_of
from headrace.sim.aie_engine import addresses, execute
from headrace.sim.aie_errors import ArraySimulationError, DeadlockError
from headrace.sim.aie_program import Program


def strided(
    shape: tuple[int, ...], strides: tuple[int, ...], element: int, offset: int
) -> np.ndarray:
    """Offsets of the words, by NumPy's own strides over the bytes of a memory."""
    memory = np.arange(1 << 16, dtype=np.int64)
    view = np.lib.stride_tricks.as_strided(
        memory[offset:], (*shape, element), (*(8 * s for s in strides), 8)
    )
    return view.reshape(-1)[::4].copy()


@pytest.mark.parametrize("seed", range(40))
def test_addresses_are_those_of_numpy_strides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    element = int(rng.choice([2, 4, 8]))
    rank = int(rng.integers(1, 5))
    sizes = [int(rng.integers(1, 7)) for _ in range(rank)]
    strides = [int(rng.integers(0, 40)) * 4 for _ in range(rank)]
    if element == 2 or rng.random() < 0.5:  # words must be whole: the innermost elements follow
        sizes[-1] = 2 * int(rng.integers(1, 6))
        strides[-1] = element
    offset = 4 * int(rng.integers(0, 100))
    length = int(np.prod(sizes)) * element
    dimensions = tuple(zip(sizes, strides, strict=True))
    descriptor = Descriptor("d", Argument(0), offset, length, element, dimensions)
    expected = strided(tuple(sizes), tuple(strides), element, offset)
    np.testing.assert_array_equal(addresses(descriptor), expected)


def test_executions_move_by_the_iteration_and_wrap() -> None:
    descriptor = Descriptor("d", Argument(0), 8, 16, 4, ((2, 64), (2, 4)), (3, 1000))
    first = np.array([8, 12, 72, 76])
    for execution in range(7):
        moved = first + 1000 * (execution % 3)
        np.testing.assert_array_equal(addresses(descriptor, execution), moved)


def test_a_transfer_without_dimensions_is_linear() -> None:
    np.testing.assert_array_equal(addresses(Descriptor("d", 0, 20, 12)), [20, 24, 28])


@pytest.mark.parametrize(
    ("offset", "length", "element", "dimensions"),
    [
        (2, 8, 4, ()),
        (0, 6, 4, ()),
        (0, 0, 4, ()),
        (0, 12, 2, ((2, 20), (3, 2))),  # runs of 6 bytes
        (0, 8, 2, ((2, 18), (2, 2))),  # a stride of 18
    ],
)
def test_what_is_not_whole_words_is_refused(
    offset: int, length: int, element: int, dimensions: tuple[tuple[int, int], ...]
) -> None:
    with pytest.raises(ArraySimulationError, match="descriptor y") as caught:
        Descriptor("y", Argument(0), offset, length, element, dimensions)
    assert caught.value.kind == "alignment"


def data(nbytes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, nbytes, dtype=np.uint8)


@pytest.mark.parametrize("block", [4, 60, 64, 1000, 4096])
def test_copies_are_exact(block: int) -> None:
    nbytes = 2 * block * 12
    x, y = data(nbytes), np.zeros(nbytes, np.uint8)
    run = execute(copies([1, 4], nbytes, block=block), [x, y], {})
    np.testing.assert_array_equal(x, y)
    assert (run.ddr_read, run.ddr_written) == (nbytes, nbytes)
    assert run.uses["in1 MM2S"].bytes == nbytes // 2


def test_a_channel_moves_4_bytes_a_cycle() -> None:
    nbytes = 1 << 18
    x, y = data(nbytes), np.zeros(nbytes, np.uint8)
    run = execute(copies([0], nbytes, block=8192), [x, y], {})
    least = nbytes / 4
    assert least < run.cycles < 1.02 * least + 8192 / 4 + 3000  # fill, start and steps


def test_all_channels_share_the_memory() -> None:
    """Eight columns want 115 GB/s. What they get is the rate of the memory, whatever it is."""
    nbytes = 1 << 22
    x, y = data(nbytes), np.zeros(nbytes, np.uint8)
    for rate in (20.0, 60.0):
        timing = timing_of("npu2").scaled(ddr_gb_per_s=rate)
        run = execute(copies(range(8), nbytes, timing=timing), [x, y], {})
        assert 0.96 * rate < run.ddr_gb_per_s <= rate
        np.testing.assert_array_equal(x, y)


def test_columns_add_up_below_the_rate_of_the_memory() -> None:
    nbytes = 1 << 21
    x, y = data(nbytes), np.zeros(nbytes, np.uint8)
    timing = timing_of("npu2").scaled(ddr_gb_per_s=1000.0)
    one, four = (
        execute(copies(range(n), nbytes, timing=timing), [x, y], {}).cycles for n in (1, 4)
    )
    assert 3.8 < one / four < 4.0


def test_two_tasks_of_a_channel_follow_each_other() -> None:
    """The first costs a cold start, the second less, and a task repeats with its iteration."""
    design = Drawn()
    pool = design.pool("m", (0, 1), 256, 2)
    into = design.channel("in MM2S", (0, 0), "MM2S")
    out = design.channel("out S2MM", (0, 0), "S2MM")
    design.stream(into, design.fill("m", (0, 1), pool, 256))
    design.stream(design.drain("m", (0, 1), pool, 256), out)
    rows = Descriptor("rows", Argument(0), 0, 256, 4, ((1, 0), (64, 4)), (4, 512))
    odd = Descriptor("odd", Argument(0), 256, 256, 4, (), (4, 512))
    sent = [design.task("even", into, [rows], 4), design.task("odd", into, [odd], 4)]
    received = [design.task("y", out, [Descriptor("y", Argument(1), 0, 2048)])]
    design.sequence(sent, received)
    x, y = data(2048), np.zeros(2048, np.uint8)
    run = execute(design, [x, y], {})
    blocks = x.reshape(8, 256)
    np.testing.assert_array_equal(y.reshape(8, 256), np.concatenate([blocks[::2], blocks[1::2]]))
    slower = design.timing.scaled()
    design.timing = replace(slower, shim_task=(slower.shim_task[0] + 1000, slower.shim_task[1]))
    assert execute(design, [x, y], {}).cycles == pytest.approx(run.cycles + 1000, abs=2)


def broadcast(depths: tuple[int, ...], rounds: int = 4) -> Drawn:
    """Blocks to several memory tiles; each sends what it got to a part of argument 1."""
    design = Drawn()
    source = design.channel("x MM2S", (0, 0), "MM2S")
    fills, received = [], []
    for column, depth in enumerate(depths):
        pool = design.pool(f"m{column}", (column, 1), 512, depth)
        fills.append(design.fill(f"m{column}", (column, 1), pool, 512))
        out = design.channel(f"y{column} S2MM", (column, 0), "S2MM")
        design.stream(design.drain(f"m{column}", (column, 1), pool, 512), out)
        target = Descriptor(f"y{column}", Argument(1), column * rounds * 512, rounds * 512)
        received.append(design.task(f"y{column}", out, [target]))
    design.stream(source, *fills)
    sent = design.task("x", source, [Descriptor("x", Argument(0), 0, rounds * 512)])
    design.sequence([sent], received)
    return design


def test_a_broadcast_reaches_all() -> None:
    x, y = data(2048), np.zeros(3 * 2048, np.uint8)
    run = execute(broadcast((1, 2, 3)), [x, y], {})
    np.testing.assert_array_equal(y.reshape(3, -1), [x] * 3)
    assert run.ddr_read == 2048


def test_the_slowest_holds_back_a_broadcast() -> None:
    """Memory tile 1 never gives a buffer back: the others get no more than the streams hold."""
    design = broadcast((2, 2), rounds=8)
    name = "m1 MM2S"
    index = next(i for i, c in enumerate(design.channels) if c.name == name)
    channel = design.channels[index]
    kept = tuple(replace(d, release=None) for d in channel.descriptors)
    design.channels[index] = replace(channel, descriptors=kept)
    x, y = data(4096), np.zeros(2 * 4096, np.uint8)
    with pytest.raises(DeadlockError) as caught:
        execute(design, [x, y], {})
    agents = {found.agent: found for found in caught.value.stuck}
    assert "to take data" in agents["x MM2S"].waits_for
    assert "m1_empty" in agents["m1 S2MM"].waits_for
    np.testing.assert_array_equal(y[:1024], x[:1024])
    assert not np.array_equal(y[2048:4096], x[2048:4096])


def test_a_feed_that_is_too_short_ends_at_its_channel() -> None:
    design = copies([2], 4096)
    task = design.tasks[0]
    design.tasks[0] = replace(task, descriptors=(replace(task.descriptors[0], length=2048),))
    x, y = data(4096), np.zeros(4096, np.uint8)
    with pytest.raises(DeadlockError, match="awaits task y2") as caught:
        execute(design, [x, y], {})
    assert [found.agent for found in caught.value.chain] == [
        *("runtime sequence", "out2 S2MM", "c2 MM2S", "c2 S2MM", "in2 MM2S")
    ]
    assert caught.value.chain[-1].waits_for == "has no task any more"


def test_a_feed_that_is_too_long_is_left_behind() -> None:
    for more, agent in ((1024, "c2 MM2S"), (4096, "in2 MM2S"), (16, "c2 S2MM")):
        design = copies([2], 4096)
        task = design.tasks[0]
        longer = replace(task.descriptors[0], length=4096 + more)
        design.tasks[0] = replace(task, descriptors=(longer,))
        x, y = data(8192), np.zeros(4096, np.uint8)
        with pytest.raises(ArraySimulationError, match="left behind") as caught:
            execute(design, [x, y], {})
        assert (caught.value.kind, caught.value.agent) == ("surplus", agent)


@pytest.mark.parametrize("argument", [0, 1])
def test_a_transfer_outside_of_its_argument_is_named(argument: int) -> None:
    design = copies([2], 4096)
    task = design.tasks[argument]
    moved = replace(task.descriptors[0], offset=1024)
    design.tasks[argument] = replace(task, descriptors=(moved,))
    x, y = data(4096), np.zeros(4096, np.uint8)
    with pytest.raises(ArraySimulationError, match=f"outside of argument {argument}") as caught:
        execute(design, [x, y], {})
    assert caught.value.kind == "bounds"
    assert f"descriptor {'xy'[argument]}2" in str(caught.value)


def test_words_that_nobody_wrote_are_found() -> None:
    """The memory tile fills half of each buffer and sends all of it."""
    design = copies([0], 4096, block=1024)
    index = next(i for i, c in enumerate(design.channels) if c.name == "c0 S2MM")
    channel = design.channels[index]
    half = tuple(replace(d, length=512) for d in channel.descriptors)
    design.channels[index] = replace(channel, descriptors=half)
    x, y = data(4096), np.zeros(4096, np.uint8)
    with pytest.raises(ArraySimulationError, match="bytes 512 and on of buffer c0_0") as caught:
        execute(design, [x, y], {})
    assert caught.value.kind == "uninitialized"


def test_a_full_task_queue_is_found() -> None:
    design = copies([0], 1024)
    more = [design.task(f"more{i}", 0, [Descriptor("m", Argument(0), 0, 1024)]) for i in range(5)]
    design.steps[2:2] = [("start", task) for task in more]
    with pytest.raises(ArraySimulationError, match="queue of 4 is full") as caught:
        execute(design, [data(1024), np.zeros(1024, np.uint8)], {})
    assert caught.value.kind == "task queue"


def test_a_lock_holds_no_more_than_63() -> None:
    design = copies([0], 1 << 16)
    program = Program()
    one = program.constant(1)
    again = program.here()
    program.emit("release", 0, one)
    program.emit("jump", immediate=again)
    design.core("core", (0, 2), program.finish(), program.registers)
    with pytest.raises(ArraySimulationError, match="lock c0_empty above 63") as caught:
        execute(design, [data(1 << 16), np.zeros(1 << 16, np.uint8)], {})
    assert (caught.value.kind, caught.value.agent) == ("lock", "core")


def test_a_core_that_never_waits_does_not_run_forever() -> None:
    design = Drawn()
    program = Program()
    program.emit("jump", immediate=program.here(), cycles=1)
    design.core("core", (0, 2), program.finish(), program.registers)
    out = design.channel("y S2MM", (0, 0), "S2MM")
    design.sequence([], [design.task("y", out, [Descriptor("y", Argument(0), 0, 4)])])
    with pytest.raises(ArraySimulationError) as caught:
        execute(design, [np.zeros(4, np.uint8)], {}, limit_us=10)
    assert (caught.value.kind, caught.value.agent) == ("limit", "core")


def test_programs_compute() -> None:
    """Sum of i*i for i below 10 where i is odd, into a buffer that is sent."""
    design = Drawn()
    result = design.buffer("sum", (0, 2), 8)
    full = design.lock("full", (0, 2), 0, counts=True)
    program = Program()
    zero, one, two, ten = (program.constant(v) for v in (0, 1, 2, 10))
    total, i = program.compute("move", zero), program.compute("move", zero)
    head = program.here()
    leave = program.hole("branch", program.compute("less", i, ten))
    even = program.hole("branch", program.compute("rem", i, two))
    program.emit("add", total, total, program.compute("mul", i, i))
    program.fill(even)
    program.emit("add", i, i, one)
    program.emit("jump", immediate=head)
    program.fill(leave)
    where = program.compute("buffer", immediate=result)
    program.emit("store", total, where, zero, 8)
    program.emit("release", full, one)
    design.core("core", (0, 2), program.finish(), program.registers)
    chain = [Descriptor("sum", result, 0, 8, acquire=(full, 1))]
    sender = design.channel("sum MM2S", (0, 2), "MM2S", chain)
    out = design.channel("y S2MM", (0, 0), "S2MM")
    design.stream(sender, out)
    design.sequence([], [design.task("y", out, [Descriptor("y", Argument(0), 0, 8)])])
    y = np.zeros(1, np.int64)
    execute(design, [y], {})
    assert y[0] == 1 + 9 + 25 + 49 + 81


@pytest.mark.parametrize(("offset", "same"), [(0x2000, True), (0x4000, False)])
def test_dma_has_a_bank_first(offset: int, same: bool) -> None:
    """A core works on a buffer all the time, while DMA fills others in that bank or the next."""
    design = Drawn()
    own = design.buffer("own", (0, 2), 4096)
    design.place(own, 0)
    pool = design.pool("p", (0, 2), 4096, 2)
    for index, buffer in enumerate(pool[0]):
        design.place(buffer, offset + 0x1000 * index)
    into = design.channel("in MM2S", (0, 0), "MM2S")
    out = design.channel("out S2MM", (0, 0), "S2MM")
    design.stream(into, design.fill("p", (0, 2), pool, 4096))
    design.stream(design.drain("p", (0, 2), pool, 4096), out)
    program = Program()
    nil, size = program.constant(0), program.constant(4096)
    where = program.compute("buffer", immediate=own)
    head = program.here()
    for register in (where, nil, size):
        program.emit("argument", register)
    program.emit("call", design.function("fill"))
    program.emit("jump", immediate=head)
    design.core("core", (0, 2), program.finish(), program.registers)
    sent = design.task("x", into, [Descriptor("x", Argument(0), 0, 1 << 16)])
    got = design.task("y", out, [Descriptor("y", Argument(1), 0, 1 << 16)])
    design.sequence([sent], [got])
    memset = ctypes.cast(ctypes.CDLL(None).memset, ctypes.c_void_p).value
    x, y = data(1 << 16), np.zeros(1 << 16, np.uint8)
    run = execute(design, [x, y], {"fill": (memset, 64.0)})
    np.testing.assert_array_equal(x, y)
    # 64 accesses of 64 bytes in 64 cycles: each access of DMA (16 bytes, in and out) is a stall.
    stalls = 2 * (1 << 16) / 16
    assert run.uses["core"].conflicts == pytest.approx(stalls if same else 0, rel=0.02)


def test_the_picture_and_the_figures_agree(tmp_path: Path) -> None:
    x, y = data(1 << 16), np.zeros(1 << 16, np.uint8)
    run = execute(copies([0, 1], 1 << 16), [x, y], {})
    for use in run.uses.values():
        waited = use.lock + use.room + use.data + use.task
        assert use.busy + waited <= run.cycles * 1.001
    assert run.total_us == run.us + 50
    assert 0.5 < run.utilisation["in0 MM2S"] < 1
    written = json.loads(run.timeline(tmp_path / "run.json").read_text())
    assert written["measured"] is False and written["agents"]["in0 MM2S"]["bytes"] == 1 << 15
    assert all(start < end for _, _, start, end in written["waits"])
    picture = run.timeline(tmp_path / "run.png")
    assert picture.read_bytes()[:4] == b"\x89PNG"
