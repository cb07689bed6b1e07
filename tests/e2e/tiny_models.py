"""Tiny random decoders and tokenizers, made by transformers and tokenizers, as checkpoints."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

TEXTS = [
    "The quick brown fox jumps over the lazy dog. It's 12345 metres, isn't it?",
    "Weights stay in the bytes of their file format; kernels read 4-bit blocks.",
    "Grüße aus Zürich: naïve café, 3,14159 and 2026-11-21!\n\n  Two spaces, a tab\tand more.",
]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")

_SMALL = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}


def config(kind: str, words: int, **more: Any) -> Any:
    """A small configuration; kind: llama, llama3.1, qwen2, qwen3 or gemma3."""
    values: dict[str, Any] = _SMALL | {"vocab_size": words} | more
    if kind == "llama3.1":
        values["rope_parameters"] = {
            "rope_type": "llama3",
            "rope_theta": 5e5,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    if kind == "gemma3":
        values |= {"sliding_window": 16, "query_pre_attn_scalar": 64, "num_hidden_layers": 4}
        values["layer_types"] = ["sliding_attention", "full_attention"] * 2
    if kind == "qwen2":
        values.pop("head_dim")
    makers = {
        "llama": transformers.LlamaConfig,
        "llama3.1": transformers.LlamaConfig,
        "qwen2": transformers.Qwen2Config,
        "qwen3": transformers.Qwen3Config,
        "gemma3": transformers.Gemma3TextConfig,
    }
    return makers[kind](**values)


def save_model(folder: Path, kind: str, words: int, **more: Any) -> torch.nn.Module:
    """A random model of bfloat16 weights; returns it, its checkpoint is in the folder."""
    torch.manual_seed(7)
    made = config(kind, words, **more)
    model = transformers.AutoModelForCausalLM.from_config(made, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "bias")):  # as trained ones, not all the same
                parameter += 0.1 * torch.randn_like(parameter)
            else:
                parameter *= 3
            # As published ones. Buffers, which are not in the file, stay in float32.
            parameter.copy_(parameter.to(torch.bfloat16))
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    return model


def byte_level_tokenizer(
    folder: Path, pattern: str | None, *, whole_words: bool = False
) -> Tokenizer:
    """A trained byte-level BPE tokenizer, in the folder; pattern: None for GPT-2's."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole_words))
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return _save(folder, tokenizer)


def fallback_tokenizer(folder: Path, *, prefix: bool) -> Tokenizer:
    """A trained BPE tokenizer with byte fallback, as Llama 2 (with a prefix) or Gemma has it."""
    space = "\N{LOWER ONE EIGHTH BLOCK}"
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    steps: list[Any] = [normalizers.Prepend(space)] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", space)])
    trainer = BpeTrainer(
        vocab_size=450,
        special_tokens=["<s>", "</s>", "<unk>", *bytes_],
        show_progress=False,
    )
    tokenizer.train_from_iterator([word for t in TEXTS for word in t.split(" ")] * 3, trainer)
    saved = _save(folder, tokenizer)
    # Trainers only know special tokens, but the bytes are none.
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    path.write_text(json.dumps(data))
    del saved
    return Tokenizer.from_file(str(path))


def _save(folder: Path, tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
    )
    folder.mkdir(exist_ok=True, parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    return tokenizer
