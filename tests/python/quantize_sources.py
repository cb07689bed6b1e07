"""A checkpoint with tensors of all kinds, for tests of quantizing model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headrace import files
from headrace.files import Out

RNG = np.random.default_rng(5)


def raw(values: Any) -> Any:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def out(name: str, values: Any, form: str = "f32") -> Out:
    return Out(name, values.shape, form, raw(values))


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape, dtype=np.float32) * np.float32(0.02)


SHAPES = {
    "model.embed_tokens.weight": (48, 256),
    "model.layers.0.self_attn.q_proj.weight": (64, 256),
    "model.layers.0.mlp.down_proj.weight": (256, 96),
    "model.layers.0.mlp.odd.weight": (8, 20),
    "model.layers.0.mlp.gate.weight": (4, 256),
    "model.layers.0.conv1d.weight": (64, 256),
    "model.layers.0.input_layernorm.weight": (256,),
    "model.layers.0.table": (32, 256),
    "transformer.wpe.weight": (16, 256),
    "lm_head.bias": (48,),
}
Q, DOWN, ODD = (
    f"model.layers.0.{n}.weight" for n in ("self_attn.q_proj", "mlp.down_proj", "mlp.odd")
)
EMBEDDING = "model.embed_tokens.weight"
VALUES = {name: normal(*shape) for name, shape in SHAPES.items()}


def write_source(folder: Path) -> Path:
    """model.safetensors with VALUES and integers."""
    outs = [out(name, array) for name, array in VALUES.items()]
    outs.append(out("model.position_ids", np.arange(16, dtype=np.int64), "i64"))
    files.write_safetensors(folder / "model.safetensors", outs, {"format": "pt"})
    return folder / "model.safetensors"


def by_source(report: Any) -> dict[str, Any]:
    return {row.source_name: row for row in report.tensors}
