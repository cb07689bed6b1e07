"""Strips that compiled programs make of stored blocks: the bytes, of all layouts and odd sizes."""

import re

import numpy as np
import pytest

import headrace as hr
from headrace import formats, ir
from headrace.check.compiled import Compiled
from headrace.check.operations.text import main, packed, tensor
from headrace.modules import parse_text

V3 = "cpu:x86-64-v3"
# Whole strips and pieces, and rows and columns that end within one.
CASES = [
    ("q4_0", 35, 352, "cpu"),
    ("q4_1", 16, 96, V3),
    ("q5_0", 1, 32, "cpu"),
    ("q5_1", 50, 160, "cpu"),
    ("q8_0", 33, 416, "cpu"),
    ("q8_0", 48, 128, V3),
    ("iq4_nl", 19, 64, "cpu"),
    ("q2_k", 31, 256, "cpu"),
    ("q3_k", 17, 512, V3),
    ("q4_k", 83, 1280, "cpu"),
    ("q4_k", 15, 512, V3),
    ("q5_k", 32, 768, "cpu"),
    ("q6_k", 37, 1024, "cpu"),
    ("q6_k", 18, 256, V3),
    ("bf16", 45, 96, "cpu"),
    ("bf16", 16, 64, V3),
    ("q5_0:rows4", 18, 96, "cpu"),
    ("int4:g32", 35, 352, "cpu"),
    ("int4:g128:zp", 17, 640, "cpu"),
    ("int4:g32:fz:bf16", 32, 320, V3),
    ("int8:g32:zp", 49, 288, "cpu"),
    ("int8:g64", 16, 704, V3),
    ("int4:g128:zp:rows4", 21, 384, "cpu"),
    ("q8_0:rows8", 43, 224, V3),
    ("q4_k:rows16", 16, 512, "cpu"),
    ("q6_k:rows8", 35, 256, "cpu"),
]


def strips_of(source):
    return re.sub(r":rows\d+$", "", source) + ":strips16"


def program(source, rows, columns, result=None):
    """A function that returns the strips, as bytes or as a packed matrix."""
    target = strips_of(source)
    before, after = packed(source, rows, columns), packed(target, rows, columns)
    raw = tensor("i8", formats.get(target).storage_bytes(rows, columns))
    moved = f"%s = qlinear.repack %arg0 : {before} to {after}"
    if result == "packed":
        text = main([before], [after], f"{moved}\nreturn %s : {after}")
    else:
        bytes_of = f"%b = qlinear.to_bytes %s : {after} to {raw}"
        text = main([before], [raw], f"{moved}\n{bytes_of}\nreturn %b : {raw}")
    return parse_text(text, ir.Context(), "repack")


def any_bytes(name, rows, columns):
    draw = np.random.default_rng(rows + columns)
    return draw.integers(0, 256, formats.get(name).storage_bytes(rows, columns), np.uint8)


def wanted(source, data, rows, columns):
    return formats.convert(data, rows, columns, source, strips_of(source)).data


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes(case):
    """Any bytes, padding of the source among them; with 1, 2 and 5 threads, on poisoned memory."""
    source, rows, columns, target = case
    data = any_bytes(source, rows, columns)
    (found,) = Compiled(program(source, rows, columns), target)(data)
    np.testing.assert_array_equal(found.view(np.uint8), wanted(source, data, rows, columns))


def test_bytes_may_start_anywhere():
    rows, columns = 32, 512
    data = any_bytes("q6_k", rows, columns)
    want = wanted("q6_k", data, rows, columns)
    artifact = hr.compile(program("q6_k", rows, columns, "packed"))
    for offset in (0, 1, 34):
        room = np.empty(data.size + 128, np.uint8)
        start = -room.ctypes.data % 64 + offset
        moved = room[start : start + data.size]
        moved[:] = data
        found = np.asarray(artifact(moved, poison=True))
        np.testing.assert_array_equal(found.view(np.uint8), want)


def test_what_is_made_is_multiplied_in_one_program():
    rows, columns = 37, 768
    stored, strips = packed("q4_k", rows, columns), packed("q4_k:strips16", rows, columns)
    x, y = tensor("f32", columns), tensor("f32", rows)
    body = f"""%s = qlinear.repack %arg1 : {stored} to {strips}
      %e = tensor.empty() : {y}
      %y = qlinear.matvec ins(%s, %arg0 : {strips}, {x}) outs(%e : {y}) -> {y}
      return %y : {y}"""
    module = parse_text(main([x, stored], [y], body), ir.Context(), "repack and multiply")
    draw = np.random.default_rng(1)
    weight = formats.get("q4_k").encode(draw.normal(size=(rows, columns)).astype(np.float32))
    numbers = draw.normal(size=columns).astype(np.float32)
    (found,) = Compiled(module, "cpu")(numbers, weight)
    want = formats.get("q4_k").decode(weight, rows, columns).astype(np.float64) @ numbers
    assert np.linalg.norm(found - want) < 1e-6 * np.linalg.norm(want)


def test_instructions():
    """Four words of four rows at a time, and nothing is spilled where all rows are there."""
    artifact = hr.compile(program("q4_k", 64, 1024), target="cpu:sapphirerapids")
    source = artifact.sources["kernels.s"]
    text = source[source.index("repack_") :]
    assert "vpunpckldq" in text or "vunpcklps" in text
    assert "Spill" not in text
