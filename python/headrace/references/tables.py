"""Products by table lookup: vector co-quantization of LUT-LLM (arXiv 2511.06174).

A matrix is cut into pieces of `dim` columns. Each piece has activation centroids, and for each
group of rows weight centroids and a table of the products of both; each row has the index of its
weight centroid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Tables", "assign_centroids", "lut_matvec"]

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Tables:
    """The parts of a codebook matrix with product tables.

    activations: centroids [pieces, A, dim]
    products: unsigned codes [groups, pieces, A, entries]
    indices: of weight centroids [groups, pieces, rows of a group]
    centroids: of weights [groups, pieces, entries, dim]
    scale, offset: a code stands for scale * code + offset
    """

    activations: F32
    products: U8
    indices: U8
    centroids: F32
    scale: np.float32
    offset: np.float32

    def storage(self, table_bits: int, split: bool = False) -> U8:
        """The bytes: scale, offset, activation centroids; then for each group and piece the
        products, the indices and the weight centroids, or these apart."""
        if split:
            return self._split(table_bits)
        groups, pieces, _, entries = self.products.shape
        header = np.concatenate([[self.scale, self.offset], self.activations.reshape(-1)])
        index_bits = int(np.log2(entries))
        blocks = [
            part
            for group in range(groups)
            for piece in range(pieces)
            for part in (
                _bits(self.products[group, piece], table_bits),
                _bits(self.indices[group, piece], index_bits),
                self.centroids[group, piece].reshape(-1).view(np.uint8),
            )
        ]
        return np.concatenate([header.astype(np.float32).view(np.uint8), *blocks])

    def _split(self, table_bits: int) -> U8:
        """Five parts, each filled up to 64 bytes but the last."""
        index_bits = int(np.log2(self.products.shape[3]))
        parts = [
            np.array([self.scale, self.offset], np.float32).view(np.uint8),
            self.activations.reshape(-1).view(np.uint8),
            _bits(self.products.transpose(1, 2, 0, 3), table_bits),
            _bits(self.indices, index_bits),
            self.centroids.reshape(-1).view(np.uint8),
        ]
        fills = [np.zeros(-part.size % 64, np.uint8) for part in parts[:-1]]
        return np.concatenate(
            [item for pair in zip(parts, fills, strict=False) for item in pair] + parts[-1:]
        )


def _bits(codes: U8, width: int) -> U8:
    """Codes of `width` bits in bytes, the first lowest."""
    bits = np.unpackbits(codes.reshape(-1, 1), axis=1, bitorder="little")[:, :width]
    return np.packbits(bits.reshape(-1), bitorder="little")


def assign_centroids(activations: F32, x: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """[N, pieces]: the nearest centroid of each piece of x [N, K] by max |x - c|; the first of
    equals, 0 for a piece with a NaN. Columns behind K are 0."""
    pieces, _, dim = activations.shape
    padded = np.zeros((len(x), pieces * dim), np.float32)
    padded[:, : x.shape[1]] = x
    result = np.zeros((len(x), pieces), np.int32)
    for n, row in enumerate(padded.reshape(-1, pieces, dim)):
        for piece, values in enumerate(row):
            if not np.isnan(values).any():
                result[n, piece] = np.abs(values - activations[piece]).max(axis=1).argmin()
    return result


def lut_matvec(
    parts: Tables, assignment: npt.NDArray[np.int32], rows: int
) -> npt.NDArray[np.float64]:
    """[N, rows]: for each row the sum over pieces of the product of the assigned activation
    centroid and the row's weight centroid, looked up; assignment is [N, pieces]."""
    _, pieces, activations, _ = parts.products.shape
    per_group = parts.indices.shape[2]
    result = np.zeros((len(assignment), rows))
    for n, assigned in enumerate(np.clip(assignment, 0, activations - 1)):
        for row in range(rows):
            group, within = divmod(row, per_group)
            codes = [
                int(parts.products[group, p, assigned[p], parts.indices[group, p, within]])
                for p in range(pieces)
            ]
            result[n, row] = float(parts.scale) * sum(codes) + pieces * float(parts.offset)
    return result
