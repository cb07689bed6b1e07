"""Checks every storage format: codec, encoder and the compiler's decoder, bit for bit.

Three operations for each format, at a few shapes drawn from the seed, each against what somebody
else's code says that the bytes mean (`independent`):

    decode      the NumPy codec, on random bytes
    encode      bytes that the codec makes of random weights, decoded by both
    ir-decode   `qlinear.dequantize` on MLIR's own JIT, on random and on encoded bytes

The error is the number of values that differ, NaN being equal to NaN, and the bound is 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace import formats, reference
from headrace.check import independent, storage
from headrace.check.pool import each
from headrace.check.rows import Report, Row
from headrace.check.shapes import generator
from headrace.errors import HeadraceError, ToolMissingError, UsageError
from headrace.formats import Format

__all__ = ["OPS", "TARGET", "Task", "check_task", "run", "select", "shapes"]

TARGET = "formats"
OPS = ("decode", "encode", "ir-decode")

F32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Generator = np.random.Generator


class Task(NamedTuple):
    """One operation on one format at one shape."""

    op: str
    format: str
    rows: int
    cols: int

    def __str__(self) -> str:
        return f"{self.op}/{self.format} at {self.rows}x{self.cols}"


def shapes(form: Format, draw: Generator, *, quick: bool = False) -> list[tuple[int, int]]:
    """Shapes for a format: one row of one block, odd rows, several blocks; padded if it pads.

    quick: only two of them.
    """
    unit = form.k_multiple
    block_rows, block_cols = form.block_shape

    def odd(low: int, high: int) -> int:
        return 2 * int(draw.integers(low, high)) + 1

    # Larger than the tiles of fp8, whose values stand alone.
    rows, cols = (130, 260) if block_cols == 1 and block_rows == 1 else (33, 64)
    rows, cols = (low + int(draw.integers(0, low // 8)) for low in (rows, cols))
    sizes = [
        (odd(1, 20), unit * odd(0, max(1, 200 // unit))),
        (1, unit),
        (1, unit * odd(1, max(2, 300 // unit))),
        (block_rows * -(-rows // block_rows), unit * (1 + -(-cols // unit))),
    ]
    if form.pads:
        sizes += [
            (block_rows + odd(0, 4), block_cols + odd(0, max(1, block_cols // 2))),
            (block_rows, block_cols),
        ]
    return list(dict.fromkeys(sizes[:2] if quick else sizes))


def select(
    seed: int, *, filter: str | None = None, sample: int | None = None, quick: bool = False
) -> list[Task]:
    """What `run` would check; UsageError if `filter` matches nothing."""
    tasks = [
        Task(op, name, rows, cols)
        for name in formats.names()
        for op in OPS
        if filter is None or filter in f"{op}/{name}" or fnmatchcase(f"{op}/{name}", filter)
        for rows, cols in shapes(formats.get(name), generator(seed, "shapes", name), quick=quick)
    ]
    if not tasks:
        raise UsageError(
            f"check: no format matches '{filter}'; allowed: a part of {'|'.join(OPS)}/NAME with "
            f"NAME one of {', '.join(formats.names())}"
        )
    if sample is not None and sample < len(tasks):
        if sample < 1:
            raise UsageError(f"check: expected sample to be at least 1, but got {sample}")
        chosen = generator(seed, "sample").choice(len(tasks), sample, replace=False)
        tasks = [tasks[index] for index in sorted(chosen)]
    return tasks


def run(
    seed: int = 0,
    *,
    filter: str | None = None,
    sample: int | None = None,
    quick: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check every listed format on data drawn from `seed`.

    filter: only operations whose name (`ir-decode/q4_k`) contains it, or matches it as a pattern.
    sample: only so many operations, drawn from the seed.
    quick: two shapes per format instead of all.
    jobs: how many processes; a script that asks for more than one needs the usual
        `if __name__ == "__main__":`.
    progress: called with (done, all) after each operation.
    """
    tasks = select(seed, filter=filter, sample=sample, quick=quick)
    rows: list[Row] = []
    for row in each(functools.partial(check_task, seed), tasks, jobs, _alone):
        rows.append(row)
        if progress is not None:
            progress(len(rows), len(tasks))
    return Report(TARGET, seed, tuple(rows))


def _alone(task: Task) -> str:
    return f"{task}; run it alone: headrace check --formats --jobs 1 --filter {task.format}"


# -- one operation --------------------------------------------------------------------------------


def check_task(seed: int, task: Task) -> Row:
    """The worst error of one operation over its data sets."""
    form = formats.get(task.format)
    draw = generator(seed, *task)
    try:
        found = list(_CHECKS[task.op](form, task.rows, task.cols, draw))
        who = independent.who(form)
    except ToolMissingError:
        raise
    except HeadraceError as error:
        # What cannot be checked has failed.
        reason = f"none: {_one_line(error)}"
        return _row(task, reference.NOT_FINITE, reason, "-", 1)
    name, wrong, _ = max(found, key=lambda item: item[1])
    rmse = max((item[2] for item in found if item[2] is not None), default=None)
    return _row(task, wrong, who, name, len(found), rmse)


# (name of the data, differing values, relative RMSE of an encoder or None)
_Found = tuple[str, float, float | None]


def _decode(form: Format, rows: int, cols: int, draw: Generator) -> Iterator[_Found]:
    for name, data in _stored(form, rows, cols, draw):
        want = independent.decode(form, data, rows, cols)
        with np.errstate(all="ignore"):
            got = form.decode(data, rows, cols)
        yield name, reference.count_differences(got, want), None


def _encode(form: Format, rows: int, cols: int, draw: Generator) -> Iterator[_Found]:
    for name, values in _weights(form, rows, cols, draw):
        data = form.encode(values)
        want = independent.decode(form, data, rows, cols)
        wrong = reference.count_differences(form.decode(data, rows, cols), want)
        wrong += np.count_nonzero(~np.isfinite(want))
        wrong += np.count_nonzero(want[values == 0]) if name == "zeros" else 0
        yield name, float(wrong), _relative_rmse(values, want) if name == "normal" else None


def _ir_decode(form: Format, rows: int, cols: int, draw: Generator) -> Iterator[_Found]:
    from headrace import ir
    from headrace.reference_jit import Meaning

    try:
        meaning = Meaning(ir.Module.parse(_module_text(form, rows, cols), ir.Context()))
    except ir.MLIRError as error:
        raise HeadraceError(f"{form.attribute}: {_one_line(error)}") from error
    kind, normal = _weights(form, rows, cols, draw)[0]
    for name, data in (*_stored(form, rows, cols, draw), (kind, form.encode(normal))):
        (got,) = meaning(data)
        want = independent.decode(form, data, rows, cols)
        yield name, reference.count_differences(got, want), None


_CHECKS: dict[str, Callable[[Format, int, int, Generator], Iterator[_Found]]] = {
    "decode": _decode,
    "encode": _encode,
    "ir-decode": _ir_decode,
}


def _module_text(form: Format, rows: int, cols: int) -> str:
    """A function that dequantizes; unlike an OpSpec, of formats of activations too."""
    padded = form.padded_shape(rows, cols)
    suffix = f", padded = {padded[0]}x{padded[1]}" if padded != (rows, cols) else ""
    packed = f"!qlinear.packed<{rows}x{cols}, {form.attribute}{suffix}>"
    y = f"tensor<{rows}x{cols}xf32>"
    return "\n".join(
        [
            f"func.func @main(%w: {packed}) -> {y} {{",
            f"  %empty = tensor.empty() : {y}",
            f"  %y = qlinear.dequantize ins(%w : {packed}) outs(%empty : {y}) -> {y}",
            f"  return %y : {y}",
            "}",
        ]
    )


def _row(
    task: Task, error: float, who: str, data: str, runs: int, rmse: float | None = None
) -> Row:
    return Row(
        target=TARGET,
        op=task.op,
        format=task.format,
        activations="",
        shape=f"{task.rows}x{task.cols}",
        error=error,
        bound=reference.BOUNDS["exact"],
        reference=who,
        data=data,
        runs=runs,
        operation=str(task),
        relative_rmse=rmse,
    )


def _one_line(error: Exception) -> str:
    """The part of an error that says what is wrong, of MLIR's the first diagnostic."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if "error:" in line), lines[0]).strip()


# -- data -----------------------------------------------------------------------------------------


def _stored(form: Format, rows: int, cols: int, draw: Generator) -> list[tuple[str, Bytes]]:
    """Random bytes: of any floats, of finite ones, and of scales as weights have them."""
    return [
        ("any bytes", storage.any_bytes(form, rows, cols, draw)),
        ("finite floats", storage.with_finite_floats(form, rows, cols, draw)),
        ("usual scales", storage.near(form, rows, cols, draw, 0.01)),
    ]


def _weights(
    form: Format, rows: int, cols: int, draw: Generator
) -> Sequence[tuple[str, npt.NDArray[np.float64]]]:
    """Weights that are usual, and that are hard."""
    shape = (rows, cols)
    normal = draw.normal(size=shape) * 0.02
    heavy = np.clip(draw.standard_t(2, shape) * 0.02, -min(form.largest, 1e4), 1e4)
    outliers = normal.copy()
    outliers[draw.random(shape) < 1e-2] *= 50.0
    outliers[:, : cols // 3] = 0.0
    return [
        ("normal", normal),
        ("heavy tails", heavy),
        ("outliers", outliers),
        ("zeros", np.zeros(shape)),
        ("constant", np.full(shape, -0.75)),
        ("subnormal", draw.uniform(-1, 1, shape) * 1e-39),
        ("largest", draw.choice([-1.0, 1.0], shape) * np.float64(np.float32(form.largest))),
    ]


def _relative_rmse(values: npt.NDArray[np.float64], decoded: F32) -> float:
    return float(np.linalg.norm(decoded - values) / np.linalg.norm(values))
