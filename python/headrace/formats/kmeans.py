"""k-means for many small problems at once, in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .base import F32

__all__ = ["assign", "kmeans"]

_CHUNK = 1 << 22  # distances at a time


def kmeans(
    points: F32, entries: int, *, weights: F32 | None = None, seed: int = 0, iterations: int = 20
) -> tuple[F32, npt.NDArray[np.intp]]:
    """Centroids [problems, entries, dim] and the index of each point [problems, n].

    points: [problems, n, dim] of magnitude up to 2^120
    weights: [problems, n], how much each point counts; a point of weight 0 moves no centroid

    k-means++ then Lloyd's iterations, deterministic by `seed` and independent of how many problems
    are given. Up to `entries` different points are all centroids, so they are exact. A centroid
    that no point is nearest to goes where the error is largest.
    """
    problems, n, dim = points.shape
    centroids = np.empty((problems, entries, dim), dtype=np.float32)
    indices = np.empty((problems, n), dtype=np.intp)
    size = max(_CHUNK // (n * entries), 1)
    for start in range(0, problems, size):
        part = slice(start, min(start + size, problems))
        x = points[part]
        largest = np.max(np.abs(x), axis=(1, 2), keepdims=True)
        largest[largest == 0] = 1
        unit: F32 = x / largest
        w = np.ones(x.shape[:2], dtype=np.float32) if weights is None else weights[part]
        which = _cluster(unit, w, entries, seed, iterations)
        indices[part] = which
        centroids[part] = _means(x, w, which, entries)
    return centroids, indices


def assign(points: F32, centroids: F32) -> npt.NDArray[np.intp]:
    """The nearest centroid of each point [problems, n], Euclidean, the first of equals."""
    return np.argmin(_distances(points, centroids), axis=2)


def _distances(points: F32, centroids: F32) -> F32:
    """Squared distances [problems, n, entries]; dimensions are few."""
    total = np.zeros((*points.shape[:2], centroids.shape[1]), dtype=np.float32)
    for d in range(points.shape[2]):
        difference = points[:, :, None, d] - centroids[:, None, :, d]
        total += difference * difference
    return total


def _start(points: F32, weights: F32, entries: int, seed: int) -> F32:
    """Centroids by k-means++: each next one a point, likelier where it is far from all others."""
    problems = np.arange(len(points))
    random = np.random.default_rng(seed).random(entries)
    chosen = np.empty((len(points), entries, points.shape[2]), dtype=np.float32)
    nearest = np.full(points.shape[:2], np.inf, dtype=np.float32)
    share = weights
    for entry in range(entries):
        total = np.cumsum(share, axis=1, dtype=np.float64)
        target = random[entry] * total[:, -1:]
        # Where all points are centroids already any point will do.
        at = np.minimum(np.sum(total <= target, axis=1), points.shape[1] - 1)
        chosen[:, entry] = points[problems, at]
        nearest = np.minimum(nearest, _distances(points, chosen[:, entry : entry + 1])[:, :, 0])
        share = nearest * weights
    return chosen


def _means(points: F32, weights: F32, which: npt.NDArray[np.intp], entries: int) -> F32:
    """The weighted mean of the points of each centroid; zeros where there are none."""
    bins = (np.arange(len(points))[:, None] * entries + which).reshape(-1)
    count = len(points) * entries
    total = np.bincount(bins, weights.reshape(-1), count)
    means = np.empty((count, points.shape[2]), dtype=np.float32)
    for d in range(points.shape[2]):
        # Relative to one of the points: the mean of equal points is then exactly that point.
        base = np.zeros(count, dtype=np.float64)
        base[bins] = points[:, :, d].reshape(-1)
        moved = points[:, :, d].reshape(-1) - base[bins]
        moment = np.bincount(bins, moved * weights.reshape(-1), count)
        with np.errstate(divide="ignore", invalid="ignore"):
            means[:, d] = np.where(total > 0, base + moment / total, base)
    return means.reshape(len(points), entries, points.shape[2])


def _cluster(
    points: F32, weights: F32, entries: int, seed: int, iterations: int
) -> npt.NDArray[np.intp]:
    """The index of each point after Lloyd's iterations."""
    centroids = _start(points, weights, entries, seed)
    which = assign(points, centroids)
    for _ in range(iterations):
        centroids = _means(points, weights, which, entries)
        _move_unused(points, weights, centroids, which)
        now = assign(points, centroids)
        if np.array_equal(now, which):
            break
        which = now
    return which


def _move_unused(points: F32, weights: F32, centroids: F32, which: npt.NDArray[np.intp]) -> None:
    """Put a centroid of no point on the point with the largest error, one for each problem."""
    problems = np.arange(len(points))
    used = np.zeros(centroids.shape[:2], dtype=bool)
    used[problems[:, None], which] = True
    lacking = np.flatnonzero(~used.all(axis=1))
    if not len(lacking):
        return
    own = np.take_along_axis(centroids[lacking], which[lacking][:, :, None], axis=1)
    error = np.sum((points[lacking] - own) ** 2, axis=2) * weights[lacking]
    centroids[lacking, np.argmin(used[lacking], axis=1)] = points[lacking, np.argmax(error, axis=1)]
