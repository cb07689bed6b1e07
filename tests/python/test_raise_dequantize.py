"""Weights that PyTorch modules dequantize: raised, they have exactly the same values."""

from __future__ import annotations

import warnings

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headrace import ir
from headrace.interop.torch_linalg import import_layer
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.reference_jit import Meaning

ROWS, COLS, GROUP = 12, 64, 16
PASSES = "raise-dequantize,canonicalize,cse,fuse-dequant-matvec"


def drawn(low: int, high: int, *shape: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.randint(low, high, shape, dtype=dtype)


def scales(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (torch.rand(shape) + 0.5).to(dtype)


def grouped(codes: torch.Tensor) -> torch.Tensor:
    return codes.reshape(ROWS, -1, GROUP)


def flat(weight: torch.Tensor) -> torch.Tensor:
    return weight.reshape(ROWS, COLS)


def signed_bytes(codes, scale):
    return flat(grouped(codes).float() * scale[..., None])


def channels(codes, zero, scale):
    return scale * (codes.float() - zero.float())


def wide_integers(codes, zero, scale):
    return (codes.to(torch.int32) - zero.to(torch.int32)) * scale


def flattened_groups(codes, scale):
    return flat(codes.reshape(-1, GROUP).float() * scale.reshape(-1, 1).float())


def high_nibble_first(packed, zero, scale):
    codes = torch.stack([packed >> 4, packed & 15], -1)
    return flat((grouped(codes).float() - zero[..., None].float()) * scale[..., None])


def signed_nibbles(packed, scale):
    codes = torch.stack([(packed << 4) >> 4, packed >> 4], -1)
    return flat(grouped(codes).float() * scale[..., None])


def two_bits(packed, scale):
    codes = torch.stack([(packed >> shift) & 3 for shift in (0, 2, 4, 6)], -1)
    return flat((grouped(codes).float() - 2) * scale[..., None])


def float_zero_points(packed, scale, zero):
    codes = torch.stack([packed & 15, packed >> 4], -1)
    return flat((grouped(codes).float() - 8) * scale[..., None] + zero[..., None])


def transposed(codes, scale):
    """[columns, rows], with scales [groups, rows]."""
    return (codes.reshape(-1, GROUP, ROWS).float() * scale[:, None]).reshape(COLS, ROWS).T


GROUPS = COLS // GROUP
CASES = {
    signed_bytes: lambda: (drawn(-128, 128, ROWS, COLS, dtype=torch.int8), scales(ROWS, GROUPS)),
    channels: lambda: (drawn(0, 256, ROWS, COLS), drawn(0, 256, ROWS, 1), scales(ROWS, 1)),
    wide_integers: lambda: (
        drawn(-128, 128, ROWS, COLS, dtype=torch.int8),
        drawn(-128, 128, ROWS, 1, dtype=torch.int8),
        scales(ROWS, 1),
    ),
    flattened_groups: lambda: (
        drawn(-128, 128, ROWS, COLS, dtype=torch.int8),
        scales(ROWS, GROUPS, dtype=torch.bfloat16),
    ),
    high_nibble_first: lambda: (
        drawn(0, 256, ROWS, COLS // 2),
        drawn(0, 256, ROWS, GROUPS),
        scales(ROWS, GROUPS),
    ),
    signed_nibbles: lambda: (
        drawn(-128, 128, ROWS, COLS // 2, dtype=torch.int8),
        scales(ROWS, GROUPS),
    ),
    two_bits: lambda: (drawn(0, 256, ROWS, COLS // 4), scales(ROWS, GROUPS)),
    float_zero_points: lambda: (
        drawn(0, 256, ROWS, COLS // 2),
        scales(ROWS, GROUPS),
        scales(ROWS, GROUPS),
    ),
    transposed: lambda: (
        drawn(-128, 128, COLS, ROWS, dtype=torch.int8),
        scales(GROUPS, ROWS),
    ),
}


class Linear(nn.Module):
    def __init__(self, dequantize, parts) -> None:
        super().__init__()
        self.dequantize = dequantize
        for index, part in enumerate(parts):
            self.register_buffer(f"part{index}", part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.dequantize(*self.buffers()))


def array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def raised(text: str) -> ir.Module:
    module = parse_text(text, ir.Context())
    with module.context:
        PassManager.parse(f"builtin.module({PASSES})").run(module.operation)
    assert str(module).count("qlinear.matmul") == 1
    return module


@pytest.mark.parametrize("dequantize", CASES, ids=lambda f: f.__name__)
def test_values_are_the_same(dequantize) -> None:
    torch.manual_seed(0)
    module = Linear(dequantize, CASES[dequantize]())
    x = torch.eye(COLS)  # so that the product is the weight, and exact
    imported = import_layer(module, (x,))
    weights = [array(value) for value in imported.weights.values()]
    (got,) = Meaning(raised(imported.text))(x.numpy(), *weights)
    np.testing.assert_array_equal(got, module(x).numpy())


class Constant(nn.Module):
    """A module whose weights are constants of the program."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.__dict__["module"] = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.__dict__["module"](x)


@pytest.mark.parametrize("kind", ["int8 weight-only", "4 bits in groups"])
def test_torchao(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchao.quantization import (
            Int8WeightOnlyConfig,
            IntxWeightOnlyConfig,
            PerGroup,
            quantize_,
        )

        torch.manual_seed(1)
        module = nn.Linear(COLS, ROWS, bias=False)
        if kind == "int8 weight-only":
            quantize_(module, Int8WeightOnlyConfig(version=2))
        else:
            group = PerGroup(32)
            quantize_(module, IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=group))
        x = torch.randn(5, COLS)
        imported = import_layer(Constant(module), (x,))
        want = module(x).detach()
    (got,) = Meaning(raised(imported.text))(x.numpy())
    np.testing.assert_allclose(got, want.numpy(), rtol=0, atol=2e-6)
