"""What functions of cores do to memory ends a simulated run, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from array_texts import CYCLES, build_kernels, elementwise

from headrace.sim import aie


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_kernels(tmp_path_factory.mktemp("cores"))


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        ("half_64", "uninitialized", "bytes 128 and on"),
        ("before_64", "overwrite", "writes outside of buffer y"),
        ("beyond_64", "fault", "at byte 256 of buffer y_buff_0, which has 256"),
        ("after_64", "fault", "at byte 256 of buffer x_cons_buff_0, which has 256"),
        ("far_64", "fault", "at byte 400000 of buffer y_buff_0, which has 256"),
        ("nowhere_64", "fault", "loads or stores at an address of no buffer"),
        ("divide_64", "fault", "divides by 0"),
        ("trap_64", "fault", "has an instruction that this machine has not"),
    ],
)
def test_what_a_core_function_does_is_looked_at(
    kernels: Path, function: str, kind: str, said: str
) -> None:
    """And ends the run, not the process; the next one is as good as any."""
    x, y = np.arange(512, dtype=np.float32), np.zeros(512, np.float32)
    with pytest.raises(aie.ArraySimulationError) as caught:
        aie.load(elementwise(function), kernels, CYCLES).run([x, y])
    assert caught.value.kind == kind
    assert said in str(caught.value)
    assert caught.value.agent == (
        "core (0, 2)" if kind != "uninitialized" else "@y MM2S 0 of core tile (0, 2)"
    )
    aie.load(elementwise(), kernels, CYCLES).run([x, y])
    np.testing.assert_array_equal(x, y)
