"""Norms and gated activations of rows: the last axis is a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["gated_activation", "gelu_tanh", "layer_norm", "rms_norm", "silu"]

F64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


def rms_norm(x: Array, weight: Array, eps: float, *, add_unit: bool = False) -> F64:
    """x / sqrt(mean(x^2) + eps) * weight (arXiv 1910.07467); Gemma stores weight - 1 (add_unit).

    x: [K] or [N, K]; weight: [K]
    """
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    root = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps)
    return np.asarray(x / root * (weight + 1.0 if add_unit else weight))


def layer_norm(x: Array, weight: Array, bias: Array, eps: float) -> F64:
    """(x - mean) / sqrt(variance + eps) * weight + bias (arXiv 1607.06450).

    x: [K] or [N, K]; weight, bias: [K]
    """
    x = x.astype(np.float64)
    centered = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.mean(centered**2, axis=-1, keepdims=True) + eps)
    return np.asarray(centered / deviation * weight.astype(np.float64) + bias.astype(np.float64))


def silu(v: Array) -> F64:
    """v / (1 + exp(-v))."""
    v = v.astype(np.float64)
    with np.errstate(over="ignore"):
        return np.asarray(v / (1.0 + np.exp(-v)))


def gelu_tanh(v: Array) -> F64:
    """v / 2 (1 + tanh(sqrt(2 / pi) (v + 0.044715 v^3))) (arXiv 1606.08415).

    As v / (1 + exp(-2 u)), which keeps its digits where tanh(u) is near -1.
    """
    v = v.astype(np.float64)
    u = np.sqrt(2.0 / np.pi) * (v + 0.044715 * v**3)
    with np.errstate(over="ignore"):
        return np.asarray(v / (1.0 + np.exp(-2.0 * u)))


def gated_activation(gate: Array, up: Array, function: str) -> F64:
    """act(gate) * up: SwiGLU with "silu", GeGLU with "gelu_tanh" (arXiv 2002.05202)."""
    act = {"silu": silu, "gelu_tanh": gelu_tanh}[function]
    return np.asarray(act(gate) * up.astype(np.float64))
