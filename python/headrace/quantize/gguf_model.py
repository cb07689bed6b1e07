"""Makes a Hugging Face checkpoint a GGUF model: names of tensors, hyper-parameters, tokenizer.

Facts: the GGUF specification; the keys and names of `gguf`; what llama.cpp expects of each
architecture. For architectures not listed here tensors keep their names, and llama.cpp will not
run the file; the notes say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import ToolMissingError
from headrace.files import FileError, Tensor, TensorFile, Typed
from headrace.quantize.config_file import ConfigFile, Unsupported
from headrace.quantize.gguf_tokenizer import tokenizer_metadata

__all__ = ["GgufModel", "Part", "gguf_model"]

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """One tensor of the output: its name there, where it comes from, and what is done to it.

    change: values [shape] -> values [shape], before they are quantized
    """

    name: str
    source: Tensor
    change: Callable[[Values], Values] | None = None


@dataclass
class GgufModel:
    """What is to be written besides the formats of the tensors."""

    architecture: str
    runnable: bool
    parts: list[Part]
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def gguf_model(source: TensorFile, folder: Path | None) -> GgufModel:
    """The GGUF form of an open checkpoint.

    folder: where config.json and the tokenizer are, if there is one

    FileError if the configuration is damaged or lacks a number; ToolMissingError without `gguf`.
    """
    config = ConfigFile.read(folder / "config.json") if folder else None
    if config is None:
        return _unsupported(source, "unknown", "there is no config.json beside it")
    kind = config.text("model_type", "unknown")
    try:
        return _supported(source, config, kind, config.path.parent)
    except Unsupported as why:
        return _unsupported(source, kind, str(why))


def _unsupported(source: TensorFile, kind: str, why: str) -> GgufModel:
    return GgufModel(
        architecture=kind,
        runnable=False,
        parts=[Part(tensor.name, tensor) for tensor in source.tensors()],
        notes=[
            f"llama.cpp will not run this file: {why}; tensors keep their names and "
            f"general.architecture is '{kind}'"
        ],
    )


def _supported(source: TensorFile, config: ConfigFile, kind: str, folder: Path) -> GgufModel:
    if kind not in _FAMILIES:
        raise Unsupported(
            f"the architecture '{kind}' has no conversion here (there is one for: "
            f"{', '.join(_FAMILIES)})"
        )
    architecture, hyper_parameters = _FAMILIES[kind]
    model = GgufModel(architecture, True, [])
    hyper = hyper_parameters(config)
    model.metadata |= {f"{architecture}.{key}": value for key, value in hyper.items()}
    model.parts, dropped = _parts(source, architecture, config)
    if dropped:
        model.notes.append(f"left out, llama.cpp makes no use of them: {', '.join(dropped)}")
    factors = _llama3_factors(config)
    if factors is not None:
        model.parts.append(Part("rope_freqs.weight", _made(source, "rope_freqs.weight", factors)))
    words = next(part.source.shape[0] for part in model.parts if part.name == "token_embd.weight")
    model.metadata[f"{architecture}.vocab_size"] = Typed("u32", words)
    if kind == "bert":
        pooling = _pooling(folder)
        if pooling is None:
            model.notes.append(
                "no modules.json says how sentences are pooled; llama.cpp gives one vector a token"
            )
        model.metadata["bert.pooling_type"] = Typed("u32", pooling or 0)
        types = config.number("type_vocab_size", 1)
        model.metadata["tokenizer.ggml.token_type_count"] = Typed("u32", types)
    tokenizer, notes = tokenizer_metadata(folder, words)
    model.metadata |= tokenizer
    model.notes += notes
    return model


def _parts(source: TensorFile, arch: str, config: ConfigFile) -> tuple[list[Part], list[str]]:
    """The tensors with GGUF's names, and the names of those that are left out."""
    find = _name_finder(arch, config.number("num_hidden_layers"))
    parts: list[Part] = []
    dropped: list[str] = []
    strange: list[str] = []
    taken: dict[str, str] = {}
    for tensor in source.tensors():
        name = tensor.name
        if name.startswith(_NOT_USED) or name.endswith((".position_ids", ".inv_freq")):
            dropped.append(name)
            continue
        new = find(name)
        if new is None:
            strange.append(name)
            continue
        if new in taken:
            raise Unsupported(f"'{taken[new]}' and '{name}' would both be '{new}'")
        taken[new] = name
        parts.append(Part(new, tensor, _change(arch, new, config)))
    if strange:
        some = ", ".join(strange[:3]) + (f" and {len(strange) - 3} others" * (len(strange) > 3))
        raise Unsupported(f"architecture '{arch}' has no tensors such as {some}")
    if "token_embd.weight" not in taken:
        raise Unsupported("it has no token embeddings")
    return parts, dropped


# What heads for training, and BERT's own pooler, are called.
_NOT_USED = ("pooler.", "bert.pooler.", "cls.predictions", "cls.seq_relationship")


def _name_finder(arch: str, layers: int) -> Callable[[str], str | None]:
    try:
        import gguf
    except ImportError as error:
        raise ToolMissingError(
            "quantize: names of GGUF tensors need the Python package gguf; `pip install gguf`"
        ) from error
    kind = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == arch)
    names = gguf.get_tensor_name_map(kind, layers)
    own = {gguf.TENSOR_NAMES[part] for part in gguf.MODEL_TENSORS[kind]}

    def find(name: str) -> str | None:
        name = name.removeprefix("bert.")
        for old, new in ((".gamma", ".weight"), (".beta", ".bias")):  # of old BERT checkpoints
            if name.endswith(old):
                name = name.removesuffix(old) + new
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        # The map knows names of other architectures too.
        stem = found.rsplit(".", 1)[0] if found else ""
        pieces = ["{bid}" if piece.isdigit() else piece for piece in stem.split(".")]
        return found if ".".join(pieces) in own else None

    return find


def _change(arch: str, name: str, config: ConfigFile) -> Callable[[Values], Values] | None:
    """What llama.cpp wants to be different in a tensor."""
    if arch == "gemma3" and name.endswith("norm.weight"):
        return lambda values: np.asarray(values, np.float32) + np.float32(1)
    if arch == "llama" and ".attn_q." in name:
        return _interleaved(config.number("num_attention_heads"))
    if arch == "llama" and ".attn_k." in name:
        heads = config.number("num_attention_heads")
        return _interleaved(config.number("num_key_value_heads", heads))
    return None


def _interleaved(heads: int) -> Callable[[Values], Values]:
    """Reorders the rows of each head: Hugging Face rotates row i with i + half, llama.cpp's llama
    rotates neighbours."""

    def change(values: Values) -> Values:
        order = np.arange(values.shape[0]).reshape(heads, 2, -1).swapaxes(1, 2).reshape(-1)
        return values[order]

    return change


def _made(source: TensorFile, name: str, values: npt.NDArray[np.float32]) -> Tensor:
    return Tensor(name, values.shape, "f32", source.path, values.view(np.uint8))


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


_FAMILIES: dict[str, tuple[str, Callable[[ConfigFile], dict[str, Any]]]] = {
    "bert": ("bert", _bert),
    "llama": ("llama", _silu),
    "mistral": ("llama", _silu),
    "qwen2": ("qwen2", _silu),
    "qwen3": ("qwen3", _silu),
    "gemma3_text": ("gemma3", _gemma3),
}


def _llama3_factors(config: ConfigFile) -> npt.NDArray[np.float32] | None:
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


def _pooling(folder: Path) -> int | None:
    """llama.cpp's number for how a sentence encoder pools, by the files of the model."""
    for module in ConfigFile.read_list(folder / "modules.json"):
        if not module.text("type", "").endswith(".Pooling"):
            continue
        pooling = ConfigFile.read(folder / module.text("path", "") / "config.json")
        if pooling is None:
            return None
        for number, (mode, flag) in _POOLINGS.items():
            if pooling.get("pooling_mode") == mode or pooling.flag(flag):
                return number
        raise Unsupported(f"its pooling ({pooling.path}) is none of mean, cls, last token")
    return None
