"""Hyper-parameters of GGUF models, from a Hugging Face config.json.

Facts: the keys of the GGUF specification, and what llama.cpp takes for granted of each
architecture: a configuration that says otherwise has no conversion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.files import FileError, Typed
from headrace.quantize.config_file import ConfigFile, Unsupported

__all__ = ["FAMILIES", "llama3_factors", "pooling"]


def _bert(config: ConfigFile) -> dict[str, Any]:
    config.only("hidden_act", ("gelu", "gelu_new", "gelu_pytorch_tanh"), "gelu")
    config.only("position_embedding_type", ("absolute",), "absolute")
    return {
        "context_length": Typed("u32", config.number("max_position_embeddings")),
        "embedding_length": Typed("u32", config.number("hidden_size")),
        "feed_forward_length": Typed("u32", config.number("intermediate_size")),
        "block_count": Typed("u32", config.number("num_hidden_layers")),
        "attention.head_count": Typed("u32", config.number("num_attention_heads")),
        "attention.layer_norm_epsilon": Typed("f32", config.real("layer_norm_eps", 1e-12)),
        "attention.causal": False,
    }


def _decoder(config: ConfigFile) -> dict[str, Any]:
    """Hyper-parameters that Llama, Mistral, Qwen and Gemma have in common."""
    heads, width = config.number("num_attention_heads"), config.number("hidden_size")
    head = config.number("head_dim", width // heads)
    full, _ = config.rope()
    found: dict[str, Any] = {
        "context_length": Typed("u32", config.number("max_position_embeddings")),
        "embedding_length": Typed("u32", width),
        "feed_forward_length": Typed("u32", config.number("intermediate_size")),
        "block_count": Typed("u32", config.number("num_hidden_layers")),
        "attention.head_count": Typed("u32", heads),
        "attention.head_count_kv": Typed("u32", config.number("num_key_value_heads", heads)),
        "attention.key_length": Typed("u32", head),
        "attention.value_length": Typed("u32", head),
        "attention.layer_norm_rms_epsilon": Typed("f32", config.real("rms_norm_eps", 1e-6)),
        "rope.dimension_count": Typed("u32", head),
        "rope.freq_base": Typed("f32", full.real("rope_theta", 10000.0)),
    }
    kind = full.rope_type()
    if kind in ("linear", "yarn"):
        found["rope.scaling.type"] = kind
        found["rope.scaling.factor"] = Typed("f32", full.real("factor"))
    if kind == "yarn":
        original = full.number("original_max_position_embeddings")
        found["rope.scaling.original_context_length"] = Typed("u32", original)
    elif kind not in ("default", "linear", "llama3"):
        raise Unsupported(f"rotary positions of type '{kind}' have no conversion here")
    return found


def _silu(config: ConfigFile) -> dict[str, Any]:
    config.only("hidden_act", ("silu",), "silu")
    if config.flag("use_sliding_window"):
        raise Unsupported("sliding windows have no conversion here for this architecture")
    return _decoder(config)


def _gemma3(config: ConfigFile) -> dict[str, Any]:
    config.only("hidden_activation", ("gelu_pytorch_tanh",), "gelu_pytorch_tanh")
    found = _decoder(config)
    head = found["attention.key_length"].value
    layers = config.number("num_hidden_layers")
    scalar = config.real("query_pre_attn_scalar", head)
    width, heads = config.number("hidden_size"), config.number("num_attention_heads")
    expected = width // heads if layers == 62 else head  # llama.cpp knows the largest by its depth
    if scalar != expected:
        raise Unsupported(f"query_pre_attn_scalar is {scalar:g}, llama.cpp takes {expected}")
    if config.flag("use_bidirectional_attention"):
        raise Unsupported("bidirectional attention has no conversion here")
    if config.get("final_logit_softcapping") is not None:
        found["final_logit_softcapping"] = Typed("f32", config.real("final_logit_softcapping"))
    _, sliding = config.rope()
    local = sliding.real("rope_theta", config.real("rope_local_base_freq", 10000.0))
    found["rope.freq_base_swa"] = Typed("f32", local)
    found["attention.sliding_window"] = Typed("u32", config.number("sliding_window"))
    kinds = config.get("layer_types")
    if kinds is not None:
        if not isinstance(kinds, list) or len(kinds) != layers:
            raise FileError(
                f"{config.path}: expected {layers} 'layer_types', but got {kinds!r:.60}"
            )
        pattern = [kind == "sliding_attention" for kind in kinds]
        found["attention.sliding_window_pattern"] = Typed("bool[]", pattern)
    return found


# model_type -> GGUF's architecture, and its keys without the architecture's name.
FAMILIES: dict[str, tuple[str, Callable[[ConfigFile], dict[str, Any]]]] = {
    "bert": ("bert", _bert),
    "llama": ("llama", _silu),
    "mistral": ("llama", _silu),
    "qwen2": ("qwen2", _silu),
    "qwen3": ("qwen3", _silu),
    "gemma3_text": ("gemma3", _gemma3),
}


def llama3_factors(config: ConfigFile) -> npt.NDArray[np.float32] | None:
    """What llama.cpp divides each rotary frequency by, for Llama 3.1's long contexts.

    Waves longer than the old context are slowed by `factor`, short ones stay, those between are
    blended.
    """
    full, _ = config.rope()
    if full.rope_type() != "llama3":
        return None
    heads = config.number("num_attention_heads")
    head = config.number("head_dim", config.number("hidden_size") // heads)
    base, factor = full.real("rope_theta", 10000.0), full.real("factor")
    low, high = full.real("low_freq_factor"), full.real("high_freq_factor")
    old = full.number("original_max_position_embeddings")
    if not low < high:
        raise FileError(
            f"{config.path}: expected low_freq_factor below high, but got {low}, {high}"
        )
    waves = 2 * math.pi * base ** (np.arange(0, head, 2) / head)
    blend = np.clip((old / waves - low) / (high - low), 0, 1)
    return (1 / ((1 - blend) / factor + blend)).astype(np.float32)


# llama.cpp's numbers of ways to pool; what sentence-transformers calls them, now and before.
_POOLINGS = {
    1: ("mean", "pooling_mode_mean_tokens"),
    2: ("cls", "pooling_mode_cls_token"),
    3: ("lasttoken", "pooling_mode_lasttoken"),
}


def pooling(folder: Path) -> int | None:
    """llama.cpp's number for how a sentence encoder pools, by the files of the model."""
    for module in ConfigFile.read_list(folder / "modules.json"):
        if not module.text("type", "").endswith(".Pooling"):
            continue
        settings = ConfigFile.read(folder / module.text("path", "") / "config.json")
        if settings is None:
            return None
        for number, (mode, flag) in _POOLINGS.items():
            if settings.get("pooling_mode") == mode or settings.flag(flag):
                return number
        raise Unsupported(f"its pooling ({settings.path}) is none of mean, cls, last token")
    return None
