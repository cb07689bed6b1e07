"""The check of storage formats: it finds what is wrong, and leaves nothing out."""

from __future__ import annotations

import builtins
import dataclasses
import json

import numpy as np
import pytest

from headrace import check, formats, reference
from headrace.check import codecs, independent, storage
from headrace.check.codecs import Task, check_task
from headrace.check.shapes import generator
from headrace.errors import HeadraceError, ToolMissingError, UsageError

NAMES = formats.names()


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> None:
    """Makes `formats.get(name)` give a format with other parts."""
    real = formats.get
    changed = dataclasses.replace(real(name), **changes)
    monkeypatch.setattr(formats, "get", lambda asked: changed if asked == name else real(asked))


# -- what is checked ------------------------------------------------------------------------------


def test_every_format_and_operation_is_selected() -> None:
    tasks = codecs.select(1)
    assert {(task.op, task.format) for task in tasks} == {
        (op, name) for op in codecs.OPS for name in NAMES
    }
    assert tasks == codecs.select(1)
    assert tasks != codecs.select(2)
    assert set(codecs.select(1, quick=True)) < set(tasks)
    few = codecs.select(1, sample=9)
    assert len(few) == 9 and set(few) < set(tasks)


@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str) -> None:
    form = formats.get(name)
    drawn = codecs.shapes(form, generator(1, name))
    assert len(set(drawn)) == len(drawn) >= 3
    for rows, cols in drawn:
        form.padded_shape(rows, cols)  # or it raises
    assert any(rows == 1 for rows, _ in drawn)
    assert any(rows % 2 and rows > 1 for rows, _ in drawn)
    assert any(rows > 1 and cols > form.block_shape[1] for rows, cols in drawn)
    assert form.pads == any(form.padded_shape(*shape) != shape for shape in drawn)
    if name.endswith("per_block"):
        assert any(rows > 128 and cols > 256 and cols % 128 for rows, cols in drawn)


def test_filters() -> None:
    assert {task.format for task in codecs.select(1, filter="decode/q4_0")} == {
        name for name in NAMES if name.startswith("q4_0")
    }
    assert {task.op for task in codecs.select(1, filter="encode/nvfp4")} == {"encode"}
    assert {task.format for task in codecs.select(1, filter="*/mxfp8_*")} == {
        "mxfp8_e4m3",
        "mxfp8_e5m2",
    }
    with pytest.raises(UsageError, match="no format matches 'q9'; allowed: .*ir-decode.*q4_k"):
        codecs.select(1, filter="q9")
    with pytest.raises(UsageError, match="expected sample to be at least 1, but got 0"):
        codecs.select(1, sample=0)


# -- a few formats pass ---------------------------------------------------------------------------


@pytest.mark.parametrize("op", codecs.OPS)
@pytest.mark.parametrize("name", NAMES)
def test_every_format_passes(name: str, op: str) -> None:
    """At one shape of several blocks; `headrace check --formats` does all."""
    rows, cols = codecs.shapes(formats.get(name), generator(3, name))[0]
    row = check_task(3, Task(op, name, rows, cols))
    assert row.ok, (row.error, row.reference)
    assert (row.target, row.op, row.format, row.shape) == ("formats", op, name, f"{rows}x{cols}")
    assert row.bound == 0 and row.runs >= 3
    assert (row.relative_rmse is not None) == (op == "encode")
    assert row.reference.startswith(formats.get(name).checked_by)


def test_run_reports_progress_and_rows() -> None:
    seen: list[tuple[int, int]] = []
    report = check.run_formats(
        5, filter="code/q8_0", quick=True, progress=lambda *at: seen.append(at)
    )
    assert report.ok and report.target == "formats" and len(report.rows) == len(seen)
    assert seen[-1][0] == seen[-1][1]
    cells = report.to_json()["cells"]
    assert {"target", "op", "format", "shape", "error", "bound", "ok", "reference"} <= set(cells[0])
    assert json.loads(json.dumps(cells)) == cells
    rmse = [cell["relative_rmse"] for cell in cells if cell["op"] == "encode"]
    assert rmse and all(0.0001 < value < 0.01 for value in rmse)


# -- what is wrong is found -----------------------------------------------------------------------


def test_a_wrong_decoder_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = formats.get("q4_0").decode_rows
    assert real is not None

    def spoiled(raw: np.ndarray, rows: int, cols: int) -> np.ndarray:
        values = real(raw, rows, cols)
        values[-1, -1] = np.nextafter(values[-1, -1], np.float32(9))
        return values

    replaced(monkeypatch, "q4_0", decode_rows=spoiled)
    for op in ("decode", "encode"):
        row = check_task(1, Task(op, "q4_0", 3, 64))
        assert not row.ok and row.error == 1


def test_a_decoder_that_hides_nan_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = formats.get("mxfp8_e5m2").decode_rows
    assert real is not None
    replaced(monkeypatch, "mxfp8_e5m2", decode_rows=lambda *args: np.nan_to_num(real(*args)))
    row = check_task(1, Task("decode", "mxfp8_e5m2", 9, 320))
    assert not row.ok and row.data == "any bytes"


def test_an_encoder_of_infinity_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = formats.get("f16").encode_rows
    assert real is not None

    def overflowing(values: np.ndarray, cols: int) -> np.ndarray:
        packed = real(values, cols)
        packed[:2] = 0, 0x7C  # infinity, to every decoder
        return packed

    replaced(monkeypatch, "f16", encode_rows=overflowing)
    row = check_task(1, Task("encode", "f16", 2, 32))
    assert not row.ok and row.error >= 1


def test_an_encoder_whose_zeros_are_none_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = formats.get("bf16").encode_rows
    assert real is not None
    replaced(monkeypatch, "bf16", encode_rows=lambda values, cols: real(values + 1, cols))
    row = check_task(1, Task("encode", "bf16", 2, 32))
    assert not row.ok and row.data == "zeros" and row.error == 64


def test_an_encoder_that_fails_is_a_failed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(values: np.ndarray, cols: int) -> np.ndarray:
        raise HeadraceError("cannot today")

    replaced(monkeypatch, "bf16", encode_rows=broken)
    row = check_task(1, Task("encode", "bf16", 2, 32))
    assert (row.ok, row.error) == (False, reference.NOT_FINITE)
    assert row.reference == "none: cannot today"


def test_an_attribute_that_does_not_parse_is_a_failed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, "q8_0", attribute="#qlinear.gguf<q8_9>")
    row = check_task(1, Task("ir-decode", "q8_0", 2, 32))
    assert (row.ok, row.error) == (False, reference.NOT_FINITE)
    assert row.reference.startswith("none: #qlinear.gguf<q8_9>: error: ")


def test_an_attribute_of_another_layout_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of bytes, but another meaning; and another number of bytes."""
    replaced(monkeypatch, "bf16", attribute="#qlinear.plain<f16>")
    assert check_task(1, Task("ir-decode", "bf16", 5, 32)).error > 50
    replaced(monkeypatch, "q8_0", attribute="#qlinear.gguf<q4_0>")
    row = check_task(1, Task("ir-decode", "q8_0", 2, 32))
    assert not row.ok and "expected input 0 to be int8 of shape (36,)" in row.reference


# -- who checks -----------------------------------------------------------------------------------


def test_independent_wants_the_right_bytes() -> None:
    form = formats.get("q8_0")
    packed = form.encode(np.ones((2, 32), np.float32))
    expected = independent.decode(form, packed, 2, 32)
    for data in (packed.tobytes(), bytearray(packed), packed.view(np.int8), packed.reshape(2, 34)):
        assert np.array_equal(independent.decode(form, data, 2, 32), expected)
    for bad in (packed[:-1], packed.astype(np.float32), packed.astype(np.uint16)):
        with pytest.raises(UsageError, match=r"expected 68 bytes .* for q8_0 of 2x32 values"):
            independent.decode(form, bad, 2, 32)


def test_a_format_that_no_one_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    form = dataclasses.replace(formats.get("act_i8"), name="act_i9")
    with pytest.raises(HeadraceError, match="no independent implementation of act_i9 is known"):
        independent.who(form)
    monkeypatch.setattr(independent, "MODULES", ("gguf",))
    with pytest.raises(HeadraceError, match="no independent implementation of nvfp4"):
        independent.decode(formats.get("nvfp4"), bytes(4 + 9), 1, 16)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_gguf(name: str, *args: object, **kwargs: object) -> object:
        if name == "gguf":
            raise ModuleNotFoundError("No module named 'gguf'", name="gguf")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_gguf)
    with pytest.raises(ToolMissingError, match=r"q4_0 needs the python package 'gguf' \(`pip inst"):
        independent.decode(formats.get("q4_0"), bytes(18), 1, 32)
    # Others do not need it.
    assert independent.decode(formats.get("nvfp4"), bytes(4 + 9), 1, 16).shape == (1, 16)
    with pytest.raises(ToolMissingError):
        check_task(1, Task("decode", "q4_0", 1, 32))


# -- random storage -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_random_storage(name: str) -> None:
    form = formats.get(name)
    rows, cols = 33, 2048
    size = form.storage_bytes(rows, cols)
    draw = generator(2, name)
    finite = storage.with_finite_floats(form, rows, cols, draw)
    form.check_scales(finite, rows, cols)
    near = storage.near(form, rows, cols, draw, 3.0)
    form.check_scales(near, rows, cols)
    assert finite.size == near.size == storage.any_bytes(form, rows, cols, draw).size == size
    floats = form.scales(near, *form.padded_shape(rows, cols))[0].astype(np.float32)
    assert np.abs(floats).min() >= 0.5 and np.abs(floats).max() <= 4.0
    before = near.copy()
    storage.zero_some_blocks(form, rows, cols, draw, near)
    header = form.header_bytes(*form.padded_shape(rows, cols))
    assert np.array_equal(near[:header], before[:header])
    assert 0.1 < np.count_nonzero(near != before) / (size - header) < 0.9
