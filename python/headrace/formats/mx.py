"""mx: OCP microscaling formats, 32 consecutive values of a row with a power of two.

    mxfp4, 17 bytes        | e u8 | 16 bytes of nibbles |
    mxfp8_e4m3, 33 bytes   | e u8 | 32 codes |
    mxfp8_e5m2, 33 bytes   | e u8 | 32 codes |

    e:             E8M0, the scale 2^(e - 127); 255 is NaN
    nibble byte j: low 4 bits = value j, high 4 bits = value j + 16 (as GGUF's MXFP4)

A value is scale * code, in float32; the codes of mxfp4 are E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and
their negatives. Source: OCP Microscaling Formats specification 1.0.

Encoding, as section 6.3 there: the scale is the power of two of the largest magnitude over that of
the largest code, and codes round to nearest, ties to even, saturating. Zeros have e = 0.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import numpy.typing as npt

from .base import F32, U8, Format, Scales

__all__ = ["FORMATS"]

_BLOCK = 32


def _exponents(blocks: F32, largest_exponent: int) -> npt.NDArray[np.int32]:
    """E8M0 codes [n] for blocks [n, 32]."""
    amax = np.max(np.abs(blocks), axis=1)
    # frexp gives m in [0.5, 1): the exponent of the leading bit is one less.
    exponent = np.frexp(amax)[1].astype(np.int32) - 1 - largest_exponent + 127
    return np.where(amax > 0, np.clip(exponent, 0, 254), 0)


def _format(name: str, dtype: npt.DTypeLike, largest_exponent: int, most: float) -> Format:
    fp4 = name == "mxfp4"
    block_bytes = 1 + (_BLOCK // 2 if fp4 else _BLOCK)

    def encode(values: F32, _cols: int) -> U8:
        blocks = values.reshape(-1, _BLOCK)
        e = _exponents(blocks, largest_exponent)
        scaled = np.ldexp(blocks, (127 - e)[:, None])
        codes = np.clip(scaled, -most, most).astype(dtype).view(np.uint8)
        if fp4:
            codes = codes[:, :16] | (codes[:, 16:] << np.uint8(4))
        return np.hstack([e.astype(np.uint8)[:, None], codes]).reshape(-1)

    def decode(raw: U8, rows: int, cols: int) -> F32:
        blocks = raw.reshape(-1, block_bytes)
        codes = np.ascontiguousarray(blocks[:, 1:])
        if fp4:
            codes = np.concatenate([codes & np.uint8(15), codes >> np.uint8(4)], axis=1)
        scale = np.ascontiguousarray(blocks[:, :1]).view(ml_dtypes.float8_e8m0fnu)
        with np.errstate(over="ignore", invalid="ignore"):
            values = codes.view(dtype).astype(np.float32) * scale.astype(np.float32)
        return np.asarray(values.reshape(rows, cols))

    def scales(raw: U8, _rows: int, _cols: int) -> list[Scales]:
        return [raw.reshape(-1, block_bytes)[:, :1].view(ml_dtypes.float8_e8m0fnu)]

    elements = name.removeprefix("mx")
    return Format(
        name=name,
        attribute=f"#qlinear.mx<{elements}>",
        summary=f"OCP microscaling: {elements}, a power of two for 32",
        checked_by="gguf" if fp4 else "torch",
        block_shape=(1, _BLOCK),
        block_bytes=block_bytes,
        largest=2.0**127,
        scales=scales,
        encode_rows=encode,
        decode_rows=decode,
    )


FORMATS = [
    _format("mxfp4", ml_dtypes.float4_e2m1fn, 2, 6.0),
    _format("mxfp8_e4m3", ml_dtypes.float8_e4m3fn, 8, 448.0),
    _format("mxfp8_e5m2", ml_dtypes.float8_e5m2, 15, 57344.0),
]
