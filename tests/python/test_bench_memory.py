"""Rotation sets and their buffers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headrace import formats
from headrace.bench import memory, weights
from headrace.errors import MachineError


def test_sizes_as_sysfs_writes_them() -> None:
    assert memory.parse_size("48K\n") == 48 << 10
    assert memory.parse_size("266240K") == 260 << 20
    assert memory.parse_size("32M") == 32 << 20
    assert memory.parse_size("512") == 512


def test_the_last_level_cache_is_the_largest(tmp_path: Path) -> None:
    for index, size in enumerate(["48K", "32K", "2048K", "266240K"]):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size + "\n")
    assert memory.last_level_cache(tmp_path) == 260 << 20
    with pytest.raises(MachineError, match="expected cache sizes under"):
        memory.last_level_cache(tmp_path / "none")


def test_available_memory_is_read_in_bytes(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  100 kB\nMemAvailable:   60 kB\n")
    assert memory.available_memory(file) == 60 << 10


def test_rotation_exceeds_the_cache_or_is_refused() -> None:
    cache = 260 << 20
    assert memory.rotation_bytes(cache, 64 << 30) == int(2.5 * cache)
    assert memory.rotation_bytes(1 << 20, 64 << 30) == memory.LEAST_ROTATION
    tight = memory.rotation_bytes(cache, 5 << 30)
    assert 1.5 * cache < tight < 2.5 * cache
    with pytest.raises(MachineError, match=r"the last-level cache has 260 MiB\), but got 1024 MiB"):
        memory.rotation_bytes(cache, 1 << 30)


def test_buffers_are_zeroed_page_aligned_and_writable() -> None:
    buffer = memory.allocate(10_000)
    assert buffer.nbytes == 10_000
    assert buffer.ctypes.data % 4096 == 0
    assert not buffer.any()
    buffer[:] = 7
    memory.advise_huge(buffer.ctypes.data, buffer.nbytes)
    assert (buffer == 7).all()


@pytest.mark.parametrize("name", ["q4_0", "q4_k", "q4nx", "q8_0", "q5_0", "q6_k"])
def test_a_set_repeats_a_band_and_knows_its_product(name: str) -> None:
    rng = np.random.default_rng(3)
    m, k = 256, 512
    made = weights.make(name, m, k, 1 << 20, rng)
    assert made.nbytes == formats.get(name).storage_bytes(m, k)
    assert len(made.copies) * made.nbytes >= 1 << 20
    assert all(np.array_equal(copy, made.copies[0]) for copy in made.copies)
    decoded = np.asarray(formats.get(name).decode(made.copies[0], m, k), dtype=np.float64)
    x = rng.standard_normal(k).astype(np.float32)
    np.testing.assert_allclose(made.reference(x), decoded @ x.astype(np.float64), rtol=1e-12)


def test_odd_sizes_fall_back_to_the_whole_matrix() -> None:
    made = weights.make("q4nx", 33, 256, 1, np.random.default_rng(0))
    assert made.band.shape == (33, 256)
    assert len(made.copies) == 2


def test_copies_come_back_only_after_all_others() -> None:
    made = weights.make("q4_0", 64, 64, 16 * 64 * 64 // 32 * 18, np.random.default_rng(0))
    turns = [made.take() for _ in range(32)]
    assert turns == [*range(16), *range(16)]
