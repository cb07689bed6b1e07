"""Claimed cells of the CPU target, compiled and compared with float64."""

from headrace import check, targets


def assert_ok(report):
    assert report.rows
    failed = [
        f"{row.operation}: {row.error:.3g} > {row.bound:.3g}, {row.data}, {row.reference}"
        for row in report.failed
    ]
    assert not failed, "\n".join(failed)


def test_cells_of_every_operation():
    """`headrace check` runs all of them."""
    report = check.run("cpu", seed=20, sample=160, quick=True, jobs=2)
    assert_ok(report)
    assert {row.op for row in report.rows} == {cell.op for cell in targets.find("cpu").cells()}


def test_all_shapes_of_a_sample():
    assert_ok(check.run("cpu", seed=21, sample=24, jobs=2))


def test_cpu_without_8_bit_dot_products():
    """The portable path and 256-bit vectors, on this machine."""
    assert_ok(check.run("cpu:x86-64-v3", seed=22, sample=24, jobs=2))


def test_cpu_with_plain_avx512():
    report = check.run("cpu:x86-64-v4", seed=23, filter="/i8", sample=12, jobs=2)
    assert_ok(report)
    assert {row.target for row in report.rows} == {"cpu:x86-64-v4"}
