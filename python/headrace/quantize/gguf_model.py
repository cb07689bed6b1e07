"""Makes a Hugging Face checkpoint a GGUF model: names of tensors, hyper-parameters, tokenizer.

Facts: the GGUF specification; the keys and names of `gguf`; what llama.cpp expects of each
architecture. For architectures not listed here tensors keep their names, and llama.cpp will not
run the file; the notes say so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import ToolMissingError
from headrace.files import Tensor, TensorFile, Typed
from headrace.quantize.config_file import ConfigFile, Unsupported
from headrace.quantize.gguf_config import FAMILIES, llama3_factors, pooling
from headrace.quantize.gguf_tokenizer import tokenizer_metadata
from headrace.quantize.parts import Model, Part, Values

__all__ = ["gguf_model"]


def gguf_model(source: TensorFile, folder: Path | None) -> Model:
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


def _unsupported(source: TensorFile, kind: str, why: str) -> Model:
    return Model(
        architecture=kind,
        runnable=False,
        parts=[Part(tensor.name, tensor) for tensor in source.tensors()],
        notes=[
            f"llama.cpp will not run this file: {why}; tensors keep their names and "
            f"general.architecture is '{kind}'"
        ],
    )


def _supported(source: TensorFile, config: ConfigFile, kind: str, folder: Path) -> Model:
    if kind not in FAMILIES:
        raise Unsupported(
            f"the architecture '{kind}' has no conversion here (there is one for: "
            f"{', '.join(FAMILIES)})"
        )
    architecture, hyper_parameters = FAMILIES[kind]
    model = Model([], architecture, True)
    hyper = hyper_parameters(config)
    model.metadata |= {f"{architecture}.{key}": value for key, value in hyper.items()}
    model.parts, dropped = _parts(source, architecture, config)
    if dropped:
        model.notes.append(f"left out, llama.cpp makes no use of them: {', '.join(dropped)}")
    factors = llama3_factors(config)
    if factors is not None:
        model.parts.append(Part("rope_freqs.weight", _made(source, "rope_freqs.weight", factors)))
    words = next(part.source.shape[0] for part in model.parts if part.name == "token_embd.weight")
    model.metadata[f"{architecture}.vocab_size"] = Typed("u32", words)
    if kind == "bert":
        number = pooling(folder)
        if number is None:
            model.notes.append(
                "no modules.json says how sentences are pooled; llama.cpp gives one vector a token"
            )
        model.metadata["bert.pooling_type"] = Typed("u32", number or 0)
        types = config.number("type_vocab_size", 1)
        model.metadata["tokenizer.ggml.token_type_count"] = Typed("u32", types)
    tokenizer, notes = tokenizer_metadata(folder, words)
    if not notes:  # a tokenizer's own files come first
        model.metadata |= _special_ids(config, words)
    model.metadata |= tokenizer
    model.notes += notes
    return model


def _special_ids(config: ConfigFile, words: int) -> dict[str, Any]:
    """Ids of special tokens as the configuration has them; of several ends of a text the first."""
    found = {}
    for key, ours in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
        index = config.get(f"{key}_token_id")
        index = index[0] if isinstance(index, list) and index else index
        if type(index) is int and 0 <= index < words:
            found[f"tokenizer.ggml.{ours}_token_id"] = Typed("u32", index)
    return found


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
