"""The plan executor: steps, grids, threads, forks, and what idle threads cost."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from runtime_artifacts import N, argument, compile_library, step, two_steps, write_artifact

import headrace_runtime as hr
from headrace_runtime import shared_library

X = np.arange(N, dtype=np.float32)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def artifact(tmp_path: Path, library: Path) -> hr.Artifact:
    return hr.load(two_steps(tmp_path / "two.hr", library))


def expected(x: np.ndarray) -> np.ndarray:
    return 2 * x[::-1] + 5


@pytest.mark.parametrize("threads", [None, 1, 2, 3, 7, 64, 1000])
def test_steps_see_the_step_before(artifact: hr.Artifact, threads: int | None) -> None:
    for i in range(20):
        y = artifact(X + i, threads=threads, poison=True)
        assert_array_equal(y, expected(X + i))


def test_thread_count_may_change_with_every_call(artifact: hr.Artifact) -> None:
    for threads in [1, 4, 2, 8, 1, 3, 16, 2, 1]:
        assert_array_equal(artifact(X, threads=threads), expected(X))


@pytest.mark.parametrize("threads", [1, 2, 5, 24, 100])
@pytest.mark.parametrize(
    "grid", [[24, 1, 1], [1, 24, 1], [3, 4, 2], [5, 3, 7], [1, 1, 1], [3000, 1, 1]]
)
def test_every_workgroup_runs_once(
    tmp_path: Path, library: Path, grid: list[int], threads: int
) -> None:
    x, y, z = grid
    folder = write_artifact(
        tmp_path / "grid.hr",
        library,
        arguments=[argument("y0", "output", "i32", [z, y, x])],
        plan=[
            step("clear_i32", [1, 1, 1], ["a0"], [x * y * z]),
            step("mark_i32", grid, ["a0"], [x, y]),
        ],
    )
    iz, iy, ix = np.indices((z, y, x), dtype=np.int32)
    assert_array_equal(hr.load(folder)(threads=threads), 1 + 1000 * ix + 100 * iy + 10 * iz)


def test_an_empty_grid_runs_nothing(tmp_path: Path, library: Path) -> None:
    folder = write_artifact(
        tmp_path / "empty.hr",
        library,
        arguments=[argument("y0", "output", "i32", [4])],
        plan=[step("clear_i32", [0, 1, 1], ["a0"], [4])],
    )
    assert_array_equal(hr.load(folder)(threads=2, poison=True), [-1, -1, -1, -1])


def test_poison_shows_unwritten_outputs(tmp_path: Path, library: Path) -> None:
    folder = two_steps(
        tmp_path / "half.hr",
        library,
        plan=[step("double_f32", [N // 32, 1, 1], ["a0", "a1"])],
    )
    y = hr.load(folder)(X, poison=True)
    assert_array_equal(y[: N // 2], 2 * X[: N // 2])
    assert np.isnan(y[N // 2 :]).all()


def test_poison_shows_scratch_read_before_written(tmp_path: Path, library: Path) -> None:
    folder = two_steps(
        tmp_path / "unwritten.hr",
        library,
        plan=[step("reverse_f32", [N // 16, 1, 1], ["t0", "a1"], [N, 0])],
    )
    assert np.isnan(hr.load(folder)(X, poison=True)).all()


def test_concurrent_callers(artifact: hr.Artifact, tmp_path: Path, library: Path) -> None:
    other = hr.load(two_steps(tmp_path / "other.hr", library))
    failures: list[str] = []

    def work(seed: int) -> None:
        for i in range(60):
            x = X * seed + i
            y = (artifact, other)[i % 2](x, threads=1 + (seed + i) % 4)
            if not np.array_equal(y, expected(x)):
                failures.append(f"thread {seed}, call {i}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def exit_code_of_child(child: int) -> int:
    """Waits for a forked child; one that hangs is killed and reported as -1."""
    for _ in range(3000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def run_in_child(artifact: hr.Artifact, *args: np.ndarray, want: np.ndarray) -> int:
    """Forks; the child calls the artifact on 3 threads and exits with 0 if the result is right."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if np.array_equal(artifact(*args, threads=3), want) else 1)
        finally:
            os._exit(2)
    return exit_code_of_child(child)


def test_a_forked_child_makes_its_own_threads(artifact: hr.Artifact) -> None:
    assert_array_equal(artifact(X, threads=3), expected(X))
    assert run_in_child(artifact, X, want=expected(X)) == 0
    assert_array_equal(artifact(X, threads=3), expected(X))


def test_fork_while_another_thread_is_in_a_call(tmp_path: Path, library: Path) -> None:
    folder = write_artifact(
        tmp_path / "wait.hr",
        library,
        arguments=[argument("flag", "input", "i32", [3]), argument("y0", "output", "i32", [1])],
        plan=[
            step("wait_i32", [1, 1, 1], ["a0", "a1"]),
            step("nothing", [4, 1, 1], []),
        ],
    )
    artifact = hr.load(folder)
    flag = np.array([0, 11, 0], np.int32)
    results: list[np.ndarray] = []
    caller = threading.Thread(target=lambda: results.append(artifact(flag, threads=4)))
    caller.start()
    try:
        while not flag[2]:  # the call holds the artifact's and the pool's lock from here on
            time.sleep(0.001)
        ready = np.array([1, 22, 0], np.int32)
        assert run_in_child(artifact, ready, want=np.array([22], np.int32)) == 0
    finally:
        flag[0] = 1
        caller.join()
    assert_array_equal(results[0], [11])


def pool_threads() -> dict[int, tuple[str, int]]:
    """State and CPU ticks (user and system) of this process's executor threads."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        fields = rest.split()
        if name == "headrace":
            found[int(task.name)] = (fields[0], int(fields[11]) + int(fields[12]))
    return found


def test_idle_threads_sleep(artifact: hr.Artifact) -> None:
    artifact(X, threads=4)
    deadline = time.monotonic() + 30
    while any(state != "S" for state, _ in pool_threads().values()):
        assert time.monotonic() < deadline, "threads of the pool never go to sleep"
        time.sleep(0.01)
    before = pool_threads()
    assert len(before) >= 3
    time.sleep(0.3)  # thirty scheduler ticks
    after = pool_threads()
    for thread, (_, ticks) in before.items():
        assert after[thread][1] - ticks <= 1


def test_a_single_workgroup_is_the_callers(tmp_path: Path, library: Path) -> None:
    folder = write_artifact(
        tmp_path / "one.hr",
        library,
        arguments=[argument("y0", "output", "i32", [1])],
        plan=[step("thread_i32", [1, 1, 1], ["a0"])],
    )
    for _ in range(5):
        assert hr.load(folder)(threads=3) == [threading.get_native_id()]


@pytest.mark.parametrize("threads", [2, 5])
def test_a_thread_that_is_through_helps_the_others(
    tmp_path: Path, library: Path, threads: int
) -> None:
    count = 40
    folder = write_artifact(
        tmp_path / "others.hr",
        library,
        arguments=[argument("y0", "output", "i32", [count])],
        plan=[
            step("clear_i32", [1, 1, 1], ["a0"], [count]),
            step("others_i32", [count, 1, 1], ["a0"], [count]),
        ],
    )
    assert_array_equal(hr.load(folder)(threads=threads), np.ones(count, np.int32))


def test_threads_may_run_where_they_could_before(artifact: hr.Artifact) -> None:
    """A thread that sleeps is woken on a CPU of its own, which it is not bound to."""
    before = os.sched_getaffinity(0)
    for _ in range(5):
        artifact(X, threads=3)
        time.sleep(0.02)
    for task in pool_threads():
        assert os.sched_getaffinity(task) == before


def test_signals_are_left_to_the_callers_threads(artifact: hr.Artifact) -> None:
    artifact(X, threads=3)
    for task in pool_threads():
        status = Path(f"/proc/self/task/{task}/status").read_text()
        blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
        assert int(blocked, 16) >> (signal.SIGINT - 1) & 1
        assert int(blocked, 16) >> (signal.SIGTERM - 1) & 1


def test_the_library_exports_nothing_but_kernels_and_the_interface(library: Path) -> None:
    handle = ctypes.CDLL(str(library))
    assert handle.hr_abi_version() == shared_library.ABI_VERSION
    for private in ("pool", "pool_owner", "run_job", "gate_wait", "adopt_pool"):
        assert not hasattr(handle, private)


def test_the_executor_rejects_an_invalid_plan(library: Path) -> None:
    handle = ctypes.CDLL(str(library))
    good = shared_library._Step(kernel=ctypes.cast(handle.nothing, ctypes.c_void_p), grid=(1, 1, 1))
    assert handle.hr_plan_run(ctypes.byref(good), 1, None, 1) == 0
    assert handle.hr_plan_run(ctypes.byref(good), 0, None, 4) == 0
    assert handle.hr_plan_run(ctypes.byref(good), 1, None, 0) == 1
    null = shared_library._Step(grid=(1, 1, 1))
    assert handle.hr_plan_run(ctypes.byref(null), 1, None, 1) == 1
    for grid in [(1 << 16, 1 << 16, 1), (1 << 31, 1 << 31, 4)]:
        endless = shared_library._Step(kernel=good.kernel, grid=grid)
        assert handle.hr_plan_run(ctypes.byref(endless), 1, None, 2) == 1
    crowded = shared_library._Step(kernel=good.kernel, grid=(1, 1, 1), num_bindings=65)
    assert handle.hr_plan_run(ctypes.byref(crowded), 1, None, 1) == 1
