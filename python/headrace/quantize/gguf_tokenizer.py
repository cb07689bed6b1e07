"""Tokenizers for GGUF: what llama.cpp needs of a tokenizer.json.

Three kinds have a conversion. WordPiece (BERT). Byte-level BPE, where llama.cpp knows the way that
text is split before merging: it has these by name, here they are known by their pattern. And BPE
with byte fallback (Llama 2, Mistral, Gemma), which llama.cpp runs by a score for each token rather
than by merges: the merge that makes a token, the earlier the higher.

Facts: the GGUF specification, llama.cpp's names, and the published tokenizer.json of these models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.files import FileError, Typed
from headrace.quantize.config_file import ConfigFile, Unsupported

__all__ = ["tokenizer_metadata"]

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # stands for a space in tokens

# How text is split before merging -> llama.cpp's name, and whether whole words that are tokens
# are taken without merging. The patterns differ in how many digits stay together.
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {
    _LETTERS + r"\p{N}{1,3}" + _REST: ("llama-bpe", True),
    _LETTERS + r"\p{N}" + _REST: ("qwen2", False),
}

_NO_MERGE = -1e9

# Special tokens: the key in Hugging Face's files -> GGUF's key (its spelling).
_SPECIALS = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "sep_token": "seperator_token_id",
    "pad_token": "padding_token_id",
    "cls_token": "cls_token_id",
    "mask_token": "mask_token_id",
}


@dataclass
class _Tokens:
    """Token texts by id, with llama.cpp's type of each."""

    texts: list[str]
    types: list[int]
    ids: dict[str, int]


def tokenizer_metadata(folder: Path, words: int) -> tuple[dict[str, Any], list[str]]:
    """The tokenizer's keys, and notes.

    words: rows of the embedding table; ids above the tokenizer's get names that text never has

    Where there is no conversion, llama.cpp loads the model without a tokenizer (it then takes
    token ids, not text), and a note says so. FileError for damaged files.
    """
    try:
        return _metadata(folder, words), []
    except Unsupported as why:
        return {"tokenizer.ggml.model": "none"}, [
            f"the file has no tokenizer, llama.cpp will take token ids only: {why}"
        ]


def _metadata(folder: Path, words: int) -> dict[str, Any]:
    file = ConfigFile.read(folder / "tokenizer.json")
    if file is None:
        raise Unsupported("there is no tokenizer.json")
    model = file.get("model")
    if not isinstance(model, dict):
        raise FileError(f"{file.path}: expected an object for 'model', but got {model!r:.60}")
    settings = ConfigFile.read(folder / "tokenizer_config.json")
    specials = _special_texts(folder, settings)
    tokens = _tokens(file, model, specials.get("unk_token"), words)
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    if kind == "WordPiece":
        found = _word_piece(file, model, tokens)
    elif kind == "BPE" and model.get("byte_fallback"):
        found = _scored(file, model, tokens)
    elif kind == "BPE":
        found = _byte_level(file, model, tokens)
    else:
        raise Unsupported(f"tokenizers of type {kind!r} have no conversion here")
    found["tokenizer.ggml.tokens"] = Typed("str[]", tokens.texts)
    found["tokenizer.ggml.token_type"] = Typed("i32[]", tokens.types)
    for key, ours in _SPECIALS.items():
        if specials.get(key) in tokens.ids:
            found[f"tokenizer.ggml.{ours}"] = Typed("u32", tokens.ids[specials[key]])
    if kind == "WordPiece" and specials.get("cls_token") in tokens.ids:
        found["tokenizer.ggml.bos_token_id"] = Typed("u32", tokens.ids[specials["cls_token"]])
    if kind == "BPE":
        begin, end = _ends(file, settings)
        found["tokenizer.ggml.add_bos_token"] = begin
        found["tokenizer.ggml.add_eos_token"] = end
    template = _chat_template(folder, settings)
    if template is not None:
        found["tokenizer.chat_template"] = template
    return found


def _tokens(file: ConfigFile, model: Mapping[str, Any], unknown: str | None, words: int) -> _Tokens:
    """All tokens by id: the vocabulary, those added to it, and names for ids without a token."""
    vocabulary, added = model.get("vocab"), file.get("added_tokens") or []
    if not isinstance(vocabulary, dict) or not isinstance(added, list):
        raise FileError(f"{file.path}: expected a 'vocab' of texts and a list of 'added_tokens'")
    ids: dict[str, int] = dict(vocabulary)
    kinds: dict[int, int] = {}
    for token in added:
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise FileError(f"{file.path}: expected added tokens, but got {token!r:.60}")
        ids[token["content"]] = token.get("id", -1)
        kinds[token.get("id", -1)] = _CONTROL if token.get("special") else _USER_DEFINED
    if unknown in ids:
        kinds[ids[unknown]] = _UNKNOWN
    texts = [f"[PAD{index}]" for index in range(words)]
    types = [_UNUSED] * words
    for text, index in ids.items():
        if type(index) is not int or index < 0:
            raise FileError(
                f"{file.path}: expected an id for token {text!r:.60}, got {index!r:.20}"
            )
        if index >= words:
            raise Unsupported(f"token {text!r:.60} has id {index}, of {words} embeddings")
        texts[index] = text
        types[index] = kinds.get(index, _NORMAL)
    return _Tokens(texts, types, ids)


def _word_piece(file: ConfigFile, model: Mapping[str, Any], tokens: _Tokens) -> dict[str, Any]:
    """Words start with the mark of a space, and what continues them has none, as llama.cpp has
    it; in the file it is the other way round."""
    if model.get("continuing_subword_prefix", "##") != "##":
        raise Unsupported("its continuing pieces do not start with ##")
    normalizer = file.get("normalizer")
    if isinstance(normalizer, dict) and normalizer.get("lowercase") is False:
        raise Unsupported("it keeps upper case, llama.cpp's WordPiece does not")
    for index, text in enumerate(tokens.texts):
        if tokens.types[index] == _NORMAL:
            tokens.texts[index] = text[2:] if text.startswith("##") else _SPACE + text
    return {"tokenizer.ggml.model": "bert"}


def _byte_level(file: ConfigFile, model: Mapping[str, Any], tokens: _Tokens) -> dict[str, Any]:
    split = _split(file)
    if split is None:
        name, whole = "gpt-2", False
    elif split in _SPLITS:
        name, whole = _SPLITS[split]
    else:
        raise Unsupported(f"llama.cpp's name for how it splits text is not known here: {split!r}")
    if bool(model.get("ignore_merges")) != whole:
        raise Unsupported(f"it is like '{name}', but for 'ignore_merges'")
    normalizer = file.get("normalizer")
    if isinstance(normalizer, dict) and normalizer.get("type") != "NFC":
        raise Unsupported(f"it normalizes text by {normalizer.get('type')!r}")
    merges = [" ".join(pair) for pair in _merges(file, model)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": name,
        "tokenizer.ggml.merges": Typed("str[]", merges),
    }


def _split(file: ConfigFile) -> str | None:
    """The pattern that text is split by before bytes are merged; None for GPT-2's."""
    steps = _steps(file.get("pre_tokenizer"), "pretokenizers")
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        if steps[0].get("add_prefix_space"):
            raise Unsupported("it puts a space before the text")
        return None
    pattern = steps[0].get("pattern") if steps else None
    if (
        kinds == ["Split", "ByteLevel"]
        and isinstance(pattern, dict)
        and isinstance(pattern.get("Regex"), str)
        and str(steps[0].get("behavior")).lower() == "isolated"
        and not steps[1].get("use_regex", True)
    ):
        return str(pattern["Regex"])
    raise Unsupported(f"it splits text by {kinds}, which has no conversion here")


def _scored(file: ConfigFile, model: Mapping[str, Any], tokens: _Tokens) -> dict[str, Any]:
    """Merging the pair of the highest score is merging by rank, if the score is minus the rank."""
    # A text of several characters that no merge makes is none for llama.cpp to make either, before
    # all others are made.
    scores = [0.0 if len(text) == 1 else _NO_MERGE for text in tokens.texts]
    for rank, (left, right) in enumerate(_merges(file, model)):
        index = tokens.ids.get(left + right)
        if index is None:
            raise FileError(
                f"{file.path}: merge {rank} makes no token: {left!r:.40}, {right!r:.40}"
            )
        if scores[index] in (0.0, _NO_MERGE):
            scores[index] = -1.0 - rank
    for index, text in enumerate(tokens.texts):
        if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            tokens.types[index] = _BYTE
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.scores": Typed("f32[]", scores),
        "tokenizer.ggml.add_space_prefix": _space_prefix(file),
    }


def _space_prefix(file: ConfigFile) -> bool:
    """Whether text begins with the mark of a space; all others are replaced by it."""
    normal = _steps(file.get("normalizer"), "normalizers")
    before = _steps(file.get("pre_tokenizer"), "pretokenizers")
    strange = {str(step.get("type")) for step in normal} - {"Prepend", "Replace"}
    strange |= {str(step.get("type")) for step in before} - {"Metaspace", "Split"}
    if strange:
        raise Unsupported(f"it changes text by {', '.join(sorted(strange))}")
    prefixes = [step for step in normal if step.get("type") == "Prepend"]
    meta = [step for step in before if step.get("type") == "Metaspace"]
    return bool(prefixes) or any(step.get("prepend_scheme") != "never" for step in meta)


def _steps(value: Any, members: str) -> list[dict[str, Any]]:
    """A normalizer or pre-tokenizer as the list of its steps."""
    if value is None:
        return []
    steps = (
        value.get(members)
        if isinstance(value, dict) and "Sequence" in str(value.get("type"))
        else [value]
    )
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise Unsupported(f"its {members} are {value!r:.60}")
    return steps


def _merges(file: ConfigFile, model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of tokens, in the order of their ranks; files have them as lists or with a space."""
    found: list[tuple[str, str]] = []
    for entry in model.get("merges") or []:
        pair = entry.split(" ") if isinstance(entry, str) else entry
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(p, str) for p in pair)
        ):
            raise FileError(f"{file.path}: expected merges of two tokens, but got {entry!r:.60}")
        found.append((pair[0], pair[1]))
    return found


def _special_texts(folder: Path, settings: ConfigFile | None) -> dict[str, str]:
    """Texts of the special tokens; in the files they are texts or objects with a content."""
    found: dict[str, str] = {}
    for file in (ConfigFile.read(folder / "special_tokens_map.json"), settings):
        for key in _SPECIALS if file is not None else ():
            value = file.get(key) if file is not None else None
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                found[key] = text
    return found


def _ends(file: ConfigFile, settings: ConfigFile | None) -> tuple[bool, bool]:
    """Whether a token is put before and after a text: by its template, else by the settings."""
    for step in _steps(file.get("post_processor"), "processors"):
        single = step.get("single")
        if step.get("type") == "TemplateProcessing" and isinstance(single, list) and single:
            first, last = single[0], single[-1]
            return "SpecialToken" in first, "SpecialToken" in last
    if settings is None:
        return False, False
    return settings.flag("add_bos_token"), settings.flag("add_eos_token")


def _chat_template(folder: Path, settings: ConfigFile | None) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{path}: cannot read: {error}") from error
    template = settings.get("chat_template") if settings is not None else None
    return template if isinstance(template, str) else None
