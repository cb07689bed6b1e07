"""What to quantize, and how: the `Quantize` options (no torch needed)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from headrace import formats
from headrace.errors import UsageError

ACTIVATIONS = ("f32", "bf16", "i8")


@dataclass(frozen=True)
class Quantize:
    """Formats of the weights and of the activations that meet them.

    weights: one format name for every linear layer, or a mapping from layer name (or shell
        pattern, `"encoder.*.query"`) to a format name. The first pattern that matches decides; a
        layer that no pattern matches, or whose pattern maps to None, stays in float.
    activations: `"f32"` exact, `"bf16"` rounded, or `"i8"` rounded to 8 bits per group of 32.
    """

    weights: str | Mapping[str, str | None] = "q8_0"
    activations: str = "i8"

    def __post_init__(self) -> None:
        if self.activations not in ACTIVATIONS:
            raise UsageError(
                f"quantize: expected an activation type, but got {self.activations!r}. "
                f"Allowed: {', '.join(ACTIVATIONS)}"
            )
        values = [self.weights] if isinstance(self.weights, str) else self.weights.values()
        for name in values:
            if name is not None and not _is_weight_format(name):
                raise UsageError(
                    f"quantize: expected a weight format, but got {name!r}. "
                    f"Allowed: {', '.join(weight_formats())}"
                )

    def format_of(self, layer: str) -> str | None:
        """The weight format of the layer called `layer`, or None if it stays in float."""
        if isinstance(self.weights, str):
            return self.weights
        for pattern, name in self.weights.items():
            if fnmatchcase(layer, pattern):
                return name
        return None

    def unused_patterns(self, layers: list[str]) -> list[str]:
        """Patterns of `weights` that match none of `layers` (a typing error, most likely)."""
        if isinstance(self.weights, str):
            return []
        return [p for p in self.weights if not any(fnmatchcase(name, p) for name in layers)]


def weight_formats() -> list[str]:
    """Names of the formats a weight can have (all but those made for activations)."""
    return [name for name in formats.names() if not formats.get(name).holds_activations]


def _is_weight_format(name: str) -> bool:
    try:
        return not formats.get(name).holds_activations
    except UsageError:
        return False
