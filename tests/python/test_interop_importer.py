"""torch -> linalg text: what is outlined, what may stay literal, what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from headrace.errors import CompileError, UsageError
from headrace.interop.iree.importer import ImportedModel, import_model
from headrace.interop.iree.outline import LITERAL_BYTES
from headrace.quantize import quantize_linears


class Tiny(nn.Module):
    """Embedding, two layers that read the same values, a float buffer and a bool buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 64)
        self.left = nn.Linear(64, 64)
        self.right = nn.Linear(64, 64)
        self.register_buffer("offset", torch.arange(64.0), persistent=False)
        self.register_buffer("keep", torch.arange(128).reshape(2, 64) % 3 == 0)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids) + self.offset
        y = self.left(x) * self.right(x)
        return torch.where(self.keep[0], y, 0.0)


class Returns(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.layer = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> object:
        y = self.layer(x)
        return {"tuple": (y, x), "dict": {"y": y, "x": x}, "nested": ((y,), x), "tensor": y}[
            self.kind
        ]


def run_import(model: nn.Module, *inputs: torch.Tensor, weights: str = "q8_0") -> ImportedModel:
    return import_model(quantize_linears(model, weights), inputs)


@pytest.fixture(scope="module")
def tiny() -> ImportedModel:
    return run_import(Tiny(), torch.zeros(2, 4, dtype=torch.int64))


def test_linear_layers_of_one_shape_share_a_declaration(tiny: ImportedModel) -> None:
    (call,) = tiny.linears
    shape = call.shape
    assert (shape.tokens, shape.rows, shape.cols) == (8, 64, 64)
    assert (shape.format, shape.activations) == ("q8_0", "i8")
    assert call.operand_types == ("tensor<8x64xf32>", "tensor<4352xi8>")
    assert call.result_type == "tensor<8x64xf32>"
    assert len(re.findall(rf"call @{re.escape(call.symbol)}\(", tiny.text)) == 2


def test_declarations_are_left_to_the_splice(tiny: ImportedModel) -> None:
    assert "func.func private" not in tiny.text
    for parameter in tiny.parameters:
        assert f"call @{parameter.symbol}()" in tiny.text


def test_parameters_have_the_names_and_values_of_the_model(tiny: ImportedModel) -> None:
    expected = {"embed.weight", "offset", "keep"}
    expected |= {f"{side}.{part}" for side in ("left", "right") for part in ("packed", "bias")}
    assert set(tiny.data) == expected
    assert np.array_equal(tiny.data["offset"], np.arange(64, dtype=np.float32))
    types = {parameter.key: parameter.type for parameter in tiny.parameters}
    assert types["left.packed"] == "tensor<4352xi8>"
    assert types["embed.weight"] == "tensor<50x64xf32>"


def test_no_weight_is_a_literal(tiny: ImportedModel) -> None:
    assert "dense_resource" not in tiny.text
    longest = max((len(text) for text in re.findall(r"dense<([^>]*)>", tiny.text)), default=0)
    assert longest < 8 * LITERAL_BYTES  # at most LITERAL_BYTES values of a few digits


def test_tied_weights_are_stored_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(32, 32)
            self.first = nn.Parameter(torch.ones(32))
            self.second = self.first

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x + self.first) * self.second

    imported = run_import(Tied(), torch.ones(1, 32))
    assert len(imported.data) == 3  # packed, bias, and one of the tied pair


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tensor", {"kind": "tensor"}),
        ("tuple", {"kind": "tuple"}),
        ("dict", {"kind": "dict", "names": ["y", "x"]}),
    ],
)
def test_structure_of_the_result(kind: str, expected: object) -> None:
    assert run_import(Returns(kind), torch.ones(2, 32)).outputs == expected


def test_nested_results_are_refused() -> None:
    with pytest.raises(CompileError, match="flat tuple or dict of tensors, but got tuple"):
        run_import(Returns("nested"), torch.ones(2, 32))


def test_inputs_must_be_tensors() -> None:
    with pytest.raises(UsageError, match=r"input 0 to be a torch\.Tensor, but got int"):
        import_model(Returns("tensor"), (3,))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="as a tuple or list of tensors, but got Tensor"):
        import_model(Returns("tensor"), torch.ones(2, 32))  # type: ignore[arg-type]


def test_types_that_numpy_lacks_cannot_cross() -> None:
    with pytest.raises(UsageError, match=r"input 0:.*torch\.bfloat16\. Allowed: float32"):
        run_import(Returns("tensor"), torch.ones(2, 32, dtype=torch.bfloat16))


def test_mutated_state_is_refused() -> None:
    class Counts(Returns):
        def __init__(self) -> None:
            super().__init__("tensor")
            self.register_buffer("calls", torch.zeros(32))

        def forward(self, x: torch.Tensor) -> object:
            self.calls += 1
            return self.layer(x) + self.calls

    with pytest.raises(CompileError, match="writes 'calls'"):
        run_import(Counts(), torch.ones(2, 32))


def test_data_dependent_control_flow_is_a_readable_error() -> None:
    class Branches(Returns):
        def forward(self, x: torch.Tensor) -> object:
            return self.layer(x) if x.sum() > 0 else x

    with pytest.raises(CompileError, match=r"torch\.export cannot trace the model"):
        run_import(Branches("tensor"), torch.ones(2, 32))


def test_operators_without_a_lowering_are_named() -> None:
    class Counts(Returns):
        def forward(self, x: torch.Tensor) -> object:
            return torch.histc(self.layer(x), bins=10)

    with pytest.raises(CompileError, match="histc"):
        run_import(Counts("tensor"), torch.ones(2, 32))
