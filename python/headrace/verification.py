"""What an artifact carries so that a machine without the compiler can check its results.

Inputs are drawn from a seed by the runtime (`headrace_runtime.drawn`), weights as random bytes with
sane scales. Results that they should give are computed here, in float64 from weights that the
codecs of `headrace.formats` decode, and put into the artifact. Of large products these are the
results of some rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats, ops, reference, runs_attention
from headrace.check.shapes import generator
from headrace.formats import Format
from headrace.references import sparse
from headrace_runtime import Argument, Manifest
from headrace_runtime.drawn import Numbers, draw, sha256

__all__ = ["FOLDER", "SEED", "describe", "describe_products"]

Array = npt.NDArray[Any]
Span = tuple[int, int]

FOLDER = "verify"
SEED = 20511
# Weights that are decoded for a reference at most, where not all are.
_MOST_WEIGHTS = 1 << 22
_LEAST_ROWS = 64
# Deviation of the scales of weights.
_SCALE = 2.0**-6
_DTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
# As in runs_sparse and runs_attention.
_SPARSE_BOUNDS = {"f32": reference.BOUNDS["f32"], "bf16": 1e-4}


@dataclass(frozen=True)
class _Want:
    """What an output should be: values of all its rows, or of those in `rows`."""

    values: Array
    bound: float
    rows: tuple[Span, ...] | None = None


def describe(operation: ops.Operation, manifest: Manifest, folder: Path) -> dict[str, Any] | None:
    """The manifest's `verification` of an artifact that is one operation; writes arrays to FOLDER.

    None where there are no references, or inputs that cannot be drawn.
    """
    drawn = _drawn(operation, manifest, folder)
    if drawn is None:
        return None
    inputs, arrays = drawn
    wants = _wants(operation, arrays)
    return None if wants is None else _described(inputs, wants, manifest, folder)


def describe_products(
    products: Sequence[tuple[ops.OpSpec, Sequence[int]]], manifest: Manifest, folder: Path
) -> dict[str, Any] | None:
    """The same of an artifact that is several products.

    products: in the order of outputs, each with the inputs that it takes: x, then weights.
    """
    drawn = _drawn(None, manifest, folder)
    if drawn is None:
        return None
    inputs, arrays = drawn
    wants = [_product(spec, *(arrays[index] for index in taken)) for spec, taken in products]
    return _described(inputs, wants, manifest, folder)


def _drawn(
    operation: ops.Operation | None, manifest: Manifest, folder: Path
) -> tuple[list[dict[str, Any]], list[Array]] | None:
    """How inputs are drawn, and the inputs."""
    inputs, arrays = [], []
    for stream, argument in enumerate(manifest.inputs):
        fixed = _fixed(operation, argument)
        recipe: dict[str, Any] = {"argument": argument.name}
        if fixed is not None:
            data = np.ascontiguousarray(fixed).view(np.uint8).reshape(-1)
            recipe["file"] = _save(folder / FOLDER, argument.name, fixed)
        else:
            numbers = _numbers(operation, argument)
            if numbers is None:
                return None
            data = draw(argument.bytes, numbers, SEED, stream)
            recipe["numbers"] = [item.to_json() for item in numbers]
        recipe["sha256"] = sha256(data)
        inputs.append(recipe)
        arrays.append(_typed(data, argument))
    return inputs, arrays


def _described(
    inputs: list[dict[str, Any]], wants: Sequence[_Want], manifest: Manifest, folder: Path
) -> dict[str, Any]:
    outputs = []
    for argument, want in zip(manifest.outputs, wants, strict=True):
        record: dict[str, Any] = {
            "argument": argument.name,
            "file": _save(folder / FOLDER, argument.name, want.values),
            "bound": want.bound,
        }
        if want.rows is not None:
            record["rows"] = [list(span) for span in want.rows]
        outputs.append(record)
    return {"seed": SEED, "reference": "float64", "inputs": inputs, "outputs": outputs}


def _save(folder: Path, name: str, values: Array) -> str:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{name}.npy", values)
    return f"{FOLDER}/{name}.npy"


def _typed(data: npt.NDArray[np.uint8], argument: Argument) -> Array:
    from headrace.runs import DTYPES

    return data.view(DTYPES[argument.dtype]).reshape(argument.shape)


# --- inputs --------------------------------------------------------------------------------------


def _fixed(operation: ops.Operation | None, argument: Argument) -> Array | None:
    """The value of an input of integers: lengths, tables of pages."""
    if argument.packed is not None or argument.cache is not None:
        return None
    if not argument.dtype.startswith("i"):
        return None
    if not isinstance(operation, ops.DecodeSpec):
        return None
    # the last token of a full cache would hide one that is read behind it
    if argument.shape == (1,):
        return np.array([max(1, operation.slots - 3)], np.int32)
    return generator(SEED, "table").permutation(argument.shape[0]).astype(np.int32)


def _numbers(operation: ops.Operation | None, argument: Argument) -> list[Numbers] | None:
    """Where numbers lie in an input; None if it has some of a type that is not drawn."""
    base = np.zeros(argument.bytes, np.uint8)
    views: list[tuple[Array, float]]
    if argument.packed is not None:
        packed = argument.packed
        form = formats.get(packed.format)
        rows, cols = packed.padded_rows, packed.padded_cols
        views = [(view, _SCALE) for view in form.scales(base, rows, cols)]
    elif argument.cache is not None:
        if not isinstance(operation, ops.DecodeSpec):
            return None
        codes, scales = runs_attention.cache_of(operation).parts(base)
        views = [(codes, 1.0)] if scales is None else [(scales, _SCALE)]
    else:
        views = [(_typed(base, argument), 1.0)]
    start = base.__array_interface__["data"][0]
    found = []
    for view, scale in views:
        dtype = _DTYPES.get(view.dtype.name)
        if dtype is None:
            return None
        offset = view.__array_interface__["data"][0] - start
        found.append(Numbers(dtype, offset, view.shape, view.strides, scale))
    return found


# --- results -------------------------------------------------------------------------------------


def _wants(operation: ops.Operation, inputs: Sequence[Array]) -> list[_Want] | None:
    if isinstance(operation, ops.DecodeSpec):
        return [_Want(runs_attention.evaluate(operation, inputs), runs_attention.BOUND)]
    if isinstance(operation, ops.SparseSpec):
        return [_sparse(operation, *inputs)]
    if isinstance(operation, ops.SelectSpec):
        selected = sparse.select_columns(inputs[0], operation.limit)
        return [_Want(array, reference.BOUNDS["exact"]) for array in selected]
    if isinstance(operation, ops.OpSpec) and operation.op in ("matvec", "matmul", "gated_matvec"):
        return None if operation.activations == "i8" else [_product(operation, *inputs)]
    return None


def _product(spec: ops.OpSpec, x: Array, *weights: Array) -> _Want:
    form = formats.get(spec.format)
    spans = _spans(form, spec.m, spec.k)
    values = x.astype(np.float64)
    sums = [
        np.concatenate([values @ part.T for part in _rows(form, data, spec.m, spec.k, spans)], -1)
        for data in weights
    ]
    result = reference.gate(spec.act)(sums[0]) * sums[1] if len(sums) == 2 else sums[0]
    return _want(result, spans, spec.m, reference.BOUNDS[spec.activations])


def _sparse(spec: ops.SparseSpec, x: Array, weight: Array) -> _Want:
    spans = _spans(spec.form, spec.m, spec.k)
    indices, count = sparse.select_columns(x, spec.limit)
    kept = np.zeros(spec.k)
    columns = indices[: count[0]]
    kept[columns] = x[columns].astype(np.float64)
    parts = _rows(spec.form, weight, spec.m, spec.k, spans)
    result = np.concatenate([part @ kept for part in parts])
    return _want(result, spans, spec.m, _SPARSE_BOUNDS[spec.activations])


def _want(values: Array, spans: tuple[Span, ...], rows: int, bound: float) -> _Want:
    return _Want(values, bound, None if spans == ((0, rows),) else spans)


def _spans(form: Format, rows: int, cols: int) -> tuple[Span, ...]:
    """Rows whose results are computed: all, or some at the start, in the middle and at the end."""
    if rows * cols <= _MOST_WEIGHTS or form.decode_rows is None:
        return ((0, rows),)
    unit = form.block_shape[0]
    step = -(-_LEAST_ROWS // unit) * unit
    last = (rows - 1) // unit * unit - (step - unit)
    starts = [0, rows // 2 // unit * unit, max(last, 0)]
    if step * cols > _MOST_WEIGHTS:
        starts = starts[2:]
    if len(starts) * step >= rows:
        return ((0, rows),)
    return tuple((start, min(start + step, rows)) for start in sorted(set(starts)))


def _rows(
    form: Format, data: Array, rows: int, cols: int, spans: Sequence[Span]
) -> list[npt.NDArray[np.float64]]:
    """The values of these rows."""
    raw = np.asarray(data).view(np.uint8).reshape(-1)
    if form.decode_rows is None:
        return [form.decode(raw, rows, cols).astype(np.float64)]
    unit = form.block_shape[0]
    size = form.storage_bytes(unit, cols)
    found = []
    for start, stop in spans:
        piece = raw[start // unit * size : -(-stop // unit) * size]
        found.append(form.decode(piece, stop - start, cols).astype(np.float64))
    return found
