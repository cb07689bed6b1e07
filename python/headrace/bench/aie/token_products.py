"""All products of a token in one runtime sequence: those of each layer, then the head.

What else a token does (attention, norms) is not in it, and all activations are given before the
sequence starts: the time is that of moving and multiplying with all weights, and of one dispatch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headrace import reference
from headrace.bench.aie.products import (
    Array,
    Bytes,
    Modelled,
    Product,
    draw_weights,
    draw_x,
    expected,
    model_products,
    simulated,
)
from headrace.bench.session import compiled
from headrace.ops import OpSpec
from headrace.ops_text import packed, tensor

__all__ = ["LAYERS", "Token"]

LAYERS = {"gemma3-4b": 34, "gemma3-1b": 26, "llama3.2-1b": 16}
# Products of a layer: the name among those of the model, and that of its activations.
_LAYER = {
    "q": ("q", "attention"),
    "k": ("k, v", "attention"),
    "v": ("k, v", "attention"),
    "o": ("o", "heads"),
    "gate_up": ("gate, up", "ffn"),
    "down": ("down", "gated"),
}


@dataclass(frozen=True)
class Token:
    """Those of a model. layers: all of them, or fewer."""

    model: str
    layers: int

    @property
    def name(self) -> str:
        return f"{self.layers} layers and head"

    @property
    def kind(self) -> str:
        return "token"

    @property
    def label(self) -> str:
        return f"{self.model} token {self.name}"

    @property
    def stored_bytes(self) -> int:
        return sum(step.product.stored_bytes for step in _steps(self))

    @property
    def operations(self) -> int:
        return sum(step.product.operations for step in _steps(self))

    def describe(self) -> dict[str, Any]:
        steps = _steps(self)
        return {
            "kernel": "token",
            "shape": f"{len(steps)} products",
            "format": steps[0].spec.format,
            "activations": steps[0].spec.activations,
            "op": f"{len(steps)} products in one sequence",
        }

    def simulate(self, device: str, seed: int) -> Modelled:
        """Layers have the same weights, read anew for each, and activations of their own."""
        steps = _steps(self)
        artifact = compiled(_text(steps).encode(), f"aie:{device}")
        draw = np.random.default_rng([seed, self.layers])
        weights: dict[str, list[Bytes]] = {}
        given: dict[str, Array] = {}
        for step in steps:
            if step.part not in weights:
                weights[step.part] = draw_weights(step.spec, draw)
            if step.x not in given:
                given[step.x] = draw_x(step.spec, draw)
            given.update(zip(step.weights, weights[step.part], strict=True))
        inputs = [given[name] for name in _arguments(steps)]
        found, results = simulated(self, artifact, inputs, len(steps))
        return replace(found, error=_error(steps, given, weights, results))


@dataclass(frozen=True)
class _Step:
    """A product of the sequence, its activations by name, and its part of a layer."""

    name: str
    x: str
    part: str
    product: Product

    @property
    def spec(self) -> OpSpec:
        return self.product.spec

    @property
    def weights(self) -> list[str]:
        return [f"{self.name}_{matrix}" for matrix in self.spec.weights]


def _steps(token: Token) -> list[_Step]:
    by_name = {product.name: product for product in model_products(token.model)}
    steps = [
        _Step(f"{name}{layer}", f"{x}{layer}", name, by_name[part])
        for layer in range(token.layers)
        for name, (part, x) in _LAYER.items()
    ]
    return [*steps, _Step("head", "last", "head", by_name["head"])]


def _arguments(steps: list[_Step]) -> dict[str, str]:
    """Their types, in the order of the function."""
    found: dict[str, str] = {}
    for step in steps:
        spec = step.spec
        found.setdefault(step.x, tensor((spec.k,), spec.x_dtype))
        found.update(dict.fromkeys(step.weights, packed(spec.m, spec.k, spec.format)))
    return found


def _text(steps: list[_Step]) -> str:
    """A function of all products."""
    kinds = _arguments(steps)
    results = [tensor((step.spec.m,), "f32") for step in steps]
    given = ", ".join(f'%{n}: {kind} {{headrace.name = "{n}"}}' for n, kind in kinds.items())
    named = zip(results, steps, strict=True)
    made = ", ".join(f'{kind} {{headrace.name = "y_{step.name}"}}' for kind, step in named)
    lines = [f"func.func @main({given}) -> ({made}) {{"]
    for step, kind in zip(steps, results, strict=True):
        operands = [*step.weights, step.x]
        values = ", ".join(f"%{name}" for name in operands)
        types = ", ".join(kinds[name] for name in operands)
        op = step.spec.op + (f" {step.spec.act}" if step.spec.op == "gated_matvec" else "")
        lines += [
            f"  %empty_{step.name} = tensor.empty() : {kind}",
            f"  %y_{step.name} = qlinear.{op} ins({values} : {types}) "
            f"outs(%empty_{step.name} : {kind}) -> {kind}",
        ]
    values = ", ".join(f"%y_{step.name}" for step in steps)
    return "\n".join([*lines, f"  return {values} : {', '.join(results)}", "}", ""])


def _error(
    steps: list[_Step], given: dict[str, Array], weights: dict[str, list[Bytes]], got: list[Array]
) -> float:
    """The largest of all products."""
    worst = 0.0
    for part, matrices in weights.items():
        own = [(step, y) for step, y in zip(steps, got, strict=True) if step.part == part]
        x = np.stack([given[step.x] for step, _ in own])
        want = expected(own[0][0].spec, x, matrices)
        errors = (reference.relative_l2(y, w) for (_, y), w in zip(own, want, strict=True))
        worst = max(worst, *errors)
    return worst
