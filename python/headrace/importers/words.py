"""Codes in 32-bit words, as GPTQ and AWQ pack them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.formats.base import U8

__all__ = ["pack_columns", "pack_rows", "unpack_columns", "unpack_rows"]

U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]


def unpack_columns(words: npt.NDArray[Any], bits: int, order: Sequence[int] | None = None) -> U8:
    """Words [rows, n] to codes [rows, n * 32 / bits].

    order: which of the codes of a word its i-th lowest field holds; by default the i-th
    """
    per_word = 32 // bits
    source = np.ascontiguousarray(words).view(np.uint32)
    mask = np.uint32((1 << bits) - 1)
    codes = np.empty((source.shape[0], source.shape[1] * per_word), dtype=np.uint8)
    for i, at in enumerate(order or range(per_word)):
        codes[:, at::per_word] = (source >> np.uint32(bits * i)) & mask
    return codes


def pack_columns(codes: U8, bits: int, order: Sequence[int] | None = None) -> I32:
    """The inverse of `unpack_columns`; the columns must fill whole words."""
    per_word = 32 // bits
    words = np.zeros((codes.shape[0], codes.shape[1] // per_word), dtype=np.uint32)
    for i, at in enumerate(order or range(per_word)):
        words |= codes[:, at::per_word].astype(np.uint32) << np.uint32(bits * i)
    return words.view(np.int32)


def unpack_rows(words: npt.NDArray[Any], bits: int) -> U8:
    """Words [n, cols] to codes [n * 32 / bits, cols]; the lowest field is the first row."""
    per_word = 32 // bits
    source = np.ascontiguousarray(words).view(np.uint32)
    mask = np.uint32((1 << bits) - 1)
    codes = np.empty((source.shape[0] * per_word, source.shape[1]), dtype=np.uint8)
    for i in range(per_word):
        codes[i::per_word] = (source >> np.uint32(bits * i)) & mask
    return codes


def pack_rows(codes: U8, bits: int) -> I32:
    """The inverse of `unpack_rows`; the rows must fill whole words."""
    per_word = 32 // bits
    words = np.zeros((codes.shape[0] // per_word, codes.shape[1]), dtype=np.uint32)
    for i in range(per_word):
        words |= codes[i::per_word].astype(np.uint32) << np.uint32(bits * i)
    return words.view(np.int32)
