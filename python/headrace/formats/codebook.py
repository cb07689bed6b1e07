"""codebook: vectors of weights from small codebooks, and tables of their products.

`codebook:d2:e16:g512` cuts a matrix into blocks of 512 rows (g) by 2 columns (d); each row's 2
weights are one of the block's 16 centroids (e). With `:i8:a64` or `:i4:a64` a block also has a
table of products with 64 centroids of the activations (a), in 8 or 4 bits (arXiv 2511.06174).

Header, only with tables:

    | scale f32 | offset f32 | for each d columns: a x d f32, the activation centroids |

One block, blocks along the columns, then the groups of rows:

    | table: a x e codes | indices of the g rows | e x d f32, the weight centroids |

    table code (i, j): i for activations, j for weights; 4 bits: low half = even j
    index:             log2(e) bits (2, 4 or 8), the first row in the lowest bits

With `:split` behind the tables the parts lie apart, each in the order in which a product reads it
and from a multiple of 64 bytes on, with zeros in between:

    | scale f32 | offset f32 | activation centroids | tables: for each d columns and each of the a,
    the e codes of each group | indices | weight centroids, both for each group and each d columns |

A weight is centroid[index][column % d]. A table code q stands for scale q + offset, which is about
the product of the two centroids. Both sides are padded to whole blocks: columns with zeros, rows
with any index.

`encode` clusters the weights alone, and takes standard normal activations for the tables;
`headrace.quantize.codebook` calibrates both on the activations of a model.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np

from headrace.errors import UsageError

from .base import F32, U8, Format, Scales
from .kmeans import kmeans

__all__ = ["FORMATS", "Parts", "Shape", "pack", "parse", "product_tables", "shape_of", "unpack"]

# As `make` writes them: no leading zeros, no digits of other scripts, nothing that int() refuses.
_N = "(0|[1-9][0-9]{0,8})"
_NAME = re.compile(rf"codebook:d{_N}:e{_N}:g{_N}(?::i([48]):a{_N}(:split)?)?")
_HELP = "codebook:d2:e16:g512, codebook:d2:e16:g512:i8:a64"


@dataclass(frozen=True)
class Shape:
    """The parameters of a codebook format.

    dim: columns of a block; entries: weight centroids; group: rows of a block;
    table_bits: 8, 4, or 0 without tables; activations: activation centroids, 0 without tables.
    split: the parts lie apart; only with tables.
    """

    dim: int
    entries: int
    group: int
    table_bits: int = 0
    activations: int = 0
    split: bool = False

    @property
    def index_bits(self) -> int:
        """Bits of the index of a row: 2, 4 or 8."""
        return self.entries.bit_length() - 1

    @property
    def table_bytes(self) -> int:
        """Bytes of the table of a block."""
        return self.activations * self.entries * self.table_bits // 8

    @property
    def index_bytes(self) -> int:
        """Bytes of the indices of a block."""
        return self.group * self.index_bits // 8

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return self.table_bytes + self.index_bytes + self.entries * self.dim * 4

    def header_bytes(self, rows: int, cols: int) -> int:
        """Bytes that are in no block, of a padded matrix."""
        if not self.split:
            return 8 + cols * self.activations * 4 if self.table_bits else 0
        blocks = rows // self.group * (cols // self.dim)
        return sum(self.part_bytes(rows, cols)) - blocks * self.block_bytes

    def part_bytes(self, rows: int, cols: int) -> list[int]:
        """Bytes of each part of a padded split matrix, the zeros behind it included."""
        blocks = rows // self.group * (cols // self.dim)
        parts = [8, cols * self.activations * 4, blocks * self.table_bytes]
        filled = [-(-size // 64) * 64 for size in (*parts, blocks * self.index_bytes)]
        return [*filled, blocks * self.entries * self.dim * 4]


@dataclass(frozen=True)
class Parts:
    """What the bytes hold, for B groups of rows and P groups of columns.

    indices [B, P, group] uint8; centroids [B, P, entries, dim] float32; with tables also
    tables [B, P, activations, entries] uint8, scale, offset, and activation_centroids
    [P, activations, dim] float32.
    """

    indices: U8
    centroids: F32
    tables: U8 | None = None
    scale: float = 0.0
    offset: float = 0.0
    activation_centroids: F32 | None = None


def _narrow(codes: U8, bits: int) -> U8:
    """Codes [..., n] of `bits` to bytes [..., n * bits / 8], the first in the lowest bits."""
    per_byte = 8 // bits
    split = codes.reshape(*codes.shape[:-1], -1, per_byte)
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    return np.bitwise_or.reduce(split << shifts, axis=-1)


def _widen(raw: U8, bits: int) -> U8:
    """The inverse of `_narrow`."""
    per_byte = 8 // bits
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    mask = np.uint8((1 << bits) - 1)
    return ((raw[..., None] >> shifts) & mask).reshape(*raw.shape[:-1], -1)


def pack(shape: Shape, parts: Parts) -> U8:
    """The bytes of a matrix; every array as `Parts` says."""
    bands, pieces = parts.indices.shape[:2]
    indices = _narrow(parts.indices, shape.index_bits)
    centroids = np.ascontiguousarray(parts.centroids, dtype="<f4").reshape(bands, pieces, -1)
    if not shape.table_bits:
        return np.concatenate([indices, centroids.view(np.uint8)], axis=2).reshape(-1)
    assert parts.tables is not None and parts.activation_centroids is not None
    numbers = np.array([parts.scale, parts.offset], dtype="<f4").view(np.uint8)
    activations = parts.activation_centroids.astype("<f4").reshape(-1).view(np.uint8)
    tables = _narrow(parts.tables, shape.table_bits)
    if not shape.split:
        blocks = [tables.reshape(bands, pieces, -1), indices, centroids.view(np.uint8)]
        return np.concatenate([numbers, activations, np.concatenate(blocks, axis=2).reshape(-1)])
    # [piece, activation, band, byte]
    stored = [numbers, activations, tables.transpose(1, 2, 0, 3), indices, centroids.view(np.uint8)]
    sizes = shape.part_bytes(bands * shape.group, pieces * shape.dim)
    raw = np.zeros(sum(sizes), np.uint8)
    for part, end, size in zip(stored, np.cumsum(sizes), sizes, strict=True):
        raw[end - size : end - size + part.size] = part.reshape(-1)
    return raw


def unpack(shape: Shape, raw: U8, rows: int, cols: int) -> Parts:
    """What `raw`, the storage of a padded matrix, holds."""
    bands, pieces = rows // shape.group, cols // shape.dim
    if shape.split:
        return _unpack_split(shape, raw, bands, pieces)
    head = shape.header_bytes(rows, cols)
    blocks = raw[head:].reshape(bands, pieces, shape.block_bytes)
    at = shape.table_bytes + shape.index_bytes
    indices = _widen(blocks[:, :, shape.table_bytes : at], shape.index_bits)
    centroids = np.ascontiguousarray(blocks[:, :, at:]).view("<f4")
    centroids = centroids.reshape(bands, pieces, shape.entries, shape.dim)
    if not shape.table_bits:
        return Parts(indices, centroids)
    numbers = raw[:head].view("<f4")
    tables = _widen(blocks[:, :, : shape.table_bytes], shape.table_bits)
    return Parts(
        indices,
        centroids,
        tables.reshape(bands, pieces, shape.activations, shape.entries),
        float(numbers[0]),
        float(numbers[1]),
        numbers[2:].reshape(pieces, shape.activations, shape.dim),
    )


def _views(shape: Shape, raw: U8, bands: int, pieces: int) -> list[U8]:
    """The bytes of each part of a split matrix, without the zeros behind them."""
    blocks = bands * pieces
    used = [8, pieces * shape.dim * shape.activations * 4, blocks * shape.table_bytes]
    used += [blocks * shape.index_bytes, blocks * shape.entries * shape.dim * 4]
    sizes = shape.part_bytes(bands * shape.group, pieces * shape.dim)
    starts = np.cumsum([0, *sizes[:-1]])
    return [raw[start : start + size] for start, size in zip(starts, used, strict=True)]


def _unpack_split(shape: Shape, raw: U8, bands: int, pieces: int) -> Parts:
    numbers, activations, tables, indices, centroids = _views(shape, raw, bands, pieces)
    codes = _widen(tables.reshape(pieces, shape.activations, bands, -1), shape.table_bits)
    return Parts(
        _widen(indices.reshape(bands, pieces, -1), shape.index_bits),
        centroids.view("<f4").reshape(bands, pieces, shape.entries, shape.dim),
        np.ascontiguousarray(codes.transpose(2, 0, 1, 3)),
        float(numbers.view("<f4")[0]),
        float(numbers.view("<f4")[1]),
        activations.view("<f4").reshape(pieces, shape.activations, shape.dim),
    )


def product_tables(
    activation_centroids: F32, centroids: F32, bits: int, *, usage: F32 | None = None
) -> tuple[U8, float, float]:
    """Codes [B, P, activations, entries], scale and offset of the products of centroids.

    activation_centroids [P, activations, dim], centroids [B, P, entries, dim]; usage, broadcast to
    [B, P, activations, entries], is how much the error of an entry counts.

    One code is exactly 0: most products are small, and what they all are off by would add up over
    the positions. The range of the codes is that of the products, or narrower where clipping the
    extremes leaves less error.
    """
    products = np.einsum("pad,bped->bpae", activation_centroids, centroids, optimize=True)
    low, high = min(float(products.min()), 0.0), max(float(products.max()), 0.0)
    levels = (1 << bits) - 1
    # An odd stride, so that the sample has all centroids.
    every = slice(None, None, (products.size >> 20) | 1)
    sample = products.reshape(-1)[every].astype(np.float64)
    counts = np.ones_like(sample)
    if usage is not None:
        counts = np.broadcast_to(usage, products.shape).reshape(-1)[every].astype(np.float64)
    best: tuple[float, np.float32, int] = (np.inf, np.float32(0), 0)
    for share in np.geomspace(1.0, 0.01, 32) if high > low else ():
        scale = np.float32(share * (high - low) / levels)
        if scale == 0:  # products of denormals
            continue
        zero = round(levels * -low / (high - low))
        codes = np.clip(np.rint(sample / scale) + zero, 0, levels)
        error = float(np.sum(counts * ((codes - zero) * scale - sample) ** 2))
        if error < best[0]:
            best = (error, scale, zero)
    _, scale, zero = best
    if scale == 0:
        return np.zeros(products.shape, dtype=np.uint8), 0.0, 0.0
    codes = np.clip(np.rint(products / scale) + np.float32(zero), 0, levels)
    return codes.astype(np.uint8), float(scale), float(np.float32(-zero * scale))


@functools.cache
def _normal_centroids(activations: int, dim: int) -> F32:
    """Centroids [activations, dim] of standard normal activations."""
    sample = np.random.default_rng(0).standard_normal((1, 4096, dim), dtype=np.float32)
    return kmeans(sample, activations, seed=0)[0][0]


def _encode(shape: Shape, values: F32, rows: int) -> U8:
    """values: padded; `rows` of them are no padding."""
    padded_rows, cols = values.shape
    bands, pieces = padded_rows // shape.group, cols // shape.dim
    points = values.reshape(bands, shape.group, pieces, shape.dim).transpose(0, 2, 1, 3)
    real = (np.arange(padded_rows) < rows).astype(np.float32).reshape(bands, 1, shape.group)
    weights = np.broadcast_to(real, (bands, pieces, shape.group)).reshape(-1, shape.group)
    centroids, nearest = kmeans(
        points.reshape(-1, shape.group, shape.dim), shape.entries, weights=weights, seed=0
    )
    centroids = centroids.reshape(bands, pieces, shape.entries, shape.dim)
    indices = nearest.astype(np.uint8).reshape(bands, pieces, shape.group)
    if not shape.table_bits:
        return pack(shape, Parts(indices, centroids))
    normal = _normal_centroids(shape.activations, shape.dim)
    activation_centroids = np.broadcast_to(normal, (pieces, *normal.shape))
    tables, scale, offset = product_tables(activation_centroids, centroids, shape.table_bits)
    return pack(shape, Parts(indices, centroids, tables, scale, offset, activation_centroids))


def _decode(shape: Shape, raw: U8, rows: int, cols: int) -> F32:
    parts = unpack(shape, raw, rows, cols)
    values = np.take_along_axis(parts.centroids, parts.indices[..., None].astype(np.intp), axis=2)
    # [band, piece, row, dim] to [band, row, piece, dim]
    return np.ascontiguousarray(values.transpose(0, 2, 1, 3)).reshape(rows, cols)


def _scales(shape: Shape, raw: U8, rows: int, cols: int) -> list[Scales]:
    if shape.split:
        views = _views(shape, raw, rows // shape.group, cols // shape.dim)
        return [views[0].view("<f4"), views[1].view("<f4"), views[4].view("<f4")]
    head = shape.header_bytes(rows, cols)
    blocks = raw[head:].reshape(-1, shape.block_bytes)
    centroids = blocks[:, shape.table_bytes + shape.index_bytes :].view("<f4")
    return [raw[:head].view("<f4"), centroids] if head else [centroids]


@functools.cache
def make(shape: Shape) -> Format:
    """The format with these parameters; `UsageError` for one that is out of range."""
    _check(shape)
    name = f"codebook:d{shape.dim}:e{shape.entries}:g{shape.group}"
    inside = f"dim = {shape.dim}, entries = {shape.entries}, group = {shape.group}"
    summary = f"vectors of {shape.dim} from {shape.entries} centroids for {shape.group} rows"
    if shape.table_bits:
        name += f":i{shape.table_bits}:a{shape.activations}"
        inside += f", table = i{shape.table_bits}, activation_entries = {shape.activations}"
        summary += f", tables of {shape.table_bits} bits"
    if shape.split:
        name += ":split"
        inside += ", split"
        summary += ", parts apart"
    return Format(
        name=name,
        attribute=f"#qlinear.codebook<{inside}>",
        summary=summary,
        checked_by="torch",
        block_shape=(shape.group, shape.dim),
        block_bytes=shape.block_bytes,
        pads=True,
        # Products with activation centroids of a few units stay finite, and sums of a group.
        largest=2.0**100,
        header_bytes=shape.header_bytes,
        scales=functools.partial(_scales, shape),
        encode_matrix=lambda values, rows, _cols: _encode(shape, values, rows),
        decode_matrix=functools.partial(_decode, shape),
    )


def _check(shape: Shape) -> None:
    def refuse(what: str, got: int) -> UsageError:
        return UsageError(f"codebook: expected {what}, but got {got}; for example {_HELP}")

    if not 1 <= shape.dim <= 8:
        raise refuse("d (columns) from 1 to 8", shape.dim)
    if shape.entries not in (4, 16, 256):
        raise refuse("e (weight centroids) of 4, 16 or 256", shape.entries)
    if shape.group < 8 or shape.group % 8 or shape.group > 1 << 20:
        raise refuse("g (rows) a multiple of 8 up to 1048576", shape.group)
    if shape.table_bits and shape.activations not in (2, 4, 8, 16, 32, 64, 128, 256):
        raise refuse("a (activation centroids) a power of two, 2 to 256", shape.activations)


def shape_of(name: str) -> Shape:
    """The parameters in a format's name; `UsageError` if it is no codebook format."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"expected a codebook format, but got '{name}'; for example {_HELP}")
    dim, entries, group, bits, activations = (int(n or 0) for n in match.groups()[:5])
    return Shape(dim, entries, group, bits, activations, match[6] is not None)


def parse(name: str) -> Format | None:
    """The format of that name, None if it is of another family."""
    return make(shape_of(name)) if name.startswith("codebook:") else None


FORMATS = [
    make(Shape(2, 16, 512)),
    make(Shape(2, 16, 512, 8, 64)),
    make(Shape(2, 16, 512, 4, 64)),
]
