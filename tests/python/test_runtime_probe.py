"""The probe library measures something for every pattern and kind, and rejects nonsense.

How fast this machine is, is no concern of a test.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from runtime_artifacts import RUNTIME_CPU

F32, INT8, BF16 = range(3)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    output = tmp_path_factory.mktemp("probe") / "libheadrace_probe.so"
    clang = shutil.which("clang-22") or shutil.which("clang")
    assert clang, "the runtime tests compile C: install clang-22"
    flags = ["-O2", "-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror"]
    source = str(RUNTIME_CPU / "probe.c")
    subprocess.run([clang, *flags, source, "-o", str(output), "-lpthread"], check=True)
    library = ctypes.CDLL(str(output))
    library.hr_probe_read.restype = ctypes.c_double
    library.hr_probe_read.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int]
    library.hr_probe_pattern_name.restype = ctypes.c_char_p
    library.hr_probe_core_latency_ns.restype = ctypes.c_double
    library.hr_probe_peak_gops.restype = ctypes.c_double
    return library


def test_every_pattern_reads(probe: ctypes.CDLL) -> None:
    count = probe.hr_probe_patterns()
    names = [probe.hr_probe_pattern_name(i).decode() for i in range(count)]
    assert count >= 5
    assert len(set(names)) == count
    assert names[0] == "sequential"
    data = np.ones((1 << 20) + 7, np.uint8)[7:]  # not aligned
    for pattern in range(count):
        for threads in (1, 2, 3):
            rate = probe.hr_probe_read(data.ctypes.data, data.nbytes, pattern, threads)
            assert math.isfinite(rate)
            assert rate > 0


def test_wide_patterns_only_where_the_cpu_has_them(probe: ctypes.CDLL) -> None:
    features = Path("/proc/cpuinfo").read_text()
    names = [probe.hr_probe_pattern_name(i) for i in range(probe.hr_probe_patterns())]
    assert any(name.startswith(b"avx512") for name in names) == ("avx512f" in features)


def test_nonsense_is_rejected(probe: ctypes.CDLL) -> None:
    data = np.ones(4096, np.uint8)
    count = probe.hr_probe_patterns()
    for size, pattern, threads in [
        (4096, -1, 1),
        (4096, count, 1),
        (4096, 0, 0),
        (4096, 0, 100000),
        (100, 0, 1),
        (0, 0, 1),
    ]:
        assert probe.hr_probe_read(data.ctypes.data, size, pattern, threads) < 0
    assert probe.hr_probe_pattern_name(-1) is None
    assert probe.hr_probe_pattern_name(count) is None
    assert probe.hr_probe_peak_gops(F32, 0) < 0
    assert probe.hr_probe_peak_gops(99, 1) < 0


def test_latency_needs_two_cpus(probe: ctypes.CDLL) -> None:
    assert (probe.hr_probe_core_latency_ns() > 0) == (len(os.sched_getaffinity(0)) > 1)


def test_peak_rates(probe: ctypes.CDLL) -> None:
    assert probe.hr_probe_peak_gops(F32, 1) > 0
    assert probe.hr_probe_peak_gops(INT8, 2) > 0
    has_bf16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    assert (probe.hr_probe_peak_gops(BF16, 1) > 0) == has_bf16
