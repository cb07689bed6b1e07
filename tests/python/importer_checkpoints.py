"""Checkpoints for tests of importers: words packed one code at a time, from the drawings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from headrace.files import Out

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def word(fields: list[int], bits: int) -> int:
    """A signed 32-bit word of fields, the first in the lowest bits."""
    value = sum(int(field) << (bits * i) for i, field in enumerate(fields))
    return value - (1 << 32) if value >> 31 else value


def random_layer(
    bits: int, rows: int, cols: int, group: int, *, seed: int, lowest_zero: int = 0
) -> dict[str, Any]:
    """codes [rows, cols], zeros and scales [rows, groups]."""
    rng = np.random.default_rng(seed)
    groups = cols // (cols if group == -1 else group)
    return {
        "codes": rng.integers(0, 1 << bits, (rows, cols)),
        "zeros": rng.integers(lowest_zero, 1 << bits, (rows, groups)),
        "scales": (rng.uniform(0.01, 1, (rows, groups))).astype(np.float16),
        "bias": rng.standard_normal(rows).astype(np.float16),
        "g_idx": np.repeat(np.arange(groups), cols // groups),
    }


def gptq_tensors(layer: dict[str, Any], bits: int, *, version: int = 1) -> dict[str, torch.Tensor]:
    """The tensors of a GPTQ layer; codes are in the order of the inputs."""
    codes, zeros = layer["codes"], layer["zeros"] - (1 if version == 1 else 0)
    per_word = 32 // bits
    rows, cols = codes.shape
    qweight = [
        [word([codes[n, k + i] for i in range(per_word)], bits) for n in range(rows)]
        for k in range(0, cols, per_word)
    ]
    qzeros = [
        [word([zeros[n + i, g] for i in range(per_word)], bits) for n in range(0, rows, per_word)]
        for g in range(zeros.shape[1])
    ]
    return {
        "qweight": torch.tensor(qweight, dtype=torch.int32),
        "qzeros": torch.tensor(qzeros, dtype=torch.int32),
        "scales": torch.from_numpy(layer["scales"].T.copy()),
        "g_idx": torch.from_numpy(layer["g_idx"].astype(np.int32)),
        "bias": torch.from_numpy(layer["bias"]),
    }


def awq_tensors(layer: dict[str, Any]) -> dict[str, torch.Tensor]:
    def words(table: np.ndarray) -> torch.Tensor:
        packed = [
            [word([line[n + at] for at in AWQ_ORDER], 4) for n in range(0, len(line), 8)]
            for line in table.T
        ]
        return torch.tensor(packed, dtype=torch.int32)

    return {
        "qweight": words(layer["codes"]),
        "qzeros": words(layer["zeros"]),
        "scales": torch.from_numpy(layer["scales"].T.copy()),
        "bias": torch.from_numpy(layer["bias"]),
    }


def values_of(layer: dict[str, Any]) -> np.ndarray:
    """float32 [rows, cols]: scale (q - zero), with the group of each input."""
    groups = layer["g_idx"]
    shifted = (layer["codes"] - layer["zeros"][:, groups]).astype(np.float32)
    return layer["scales"].astype(np.float32)[:, groups] * shifted


def write(
    folder: Path,
    layers: dict[str, dict[str, torch.Tensor]],
    config: dict[str, Any] | None,
    *,
    name: str = "model.safetensors",
    config_name: str = "config.json",
) -> dict[str, torch.Tensor]:
    """Writes a checkpoint with an embedding besides; returns all its tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{layer}.{part}": tensor.contiguous()
        for layer, parts in layers.items()
        for part, tensor in parts.items()
    }
    tensors["model.embed.weight"] = torch.arange(12, dtype=torch.bfloat16).reshape(3, 4)
    save_file(tensors, folder / name)
    if config is not None:
        whole = {"quantization_config": config} if config_name == "config.json" else config
        (folder / config_name).write_text(json.dumps(whole))
    return tensors


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def written(out: Out) -> bytes:
    """The bytes of a tensor that is to be written."""
    assert not callable(out.data)
    return out.data.tobytes()
