"""Quantization: options of models, matrices in `matrix`, and the torch module swapper in `linear`
(loaded on use)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import ToolMissingError
from headrace.quantize.config import ACTIVATIONS, Quantize, weight_formats
from headrace.quantize.matrix import QuantizedMatrix, quantize_matrix
from headrace.quantize.model import quantize_model
from headrace.quantize.report import QuantizeReport, TensorReport

if TYPE_CHECKING:
    from headrace.quantize.linear import QuantizedLinear, quantize_linears, quantized_layers

__all__ = [
    "ACTIVATIONS",
    "Quantize",
    "QuantizeReport",
    "QuantizedLinear",
    "QuantizedMatrix",
    "TensorReport",
    "quantize_linears",
    "quantize_matrix",
    "quantize_model",
    "quantized_layers",
    "weight_formats",
]


def __getattr__(name: str) -> Any:
    if name in ("QuantizedLinear", "quantize_linears", "quantized_layers"):
        try:
            from headrace.quantize import linear
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ToolMissingError(
                f"quantize: {name} needs the Python package torch, which is not installed. "
                "To install it: pip install torch==2.13.0"
            ) from error
        return getattr(linear, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
