"""Swapping linear layers for quantized ones, and the meaning of `torch.ops.headrace.linear`."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from headrace import formats
from headrace.errors import UsageError
from headrace.quantize import Quantize, QuantizedLinear, quantize_linears, quantized_layers


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(64, 96)
        self.norm = nn.LayerNorm(96)
        self.down = nn.Linear(96, 64, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.norm(self.up(x)))


def relative(got: torch.Tensor, expected: np.ndarray) -> float:
    difference = np.linalg.norm(got.detach().double().numpy() - expected)
    return float(difference / np.linalg.norm(expected))


def reference(layer: QuantizedLinear, x: torch.Tensor) -> np.ndarray:
    """float64, on the weights that the format really holds."""
    weight = formats.get(layer.format).decode(
        layer.packed.numpy().view(np.uint8), layer.out_features, layer.in_features
    )
    y = x.double().numpy() @ weight.astype(np.float64).T
    return y if layer.bias is None else y + layer.bias.detach().double().numpy()


def test_layers_are_swapped_in_a_copy() -> None:
    model = Block()
    quantized = quantize_linears(model, "q8_0")
    assert [name for name, _ in quantized_layers(quantized)] == ["up", "down"]
    assert type(model.up) is nn.Linear
    assert quantized.norm.weight is model.norm.weight
    assert quantized.up.bias is model.up.bias
    assert quantized.down.bias is None
    assert quantized.up.packed.dtype == torch.int8
    assert quantized.up.packed.numel() == formats.get("q8_0").storage_bytes(96, 64)


def test_a_linear_alone_is_swapped_too() -> None:
    quantized = quantize_linears(nn.Linear(32, 8), "q4_0")
    assert isinstance(quantized, QuantizedLinear)
    assert quantized(torch.ones(2, 3, 32)).shape == (2, 3, 8)


def test_a_layer_used_twice_is_packed_once() -> None:
    shared = nn.Linear(32, 32)
    quantized = quantize_linears(nn.Sequential(shared, nn.ReLU(), shared), "q8_0")
    assert isinstance(quantized[0], QuantizedLinear)
    assert quantized[0] is quantized[2]


def test_patterns_choose_formats_in_order() -> None:
    model = nn.ModuleDict({"a": Block(), "b": Block()})
    quantized = quantize_linears(model, {"a.up": "q4_0", "*.down": None, "*": "q8_0"})
    chosen = {name: layer.format for name, layer in quantized_layers(quantized)}
    assert chosen == {"a.up": "q4_0", "b.up": "q8_0"}
    assert type(quantized["a"].down) is nn.Linear


@pytest.mark.parametrize("fmt", ["q4_0", "q5_0", "q8_0", "q4nx"])
@pytest.mark.parametrize(("activations", "bound"), [("f32", 1e-5), ("bf16", 5e-3), ("i8", 1.2e-2)])
def test_eager_semantics(fmt: str, activations: str, bound: float) -> None:
    torch.manual_seed(1)
    x = torch.randn(5, 64)
    layer = quantize_linears(nn.Linear(64, 48), fmt, activations)
    assert isinstance(layer, QuantizedLinear)
    error = relative(layer(x), reference(layer, x))
    assert error < bound
    # Rounded activations must show, or the option would do nothing.
    assert error > 1e-4 or activations == "f32"


def test_type_of_the_input_is_kept() -> None:
    layer = quantize_linears(nn.Linear(32, 8).to(torch.float16), "q8_0")
    assert layer(torch.ones(1, 32, dtype=torch.float16)).dtype == torch.float16


def test_all_zero_activations_stay_zero() -> None:
    layer = quantize_linears(nn.Linear(32, 8, bias=False), "q8_0", "i8")
    assert torch.equal(layer(torch.zeros(1, 32)), torch.zeros(1, 8))


def test_operator_passes_torchs_own_checks() -> None:
    packed = torch.from_numpy(formats.get("q4_0").encode(np.ones((8, 32), np.float32)))
    arguments = (torch.ones(2, 32), packed.view(torch.int8), 8, 32, "q4_0", "f32")
    torch.library.opcheck(
        torch.ops.headrace.linear.default,
        arguments,
        test_utils=("test_schema", "test_faketensor"),
    )


def test_operator_rejects_wrong_storage() -> None:
    with pytest.raises(UsageError, match=r"expected 144 bytes of q4_0 for 8x32, but got 7"):
        torch.ops.headrace.linear(
            torch.ones(2, 32), torch.zeros(7, dtype=torch.int8), 8, 32, "q4_0", "f32"
        )


def test_operator_rejects_wrong_activations() -> None:
    with pytest.raises(UsageError, match=r"expected x to be \[N, 32\] torch.bfloat16"):
        torch.ops.headrace.linear(
            torch.ones(2, 32), torch.zeros(144, dtype=torch.int8), 8, 32, "q4_0", "bf16"
        )


def test_no_linear_layer() -> None:
    with pytest.raises(UsageError, match=r"Sequential has no layer to quantize.*Allowed"):
        quantize_linears(nn.Sequential(nn.LayerNorm(32), nn.ReLU()))


def test_nothing_selected() -> None:
    with pytest.raises(UsageError, match=r"found 2 linear layers, none selected"):
        quantize_linears(Block(), {"*": None})


def test_pattern_without_a_layer() -> None:
    with pytest.raises(UsageError, match=r"'typo\.\*' matches no linear layer.*up, down"):
        quantize_linears(Block(), {"typo.*": "q4_0", "*": "q8_0"})


def test_shape_that_the_format_cannot_hold() -> None:
    with pytest.raises(
        UsageError, match=r"layer 'up' \(96x64\) cannot be stored as q4_k"
    ) as caught:
        quantize_linears(Block(), "q4_k")
    allowed = re.findall(r"[\w:]+", str(caught.value).partition("Allowed")[2])
    assert "q4_0" in allowed
    assert "q4_k" not in allowed


def test_width_that_no_format_holds() -> None:
    with pytest.raises(UsageError, match=r"layer '0' \(8x40\).*q8_0.*Allowed"):
        quantize_linears(nn.Sequential(nn.Linear(40, 8)), "q8_0")


@pytest.mark.parametrize("weights", ["q3_9", {"*": "q3_9"}])
def test_unknown_format(weights: object) -> None:
    with pytest.raises(UsageError, match=r"'q3_9'.*q4_k"):
        Quantize(weights=weights)  # type: ignore[arg-type]


def test_activations_are_no_weight_format() -> None:
    with pytest.raises(UsageError, match=r"act_i8"):
        Quantize(weights="act_i8")


def test_unknown_activations() -> None:
    with pytest.raises(UsageError, match=r"'fp4'.*f32, bf16, i8"):
        Quantize(activations="fp4")
