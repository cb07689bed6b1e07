"""Geometries that do not fit an array: the message has what does, and that does."""

import random
import re

import pytest

from headrace import ir, pipeline, targets
from headrace.errors import CompileError
from headrace.ops import OpSpec

UNITS = {"q4nx": 32, "q4_0": 32, "q4_k": 256}
SIZES = {"columns": "k", "rows": "m"}
# Of rows and columns: the step in which what fits is named.
STEPS = {"k": 256, "m": 64}


def lower(text, device):
    """The design of an operation, with all of its checks."""
    target = targets.find("aie")
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(OpSpec.parse(text, activations="bf16").text())
        pipeline.lower(module, target, target.describe(device))


def replaced(text, **sizes):
    for name, size in sizes.items():
        text = re.sub(rf"\b{name}=\d+", f"{name}={size}", text)
    return text


def fails(text, device):
    with pytest.raises(CompileError) as caught:
        lower(text, device)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "device", "message", "fits"),
    [
        ("matvec:m=1,k=1000192,format=q4_k", "npu1", "memory in a core for 1000192 columns", "k"),
        ("gated_matvec:m=77,k=30720,format=q4_0", "npu2", "bytes of memory in a core", "k"),
        ("matvec:m=10000000,k=512,format=q4nx", "npu2", "needs 3200000000 bytes of packed", "m"),
        ("matmul:m=1048577,k=512,n=5,format=q4_0", "npu1", "have at most 1048576", "m"),
    ],
)
def test_the_nearest_that_fits_does_and_the_next_does_not(text, device, message, fits):
    said = fails(text, device)
    assert re.search(message, said)
    found = re.search(r"nearest that fits: (\d+) (\w+)", said)
    assert SIZES[found[2]] == fits
    most = int(found[1])
    lower(replaced(text, **{fits: most}), device)
    assert "nearest that fits" in fails(replaced(text, **{fits: most + STEPS[fits]}), device)


def test_a_matrix_that_is_too_large_both_ways():
    text = "matvec:m=10000000,k=999936,format=q4nx"
    found = re.search(r"nearest that fits: (\d+) columns and (\d+) rows", fails(text, "npu2"))
    lower(replaced(text, k=found[1], m=found[2]), "npu2")
    for more in ({"k": int(found[1]) + 256, "m": 1}, {"k": found[1], "m": int(found[2]) + 64}):
        fails(replaced(text, **more), "npu2")


def test_columns_that_fill_no_block():
    said = fails("matvec:m=1,k=40,format=q4nx", "npu2")
    assert "expected columns in multiples of 32, but got 40; nearest allowed: 32 or 64" in said


def test_drawn_geometries_fit_or_say_what_does():
    draw = random.Random(1)
    fitting = 0
    for _ in range(12):
        form = draw.choice(list(UNITS))
        op = draw.choice(["matvec", "gated_matvec", "matmul"])
        # As many small ones as large ones.
        rows, columns = (round(2 ** draw.uniform(0, most)) for most in (17, 19.9))
        columns = max(1, columns // UNITS[form]) * UNITS[form]
        tokens = f",n={draw.randrange(1, 200)}" if op == "matmul" else ""
        text = f"{op}:m={rows},k={columns},format={form}{tokens}"
        device = draw.choice(["npu1", "npu2"])
        try:
            lower(text, device)
        except CompileError as error:
            found = re.search(r"nearest that fits: (\d+) (\w+)(?: and (\d+) rows)?", str(error))
            assert found, f"{text} on {device}: {error}"
            sizes = {SIZES[found[2]]: found[1]} | ({"m": found[3]} if found[3] else {})
            lower(replaced(text, **sizes), device)
        else:
            fitting += 1
    assert 3 <= fitting <= 10
