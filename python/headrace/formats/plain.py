"""bf16 and f16: every value on its own, in 16 bits, row after row, little endian.

    | value (0, 0) | value (0, 1) | ... | value (0, K - 1) | value (1, 0) | ...

    bf16    s eeeeeeee fffffff      the upper half of a float32
    f16     s eeeee ffffffffff      IEEE half

Encoding rounds to nearest, halves to even, and refuses NaN, infinity and what would round to
infinity. Stored NaN and infinity decode to themselves; `check_scales` finds them.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt

from .base import F32, U8, Format

__all__ = ["FORMATS"]


def _format(name: str, dtype: npt.DTypeLike, largest: float) -> Format:
    def encode(values: F32, _cols: int) -> U8:
        return values.astype(dtype).reshape(-1).view(np.uint8)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        return raw.view(dtype).astype(np.float32).reshape(rows, cols)

    return Format(
        name=name,
        attribute=f"#qlinear.plain<{name}>",
        summary="every value in 16 bits",
        checked_by="gguf",
        block_shape=(1, 1),
        block_bytes=2,
        largest=largest,
        scales=lambda raw, rows, _cols: [raw.view(dtype).reshape(rows, -1)],
        encode_rows=encode,
        decode_rows=decode,
    )


FORMATS = [
    _format("bf16", ml_dtypes.bfloat16, float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)),
    _format("f16", np.float16, 65504.0),
]
