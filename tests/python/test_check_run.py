"""The check itself, against targets made of NumPy: it must notice what is wrong."""

from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from inspect import signature
from types import SimpleNamespace

import numpy as np
import pytest

from headrace import check, formats, reference
from headrace.check import pool, runner
from headrace.check.shapes import specs
from headrace.errors import CompileError, HeadraceError, MachineError, UsageError
from headrace.targets.base import Cell

MATVEC = Cell("qlinear.matvec", "q4_k", "i8", {"k_multiple_of": 256})
EXACT = Cell("qlinear.dequantize", "q6_k", "", {"k_multiple_of": 256})


class Fake:
    """An artifact that computes in NumPy, and then spoils the result."""

    def __init__(self, spec, spoil):
        self.spec, self.spoil = spec, spoil
        self.sees_threads = len(signature(spoil).parameters) == 2
        self.manifest = {}  # what needs no machine of its own runs here

    @property
    def arguments(self):
        count = {"quantize": 1, "dequantize": 1, "gated_matvec": 3}.get(self.spec.op, 2)
        inputs = [SimpleNamespace(role="input", updated=None)] * count
        return [*inputs, SimpleNamespace(role="output", updated=None)]

    def bind(self, *inputs, threads, poison):
        assert poison
        self.threads = threads
        outputs = []
        return SimpleNamespace(run=lambda: outputs.append(self.result(inputs)), outputs=outputs)

    def result(self, inputs):
        spec = self.spec
        if spec.op == "quantize":
            result = formats.get(spec.format).encode(np.atleast_2d(inputs[0])).view(np.int8)
        elif spec.op == "dequantize":
            result = reference.decode(spec.format, inputs[0], spec.m, spec.k)
        else:
            x = inputs[0]
            if spec.activations == "i8":
                x = reference.quantized_activations(x)
            result = reference.evaluate(spec, x, inputs[1:]).astype(np.float32)
        return self.spoil(result.copy(), *([self.threads] if self.sees_threads else []))


@pytest.fixture
def compiled(monkeypatch):
    """Makes `compile` return fakes with the given spoiler."""

    def use(spoil):
        def compile(spec, *, target, keep_ir, cache, poison_scratch):
            assert not cache
            if isinstance(spoil, Exception):
                raise spoil
            return Fake(spec, spoil)

        monkeypatch.setattr("headrace.compiler.compile", compile)

    return use


def task_rows(cell):
    return runner.check_task("cpu", 1, (cell, specs(cell, 1)[0]))


@pytest.mark.parametrize("cell", [MATVEC, EXACT, Cell("qlinear.quantize", "act_i8", "")])
def test_right_results_pass(compiled, cell):
    compiled(lambda y: y)
    rows = task_rows(cell)
    assert rows and all(row.ok for row in rows)
    assert all(row.runs >= 6 for row in rows)


def test_results_must_not_depend_on_threads(compiled):
    def last_bit(y, threads):
        if threads == 5:
            y.reshape(-1).view(np.uint32)[-1] ^= 1
        return y

    compiled(last_bit)
    (row,) = task_rows(MATVEC)
    assert not row.ok and "the same for 1 and 5 threads, bit for bit" in row.reference


def test_i8_has_two_references(compiled):
    compiled(lambda y: y)
    rows = task_rows(MATVEC)
    assert [row.bound for row in rows] == [1.2e-2, 1e-5]
    assert 1e-4 < rows[0].error < 1.2e-2 and rows[1].error < 1e-6
    assert "gguf" in rows[0].reference and "act_i8" in rows[1].reference


def last_nan(y):
    y.reshape(-1)[-1] = np.nan
    return y


def one_off(y):
    y.reshape(-1)[0] += 1 if y.dtype == np.int8 else 0.05 * np.abs(y).max() + 1e-3
    return y


@pytest.mark.parametrize("spoil", [last_nan, one_off, np.zeros_like, lambda y: y * 1.02])
def test_wrong_products_fail(compiled, spoil):
    compiled(spoil)
    rows = task_rows(MATVEC)
    assert not any(row.ok for row in rows)
    assert all(np.isfinite(row.error) for row in rows)


def test_a_small_error_fails_the_exact_i8_reference_only(compiled):
    compiled(lambda y: y * np.float32(1.0001))
    loose, tight = task_rows(MATVEC)
    assert loose.ok and not tight.ok


@pytest.mark.parametrize("cell", [EXACT, Cell("qlinear.quantize", "act_i8", "")])
def test_exact_cells_count_differences(compiled, cell):
    compiled(one_off)
    (row,) = task_rows(cell)
    assert (row.bound, row.ok) == (0.0, False)
    assert row.error >= 1.0


def test_claim_that_does_not_compile_fails(compiled):
    compiled(CompileError("no lowering\nmore"))
    (row,) = task_rows(MATVEC)
    assert not row.ok and row.reference == "none: no lowering"


def test_machine_that_cannot_run_it_is_an_error(compiled):
    compiled(MachineError("needs avx512f"))
    with pytest.raises(MachineError):
        task_rows(MATVEC)


def test_claim_without_a_check_fails():
    cell = Cell("qattn.decode", "q4_k", "")
    (row,) = runner.check_task("cpu", 1, (cell, None))
    assert not row.ok and "no check is known for qattn.decode" in row.reference


def test_run_reports_every_cell_and_progress(compiled):
    compiled(lambda y: y)
    seen = []
    report = check.run(
        "cpu", 4, filter="matvec/q8_0/", quick=True, jobs=1, progress=lambda *p: seen.append(p)
    )
    assert report.ok and report.failed == []
    assert {row.activations for row in report.rows} == {"f32", "bf16", "i8"}
    assert seen[-1][0] == seen[-1][1] == len(seen)
    cells = report.to_json()["cells"]
    assert {"target", "op", "format", "shape", "error", "bound", "ok", "reference"} <= set(cells[0])
    assert [row.shape for row in report.rows] == [
        row.shape for row in check.run("cpu", 4, filter="matvec/q8_0/", quick=True, jobs=1).rows
    ]


def test_a_failed_row_fails_the_report(compiled):
    compiled(np.zeros_like)
    report = check.run("cpu", 4, filter="matvec/q8_0/f32", quick=True, jobs=1)
    assert not report.ok and report.failed


def test_a_process_that_dies_is_named(monkeypatch):
    class Future:
        def result(self):
            raise BrokenProcessPool("gone")

    class Pool(nullcontext):
        def submit(self, *_):
            return Future()

        def shutdown(self, **_):
            pass

        def __enter__(self):
            return self

    monkeypatch.setattr(pool, "ProcessPoolExecutor", lambda *_, **__: Pool())
    with pytest.raises(HeadraceError, match="a process died, probably in matvec:m=.*headrace run"):
        check.run("cpu", 1, filter="matvec", jobs=2)


def test_select_filters():
    every = check.select("cpu", 1)
    assert {cell.name for cell, _ in check.select("cpu", 1, filter="q4_k/i8")} == {
        f"{op}/q4_k/i8" for op in ("matvec", "matmul", "gated_matvec")
    }
    assert {cell.name for cell, _ in check.select("cpu", 1, filter="mat*/q4nx/bf16")} == {
        "matvec/q4nx/bf16",
        "matmul/q4nx/bf16",
    }
    sample = check.select("cpu", 1, sample=9)
    assert len(sample) == 9 and all(task in every for task in sample)
    assert sample == check.select("cpu", 1, sample=9)
    assert sample != check.select("cpu", 2, sample=9)
    assert len(check.select("cpu", 1, quick=True)) < len(every)


def test_select_refuses():
    with pytest.raises(UsageError, match=r"no claimed cell matches 'q9'; claimed: .*matvec/q4_k"):
        check.select("cpu", 1, filter="q9")
    with pytest.raises(UsageError, match="expected sample to be at least 1"):
        check.select("cpu", 1, sample=0)
