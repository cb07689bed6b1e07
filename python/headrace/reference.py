"""What every operation means, in NumPy and float64, independent of the compiler.

Weights are decoded by code of others (`headrace.check.independent`), activations in 8 bits by the
codec. A target's results are compared with these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats
from headrace.errors import UsageError
from headrace.ops import OpSpec

__all__ = [
    "BOUNDS",
    "count_differences",
    "decode",
    "evaluate",
    "gate",
    "quantized_activations",
    "relative_l2",
]

F64 = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

# Largest relative L2 error by precision of the activations; "exact" counts differing elements.
BOUNDS = {"f32": 1e-5, "bf16": 5e-3, "i8": 1.2e-2, "exact": 0.0}

# Stands for an error that is not finite (JSON has no infinity).
NOT_FINITE = 1e300

_LEAST_NORMAL = float(np.finfo(np.float32).smallest_normal)


def decode(format_name: str, data: Bytes, rows: int, cols: int) -> npt.NDArray[np.float32]:
    """The values (rows, cols) of a packed matrix, f32, by somebody else's code."""
    from headrace.check import independent

    return independent.decode(formats.get(format_name), data, rows, cols)


def decoder(format_name: str) -> str:
    """Who decodes a format for the reference: `gguf`, `ml_dtypes`, `torch`, ..."""
    from headrace.check import independent

    return independent.who(formats.get(format_name))


def quantized_activations(x: npt.NDArray[Any], format_name: str = "act_i8") -> F64:
    """What `x` ([k] or [n, k]) stands for once it is quantized, same shape, float64."""
    rows = np.atleast_2d(np.asarray(x, dtype=np.float32))
    form = formats.get(format_name)
    values = form.decode(form.encode(rows), *rows.shape)
    return np.asarray(values, dtype=np.float64).reshape(x.shape)


def gate(name: str) -> Callable[[F64], F64]:
    """The function `act` of a gated product."""
    return _GATES[name]


def _silu(v: F64) -> F64:
    with np.errstate(over="ignore"):
        return v / (1.0 + np.exp(-v))


def _gelu_tanh(v: F64) -> F64:
    # v / 2 (1 + tanh(u)) = v / (1 + exp(-2 u)), which keeps its digits where tanh(u) is near -1.
    u = np.sqrt(2.0 / np.pi) * (v + 0.044715 * v**3)
    with np.errstate(over="ignore"):
        return v / (1.0 + np.exp(-2.0 * u))


_GATES: dict[str, Callable[[F64], F64]] = {"silu": _silu, "gelu_tanh": _gelu_tanh}


def evaluate(spec: OpSpec, x: npt.NDArray[Any] | None, weights: Sequence[Bytes]) -> F64:
    """The result of `spec` in float64.

    x: activations as the operation takes them (f32 or bf16), or what they stand for after
        quantization (`quantized_activations`); None for `dequantize`.
    weights: packed bytes in argument order.
    """
    decoded = [
        decode(spec.format, np.asarray(data).view(np.uint8).reshape(-1), spec.m, spec.k).astype(
            np.float64
        )
        for data in weights
    ]
    if spec.op == "dequantize":
        return decoded[0]
    if x is None or spec.op == "quantize":
        raise UsageError(f"reference: {spec.op} has no value in float64")
    values = np.asarray(x).astype(np.float64)
    # Sums of huge terms may overflow only where the exact result does.
    if spec.op == "gated_matvec":
        return gate(spec.act)(decoded[0] @ values) * (decoded[1] @ values)
    return values @ decoded[0].T


def relative_l2(got: npt.NDArray[Any], want: F64) -> float:
    """||got - want|| / ||want||; against zeros, 0 if all are zero.

    A norm of `want` below the least normal f32 counts as that: smaller f32 have fewer digits, or
    are zero.
    """
    actual = np.asarray(got).astype(np.float64).reshape(-1)
    expected = want.reshape(-1)
    # Scaled by the largest value, so squares neither overflow nor vanish.
    largest = float(np.max(np.abs(expected), initial=0.0))
    if largest == 0.0:
        return 0.0 if not np.any(actual) else NOT_FINITE
    scale = max(largest, _LEAST_NORMAL)
    error = float(np.linalg.norm((actual - expected) / scale))
    result = error / max(float(np.linalg.norm(expected / scale)), _LEAST_NORMAL / scale)
    return result if np.isfinite(result) else NOT_FINITE


def count_differences(got: npt.NDArray[Any], want: npt.NDArray[Any]) -> float:
    """How many elements differ in any bit (0.0 and -0.0 count as equal)."""
    return float(np.count_nonzero(~((got == want) | ((got != got) & (want != want)))))
