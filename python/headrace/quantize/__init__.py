"""Quantization: options of models, matrices in `matrix`, and, loaded on use, the torch module
swapper in `linear` and what is calibrated on activations."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headrace.errors import ToolMissingError
from headrace.quantize.config import ACTIVATIONS, Quantize, weight_formats
from headrace.quantize.matrix import QuantizedMatrix, quantize_matrix
from headrace.quantize.model import quantize_model
from headrace.quantize.report import QuantizeReport, TensorReport

if TYPE_CHECKING:
    from headrace.quantize.activations import collect_inputs
    from headrace.quantize.codebook import co_quantize, lut_matvec
    from headrace.quantize.linear import QuantizedLinear, quantize_linears, quantized_layers
    from headrace.quantize.mla_kv import quantize_mla, quantize_per_token
    from headrace.quantize.sparsity import calibrate_sparsity
    from headrace.quantize.sparsity_model import calibrate_model

__all__ = [
    "ACTIVATIONS",
    "Quantize",
    "QuantizeReport",
    "QuantizedLinear",
    "QuantizedMatrix",
    "TensorReport",
    "calibrate_model",
    "calibrate_sparsity",
    "co_quantize",
    "collect_inputs",
    "lut_matvec",
    "quantize_linears",
    "quantize_matrix",
    "quantize_mla",
    "quantize_model",
    "quantize_per_token",
    "quantized_layers",
    "weight_formats",
]


# Where the names are that are loaded on use.
_MODULE_OF = {
    "QuantizedLinear": "linear",
    "quantize_linears": "linear",
    "quantized_layers": "linear",
    "calibrate_model": "sparsity_model",
    "calibrate_sparsity": "sparsity",
    "co_quantize": "codebook",
    "collect_inputs": "activations",
    "lut_matvec": "codebook",
    "quantize_mla": "mla_kv",
    "quantize_per_token": "mla_kv",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ToolMissingError(
            f"quantize: {name} needs the Python package torch, which is not installed. "
            "To install it: pip install torch==2.13.0"
        ) from error
    return getattr(module, name)
