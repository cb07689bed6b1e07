"""AIE text in the array simulator: data against NumPy, and mistakes that it must find."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_texts import (
    CYCLES,
    build_kernels,
    core,
    device,
    elementwise,
    fifo,
    gemv,
    give,
    sequence,
    take,
    task,
)

from headrace.errors import UsageError
from headrace.sim import aie


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_kernels(tmp_path_factory.mktemp("cores"))


def whole(shape: Any, seed: int = 0) -> np.ndarray:
    """Small whole numbers: sums of their products are exact in any order."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(np.float32)


def packed(w: np.ndarray, columns: int, rounds: int) -> np.ndarray:
    """Weights in the order in which `gemv` reads them."""
    k = w.shape[1]
    blocks = w.reshape(columns, rounds, 2, 16, k // 64, 64).transpose(0, 1, 4, 2, 3, 5)
    return np.ascontiguousarray(blocks).reshape(-1)


def run_gemv(
    text: str, kernels: Path, columns: int, rounds: int, depth: int
) -> tuple[aie.Run, np.ndarray, np.ndarray]:
    w, x = whole((columns * rounds * 32, 64 * depth)), whole(64 * depth, 1)
    y = np.zeros(len(w), np.float32)
    run = aie.load(text, kernels, CYCLES).run([packed(w, columns, rounds), x, y])
    return run, y, w @ x


@pytest.mark.parametrize(("columns", "rounds", "depth"), [(1, 1, 1), (2, 3, 4), (8, 2, 5)])
def test_products_are_exact(kernels: Path, columns: int, rounds: int, depth: int) -> None:
    run, y, expected = run_gemv(gemv(columns, rounds, depth), kernels, columns, rounds, depth)
    np.testing.assert_array_equal(y, expected)
    weights = columns * rounds * 32 * 64 * depth * 4
    assert run.ddr_read == weights + rounds * 64 * depth * 4
    assert run.ddr_written == y.nbytes
    assert run.uses["core (0, 2)"].busy >= 600 * rounds * depth


def test_slower_cores_take_longer(kernels: Path) -> None:
    text = gemv(2, 2, 8)
    w, x, y = whole(128 * 512), whole(512), np.zeros(128, np.float32)
    fast = aie.load(text, kernels, CYCLES).run([w, x, y])
    slow = aie.load(text, kernels, {**CYCLES, "accumulate": 6000.0}).run([w, x, y])
    assert slow.cycles > 16 * 6000 > fast.cycles
    assert slow.utilisation["core (1, 3)"] > 0.9


@pytest.mark.parametrize("depth", [1, 2, "[2, 3]"])
def test_a_core_copies(kernels: Path, depth: object) -> None:
    x, y = whole(512), np.zeros(512, np.float32)
    aie.load(elementwise(depth=depth), kernels, CYCLES).run([x, y])
    np.testing.assert_array_equal(x, y)


def test_a_design_runs_again_from_the_start(kernels: Path) -> None:
    design = aie.load(elementwise(), kernels, CYCLES)
    cycles = set()
    for seed in range(3):
        x, y = whole(512, seed), np.zeros(512, np.float32)
        cycles.add(design.run([x, y]).cycles)
        np.testing.assert_array_equal(x, y)
    assert len(cycles) == 1


def test_neighbours_share_memory(kernels: Path) -> None:
    """From core to core without DMA, and with it."""
    for more in ("", " {via_DMA = true}"):
        first, second = (
            take(source, "Consume", "64xf32", "x")
            + take(target, "Produce", "64xf32", "y")
            + "\n    func.call @copy_64(%x, %y) : (memref<64xf32>, memref<64xf32>) -> ()"
            + give(source, "Consume")
            + give(target, "Produce")
            for source, target in (("x", "m"), ("m", "y"))
        )
        kind = "memref<256xf32>"
        text = device(
            fifo("x", "%t0_0", "%t0_2", 2, "64xf32"),
            fifo("m", "%t0_2", "%t0_3", 2, "64xf32", more),
            fifo("y", "%t0_3", "%t0_0", 2, "64xf32"),
            core("%t0_2", first),
            core("%t0_3", second),
            sequence(
                f"%x: {kind}, %y: {kind}",
                [
                    task("in", "x", f"%x : {kind}, 0, 256"),
                    task("out", "y", f"%y : {kind}, 0, 256", token=True),
                ],
                "in",
                "out",
            ),
        )
        x, y = whole(256), np.zeros(256, np.float32)
        run = aie.load(text, kernels, CYCLES).run([x, y])
        np.testing.assert_array_equal(x, y)
        assert any("@m MM2S" in name for name in run.uses) == bool(more)


def through_memory(kind: str, link: str, transfer: str, repeats: int = 0) -> str:
    """x to a memory tile, over a link with what `link` says, and back as y."""
    return device(
        fifo("x", "%t0_0", "%t0_1", 2, "64xf32"),
        link,
        "  aie.objectfifo.link [@x] -> [@y] ([] [])",
        sequence(
            f"%x: {kind}, %y: memref<1024xf32>",
            [
                task("in", "x", transfer, repeats),
                task("out", "y", "%y : memref<1024xf32>, 0, 1024", token=True),
            ],
            "in",
            "out",
        ),
    )


def test_access_patterns_reorder() -> None:
    """A memory tile transposes 8x8 blocks; the shim reads a part of each row, four times."""
    pattern = "[<size = 8, stride = 1>, <size = 8, stride = 8>]"
    link = fifo("y", f"%t0_1 dimensionsToStream {pattern}", "%t0_0", 2, "64xf32")
    rows = "%x : memref<16x96xf32>, 32, 256, [<size=4, stride=384>, <size=4, stride=96>, "
    row = "<size=4, stride=16>, <size=16, stride=1>]"
    text = through_memory("memref<16x96xf32>", link, rows + row, repeats=3)
    x, y = whole((16, 96)), np.zeros(1024, np.float32)
    aie.load(text).run([x, y])
    blocks = x[:, 32:].reshape(-1, 8, 8)
    np.testing.assert_array_equal(y.reshape(-1, 8, 8), blocks.transpose(0, 2, 1))


@pytest.mark.parametrize("seed", range(8))
def test_random_access_patterns(seed: int) -> None:
    """Permuted on the way into a memory tile and on the way out of it."""
    rng = np.random.default_rng(seed)
    shape = [int(n) for n in rng.permutation([2, 4, 8])]
    strides = [shape[1] * shape[2], shape[2], 1]
    patterns, orders = [], []
    for _ in range(2):
        order = [int(axis) for axis in rng.permutation(3)]
        orders.append(order)
        sizes = (f"<size = {shape[a]}, stride = {strides[a]}>" for a in order)
        patterns.append(f"[{', '.join(sizes)}]")
    link = fifo("y", f"%t0_1 dimensionsToStream {patterns[1]}", "%t0_0", 2, "64xf32")
    text = through_memory("memref<1024xf32>", link, "%x : memref<1024xf32>, 0, 1024")
    plain = fifo("x", "%t0_0", "%t0_1", 2, "64xf32")
    text = text.replace(
        plain, fifo("x", "%t0_0", f"%t0_1 dimensionsFromStream {patterns[0]}", 2, "64xf32")
    )
    x, y = whole(1024, seed), np.zeros(1024, np.float32)
    aie.load(text).run([x, y])
    for block, got in zip(x.reshape(16, 64), y.reshape(16, 64), strict=True):
        stored = np.empty(shape, np.float32)
        stored.transpose(orders[0])[...] = block.reshape([shape[a] for a in orders[0]])
        np.testing.assert_array_equal(got, stored.transpose(orders[1]).reshape(-1))


def test_a_slower_clock_takes_longer(kernels: Path) -> None:
    x, y = whole(512), np.zeros(512, np.float32)
    fast, slow = (
        aie.load(elementwise().replace("npu2", name), kernels, CYCLES).run([x, y])
        for name in ("npu2", "npu1")
    )
    assert (fast.device, slow.device) == ("npu2", "npu1")
    assert slow.us > 1.3 * fast.us


def test_a_memory_tile_repeats() -> None:
    link = fifo("y", "%t0_1", "%t0_0", 2, "64xf32", " {repeat_count = 4 : i32}")
    text = through_memory("memref<256xf32>", link, "%x : memref<256xf32>, 0, 256")
    x, y = whole(256), np.zeros(1024, np.float32)
    aie.load(text).run([x, y])
    np.testing.assert_array_equal(y.reshape(4, 4, 64), np.repeat(x.reshape(4, 1, 64), 4, axis=1))


def test_cores_compute_with_integers(kernels: Path) -> None:
    """Carried values, branches, selects, loads and stores, scalars of both kinds."""
    body = (
        take("x", "Consume", "64xf32", "x")
        + take("y", "Produce", "64xf32", "y")
        + """
    %n0 = arith.constant 0 : i32
    %one = arith.constant 1 : i32
    %limit = arith.constant 3 : i32
    %five = arith.constant 5 : index
    %plus = arith.constant 0.5 : f32
    memref.store %n0, %state[%c0] : memref<4xi32>
    %sum = scf.for %i = %c0 to %five step %c1 iter_args(%acc = %n0) -> (i32) {
      %i32 = arith.index_cast %i : index to i32
      %odd = arith.remui %i32, %limit : i32
      %is = arith.cmpi eq, %odd, %one : i32
      %next = scf.if %is -> (i32) {
        %grown = arith.addi %acc, %i32 : i32
        scf.yield %grown : i32
      } else {
        scf.yield %acc : i32
      }
      memref.store %next, %state[%c1] : memref<4xi32>
      scf.yield %next : i32
    }
    %again = memref.load %state[%c1] : memref<4xi32>
    %same = arith.cmpi sge, %again, %sum : i32
    %by = arith.select %same, %sum, %n0 : i32
    func.call @scale_64(%x, %y, %by, %plus) : (memref<64xf32>, memref<64xf32>, i32, f32) -> ()"""
        + give("x", "Consume")
        + give("y", "Produce")
    )
    text = elementwise().replace(
        "  aie.core(",
        """  %state = aie.buffer(%t0_2) {sym_name = "s"}
      : memref<4xi32>\n  aie.core(""",
    )
    start = text.index("scf.for %turn")
    head = text[: text.index("{", start) + 1]
    tail = text[text.index("\n    }\n    aie.end") :]
    x, y = whole(512), np.zeros(512, np.float32)
    aie.load(head + body + tail, kernels, CYCLES).run([x, y])
    np.testing.assert_array_equal(y, x * 5 + 0.5)  # 1 and 4


MUTATIONS = {
    "missing release": (
        give("xs", "Consume"),
        "",
        "deadlock",
        "waits for lock xs_0_cons_cons_lock",
    ),
    "release of the result is missing": (
        give("y1_3", "Produce"),
        "",
        "deadlock",
        "nobody releases it",
    ),
    "short feed": (", 0, 12288)", ", 0, 6144)", "deadlock", "has no task any more"),
    "long feed": ("0, 12288)", "0, 14336)", "surplus", ""),
    "x is not repeated": ("repeat_count = 2", "repeat_count = 1", "deadlock", "@x MM2S"),
    "outside of the weights": (", 12288, 12288)", ", 12292, 12288)", "bounds", "@w1 task 0"),
    "outside of the result": (", 96, 96)", ", 128, 96)", "bounds", "argument 2"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_found(kernels: Path, name: str) -> None:
    old, new, kind, said = MUTATIONS[name]
    text = gemv(2, 3, 2)
    assert old in text
    with pytest.raises(aie.ArraySimulationError) as caught:
        run_gemv(text.replace(old, new), kernels, 2, 3, 2)
    assert caught.value.kind == kind, caught.value
    assert said in str(caught.value)
    assert isinstance(caught.value, aie.DeadlockError) == (kind == "deadlock")


def test_a_wrong_place_in_the_weights_gives_a_wrong_result(kernels: Path) -> None:
    text = gemv(2, 3, 2).replace(", 12288, 12288)", ", 0, 12288)")
    _, y, expected = run_gemv(text, kernels, 2, 3, 2)
    np.testing.assert_array_equal(y[:96], expected[:96])
    assert not np.array_equal(y[96:], expected[96:])


def test_a_release_before_the_use_is_a_race(kernels: Path) -> None:
    early, late = give("w0_2", "Consume"), "\n    func.call @accumulate"
    text = gemv(1, 2, 6)
    assert text.count(early) == 1
    text = text.replace(early, "").replace(late, early + late, 1)
    slow = {**CYCLES, "accumulate": 9000.0}
    w, x, y = whole(64 * 384), whole(384), np.zeros(64, np.float32)
    with pytest.raises(aie.ArraySimulationError, match="no lock keeps them apart") as caught:
        aie.load(text, kernels, slow).run([w, x, y])
    assert caught.value.kind == "race"


@pytest.mark.parametrize(("depth", "hangs"), [(1, True), (2, False)])
def test_a_fifo_that_is_too_short_hangs(kernels: Path, depth: int, hangs: bool) -> None:
    """One core makes two of p and then one of q; the other wants q first."""
    copy = "\n    func.call @copy_64({}, {}) : (memref<64xf32>, memref<64xf32>) -> ()"
    make = take("x", "Consume", "64xf32", "x")
    for name, value in (("p", "a"), ("p", "b"), ("q", "c")):
        make += take(name, "Produce", "64xf32", value)
        make += copy.format("%x", f"%{value}") + give(name, "Produce")
    use = take("y", "Produce", "64xf32", "y") + take("q", "Consume", "64xf32", "q")
    for value in "ab":
        use += take("p", "Consume", "64xf32", value)
        use += copy.format(f"%{value}", "%y") + give("p", "Consume")
    kind = "memref<256xf32>"
    text = device(
        fifo("x", "%t0_0", "%t0_2", 2, "64xf32"),
        fifo("p", "%t0_2", "%t0_3", depth, "64xf32"),
        fifo("q", "%t0_2", "%t0_3", 1, "64xf32"),
        fifo("y", "%t0_3", "%t0_0", 2, "64xf32"),
        core("%t0_2", make + give("x", "Consume")),
        core("%t0_3", use + give("q", "Consume") + give("y", "Produce")),
        sequence(
            f"%x: {kind}, %y: {kind}",
            [
                task("in", "x", f"%x : {kind}, 0, 256"),
                task("out", "y", f"%y : {kind}, 0, 256", token=True),
            ],
            "in",
            "out",
        ),
    )
    x, y = whole(256), np.zeros(256, np.float32)
    design = aie.load(text, kernels, CYCLES)
    if not hangs:
        design.run([x, y])
        np.testing.assert_array_equal(x, y)
        return
    with pytest.raises(aie.DeadlockError, match="in a circle") as caught:
        design.run([x, y])
    waits = {found.agent: found for found in caught.value.stuck}
    assert "lock p_prod_lock: it is 0, and 1 wanted" in waits["core (0, 2)"].waits_for
    assert waits["core (0, 3)"].holders == ("core (0, 2)",)


def test_banks_that_two_want_cost_time(kernels: Path) -> None:
    """A function that needs longer than its cycles to touch its arguments."""
    x, y = whole(512), np.zeros(512, np.float32)
    run = aie.load(elementwise(), kernels, {**CYCLES, "copy_64": 1.0}).run([x, y])
    use = run.uses["core (0, 2)"]
    assert use.conflicts >= 8 * 3  # four accesses of 64 bytes in one cycle
    assert use.busy > use.conflicts


def test_requests_that_cannot_be_meant(kernels: Path) -> None:
    text = elementwise()
    x, y = whole(512), np.zeros(512, np.float32)
    with pytest.raises(UsageError, match="cycles of core functions copy_64"):
        aie.load(text, kernels)
    with pytest.raises(UsageError, match="core function half_64 in `kernels`"):
        aie.load(elementwise("half_64"), {"copy_64": 1}, {"half_64": 1.0})
    design = aie.load(text, ctypes.CDLL(str(kernels)), CYCLES, "npu2")
    with pytest.raises(UsageError, match="2 arguments"):
        design.run([x])
    with pytest.raises(UsageError, match="argument 1 .* 2048 bytes, but got 4096"):
        design.run([x, y.astype(np.float64)])
    y.flags.writeable = False
    with pytest.raises(UsageError, match="argument 1 to be writable"):
        design.run([x, y])
    with pytest.raises(UsageError, match="unknown aie.device 'npu1'"):
        aie.load(text, kernels, CYCLES, "npu1")
    with pytest.raises(UsageError, match="does not run arith.addf"):
        float_sum = "%s = arith.addf %f, %f : f32\n    scf.for %turn"
        constant = text.replace("scf.for %turn", "%f = arith.constant 1.0 : f32\n scf.for %turn")
        aie.load(constant.replace("scf.for %turn", float_sum), kernels, CYCLES)


def test_what_does_not_fit_a_tile_is_refused(kernels: Path) -> None:
    big = '  %b = aie.buffer(%t0_2) {sym_name = "b"} : memref<16000xf32>\n  aie.core('
    with pytest.raises(aie.ArraySimulationError, match="65536 bytes") as caught:
        aie.load(elementwise().replace("  aie.core(", big), kernels, CYCLES)
    assert caught.value.kind == "resources"
    third = "".join(f"{fifo(f'z{i}', '%t0_0', '%t0_2', 2, '64xf32')}\n" for i in range(2))
    with pytest.raises(aie.ArraySimulationError, match="has 2 MM2S channels"):
        aie.load(elementwise().replace("  aie.objectfifo @y", f"{third}  aie.objectfifo @y"))
