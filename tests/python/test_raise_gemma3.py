"""A Gemma 3 decoder layer, raised, fused, merged and split, computes what PyTorch computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from headrace import ir
from headrace.interop.torch_linalg import import_layer
from headrace.models import gemma3_layer
from headrace.models.gemma3_layer import TOKENS, DecodeStep, Prefill
from headrace.modules import parse_text
from headrace.passmanager import PassManager
from headrace.reference_jit import Meaning

FILE = Path(__file__).parents[1] / "passes/common/gemma3_decoder_layer.mlir"
RAISE = "raise-torch-ops,raise-dequantize,raise-attention,canonicalize,cse,outline-weights"
REST = (
    "fuse-dequant-matvec,fuse-gated-matvec,merge-shared-input,"
    "chunk-prefill{queries=4},split-kv{splits=2},canonicalize,cse"
)
# Sums are in another order.
BOUND = 2e-6


def only(module: ir.Module, name: str) -> Meaning:
    """What one function of a module means; the others need not be compiled."""
    copy = parse_text(str(module), module.context)
    for op in list(copy.body.operations):
        if op.name.value != name:
            op.erase()
    return Meaning(copy)


class Layer:
    """A function of a module after the whole pipeline, with the weights of a torch module."""

    def __init__(self, text: str, module: torch.nn.Module, name: str) -> None:
        parsed = parse_text(text, ir.Context())
        with parsed.context:
            PassManager.parse(f"builtin.module({RAISE},{REST})").run(parsed.operation)
        self.text = str(parsed)
        given = [value.detach().numpy() for value in module.parameters()]
        # The weights that are packed, in the order of the parameters, and the others.
        packing = only(parsed, f"{name}_weights")
        matrices = [value for value in given if value.ndim == 2]
        self.weights = [value for value in given if value.ndim == 1]
        self.weights += packing(*matrices)
        self.meaning = only(parsed, name)

    def __call__(self, *inputs: torch.Tensor) -> tuple[np.ndarray, ...]:
        return self.meaning(*[value.numpy() for value in inputs], *self.weights)


def close(got: np.ndarray, want: torch.Tensor) -> None:
    size = want.abs().max().item()
    assert np.abs(got - want.numpy()).max() <= BOUND * size


@pytest.mark.parametrize("how", ["sdpa", "kept"])
def test_prefill(how: str) -> None:
    module = Prefill(seed=3)
    draw = torch.Generator().manual_seed(7)
    example = gemma3_layer.inputs(TOKENS, 0, draw)
    imported = import_layer(module, example, keep_attention=how == "kept")
    assert ("headrace.operator" in imported.text) == (how == "kept")
    layer = Layer(imported.text, module, "main")
    assert layer.text.count("qlinear.matmul") == 4
    assert layer.text.count("qattn.prefill") == 1
    inputs = gemma3_layer.inputs(TOKENS, 5, draw)
    close(layer(*inputs)[0], module(*inputs))


def test_the_committed_file() -> None:
    """Its prefill, for one sequence of tokens, and its steps, one after the other."""
    text = FILE.read_text()
    prefill, step = Prefill(seed=1), DecodeStep(seed=1)
    steps = Layer(text, step, "decode_step")
    draw = torch.Generator().manual_seed(11)
    inputs = gemma3_layer.inputs(TOKENS, 0, draw)
    want = prefill(*inputs)
    close(Layer(text, prefill, "prefill")(*inputs)[0], want)

    cache = gemma3_layer.empty_cache()
    for token in range(TOKENS):
        position = torch.tensor([token], dtype=torch.int32)
        now = [value[:, token : token + 1] for value in inputs]
        out, kept = steps(*now, cache, position)
        close(out, want[:, token : token + 1])
        eager, cache = step(*now, cache, position)
        close(out, eager)
        np.testing.assert_allclose(
            kept.view(np.float32), cache.numpy().view(np.float32), rtol=0, atol=1e-5
        )


def test_a_cache_of_fp8() -> None:
    """The types of caches reach the compiler as the operators say them."""
    step = DecodeStep("fp8_e4m3", seed=2)
    draw = torch.Generator().manual_seed(3)
    cache = gemma3_layer.empty_cache("fp8_e4m3")
    inputs = [*gemma3_layer.inputs(1, 0, draw), cache, torch.tensor([0], dtype=torch.int32)]
    imported = import_layer(step, inputs)
    layer = Layer(imported.text, step, "main")
    assert "!qattn.kv_cache<32x2x16, fp8_e4m3, scale = per_token>" in layer.text
    close(layer(*inputs)[0], step(*inputs)[0])
