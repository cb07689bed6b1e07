"""bf16 and f16: unquantized 16-bit floats, row by row.

    one value, 2 bytes, little endian; no scales

Encoding rounds to the nearest, ties to even. Bytes may hold NaN and infinities and decode to
them; `Format.check_scales` finds them, as the values are what a scale is elsewhere.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt

from .base import F32, U8, Format, Scales

__all__ = ["FORMATS"]


def _format(name: str, dtype: npt.DTypeLike, largest: float) -> Format:
    kind = np.dtype(dtype)

    def encode(values: F32, _cols: int) -> U8:
        return values.astype(kind).view(np.uint8).reshape(-1)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        return np.asarray(raw.view(kind).astype(np.float32).reshape(rows, cols))

    def scales(raw: U8, rows: int, cols: int) -> list[Scales]:
        return [raw.view(kind).reshape(rows, cols)]

    return Format(
        name=name,
        attribute=f"#qlinear.plain<{name}>",
        summary=f"unquantized, {name}",
        checked_by="torch",
        block_shape=(1, 1),
        block_bytes=2,
        largest=largest,
        scales=scales,
        encode_rows=encode,
        decode_rows=decode,
    )


FORMATS = [
    _format("bf16", ml_dtypes.bfloat16, float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)),
    _format("f16", np.float16, 65504.0),
]
