"""Keys, values and latents of past tokens, as caches keep them in bytes.

A contiguous cache keeps token t in slot t, a ring in slot t mod slots, a paged one in slot
table[t / P] * P + t mod P (PagedAttention, arXiv 2309.06180). Latents are kept as SnapMLA does
(arXiv 2602.10718). Encoding is float32 arithmetic, as the types of caches define it; the codes are
those of `ml_dtypes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

__all__ = ["KVCache", "Layout", "MlaCache", "quantize_latents"]

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Table = npt.NDArray[np.int32] | None

_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
_DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f16": np.dtype(np.float16),
    "fp8_e4m3": _E4M3,
    "i8": np.dtype(np.int8),
}
_LARGEST = {"fp8_e4m3": np.float32(448), "i8": np.float32(127)}
_LARGEST_ROPE = np.float32(2.0**56)  # of the rotated part over the scale


@dataclass(frozen=True)
class Layout:
    """Where tokens are kept: `contiguous`, `ring`, or `paged` with pages of `page` tokens."""

    kind: str
    slots: int
    page: int = 0

    @property
    def text(self) -> str:
        """What the type of a cache says about it."""
        pages = f"<{self.page}>" if self.kind == "paged" else ""
        return "" if self.kind == "contiguous" else f", layout = {self.kind}{pages}"

    def slot(self, token: int, table: Table = None) -> int | None:
        """The slot of a token, None if it has none."""
        if token < 0:
            return None
        if self.kind == "ring":
            return token % self.slots
        if self.kind == "contiguous":
            return token if token < self.slots else None
        assert table is not None
        number, within = divmod(token, self.page)
        page = int(table[number]) if number < len(table) else -1
        return page * self.page + within if 0 <= page < self.slots // self.page else None

    def tokens(self, length: int, table: Table = None, window: int | None = None) -> range:
        """Tokens that may be seen by the last of `length`: in the window, not yet overwritten, and
        not behind the end of the cache or of the table."""
        first = 0 if window is None else max(0, length - window)
        if self.kind == "ring":
            return range(max(first, length - self.slots), max(length, 0))
        room = self.slots if table is None else len(table) * self.page
        end = min(max(length, 0), room)
        return range(min(first, end), end)

    def seen(self, tokens: Iterable[int], table: Table = None) -> list[int]:
        """The slots of those tokens that have one, in the order of the tokens."""
        slots = (self.slot(token, table) for token in tokens)
        return [slot for slot in slots if slot is not None]


@dataclass(frozen=True)
class KVCache:
    """Keys and values: for each slot the keys of its heads, then the values; scales behind."""

    layout: Layout
    heads: int
    dim: int
    dtype: str

    @property
    def type(self) -> str:
        """In MLIR."""
        scale = ", scale = per_token" if self.scaled else ""
        shape = f"{self.layout.slots}x{self.heads}x{self.dim}"
        return f"!qattn.kv_cache<{shape}, {self.dtype}{scale}{self.layout.text}>"

    @property
    def scaled(self) -> bool:
        """Whether each head of a token has a scale."""
        return self.dtype in _LARGEST

    @property
    def storage_bytes(self) -> int:
        """Of all slots and their scales."""
        numbers = self.layout.slots * 2 * self.heads
        return numbers * (self.dim * _DTYPES[self.dtype].itemsize + (4 if self.scaled else 0))

    def parts(self, data: U8) -> tuple[npt.NDArray[Any], F32 | None]:
        """Views: codes [slots, 2, G, D], keys first, and scales [slots, 2, G] or None."""
        shape = (self.layout.slots, 2, self.heads, self.dim)
        end = int(np.prod(shape)) * _DTYPES[self.dtype].itemsize
        codes = data[:end].view(_DTYPES[self.dtype]).reshape(shape)
        return codes, data[end:].view(np.float32).reshape(shape[:3]) if self.scaled else None

    def values(self, data: U8) -> tuple[F32, F32]:
        """Keys and values of all slots, [slots, G, D] each."""
        codes, scales = self.parts(data)
        with np.errstate(invalid="ignore", over="ignore"):
            values = codes.astype(np.float32)
            if scales is not None:
                values = values * scales[..., None]
        return values[:, 0], values[:, 1]

    def append(self, data: U8, k: F32, v: F32, position: int, table: Table = None) -> U8:
        """The bytes with the tokens of k and v [N, G, D] from `position` on."""
        data = data.copy()
        codes, scales = self.parts(data)
        for index in range(len(k)):
            slot = self.layout.slot(position + index, table)
            if slot is None:
                continue
            both = np.stack([k[index], v[index]])
            with np.errstate(all="ignore"):
                if scales is None:
                    codes[slot] = both.astype(codes.dtype)
                else:
                    scales[slot] = _scale(both, _LARGEST[self.dtype])
                    codes[slot] = _codes(both / scales[slot][..., None], self.dtype)
        return data

    def fetch(self, data: U8, start: int, count: int, table: Table = None) -> tuple[F32, F32]:
        """Keys and values of `count` tokens from `start` on, zeros for those without a slot."""
        kept = self.values(data)
        k, v = (np.zeros((count, self.heads, self.dim), np.float32) for _ in range(2))
        for index in range(count):
            slot = self.layout.slot(start + index, table)
            if slot is not None:
                k[index], v[index] = kept[0][slot], kept[1][slot]
        return k, v


@dataclass(frozen=True)
class MlaCache:
    """Latent content and rotated keys: for each slot content, scale if fp8, rotated key."""

    layout: Layout
    content: int
    rope: int
    dtype: str

    @property
    def type(self) -> str:
        """In MLIR."""
        shape = f"{self.layout.slots}x{self.content}+{self.rope}"
        return f"!qattn.mla_cache<{shape}, {self.dtype}{self.layout.text}>"

    @property
    def _slot(self) -> np.dtype[Any]:
        stored = _DTYPES[self.dtype]
        rope = _DTYPES["bf16"] if stored == _E4M3 else stored
        fields: list[Any] = [("content", stored, (self.content,)), ("rope", rope, (self.rope,))]
        if stored == _E4M3:
            fields.insert(1, ("scale", np.float32))
        return np.dtype(fields)

    @property
    def storage_bytes(self) -> int:
        """Of all slots."""
        return self.layout.slots * self._slot.itemsize

    def slots(self, data: U8) -> npt.NDArray[Any]:
        """A view: for each slot its fields `content`, `scale` (of fp8), `rope`."""
        return data.view(self._slot)

    def values(self, data: U8) -> tuple[F32, F32]:
        """Content [slots, C] and rotated keys [slots, R] of all slots."""
        kept = self.slots(data)
        with np.errstate(invalid="ignore", over="ignore"):
            parts = [kept[name].astype(np.float32) for name in ("content", "rope")]
            if self.dtype == "fp8_e4m3":
                parts = [part * kept["scale"][:, None] for part in parts]
        return parts[0], parts[1]

    def append(self, data: U8, content: F32, rope: F32, position: int, table: Table = None) -> U8:
        """The bytes with the tokens of content [N, C] and rope [N, R] from `position` on."""
        data = data.copy()
        kept = self.slots(data)
        for index in range(len(content)):
            slot = self.layout.slot(position + index, table)
            if slot is None:
                continue
            row: dict[str, npt.NDArray[Any]] = {"content": content[index], "rope": rope[index]}
            if self.dtype == "fp8_e4m3":
                codes, scale, scaled = quantize_latents(content[[index]], rope[[index]])
                row = {"content": codes[0].view(_E4M3), "scale": scale[0], "rope": scaled[0]}
            for name, values in row.items():
                with np.errstate(over="ignore"):
                    kept[name][slot] = values.astype(kept.dtype[name].base)
        return data

    def fetch(self, data: U8, start: int, count: int, table: Table = None) -> tuple[F32, F32]:
        """Content and rotated keys of `count` tokens, zeros for those without a slot."""
        kept = self.values(data)
        content = np.zeros((count, self.content), np.float32)
        rope = np.zeros((count, self.rope), np.float32)
        for index in range(count):
            slot = self.layout.slot(start + index, table)
            if slot is not None:
                content[index], rope[index] = kept[0][slot], kept[1][slot]
        return content, rope


def quantize_latents(content: F32, rope: F32) -> tuple[npt.NDArray[np.int8], F32, F32]:
    """SnapMLA: e4m3 codes of content / scale [N, C], scale [N], and rope / scale as bf16 [N, R].

    The scale is the largest |content| / 448, 1 where that is 0, and at least what keeps the rotated
    part within 2^56.
    """
    scale = _scale(content, _LARGEST["fp8_e4m3"])
    scale = np.maximum(scale, np.abs(rope).max(axis=1, initial=0) / _LARGEST_ROPE)
    codes = _codes(content / scale[:, None], "fp8_e4m3")
    rounded = (rope / scale[:, None]).astype(ml_dtypes.bfloat16).astype(np.float32)
    return codes.view(np.int8), scale, rounded


def _scale(values: F32, limit: np.float32) -> F32:
    """Of the last axis; NaN where not all is finite."""
    largest = np.abs(values).max(axis=-1) / limit
    largest = np.where(np.isfinite(values).all(axis=-1), largest, np.float32(np.nan))
    return np.where(largest == 0, np.float32(1), largest).astype(np.float32)


def _codes(values: F32, dtype: str) -> npt.NDArray[Any]:
    """The nearest codes, ties to even, saturating."""
    limit = _LARGEST[dtype]
    near = np.clip(values, -limit, limit)
    return (np.rint(near) if dtype == "i8" else near).astype(_DTYPES[dtype])
