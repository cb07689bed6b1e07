"""Keys and values in 8-bit floats: per token, and for MLA without rounding what RoPE turned.

SnapMLA (arXiv 2602.10718): the cache of a token is its latent content in e4m3 with one scale, and
its rotated part in bf16, divided by the same scale, so that a score accumulates both in one chain:

    q . k  =  (q^ . k^) s_q s_k        q^ = [content / s | rope / s] of a head, k^ of a token

One token, `CONTENT + 4 + 2 ROPE` bytes (644 for 512 and 64), little endian:

    | content e4m3 codes | scale f32 | rope / scale as bf16 |

scale = max |content| / 448, and 1 for a content of zeros, which leaves its rotated part as it is.
Where the rotated part over the scale would exceed 2^56, the scale is raised: 64 products of two
such numbers still add up in float32, and content that small beside it does not count. NaN and
infinities are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError

__all__ = ["MlaTokens", "quantize_mla", "quantize_per_token", "token_bytes"]

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

E4M3_MAX = 448.0
_ROPE_MAX = 2.0**56  # of the rotated part over the scale


def token_bytes(content: int = 512, rope: int = 64) -> int:
    """Bytes of one token in the cache."""
    return content + 4 + 2 * rope


@dataclass(frozen=True)
class MlaTokens:
    """Quantized tokens (or heads of queries).

    codes: uint8 [..., content], e4m3 bits; scale: float32 [...];
    rope: bfloat16 [..., rope], divided by the scale.
    """

    codes: U8
    scale: F32
    rope: npt.NDArray[Any]

    def content_values(self) -> F32:
        """What the codes stand for, float32 [..., content]."""
        values = self.codes.view(ml_dtypes.float8_e4m3fn).astype(np.float32)
        return np.asarray(values * self.scale[..., None])

    def rope_values(self) -> F32:
        """The rotated part, float32 [..., rope]."""
        return np.asarray(self.rope.astype(np.float32) * self.scale[..., None])

    def scores(self, keys: MlaTokens, softmax_scale: float) -> npt.NDArray[np.float64]:
        """Scores [heads, tokens] of these heads [heads, ...] with `keys` [tokens, ...]."""
        query, key = (
            np.concatenate(
                [
                    part.codes.view(ml_dtypes.float8_e4m3fn).astype(np.float64),
                    part.rope.astype(np.float64),
                ],
                axis=-1,
            )
            for part in (self, keys)
        )
        scales = self.scale.astype(np.float64)[:, None] * keys.scale.astype(np.float64)
        return np.asarray(query @ key.T * scales * softmax_scale)

    def pack(self) -> U8:
        """Bytes uint8 [..., token_bytes], as the cache holds them."""
        scale = self.scale[..., None].astype("<f4").view(np.uint8)
        rope = np.ascontiguousarray(self.rope).view(np.uint8)
        return np.concatenate([self.codes, scale, rope], axis=-1)

    @classmethod
    def unpack(cls, data: U8, *, content: int = 512) -> MlaTokens:
        """The inverse of `pack`; `UsageError` if the last dimension cannot hold a token."""
        data = np.asarray(data)
        rest = data.shape[-1] - content - 4 if data.ndim else -1
        if data.dtype != np.uint8 or rest < 0 or rest % 2:
            raise UsageError(
                f"mla cache: expected uint8 [..., {content} + 4 + 2 rope], but got {data.dtype} of "
                f"shape {list(data.shape)}"
            )
        scale = np.ascontiguousarray(data[..., content : content + 4]).view("<f4")[..., 0]
        rope = np.ascontiguousarray(data[..., content + 4 :]).view(ml_dtypes.bfloat16)
        return cls(np.ascontiguousarray(data[..., :content]), scale, rope)


def _checked(name: str, values: npt.ArrayLike) -> F32:
    array = np.asarray(values)
    floats = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    if array.ndim < 1 or not array.size or not floats:
        raise UsageError(
            f"{name}: expected an array of floats, but got {array.dtype} of shape "
            f"{list(array.shape)}"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        at = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise UsageError(f"{name}: expected finite values, but got {array[tuple(at)]} at {at}")
    return array


def _e4m3(values: F32, scale: F32) -> U8:
    """values / scale [..., n] as e4m3, saturating."""
    with np.errstate(over="ignore"):
        quotient = values / scale[..., None]
    quotient = np.clip(quotient, -E4M3_MAX, E4M3_MAX)
    return np.asarray(quotient.astype(ml_dtypes.float8_e4m3fn)).view(np.uint8)


def _scale(values: F32) -> F32:
    """max / 448 over the last dimension; 1 where that is 0."""
    scale = np.max(np.abs(values), axis=-1) / np.float32(E4M3_MAX)
    return np.where(scale > 0, scale, np.float32(1)).astype(np.float32)


def quantize_mla(content: npt.ArrayLike, rope: npt.ArrayLike) -> MlaTokens:
    """Quantize the content [..., C] and rotated part [..., R] of tokens, or of heads of queries.

    `UsageError` for shapes that do not match, and for NaN or infinite values (says where).
    """
    c, r = _checked("mla content", content), _checked("mla rope", rope)
    if c.shape[:-1] != r.shape[:-1]:
        raise UsageError(
            f"mla: expected content and rope of the same tokens, but got {list(c.shape)} and "
            f"{list(r.shape)}"
        )
    least = np.max(np.abs(r), axis=-1) / np.float32(_ROPE_MAX)
    scale = np.maximum(_scale(c), least)
    return MlaTokens(_e4m3(c, scale), scale, (r / scale[..., None]).astype(ml_dtypes.bfloat16))


def quantize_per_token(values: npt.ArrayLike) -> tuple[U8, F32]:
    """e4m3 codes [..., D] and scales [...] of keys or values, one scale for each head of a token.

    A value is code * scale. `UsageError` for NaN or infinite values (says where).
    """
    v = _checked("kv", values)
    scale = _scale(v)
    return _e4m3(v, scale), scale
