"""Random storage of any format: what is stored for no matrix in particular."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.formats import Format

__all__ = ["any_bytes", "near", "with_finite_floats", "zero_some_blocks"]

Generator = np.random.Generator
Bytes = npt.NDArray[np.uint8]


def any_bytes(form: Format, rows: int, cols: int, draw: Generator) -> Bytes:
    """Random bytes, whatever floats they are: [storage of rows x cols].

    Only a header that must hold something else than numbers, a permutation, is that of a matrix.
    """
    data = draw.integers(0, 256, form.storage_bytes(rows, cols), dtype=np.uint8)
    if form.check_header is not None:
        header = form.header_bytes(*form.padded_shape(rows, cols))
        values = draw.normal(size=(rows, cols)) * draw.uniform(0.1, 1.0, cols)
        data[:header] = form.encode(values)[:header]
    return data


def with_finite_floats(form: Format, rows: int, cols: int, draw: Generator) -> Bytes:
    """Random bytes, but 1 for stored floats that would be NaN or infinite."""
    data = any_bytes(form, rows, cols, draw)
    for view in _floats(form, data, rows, cols):
        _make_finite(view)
    return data


def near(form: Format, rows: int, cols: int, draw: Generator, magnitude: float) -> Bytes:
    """Random bytes whose scales are between a quarter of `magnitude` and all of it, of any sign.

    Floats of 8 bits with a sign are codes, or relative to another scale: these are any finite.
    """
    data = any_bytes(form, rows, cols, draw)
    for view in _floats(form, data, rows, cols):
        if view.dtype.name in ("float8_e4m3fn", "float8_e5m2"):
            _make_finite(view)
            continue
        floats = magnitude * draw.uniform(0.25, 1.0, view.shape)
        if view.dtype.name != "float8_e8m0fnu":  # which has no sign
            floats *= draw.choice([-1.0, 1.0], view.shape)
        view[...] = floats.astype(np.float32).astype(view.dtype)
    return data


def zero_some_blocks(form: Format, rows: int, cols: int, draw: Generator, data: Bytes) -> None:
    """Makes about half of the blocks all zero bytes, in place; headers stay."""
    padded = form.padded_shape(rows, cols)
    lines = data[form.header_bytes(*padded) :].reshape(padded[0] // form.block_shape[0], -1)
    blocks = draw.random((len(lines), padded[1] // form.block_shape[1])) < 0.5
    zeros = np.repeat(blocks, form.block_bytes, axis=1)
    lines[:, : zeros.shape[1]][zeros] = 0


def _make_finite(view: npt.NDArray[Any]) -> None:
    with np.errstate(invalid="ignore"):  # a signalling NaN
        view[~np.isfinite(view)] = 1.0


def _floats(form: Format, data: Bytes, rows: int, cols: int) -> list[npt.NDArray[Any]]:
    return form.scales(data, *form.padded_shape(rows, cols))
