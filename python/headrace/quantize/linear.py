"""Swap the `nn.Linear` layers of a torch model for layers with packed weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from headrace import formats
from headrace.errors import UsageError
from headrace.interop import torch_ops
from headrace.quantize.config import Quantize, weight_formats


class QuantizedLinear(nn.Module):
    """y = x W^T + bias, with W kept as the bytes of a packed format.

    x is [..., in_features] in any float type; y is [..., out_features] in the type of x. The
    product itself is `torch.ops.headrace.linear`: accumulation in f32, activations rounded as
    `activations` says. `packed` is int8 and not uint8, because torch-mlir cannot express
    unsigned tensors.
    """

    packed: torch.Tensor
    bias: torch.Tensor | None

    def __init__(
        self,
        packed: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        in_features: int,
        out_features: int,
        format: str,
        activations: str,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.format = format
        self.activations = activations
        self.register_buffer("packed", packed)
        self.bias = bias

    @classmethod
    def from_float(cls, linear: nn.Linear, format: str, activations: str) -> QuantizedLinear:
        """Encode the weight of `linear`; the bias stays as it is (shared, not copied)."""
        rows, cols = linear.weight.shape
        weight = linear.weight.detach().to(torch.float32).cpu().numpy()
        packed = torch.from_numpy(formats.get(format).encode(weight).view("int8"))
        return cls(
            packed,
            linear.bias,
            in_features=cols,
            out_features=rows,
            format=format,
            activations=activations,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # All leading dimensions become one, so that a kernel sees a static count of tokens.
        flat = x.reshape(-1, self.in_features)
        flat = flat.to(torch.bfloat16 if self.activations == "bf16" else torch.float32)
        y = torch.ops.headrace.linear(
            flat, self.packed, self.out_features, self.in_features, self.format, self.activations
        )
        if self.bias is not None:
            y = y + self.bias
        return y.reshape(*x.shape[:-1], self.out_features).to(x.dtype)

    def dequantized(self) -> torch.Tensor:
        """The weight this layer stands for, f32 [out_features, in_features]."""
        return torch_ops.decode(self.packed, self.out_features, self.in_features, self.format)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, format={self.format}, activations={self.activations}"
        )


def quantize_linears(
    model: nn.Module,
    weights: str | Mapping[str, str | None] = "q8_0",
    activations: str = "i8",
) -> nn.Module:
    """A copy of `model` whose linear layers hold packed weights.

    `weights` and `activations` are those of `Quantize`. The copy shares every other parameter
    and buffer with `model`, which is not changed. Only layers of type `nn.Linear` itself are
    swapped: a subclass may be read by its owner in ways a packed weight cannot serve.

    Raises UsageError: no layer to quantize, a pattern that matches no layer, or a layer whose
    shape its format cannot hold (the message names the layer and what is allowed).
    """
    options = Quantize(weights, activations)
    every = model.named_modules(remove_duplicate=False)  # a layer may have several names
    linears = {name: m for name, m in every if type(m) is nn.Linear}
    unused = options.unused_patterns(list(linears))
    if unused:
        raise UsageError(
            f"quantize: the pattern {unused[0]!r} matches no linear layer. "
            f"Allowed: {_shorten(list(linears))}"
        )
    chosen = {name: fmt for name in linears if (fmt := options.format_of(name)) is not None}
    if not chosen:
        raise UsageError(
            f"quantize: {type(model).__name__} has no layer to quantize: expected at least one "
            f"torch.nn.Linear that `weights` selects, but found {len(linears)} linear layers, none "
            "selected. Allowed: modules that contain torch.nn.Linear layers"
        )
    for name, fmt in chosen.items():
        _check_shape(name, linears[name], fmt, activations)

    shared: dict[int, object] = {id(p): p for p in model.parameters()}
    shared.update({id(b): b for b in model.buffers()})
    result = copy.deepcopy(model, shared)
    packed: dict[tuple[int, str], QuantizedLinear] = {}
    for name, fmt in chosen.items():
        key = (id(linears[name]), fmt)
        if key not in packed:
            packed[key] = QuantizedLinear.from_float(linears[name], fmt, activations)
        if not name:
            return packed[key]
        result.set_submodule(name, packed[key])
    return result


def quantized_layers(model: nn.Module) -> Iterator[tuple[str, QuantizedLinear]]:
    """Every quantized linear layer of `model` with its name, in module order."""
    for name, module in model.named_modules():
        if isinstance(module, QuantizedLinear):
            yield name, module


def _check_shape(name: str, linear: nn.Linear, fmt: str, activations: str) -> None:
    rows, cols = linear.weight.shape
    problem = _shape_problem(fmt, rows, cols)
    if problem is not None:
        allowed = [other for other in weight_formats() if _shape_problem(other, rows, cols) is None]
        raise UsageError(
            f"quantize: layer {name!r} ({rows}x{cols}) cannot be stored as {fmt}: {problem}. "
            f"Allowed for this layer: {', '.join(allowed) or 'float only (map it to None)'}"
        )
    if activations == "i8" and cols % 32:
        raise UsageError(
            f"quantize: layer {name!r}: expected the input size to be a multiple of 32 with i8 "
            f"activations, but got {cols}. Allowed: f32 or bf16 activations, or None for this layer"
        )


def _shape_problem(fmt: str, rows: int, cols: int) -> str | None:
    """Why a weight of this shape does not fit `fmt`, in the format's own words; None if it does."""
    try:
        formats.get(fmt).storage_bytes(rows, cols)
    except ValueError as error:
        return str(error)
    return None


def _shorten(names: list[str], limit: int = 8) -> str:
    more = "" if len(names) <= limit else f", and {len(names) - limit} more"
    return ", ".join(names[:limit]) + more if names else "(the model has no linear layer)"
