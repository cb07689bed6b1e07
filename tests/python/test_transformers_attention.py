"""Attention of `transformers`, and linear layers of torchao, against our operations.

The modules are theirs, small and random; the programs below compute the same with linalg for the
projections and `qlinear` and `qattn` for the rest.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headrace import importers, ir
from headrace.modules import parse_text
from headrace.reference_jit import Meaning

transformers = pytest.importorskip("transformers")
from transformers.cache_utils import DynamicCache  # noqa: E402
from transformers.masking_utils import (  # noqa: E402
    create_causal_mask,
    create_sliding_window_causal_mask,
)
from transformers.models.gemma3 import modeling_gemma3  # noqa: E402
from transformers.models.llama import modeling_llama  # noqa: E402

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
TOKENS = 11


@dataclass(frozen=True)
class Shape:
    """One attention layer. window: None for all earlier tokens; norm: of queries and keys."""

    hidden: int
    heads: int
    groups: int
    dim: int
    scale: float
    window: int | None = None
    norm: bool = False
    magnitude: float = 1.0

    @property
    def weights(self) -> dict[str, str]:
        queries, keys = self.heads * self.dim, self.groups * self.dim
        shapes = {
            "%wq": f32(self.hidden, queries),
            "%wk": f32(self.hidden, keys),
            "%wv": f32(self.hidden, keys),
            "%wo": f32(queries, self.hidden),
            "%f": f32(self.dim // 2),
        }
        return shapes | ({"%nq": f32(self.dim), "%nk": f32(self.dim)} if self.norm else {})

    def attributes(self) -> str:
        window = f", window = {self.window} : i64" if self.window else ""
        return f"{{scale = {np.float32(self.scale):e} : f32{window}}}"


def f32(*shape: int) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def product(shape: Shape, tokens: int, result: str, x: str, weight: str, rows: int) -> str:
    """`result` = x [tokens, rows] times a weight [rows, columns]."""
    kind = shape.weights[weight]
    columns = int(kind.split("x")[1])
    out = f32(tokens, columns)
    return f"""
  {result}e = tensor.empty() : {out}
  {result}0 = linalg.fill ins(%zero : f32) outs({result}e : {out}) -> {out}
  {result} = linalg.matmul ins({x}, {weight} : {f32(tokens, rows)}, {kind})
      outs({result}0 : {out}) -> {out}"""


def head_rows(shape: Shape, tokens: int, name: str, heads: int, norm: str | None) -> str:
    """`name`3: the heads of `name`, normalized by `norm` where there is one, and turned."""
    flat, split = f32(tokens, heads * shape.dim), f32(tokens, heads, shape.dim)
    rows = f32(tokens * heads, shape.dim)
    text = f"""
  {name}1 = tensor.expand_shape {name} [[0], [1, 2]] output_shape [{tokens}, {heads}, {shape.dim}]
      : {flat} into {split}"""
    unturned = f"{name}1"
    if norm:
        unturned = f"{name}n3"
        text += f"""
  {name}r = tensor.collapse_shape {name}1 [[0, 1], [2]] : {split} into {rows}
  {name}ne = tensor.empty() : {rows}
  {name}n = qlinear.rms_norm eps = 1.0e-6 add_unit ins({name}r, {norm} : {rows}, {f32(shape.dim)})
      outs({name}ne : {rows}) -> {rows}
  {name}n3 = tensor.expand_shape {name}n [[0, 1], [2]]
      output_shape [{tokens}, {heads}, {shape.dim}] : {rows} into {split}"""
    return f"""{text}
  {name}2 = tensor.empty() : {split}
  {name}3 = qattn.rope
      ins({unturned}, %at, %f : {split}, tensor<{tokens}xi32>, {f32(shape.dim // 2)})
      outs({name}2 : {split}) {{magnitude = {np.float32(shape.magnitude):e} : f32}} -> {split}"""


def program(shape: Shape, tokens: int, cache: str, attend: str) -> Meaning:
    """(x [tokens, hidden], positions, weights, cache) -> (y, cache with the tokens).

    attend: "prefill" of the tokens alone, or "decode" of one with what the cache holds
    """
    heads, keys = f32(tokens, shape.heads, shape.dim), f32(tokens, shape.groups, shape.dim)
    x, flat = f32(tokens, shape.hidden), f32(tokens, shape.heads * shape.dim)
    arguments = {"%x": x, "%at": f"tensor<{tokens}xi32>", **shape.weights, "%c": cache}
    if attend == "prefill":
        attention = f"""
  %o = qattn.prefill causal ins(%q3, %k3, %v1 : {heads}, {keys}, {keys})
      outs(%q2 : {heads}) {shape.attributes()} -> {heads}
  %of = tensor.collapse_shape %o [[0], [1, 2]] : {heads} into {flat}"""
    else:
        one, lse = f32(shape.heads, shape.dim), f32(shape.heads)
        vector = f32(shape.heads * shape.dim)
        attention = f"""
  %length = arith.addi %first, %ones : tensor<1xi32>
  %q1h = tensor.collapse_shape %q3 [[0, 1], [2]] : {heads} into {one}
  %oe = tensor.empty() : {one}
  %le = tensor.empty() : {lse}
  %o, %l = qattn.decode ins(%q1h, %new, %length : {one}, {cache}, tensor<1xi32>)
      outs(%oe, %le : {one}, {lse}) {shape.attributes()} -> {one}, {lse}
  %o1 = tensor.collapse_shape %o [[0, 1]] : {one} into {vector}
  %of = tensor.expand_shape %o1 [[0, 1]] output_shape [1, {shape.heads * shape.dim}]
      : {vector} into {flat}"""
    norms = ("%nq", "%nk") if shape.norm else (None, None)
    v = f32(tokens, shape.groups * shape.dim)
    inputs = ", ".join(f"{name}: {kind}" for name, kind in arguments.items())
    text = f"""
func.func @main({inputs}) -> ({x}, {cache}) {{
  %zero = arith.constant 0.0 : f32
  %ones = arith.constant dense<1> : tensor<1xi32>
  %first = tensor.extract_slice %at[0] [1] [1] : tensor<{tokens}xi32> to tensor<1xi32>
{product(shape, tokens, "%q", "%x", "%wq", shape.hidden)}
{product(shape, tokens, "%k", "%x", "%wk", shape.hidden)}
{product(shape, tokens, "%v", "%x", "%wv", shape.hidden)}
{head_rows(shape, tokens, "%q", shape.heads, norms[0])}
{head_rows(shape, tokens, "%k", shape.groups, norms[1])}
  %v1 = tensor.expand_shape %v [[0], [1, 2]] output_shape [{tokens}, {shape.groups}, {shape.dim}]
      : {v} into {keys}
  %new = qattn.append_kv %k3, %v1 into %c at %first
      : {keys}, {keys}, {cache}, tensor<1xi32> -> {cache}
{attention}
{product(shape, tokens, "%y", "%of", "%wo", shape.heads * shape.dim)}
  return %y, %new : {x}, {cache}
}}
"""
    return Meaning(parse_text(text, ir.Context()))


class Rounding(DynamicCache):
    """transformers' cache, of numbers rounded to `dtype`."""

    def __init__(self, dtype: torch.dtype, config: Any) -> None:
        super().__init__(config=config)
        self._rounded = dtype

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> Any:
        keys = key_states.to(self._rounded).float()
        values = value_states.to(self._rounded).float()
        return super().update(keys, values, *args, **kwargs)


@dataclass
class Layer:
    """A module of transformers, its rotary embedding, and what it is for us."""

    config: Any
    module: Any
    turn: Any  # (x, positions [1, L]) -> cosines and sines
    shape: Shape
    frequencies: torch.Tensor

    def forward(self, x: torch.Tensor, first: int, cache: Any = None) -> np.ndarray:
        positions = torch.arange(first, first + x.shape[1])[None]
        make = create_sliding_window_causal_mask if self.shape.window else create_causal_mask
        mask = make(
            config=self.config,
            inputs_embeds=x,
            attention_mask=None,
            past_key_values=cache,
            position_ids=positions,
        )
        with torch.no_grad():
            y, _ = self.module(x, self.turn(x, positions), mask, past_key_values=cache)
        return y[0].numpy()

    def weights(self) -> list[np.ndarray]:
        names = ("q_proj", "k_proj", "v_proj", "o_proj")
        linears = [getattr(self.module, name).weight.detach().T for name in names]
        norms = [self.module.q_norm, self.module.k_norm] if self.shape.norm else []
        parts = [*linears, self.frequencies, *(norm.weight.detach() for norm in norms)]
        return [np.ascontiguousarray(part.numpy()) for part in parts]


def randomized(module: torch.nn.Module, generator: torch.Generator) -> torch.nn.Module:
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return module.eval()


def gemma(kind: str) -> Layer:
    """Gemma3: normalized queries and keys, a scale of its own, a rope for each kind of layer."""
    config = transformers.Gemma3TextConfig(
        hidden_size=40,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        num_hidden_layers=2,
        intermediate_size=8,
        vocab_size=16,
        query_pre_attn_scalar=24,
        sliding_window=5,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        },
        attn_implementation="eager",
    )
    index = config.layer_types.index(kind)
    rotary = modeling_gemma3.Gemma3RotaryEmbedding(config)
    module = modeling_gemma3.Gemma3Attention(config, index)
    randomized(module, torch.Generator().manual_seed(index))
    window = 5 if kind == "sliding_attention" else None
    return Layer(
        config,
        module,
        lambda x, positions: rotary(x, positions, kind),
        Shape(40, 4, 2, 16, scale=24**-0.5, window=window, norm=True),
        getattr(rotary, f"{kind}_inv_freq"),
    )


def llama(rope: dict[str, Any]) -> Layer:
    """Llama: three heads of queries share one of keys."""
    config = transformers.LlamaConfig(
        hidden_size=36,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        num_hidden_layers=1,
        intermediate_size=8,
        vocab_size=16,
        max_position_embeddings=4096,
        rope_parameters=rope,
        attn_implementation="eager",
    )
    rotary = modeling_llama.LlamaRotaryEmbedding(config)
    module = modeling_llama.LlamaAttention(config, 0)
    randomized(module, torch.Generator().manual_seed(3))
    shape = Shape(36, 6, 2, 8, scale=8**-0.5, magnitude=float(rotary.attention_scaling))
    return Layer(config, module, rotary, shape, rotary.inv_freq)


LAYERS = {
    "gemma3 sliding": lambda: gemma("sliding_attention"),
    "gemma3 global": lambda: gemma("full_attention"),
    "llama": lambda: llama({"rope_type": "default", "rope_theta": 1e4}),
    "llama 3 rope": lambda: llama(
        {
            "rope_type": "llama3",
            "rope_theta": 5e5,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    ),
    "llama yarn": lambda: llama(
        {
            "rope_type": "yarn",
            "rope_theta": 1e4,
            "factor": 4.0,
            "original_max_position_embeddings": 1024,
        }
    ),
}


def drawn(layer: Layer, tokens: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn((1, tokens, layer.shape.hidden), generator=generator)


def cache_type(shape: Shape, dtype: str, slots: int, ring: bool) -> str:
    layout = ", layout = ring" if ring else ""
    return f"!qattn.kv_cache<{slots}x{shape.groups}x{shape.dim}, {dtype}{layout}>"


def positions(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.int32)


@pytest.mark.parametrize(
    ("name", "dtype", "ring"),
    [
        ("gemma3 sliding", "f32", False),
        ("gemma3 sliding", "f32", True),
        ("gemma3 sliding", "bf16", True),
        ("gemma3 global", "f32", False),
        ("gemma3 global", "bf16", False),
        ("llama", "f32", False),
        ("llama 3 rope", "f16", False),
        ("llama yarn", "bf16", False),
    ],
)
def test_attention(name: str, dtype: str, ring: bool) -> None:
    """A prompt, and then tokens one by one, with keys and values in a cache."""
    layer = LAYERS[name]()
    shape, steps = layer.shape, 4
    x = drawn(layer, TOKENS + steps)
    # A ring keeps what the window sees, and no more.
    slots = shape.window if ring else TOKENS + steps
    assert slots
    kind = cache_type(shape, dtype, slots, ring)
    size = slots * 2 * shape.groups * shape.dim * (4 if dtype == "f32" else 2)
    held = np.full(size, -1, np.int8)  # NaN, in each dtype

    prompt, weights = x[:, :TOKENS], layer.weights()
    prefill = program(shape, TOKENS, kind, "prefill")
    got, held = prefill(prompt[0].numpy(), positions(0, TOKENS), *weights, held)
    want = layer.forward(prompt, 0)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)

    theirs = Rounding(DTYPES[dtype], layer.config)
    layer.forward(prompt, 0, theirs)
    decode = program(shape, 1, kind, "decode")
    for step in range(TOKENS, TOKENS + steps):
        token = x[:, step : step + 1]
        want = layer.forward(token, step, theirs)
        got, held = decode(token[0].numpy(), positions(step, 1), *weights, held)
        # A number near the middle of two of 16 bits may be rounded the other way.
        tolerance = 2e-5 if dtype == "f32" else 2e-3
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


# --- torchao -----------------------------------------------------------------------------------

logging.getLogger("torchao").setLevel(logging.ERROR)
torchao = pytest.importorskip("torchao.quantization")

WEIGHT_ONLY = {
    "int8:channel:f32": lambda: torchao.Int8WeightOnlyConfig(),
    "int8:g32:f32": lambda: torchao.Int8WeightOnlyConfig(granularity=torchao.PerGroup(32)),
    "int4:g32:f32": lambda: groups_of_32(torchao.MappingType.SYMMETRIC),
    "int4:g32:zp:f32": lambda: groups_of_32(torchao.MappingType.ASYMMETRIC),
}


def groups_of_32(mapping: Any) -> Any:
    return torchao.IntxWeightOnlyConfig(
        weight_dtype=torch.int4, granularity=torchao.PerGroup(32), mapping_type=mapping
    )


@pytest.mark.parametrize("form", WEIGHT_ONLY)
def test_torchao_linear(tmp_path: Path, form: str) -> None:
    """A layer that torchao quantizes, saved, imported and multiplied from its packed bytes."""
    generator = torch.Generator().manual_seed(5)
    model = randomized(torch.nn.Sequential(torch.nn.Linear(96, 24, bias=False)), generator)
    torchao.quantize_(model, WEIGHT_ONLY[form]())
    torch.save(model.state_dict(), tmp_path / "model.pt")
    with importers.open(tmp_path / "model.pt") as checkpoint:
        (linear,) = checkpoint.linears()
    assert linear.format.name == form

    packed = f"!qlinear.packed<24x96, {linear.format.attribute}>"
    x, y = f32(5, 96), f32(5, 24)
    text = f"""
func.func @main(%w: {packed}, %x: {x}, %y: {y}) -> {y} {{
  %0 = qlinear.matmul ins(%w, %x : {packed}, {x}) outs(%y : {y}) -> {y}
  return %0 : {y}
}}
"""
    inputs = torch.randn((5, 96), generator=generator)
    meaning = Meaning(parse_text(text, ir.Context()))
    init = np.full((5, 24), np.nan, np.float32)
    (got,) = meaning(linear.data.view(np.int8), inputs.numpy(), init)
    with torch.no_grad():
        want = model(inputs).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
