"""From one storage format to another: exactly where the codes can stay, else only on request.

>>> formats.convert(data, 4096, 4096, "q4_0", "q4_0:rows8").exact
True
>>> formats.convert(data, 4096, 4096, "q4_k", "q4_k:zigzag")                  # UsageError: says why
>>> formats.convert(data, 4096, 4096, "q4_k", "q4_k:zigzag", requantize=True).relative_rmse
0.07
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.errors import UsageError

from . import get, repacked, zigzag
from .affine import parameters
from .affine_parts import Parts
from .base import F32, U8, Format

__all__ = ["Converted", "convert"]

_CHUNK = 1 << 22  # values at a time where both codecs take rows

Exact = Callable[[U8, int, int], U8]


@dataclass(frozen=True)
class Converted:
    """The bytes in the new format, and what the change of format cost.

    exact: every value is as it was
    relative_rmse: root mean square of the errors by that of the values (0 for zeros)
    max_error: largest magnitude of an error
    """

    data: U8
    exact: bool
    relative_rmse: float
    max_error: float


def convert(
    data: Any, rows: int, cols: int, source: str, target: str, *, requantize: bool = False
) -> Converted:
    """The matrix that `data` stores in format `source`, in format `target`.

    data: bytes, or an int8 or uint8 array, with the size that `source` needs
    requantize: allow values to change, where the codes of one format are not those of the other

    UsageError where that is not allowed but needed, for bytes of the wrong size, for a shape that
    `target` cannot hold, and for values that it cannot (NaN among them).
    """
    old, new = get(source), get(target)
    new.storage_bytes(rows, cols)  # refuses the shape before any work
    raw = _bytes(old, data, rows, cols)
    exact = _exact(old, new)
    if exact is not None:
        return Converted(exact(raw, rows, cols), True, 0.0, 0.0)
    if not requantize:
        raise UsageError(
            f"convert: {old.name} to {new.name} needs requantizing ({_why(old, new)}), which "
            "changes values; expected `requantize=True` to allow it"
        )
    return _requantized(old, new, raw, rows, cols)


def _bytes(form: Format, data: Any, rows: int, cols: int) -> U8:
    if isinstance(data, bytes | bytearray | memoryview):
        data = np.frombuffer(data, dtype=np.uint8)
    raw = np.asarray(data)
    expected = form.storage_bytes(rows, cols)
    if raw.dtype not in (np.uint8, np.int8) or raw.size != expected:
        raise UsageError(
            f"convert: expected {expected} bytes (int8 or uint8) for {rows}x{cols} values in "
            f"{form.name}, but got {raw.dtype} of shape {list(raw.shape)}"
        )
    return np.ascontiguousarray(raw).view(np.uint8).reshape(-1)


def _why(old: Format, new: Format) -> str:
    if _inner_of_zigzag(old.name) != _inner_of_zigzag(new.name):
        return "groups lie along the columns in one, along the rows in the other"
    return "their codes and scales are not the same"


# --- exact ----------------------------------------------------------------------------------


def _exact(old: Format, new: Format) -> Exact | None:
    """How to convert without a change of any value, None if there is no way."""
    if old.name == new.name:
        return lambda raw, _rows, _cols: raw.copy()
    if _base(old) == _base(new) and _is_plain(get(_base(old))):
        return lambda raw, rows, cols: new.encode(old.decode(raw, rows, cols))
    steps = [_from_repacked(old), _same_codes(_unpacked(old), _unpacked(new)), _to_repacked(new)]
    return None if steps[1] is None else lambda *what: _chain(steps, *what)


def _chain(steps: list[Exact | None], raw: U8, rows: int, cols: int) -> U8:
    for step in steps:
        if step is not None:
            raw = step(raw, rows, cols)
    return raw


def _unpacked(form: Format) -> str:
    parts = repacked.split(form.name)
    return parts[0] if parts else form.name


def _inner_of_zigzag(name: str) -> str | None:
    parts = zigzag.split(name)
    return parts[0] if parts else None


def _base(form: Format) -> str:
    """The format without its layout."""
    return _inner_of_zigzag(form.name) or _unpacked(form)


def _is_plain(form: Format) -> bool:
    """Whether each value is stored by itself, so that any order will do."""
    return form.attribute.startswith("#qlinear.plain<")


def _from_repacked(form: Format) -> Exact | None:
    parts = repacked.split(form.name)
    if parts is None:
        return None
    inner, count = get(parts[0]), parts[1]

    def step(raw: U8, rows: int, cols: int) -> U8:
        padded_rows, _ = form.padded_shape(rows, cols)
        separated = repacked.separate(raw, padded_rows, count, inner.block_bytes)
        return separated[: inner.storage_bytes(rows, cols)]

    return step


def _to_repacked(form: Format) -> Exact | None:
    parts = repacked.split(form.name)
    if parts is None:
        return None
    inner, count = get(parts[0]), parts[1]

    def step(raw: U8, rows: int, cols: int) -> U8:
        padded_rows, _ = form.padded_shape(rows, cols)
        if padded_rows > rows:
            zeros = inner.encode(np.zeros((padded_rows - rows, cols), dtype=np.float32))
            raw = np.concatenate([raw, zeros])
        return repacked.interleave(raw, padded_rows, count, inner.block_bytes)

    return step


def _same_codes(old: str, new: str) -> Exact | None:
    """Between formats that differ in the order of codes only."""
    if old == new:
        return lambda raw, _rows, _cols: raw
    return {
        ("q4_0", "int4:g32"): _q4_0_to_affine,
        ("int4:g32", "q4_0"): _affine_to_q4_0,
        ("q8_0", "int8:g32"): _q8_0_to_affine,
        ("int8:g32", "q8_0"): _affine_to_q8_0,
    }.get((old, new))


def _affine(name: str, codes: U8, scales: U8) -> U8:
    """codes [rows, cols], scales [rows, groups] as f16 bytes [rows, groups, 2]."""
    affine = parameters(name)
    assert affine is not None
    return affine.pack(Parts(codes, np.ascontiguousarray(scales).view("<f2")[..., 0]))


def _affine_parts(name: str, raw: U8, rows: int, cols: int) -> tuple[U8, U8]:
    """Codes [rows * groups, 32] and f16 bytes [rows * groups, 2]."""
    affine = parameters(name)
    assert affine is not None
    parts = affine.unpack(raw, rows, cols)
    scales = np.ascontiguousarray(parts.scales).astype("<f2").reshape(-1, 1).view(np.uint8)
    return parts.codes.reshape(-1, 32), scales


def _q4_0_to_affine(raw: U8, rows: int, cols: int) -> U8:
    blocks = raw.reshape(-1, 18)
    codes = np.concatenate([blocks[:, 2:] & np.uint8(15), blocks[:, 2:] >> np.uint8(4)], axis=1)
    return _affine("int4:g32", codes.reshape(rows, cols), blocks[:, :2].reshape(rows, -1, 2))


def _affine_to_q4_0(raw: U8, rows: int, cols: int) -> U8:
    codes, scales = _affine_parts("int4:g32", raw, rows, cols)
    return np.hstack([scales, codes[:, :16] | (codes[:, 16:] << np.uint8(4))]).reshape(-1)


def _q8_0_to_affine(raw: U8, rows: int, cols: int) -> U8:
    blocks = raw.reshape(-1, 34)
    codes = blocks[:, 2:] ^ np.uint8(128)  # signed to unsigned with a zero point of 128
    return _affine("int8:g32", codes.reshape(rows, cols), blocks[:, :2].reshape(rows, -1, 2))


def _affine_to_q8_0(raw: U8, rows: int, cols: int) -> U8:
    codes, scales = _affine_parts("int8:g32", raw, rows, cols)
    return np.hstack([scales, codes ^ np.uint8(128)]).reshape(-1)


# --- requantizing ---------------------------------------------------------------------------


def _requantized(old: Format, new: Format, raw: U8, rows: int, cols: int) -> Converted:
    if old.decode_rows is None or new.encode_rows is None:
        values = old.decode(raw, rows, cols)
        data = new.encode(values)
        errors = [_errors(values, new.decode(data, rows, cols))]
        return Converted(data, False, *_summary(errors))
    unit = math.lcm(old.block_shape[0], new.block_shape[0])
    size = max(_CHUNK // (cols * unit), 1) * unit
    pieces, errors = [], []
    at = 0
    for start in range(0, rows, size):
        count = min(size, rows - start)
        length = old.storage_bytes(count, cols)
        values = old.decode(raw[at : at + length], count, cols)
        at += length
        piece = new.encode(values)
        errors.append(_errors(values, new.decode(piece, count, cols)))
        pieces.append(piece)
    return Converted(np.concatenate(pieces), False, *_summary(errors))


def _errors(values: F32, now: F32) -> tuple[float, float, float]:
    """Sums of squares of errors and of values, and the largest error."""
    difference = now.astype(np.float64) - values
    squares = float(np.sum(np.square(values, dtype=np.float64)))
    return float(np.sum(difference**2)), squares, float(np.max(np.abs(difference), initial=0.0))


def _summary(parts: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Relative RMSE and largest error."""
    wrong, right = (math.fsum(part[i] for part in parts) for i in (0, 1))
    return math.sqrt(wrong / right) if right > 0 else 0.0, max(part[2] for part in parts)
