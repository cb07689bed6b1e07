"""Claimed cells of the AIE target, compiled for both arrays and run in the simulator."""

import pytest
from test_cpu_check import assert_ok

from headrace import check, targets


@pytest.mark.parametrize(("device", "seed"), [("npu1", 31), ("npu2", 32)])
def test_every_cell(device, seed):
    report = check.run(f"aie:{device}", seed=seed, quick=True, jobs=2)
    assert_ok(report)
    cells = {(row.op, row.format) for row in report.rows}
    assert cells == {(cell.op, cell.format) for cell in targets.find("aie").cells()}


def test_projections_of_models():
    """One of each operation, of those that only a whole check has."""
    report = check.run("aie", seed=33, filter="q4_k", sample=6, jobs=2)
    assert_ok(report)
    assert len({row.op for row in report.rows}) == 3
