"""rms_norm, layer_norm and gated_activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from headrace.check.operations.case import Case, Run, Want
from headrace.check.operations.text import destination, poison, tensor
from headrace.references import rows

__all__ = ["cases"]

Generator = np.random.Generator
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_EPS = float(np.float32(1e-6))


def cases(draw: Generator) -> Iterator[Case]:
    """One row and several, of one value and of odd numbers of them."""
    cols, few = 2 * int(draw.integers(4, 60)) + 1, int(draw.integers(2, 6))
    for what, shape in (("a vector", (cols,)), ("rows", (few, cols)), ("one value", (1,))):
        for unit in (False, True):
            yield _norm("rms_norm", f"{what}{', unit' if unit else ''}", shape, unit)
        yield _norm("layer_norm", what, shape, False)
    for function in ("silu", "gelu_tanh"):
        for what, shape in (("a vector", (cols,)), ("rows", (few, cols))):
            yield _gate(function, what, shape)


def _norm(op: str, what: str, shape: tuple[int, ...], unit: bool) -> Case:
    kind, vector = tensor("f32", *shape), tensor("f32", shape[-1])
    vectors = 1 if op == "rms_norm" else 2

    def want(x: F32, weight: F32, *bias: F32) -> F64:
        if op == "rms_norm":
            return rows.rms_norm(x, weight, _EPS, add_unit=unit)
        return rows.layer_norm(x, weight, bias[0], _EPS)

    return Case(
        op=f"qlinear.{op}",
        what=what,
        shape="x".join(map(str, shape)),
        module=destination(
            f"qlinear.{op}",
            [kind, *[vector] * vectors],
            [kind],
            head=f"eps = {_EPS:e} {'add_unit' if unit else ''}",
        ),
        runs=lambda draw: _runs(draw, shape, [(shape[-1],)] * vectors, kind, want),
    )


def _gate(function: str, what: str, shape: tuple[int, ...]) -> Case:
    kind = tensor("f32", *shape)
    return Case(
        op="qlinear.gated_activation",
        what=f"{function}, {what}",
        shape="x".join(map(str, shape)),
        module=destination("qlinear.gated_activation", [kind, kind], [kind], head=function),
        runs=lambda draw: _runs(
            draw, shape, [shape], kind, lambda g, u: rows.gated_activation(g, u, function)
        ),
    )


def _runs(
    draw: Generator,
    shape: tuple[int, ...],
    others: Sequence[tuple[int, ...]],
    kind: str,
    want: Callable[..., F64],
) -> Iterator[Run]:
    """Rows of usual values, of tiny ones (eps counts), of huge ones, and of zeros."""
    for name, size in (("normal", 1.0), ("tiny", 1e-4), ("huge", 1e12), ("zeros", 0.0)):
        x = (draw.normal(size=shape) * size).astype(np.float32)
        beside = [draw.normal(size=other).astype(np.float32) for other in others]
        # With all else near one, huge values of a norm leave a result near one.
        yield Run(name, [x, *beside, *poison([kind])], [Want(want(x, *beside))])
