"""Data for a check: weights as random bytes and as encoded numbers, activations that are hard.

Each data set has a name, `weights/activations`. Where a few rows would cancel almost entirely, the
result has no relative accuracy in any finite arithmetic; `condition` then turns the activations
towards the rows until rounding each of them to 8 bits is expected to stay within the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import formats, reference
from headrace.check import storage
from headrace.ops import OpSpec

__all__ = ["Data", "draw"]

Generator = np.random.Generator
Bytes = npt.NDArray[np.uint8]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Inputs of one run: x as the operation takes it (None for dequantize), and packed weights."""

    name: str
    x: npt.NDArray[Any] | None
    weights: tuple[Bytes, ...]

    @property
    def inputs(self) -> list[npt.NDArray[Any]]:
        """All inputs in argument order."""
        return [*([] if self.x is None else [self.x]), *self.weights]


# --- weights ---------------------------------------------------------------------------------


def random_bytes(spec: OpSpec, draw: Generator, magnitude: float) -> Bytes:
    """Random storage whose scales are finite and near `magnitude`; all else is any byte."""
    return storage.near(formats.get(spec.format), spec.m, spec.k, draw, magnitude)


def encoded(spec: OpSpec, draw: Generator) -> Bytes:
    """Normal weights with a few outliers and some rows and blocks of zeros, quantized."""
    values = draw.normal(0.0, 0.02, (spec.m, spec.k))
    values[draw.random(values.shape) < 1e-3] *= 20.0
    values[:, : spec.k // 8 // 32 * 32] = 0.0
    if spec.m > 2:
        values[draw.integers(0, spec.m)] = 0.0
    return np.asarray(formats.get(spec.format).encode(values.astype(np.float32)))


def zero_blocks(spec: OpSpec, draw: Generator) -> Bytes:
    """Random bytes with about half of the blocks all zero bytes."""
    data = random_bytes(spec, draw, 0.01)
    storage.zero_some_blocks(formats.get(spec.format), spec.m, spec.k, draw, data)
    return data


# --- activations -----------------------------------------------------------------------------


def normal(shape: tuple[int, ...], draw: Generator) -> F64:
    """Standard normal."""
    return draw.normal(size=shape)


def with_zeros(shape: tuple[int, ...], draw: Generator) -> F64:
    """Normal, half of it zero, the first group of 32 entirely (unless it is the only one)."""
    x = draw.normal(size=shape)
    x[draw.random(shape) < 0.5] = 0.0
    if shape[-1] > 32:
        x[..., :32] = 0.0
    return x


def one_hot(shape: tuple[int, ...], draw: Generator) -> F64:
    """One value in each row, the rest zero: the result is a column of the weights."""
    x = np.zeros(shape)
    rows = x.reshape(-1, shape[-1])
    rows[np.arange(len(rows)), draw.integers(0, shape[-1], len(rows))] = 3.0
    return x


def ranged(shape: tuple[int, ...], draw: Generator) -> F64:
    """Normal, each group of 32 at its own power of ten from 1e-4 to 1e4."""
    count = -(-shape[-1] // 32)  # the last may have less
    groups = 10.0 ** draw.integers(-4, 5, (*shape[:-1], count, 1)).astype(np.float64)
    x = draw.normal(size=(*shape[:-1], count, 32))
    return (x * groups).reshape(*shape[:-1], 32 * count)[..., : shape[-1]]


def tiny(shape: tuple[int, ...], draw: Generator) -> F64:
    """Normal times 1e-10: with the least scales of the weights, even a product of two results
    stays a normal f32, but squares of its factors do not."""
    return draw.normal(size=shape) * 1e-10


def zeros(shape: tuple[int, ...], draw: Generator) -> F64:
    """Nothing but zeros: so is the result."""
    del draw
    return np.zeros(shape)


Weights = Callable[[OpSpec, Generator], Bytes]
_SETS: list[tuple[str, Weights, Callable[[tuple[int, ...], Generator], F64]]] = [
    ("bytes/normal", lambda spec, draw: random_bytes(spec, draw, 0.01), normal),
    ("encoded/normal", encoded, normal),
    ("zero-blocks/zeros", zero_blocks, with_zeros),
    ("bytes/one-hot", lambda spec, draw: random_bytes(spec, draw, 0.01), one_hot),
    ("huge-scales/ranged", lambda spec, draw: random_bytes(spec, draw, 3e4), ranged),
    ("denormal-scales/tiny", lambda spec, draw: random_bytes(spec, draw, 3e-6), tiny),
    ("encoded/all-zero", encoded, zeros),
]


def draw(spec: OpSpec, generator: Generator) -> Iterator[Data]:
    """The data sets for one operation."""
    for name, make_weights, make_x in _SETS:
        weights = tuple(make_weights(spec, generator) for _ in spec.weights)
        if spec.op == "dequantize":
            if make_x is not zeros:
                yield Data(name.partition("/")[0], None, weights)
            continue
        assert spec.x_shape is not None
        x = make_x(spec.x_shape, generator)
        if spec.op != "quantize":
            x = condition(spec, x, weights)
        dtype = ml_dtypes.bfloat16 if spec.x_dtype == "bf16" else np.float32
        label = name if weights else name.partition("/")[2]
        yield Data(label, x.astype(dtype), weights)


# --- conditioning ----------------------------------------------------------------------------


_ROWS = 128
# What the expected error may be at most: some way below the bound.
_LIMIT = 0.9 * reference.BOUNDS["i8"]


def condition(spec: OpSpec, x: F64, weights: Sequence[Bytes]) -> F64:
    """`x`, or `x` turned towards the weight rows where their products nearly cancel."""
    decoded = [
        reference.decode(spec.format, data, spec.m, spec.k).astype(np.float64) for data in weights
    ]
    # Some of many rows tell enough about all.
    some = [matrix[:: -(-spec.m // _ROWS)] for matrix in decoded]
    rows = [_condition_row(spec, row, some) for row in np.atleast_2d(x)]
    return np.stack(rows).reshape(x.shape)


def _condition_row(spec: OpSpec, x: F64, weights: Sequence[F64]) -> F64:
    limit = _LIMIT
    best, least = x, _rounding_error(spec, x, weights)
    if least <= limit:
        return x
    for towards in _directions(x, np.vstack(weights)):
        for share in (0.25, 0.5, 1.0, 2.0, 4.0, 16.0):
            turned = (x + share * towards) / (1.0 + share)
            error = _rounding_error(spec, turned, weights)
            if error <= limit:
                return turned
            if error < least:
                best, least = turned, error
    return best


def _directions(x: F64, rows: F64) -> Iterator[F64]:
    """Activations whose products with the rows are large, each group as large as that of x."""
    group = _largest_of_group(x)
    scaled = rows * (group / np.max(group))
    top = float(np.max(np.abs(scaled), initial=0.0))
    if top == 0.0:
        return
    scaled = scaled / top
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    together = np.sum(scaled / np.where(norms > 0.0, norms, 1.0), axis=0)
    # And right singular vectors, from the smaller Gram matrix.
    if scaled.shape[0] <= scaled.shape[1]:
        vectors = scaled.T @ np.linalg.eigh(scaled @ scaled.T)[1][:, ::-1]
    else:
        vectors = np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1]
    for vector in [together, *vectors.T[:4]]:
        largest = float(np.max(np.abs(vector)))
        if largest > 0.0:
            yield vector / largest * group
            yield -vector / largest * group


def _largest_of_group(x: F64) -> F64:
    """For each activation the largest of its group; the last may have less than 32."""
    groups = np.maximum.reduceat(np.abs(x), np.arange(0, x.size, 32))
    return np.repeat(groups, 32)[: x.size]


def _rounding_error(spec: OpSpec, x: F64, weights: Sequence[F64]) -> float:
    """Relative L2 error of the result that rounding each group of x to 8 bits may well cause.

    The expected error plus four deviations: few independent errors scatter more than many.
    """
    largest = _largest_of_group(x)
    # Zeros and the largest value of a group are exact.
    step = np.where((x == 0.0) | (np.abs(x) == largest), 0.0, largest / 127.0)
    if spec.op == "gated_matvec":
        act = reference.gate(spec.act)
        gate, up = weights[0] @ x, weights[1] @ x
        nudge = 1e-6 * (np.max(np.abs(gate), initial=0.0) + 1e-300)
        slope = (act(gate + nudge) - act(gate - nudge)) / (2.0 * nudge)
        factors = [slope * up, act(gate)]
        y = act(gate) * up
    else:
        y = weights[0] @ x
        factors = [np.ones_like(y)]
    # y's derivative by x is the sum of the matrices, each row times its factor.
    jacobian = sum(f[:, None] * matrix for f, matrix in zip(factors, weights, strict=True))
    top = float(np.max(np.abs(y), initial=0.0))
    if top == 0.0:
        # Zeros are exact, but a gate that is just closed may open.
        return np.inf if np.any(weights[0] @ x) else 0.0
    errors = jacobian / top * (step / np.sqrt(12.0))
    gram = errors @ errors.T if errors.shape[0] <= errors.shape[1] else errors.T @ errors
    total = float(np.trace(gram))
    scatter = 4.0 * float(np.linalg.norm(gram)) / total / np.sqrt(2.0) if total > 0 else 0.0
    rounding = float(np.sqrt(total) / np.linalg.norm(y / top)) * (1.0 + scatter)
    floats = _float_error(x, weights, factors) / float(np.linalg.norm(y / top)) / top
    # Equal values are rounded alike, so errors of activations that resemble a row of codes add up.
    # Those that stay floats may end within a group, which zeros fill up.
    whole = np.pad(x, (0, -x.size % 32))
    rounded = reference.quantized_activations(whole)[: x.size]
    turned = weights[0] @ rounded
    if spec.op == "gated_matvec":
        turned = act(turned) * (weights[1] @ rounded)
    actual = float(np.linalg.norm((turned - y) / top) / np.linalg.norm(y / top))
    return max(rounding, actual, floats / reference.BOUNDS["f32"] * _LIMIT)


def _float_error(x: F64, weights: Sequence[F64], factors: Sequence[F64]) -> float:
    """Error of the result that rounding of f32 products and sums may well cause.

    A weight with a minimum is the difference of two larger numbers, so even one product may cancel.
    """
    largest = max(float(np.max(np.abs(matrix), initial=0.0)) for matrix in weights)
    terms = largest * float(np.linalg.norm(x))
    return 2e-7 * terms * sum(float(np.linalg.norm(factor)) for factor in factors)
