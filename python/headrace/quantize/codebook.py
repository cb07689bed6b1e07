"""Vector co-quantization of weights and activations, for products by table lookup.

LUT-LLM (arXiv 2511.06174): activations are cut into pieces of 2 columns, each replaced by the
nearest of 64 centroids of its position; the weights of 512 rows at a position are one of 16
centroids; a table has the products of all pairs. Three steps, each on what the one before made:

1. Activation centroids of each position, by k-means on a sample of real activations. The search of
   the accelerator takes the Chebyshev distance, so centroids are refined with that assignment.
2. Weight centroids that keep the *output*: the error of a weight vector e counts e^T S e, with S
   the second moments of the activations of the position after step 1.
3. Tables of products in 8 or 4 bits with one scale and offset, clipped where that is better.

    found = co_quantize(weight, inputs, "codebook:d2:e16:g512:i8:a64")
    y = lut_matvec(found.data, x, *weight.shape, found.format)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.errors import UsageError
from headrace.formats.codebook import Parts, Shape, pack, product_tables, shape_of, unpack
from headrace.formats.kmeans import kmeans

__all__ = ["CoQuantized", "activation_centroids", "assign_chebyshev", "co_quantize", "lut_matvec"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]

_CHUNK = 1 << 22  # distances at a time


@dataclass(frozen=True)
class CoQuantized:
    """A weight with tables, and what they cost on the sample.

    output_error: relative L2 error of x W^T over the sample, with table lookup
    weight_error: the same with exact activations and products, so of the weights alone
    activation_error: the same with exact weights and products, so of the activations alone
    """

    format: str
    data: U8
    output_error: float
    weight_error: float
    activation_error: float


def _pieces(values: F32, dim: int) -> F32:
    """[N, K] to pieces [P, N, dim], the last filled with zeros."""
    rows, cols = values.shape
    padded = np.zeros((rows, -(-cols // dim) * dim), dtype=np.float32)
    padded[:, :cols] = values
    return np.ascontiguousarray(padded.reshape(rows, -1, dim).transpose(1, 0, 2))


def assign_chebyshev(pieces: F32, centroids: F32) -> Indices:
    """The nearest centroid [P, N] of pieces [P, N, dim] by max |x - c|; the first of equals.

    centroids: [P, entries, dim]
    """
    problems, count, dim = pieces.shape
    out = np.empty((problems, count), dtype=np.intp)
    size = max(_CHUNK // (count * centroids.shape[1]), 1)
    for start in range(0, problems, size):
        part = slice(start, start + size)
        distance = np.abs(pieces[part, :, None, 0] - centroids[part, None, :, 0])
        for d in range(1, dim):
            other = np.abs(pieces[part, :, None, d] - centroids[part, None, :, d])
            np.maximum(distance, other, out=distance)
        out[part] = np.argmin(distance, axis=2)
    return out


def activation_centroids(
    inputs: F32, dim: int, entries: int, *, seed: int = 0, iterations: int = 4
) -> F32:
    """Centroids [P, entries, dim] of the positions of inputs [N, K].

    k-means with Euclidean distance, then `iterations` rounds with the Chebyshev assignment of the
    lookup, whose means still have the least squared error. The best round by that error is kept.
    """
    pieces = _pieces(inputs, dim)
    centroids, _ = kmeans(pieces, entries, seed=seed)
    best, least = centroids.copy(), np.full(len(pieces), np.inf)
    for _ in range(iterations + 1):
        which = assign_chebyshev(pieces, centroids)
        chosen = np.take_along_axis(centroids, which[:, :, None], axis=1)
        error = np.sum(np.square(pieces - chosen, dtype=np.float64), axis=(1, 2))
        better = error < least
        best[better], least[better] = centroids[better], error[better]
        centroids = _means(pieces, which, centroids)
    return best


def _means(pieces: F32, which: Indices, old: F32) -> F32:
    """The mean of the pieces of each centroid, the old one where there are none."""
    problems, entries = old.shape[:2]
    bins = (np.arange(problems)[:, None] * entries + which).reshape(-1)
    count = np.bincount(bins, minlength=problems * entries)
    means = old.reshape(problems * entries, -1).copy()
    for d in range(means.shape[1]):
        total = np.bincount(bins, pieces[:, :, d].reshape(-1), problems * entries)
        means[count > 0, d] = (total[count > 0] / count[count > 0]).astype(np.float32)
    return means.reshape(old.shape)


def _roots(moments: F64) -> F64:
    """L [P, dim, dim] with L L^T = S for second moments S, lifted where S is singular.

    S is taken relative to its mean square: what all points of a position are multiplied by does not
    change its clusters, and weights stay of a size that float32 holds.
    """
    dim = moments.shape[1]
    level = np.trace(moments, axis1=1, axis2=2) / dim
    unit = moments / np.where(level > 0, level, 1.0)[:, None, None]
    # A direction that activations never take must not let weights go anywhere.
    lift = np.where(level > 0, 1e-4, 1.0)
    return np.asarray(np.linalg.cholesky(unit + lift[:, None, None] * np.eye(dim)), np.float64)


def _weight_centroids(weight: F32, moments: F64, shape: Shape, seed: int) -> tuple[F32, U8]:
    """Centroids [B, P, entries, dim] and indices [B, P, group] for a weight [M, K]."""
    rows = len(weight)
    bands = -(-rows // shape.group)
    padded = np.zeros((bands * shape.group, weight.shape[1]), dtype=np.float32)
    padded[:rows] = weight
    points = _pieces(padded, shape.dim)  # [P, rows, dim]
    pieces = len(points)
    points = points.reshape(pieces, bands, shape.group, shape.dim).transpose(1, 0, 2, 3)
    roots = _roots(moments)
    # In coordinates w L distances are errors of the output.
    turned = np.einsum("bpgd,pde->bpge", points, roots).astype(np.float32)
    real = (np.arange(len(padded)) < rows).astype(np.float32).reshape(bands, 1, shape.group)
    weights = np.ascontiguousarray(np.broadcast_to(real, (bands, pieces, shape.group)))
    found, which = kmeans(
        np.ascontiguousarray(turned).reshape(-1, shape.group, shape.dim),
        shape.entries,
        weights=weights.reshape(-1, shape.group),
        seed=seed,
    )
    back = np.linalg.inv(roots)
    found = found.reshape(bands, pieces, shape.entries, shape.dim)
    centroids = np.einsum("bped,pdf->bpef", found, back).astype(np.float32)
    return centroids, which.astype(np.uint8).reshape(bands, pieces, shape.group)


def co_quantize(
    weight: npt.ArrayLike,
    inputs: npt.ArrayLike,
    format: str = "codebook:d2:e16:g512:i8:a64",
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> CoQuantized:
    """Quantize a weight [M, K] together with activations like `inputs` [N, K].

    progress: called with (steps done, 4)
    `UsageError` for a format without tables, shapes that do not match, NaN and infinite values.
    """
    shape = shape_of(format)
    with np.errstate(over="ignore"):  # infinite, and found below
        w, x = (np.asarray(a, dtype=np.float32) for a in (weight, inputs))
    if not shape.table_bits:
        raise UsageError(f"co-quantization: expected a format with tables, but got '{format}'")
    if w.ndim != 2 or x.ndim != 2 or w.shape[1] != x.shape[1] or not x.size or not w.size:
        raise UsageError(
            f"co-quantization: expected a weight [M, K] and inputs [N, K], but got "
            f"{list(w.shape)} and {list(x.shape)}"
        )
    if not (np.isfinite(w).all() and np.isfinite(x).all()):
        raise UsageError("co-quantization: expected finite weights and inputs, but got NaN or inf")

    def step(done: int) -> None:
        if progress is not None:
            progress(done, 4)

    a = activation_centroids(x, shape.dim, shape.activations, seed=seed)
    step(1)
    pieces = _pieces(x, shape.dim)
    assigned = assign_chebyshev(pieces, a)
    rounded = np.take_along_axis(a, assigned[:, :, None], axis=1)
    moments = np.einsum("pnd,pne->pde", rounded, rounded, dtype=np.float64) / len(x)
    centroids, indices = _weight_centroids(w, moments, shape, seed)
    step(2)
    largest = shape.dim * float(np.max(np.abs(a))) * float(np.max(np.abs(centroids)))
    if not largest <= float(np.finfo(np.float32).max):
        raise UsageError(
            f"co-quantization: expected products that float32 holds, but got weights up to "
            f"{np.max(np.abs(w)):g} and inputs up to {np.max(np.abs(x)):g}"
        )
    usage = _usage(assigned, shape.activations)[None, :, :, None]
    tables, scale, offset = product_tables(a, centroids, shape.table_bits, usage=usage)
    data = pack(shape, Parts(indices, centroids, tables, scale, offset, a))
    step(3)

    want = x.astype(np.float64) @ w.T.astype(np.float64)
    decoded = formats.get(format).decode(data, *w.shape).astype(np.float64)
    back = rounded.transpose(1, 0, 2).reshape(len(x), -1)[:, : x.shape[1]].astype(np.float64)
    looked_up = lut_matvec(data, x, w.shape[0], w.shape[1], format)
    step(4)
    return CoQuantized(
        format,
        data,
        _relative(looked_up, want),
        _relative(x.astype(np.float64) @ decoded.T, want),
        _relative(back @ w.T.astype(np.float64), want),
    )


def _usage(assigned: Indices, entries: int) -> F32:
    """How often each centroid is assigned, [P, entries]."""
    bins = np.arange(len(assigned))[:, None] * entries + assigned
    counts = np.bincount(bins.reshape(-1), minlength=len(assigned) * entries)
    return counts.reshape(-1, entries).astype(np.float32)


def _relative(got: F64, want: F64) -> float:
    size = float(np.linalg.norm(want))
    return float(np.linalg.norm(got - want)) / size if size > 0 else float(np.any(got != 0))


def lut_matvec(data: U8, x: npt.ArrayLike, rows: int, cols: int, format: str) -> F64:
    """x W^T by table lookup, float64 [N, rows], for x [N, cols]; codes are summed as integers.

    `UsageError` for a format without tables, data of another size, scales or inputs that are not
    finite, and inputs of another shape.
    """
    shape, form = shape_of(format), formats.get(format)
    form.check_scales(data, rows, cols)
    x = np.asarray(x, dtype=np.float32)
    if x.ndim != 2 or x.shape[1] != cols or not np.isfinite(x).all():
        raise UsageError(
            f"table lookup: expected finite inputs [N, {cols}], but got shape {list(x.shape)}"
            + (" with NaN or infinite ones" if x.shape[-1:] == (cols,) and x.ndim == 2 else "")
        )
    padded = form.padded_shape(rows, cols)
    parts = unpack(shape, np.asarray(data).view(np.uint8).reshape(-1), *padded)
    if parts.tables is None or parts.activation_centroids is None:
        raise UsageError(f"table lookup: expected a format with tables, but got '{format}'")
    pieces = _pieces(x, shape.dim)
    which = assign_chebyshev(pieces, parts.activation_centroids)  # [P, N]
    total = np.zeros((pieces.shape[1], padded[0]), dtype=np.int64)
    for p in range(len(pieces)):
        # [B, N, entries] to [N, B, group]
        picked = parts.tables[:, p][:, which[p]]
        codes = np.take_along_axis(picked, parts.indices[:, p][:, None, :].astype(np.intp), axis=2)
        total += codes.transpose(1, 0, 2).reshape(len(total), -1)
    result: F64 = total[:, :rows] * np.float64(parts.scale) + parts.offset * len(pieces)
    return result
