"""fp8, mx and nvfp4: codes and scales converted by `ml_dtypes`, multiplied in float32.

The codecs look codes up in tables that are computed from the definitions of the floats instead.
Written from the drawings alone; parts are cut out by offset, in plain loops over tiles.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.formats import Format

__all__ = ["WHO", "decode"]

WHO = "ml_dtypes"

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_TYPES: dict[str, npt.DTypeLike] = {
    "fp4": ml_dtypes.float4_e2m1fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e8m0": ml_dtypes.float8_e8m0fnu,
}


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The values, float32 [rows, cols]; None if the format is of another family."""
    name = form.name
    if name.startswith("fp8_"):
        kind, _, granularity = name.removeprefix("fp8_").partition(":")
        return _SCALED[granularity](data, kind, rows, cols)
    if name.startswith("mx"):
        return _mx(data, name.removeprefix("mx").removeprefix("fp8_"), rows, cols)
    return _nvfp4(data, rows, cols) if name == "nvfp4" else None


def _floats(codes: U8, kind: str) -> F32:
    return np.ascontiguousarray(codes).view(_TYPES[kind]).astype(np.float32)


def _float32(data: U8) -> F32:
    return np.frombuffer(data.tobytes(), dtype="<f4")


def _per_tensor(data: U8, kind: str, rows: int, cols: int) -> F32:
    return (_float32(data[:4])[0] * _floats(data[4:], kind)).reshape(rows, cols)


def _per_token(data: U8, kind: str, rows: int, cols: int) -> F32:
    lines = np.split(data, rows)
    return np.stack([_float32(line[cols:])[0] * _floats(line[:cols], kind) for line in lines])


def _per_block(data: U8, kind: str, rows: int, cols: int) -> F32:
    tiles = [(r, c) for r in range(0, rows, 128) for c in range(0, cols, 128)]
    values = _floats(data[4 * len(tiles) :], kind).reshape(rows, cols)
    for (r, c), scale in zip(tiles, _float32(data[: 4 * len(tiles)]), strict=True):
        values[r : r + 128, c : c + 128] *= scale
    return values


_SCALED = {"per_tensor": _per_tensor, "per_token": _per_token, "per_block": _per_block}


def _mx(data: U8, kind: str, rows: int, cols: int) -> F32:
    blocks = data.reshape(rows * cols // 32, -1)
    codes = blocks[:, 1:]
    if kind == "fp4":
        codes = np.concatenate([codes % 16, codes // 16], axis=1)
    return (_floats(blocks[:, :1], "e8m0") * _floats(codes, kind)).reshape(rows, cols)


def _nvfp4(data: U8, rows: int, cols: int) -> F32:
    lines = data[4:].reshape(rows, cols // 2 + cols // 16)
    pairs = lines[:, : cols // 2, None]
    codes = np.concatenate([pairs % 16, pairs // 16], axis=2)
    steps = _float32(data[:4])[0] * _floats(lines[:, cols // 2 :], "e4m3")
    values = _floats(codes, "fp4").reshape(rows, cols // 16, 16) * steps[:, :, None]
    return values.reshape(rows, cols)
