"""Quantization of models: options here, the torch module swapper in `linear` (loaded on use)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.quantize.config import ACTIVATIONS, Quantize, weight_formats

if TYPE_CHECKING:
    from headrace.quantize.linear import QuantizedLinear, quantize_linears, quantized_layers

__all__ = [
    "ACTIVATIONS",
    "Quantize",
    "QuantizedLinear",
    "quantize_linears",
    "quantized_layers",
    "weight_formats",
]


def __getattr__(name: str) -> Any:
    if name in ("QuantizedLinear", "quantize_linears", "quantized_layers"):
        from headrace.quantize import linear  # imports torch

        return getattr(linear, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
