"""`torch.ops.headrace.*`: operators that eager PyTorch can run and the importers keep whole.

The eager implementation is the meaning of the operator, written for clarity: it decodes the
weight at every call. Compile the model to make it fast.
"""

from __future__ import annotations

import torch

from headrace import formats
from headrace.errors import UsageError

GROUP = 32  # activations rounded to 8 bits share one scale per 32 values


def decode(packed: torch.Tensor, rows: int, cols: int, format: str) -> torch.Tensor:
    """The f32 [rows, cols] weight that the int8 bytes `packed` stand for."""
    fmt = formats.get(format)
    expected = fmt.storage_bytes(rows, cols)
    if packed.dtype not in (torch.int8, torch.uint8) or packed.numel() != expected:
        raise UsageError(
            f"headrace.linear: expected {expected} bytes of {format} for {rows}x{cols}, but got "
            f"{packed.numel()} elements of {packed.dtype}. Allowed: int8 or uint8"
        )
    data = packed.detach().cpu().contiguous().numpy().view("uint8")
    return torch.from_numpy(formats.get(format).decode(data, rows, cols))


def round_activations(x: torch.Tensor) -> torch.Tensor:
    """x [N, K] rounded to 8 bits per group of 32 along K and back to float, as kernels do it."""
    groups = x.reshape(*x.shape[:-1], x.shape[-1] // GROUP, GROUP)
    scale = groups.abs().amax(-1, keepdim=True) / 127.0
    # An all-zero group has scale 0; its values are 0 whatever they are divided by.
    q = torch.round(groups / torch.where(scale == 0, 1.0, scale)).clamp(-127, 127)
    return (q * scale).reshape(x.shape)


@torch.library.custom_op("headrace::linear", mutates_args=())
def linear(
    x: torch.Tensor, weight: torch.Tensor, rows: int, cols: int, format: str, activations: str
) -> torch.Tensor:
    """y = x W^T, f32 [N, rows].

    x: [N, cols], f32, or bf16 when activations is "bf16".
    weight: int8 bytes of the packed weight [rows, cols] in `format`.
    activations: "f32" exact, "bf16" (x is rounded already), "i8": x is rounded here.
    """
    _check(x, cols, activations)
    values = x.to(torch.float32)
    if activations == "i8":
        values = round_activations(values)
    return values @ decode(weight, rows, cols, format).to(x.device).T


@linear.register_fake
def _(
    x: torch.Tensor, weight: torch.Tensor, rows: int, cols: int, format: str, activations: str
) -> torch.Tensor:
    _check(x, cols, activations)
    return x.new_empty((x.shape[0], rows), dtype=torch.float32)


def _check(x: torch.Tensor, cols: int, activations: str) -> None:
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "i8": torch.float32}.get(activations)
    if dtype is None:
        raise UsageError(
            f"headrace.linear: expected an activation type, but got {activations!r}. "
            "Allowed: f32, bf16, i8"
        )
    if x.dim() != 2 or x.shape[1] != cols or x.dtype != dtype:
        raise UsageError(
            f"headrace.linear: expected x to be [N, {cols}] {dtype} with {activations} "
            f"activations, but got {list(x.shape)} {x.dtype}"
        )
