"""select_columns and sparse_matvec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.check.operations.case import EXACT, Case, Run, Want
from headrace.check.operations.text import destination, packed, poison, tensor
from headrace.reference import BOUNDS
from headrace.references import linear, sparse

__all__ = ["cases", "matvec_case", "select_case"]

Generator = np.random.Generator
_DTYPES: dict[str, Any] = {"f32": np.float32, "bf16": ml_dtypes.bfloat16}
# a CPU may add columns times bf16 as integers of 15 bits
_BOUNDS = {"f32": BOUNDS["f32"], "bf16": 1e-4}
_ONE = tensor("i32", 1)
_INNER = ("q4_0", "q8_0", "q4_k", "q6_k")
_BANDS = (1024, 2048, 4096)


def cases(draw: Generator) -> Iterator[Case]:
    """Of one column, of an odd number of them; weights in bands of columns, and in rows."""
    odd = 2 * int(draw.integers(8, 100)) + 1
    for cols, dtype in ((odd, "f32"), (odd, "bf16"), (1, "f32")):
        for threshold in (0.0, 0.5):
            yield select_case(cols, dtype, threshold)
    for name, dtype in (
        *((f"{inner}:zigzag", dtype) for inner in _INNER for dtype in _DTYPES),
        *(
            (f"{inner}:zigzag{band}", dtype)
            for inner in _INNER
            for band in _BANDS
            for dtype in _DTYPES
        ),
        *((f"{inner}:zigzag128", "f32") for inner in ("q4_0", "q8_0")),
        ("q8_0", "f32"),
        ("mxfp4", "f32"),
    ):
        unit = int(np.lcm(1, formats.get(name).k_multiple))
        rows = 1 if name == "mxfp4" else 2 * int(draw.integers(2, 40)) + 1
        yield matvec_case(name, rows, unit * int(draw.integers(1, 2 + 100 // unit)), dtype)


def select_case(cols: int, dtype: str, threshold: float) -> Case:
    """select_columns of `cols` activations."""
    x, outs = tensor(dtype, cols), [tensor("i32", cols), _ONE]

    def runs(draw: Generator) -> Iterator[Run]:
        usual = draw.normal(size=cols)
        half = np.where(draw.random(cols) < 0.5, 0.0, usual)
        with_nan = np.where(draw.random(cols) < 0.3, np.nan, half)
        at = np.where(draw.random(cols) < 0.5, 0.5, -0.5)
        for name, values in (
            ("normal", usual),
            ("half of it zero", half),
            ("zeros: none", np.zeros(cols)),
            ("all", usual + np.copysign(1.0, usual)),
            ("NaN and infinity", np.where(draw.random(cols) < 0.2, -np.inf, with_nan)),
            ("at the threshold", np.where(draw.random(cols) < 0.3, np.nextafter(0.5, 1), at)),
            ("denormal", usual * 1e-40),
        ):
            given = values.astype(_DTYPES[dtype])
            wants = [Want(a, EXACT) for a in sparse.select_columns(given, threshold)]
            yield Run(name, [given, *poison(outs)], wants, denormals=name == "denormal")

    return Case(
        op="qlinear.select_columns",
        what=f"{dtype}, {'one column, ' if cols == 1 else ''}threshold {threshold:g}",
        shape=str(cols),
        format=dtype,
        module=destination("qlinear.select_columns", [x], outs, head=f"threshold = {threshold:e}"),
        runs=runs,
    )


def matvec_case(name: str, rows: int, cols: int, dtype: str) -> Case:
    """sparse_matvec with a list that has room for a few more than all columns."""
    size = cols + 3
    weight, outs = packed(name, rows, cols), [tensor("f32", rows)]
    module = destination(
        "qlinear.sparse_matvec",
        [weight, tensor(dtype, cols), tensor("i32", size), _ONE],
        outs,
    )

    def run(
        draw: Generator, what: str, indices: npt.NDArray[Any], count: int, *, poisoned: bool = False
    ) -> Run:
        # Positive, so that few columns do not cancel.
        values = np.abs(draw.normal(size=(rows, cols))) + 0.1
        x = (np.abs(draw.normal(size=cols)) + 0.1).astype(_DTYPES[dtype])
        if poisoned:
            unseen = sorted(set(range(cols)) - {int(i) for i in indices[:count]})
            x[unseen] = np.nan
        data = formats.get(name).encode(values.astype(np.float32))
        indices = indices.astype(np.int32)
        decoded = linear.weights(name, data, rows, cols)
        want = sparse.sparse_matvec(decoded, x, indices, count)
        inputs = [data.view(np.int8), x, indices, np.array([count], np.int32), *poison(outs)]
        return Run(what, inputs, [Want(want, _BOUNDS[dtype])])

    def runs(draw: Generator) -> Iterator[Run]:
        every = np.concatenate([np.arange(cols), np.zeros(3, int)])
        some = np.zeros(size, int)
        few = np.sort(draw.permutation(cols)[: max(1, cols // 3)])
        some[: len(few)] = few
        wild = draw.integers(-5, cols + 5, size)
        wild[draw.random(size) < 0.1] = 2**31 - 1
        yield run(draw, "some, the rest NaN", some, len(few), poisoned=True)
        yield run(draw, "none", every, 0, poisoned=True)
        yield run(draw, "one", every[::-1], 1)
        yield run(draw, "all", every, cols)
        yield run(draw, "twice, unordered and outside", wild, size)
        yield run(draw, "a count below 0", every, -7)
        yield run(draw, "a count that is too large", every, 2**31 - 1)

    return Case(
        op="qlinear.sparse_matvec",
        what=f"{name}/{dtype}",
        shape=f"{rows}x{cols}",
        module=module,
        runs=runs,
        format=name,
    )
