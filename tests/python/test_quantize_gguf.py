"""Checkpoints as GGUF models: names, hyper-parameters, tokenizers, and what has no conversion."""

import json
import math
import re
import sys

import gguf
import numpy as np
import pytest

from headrace import files
from headrace.errors import ToolMissingError
from headrace.files import FileError, Out
from headrace.quantize import quantize_model

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
    "vocab_size": 40,
}
SHAPES = {
    "model.embed_tokens.weight": (40, 64),
    "model.layers.0.self_attn.q_proj.weight": (64, 64),
    "model.layers.0.self_attn.k_proj.weight": (32, 64),
    "model.layers.0.self_attn.v_proj.weight": (32, 64),
    "model.layers.0.self_attn.o_proj.weight": (64, 64),
    "model.layers.0.mlp.gate_proj.weight": (96, 64),
    "model.layers.0.mlp.up_proj.weight": (96, 64),
    "model.layers.0.mlp.down_proj.weight": (64, 96),
    "model.layers.0.input_layernorm.weight": (64,),
    "model.layers.0.post_attention_layernorm.weight": (64,),
    "model.norm.weight": (64,),
    "lm_head.weight": (40, 64),
}


@pytest.fixture
def convert(tmp_path):
    """Makes a checkpoint and converts it: (report, reader of `gguf`, values of the checkpoint)."""

    def run(config, extra=(), **jsons):
        rng = np.random.default_rng(0)
        shapes = SHAPES | dict.fromkeys(extra, (64, 64))
        values = {n: rng.standard_normal(s, dtype=np.float32) for n, s in shapes.items()}
        outs = [Out(n, v.shape, "f32", v.reshape(-1).view(np.uint8)) for n, v in values.items()]
        files.write_safetensors(tmp_path / "model.safetensors", outs)
        for name, value in {"config": config, **jsons}.items():
            text = value if isinstance(value, str) else json.dumps(value)
            (tmp_path / f"{name}.json").write_text(text)
        report = quantize_model(tmp_path, tmp_path / "o.gguf", "f32", force=True)
        return report, gguf.GGUFReader(tmp_path / "o.gguf"), values

    return run


def fields(reader):
    return {key: reader.fields[key].contents() for key in reader.fields}


def test_llama(convert):
    report, reader, values = convert(CONFIG)
    assert report.architecture == "llama" and report.runnable
    expected = {
        "general.architecture": "llama",
        "llama.context_length": 128,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 96,
        "llama.block_count": 1,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 16,
        "llama.attention.value_length": 16,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 5e5,
        "llama.vocab_size": 40,
        "tokenizer.ggml.model": "none",
    }
    found = fields(reader)
    assert {key: found[key] for key in expected} == expected
    assert "will take token ids only: there is no tokenizer.json" in report.notes[0]
    tensors = {t.name: np.asarray(t.data) for t in reader.tensors}
    assert set(tensors) == {
        *("token_embd.weight", "output.weight", "output_norm.weight"),
        *(f"blk.0.attn_{n}.weight" for n in ("q", "k", "v", "output", "norm")),
        *(f"blk.0.ffn_{n}.weight" for n in ("gate", "up", "down", "norm")),
    }
    v = values["model.layers.0.self_attn.v_proj.weight"]
    np.testing.assert_array_equal(tensors["blk.0.attn_v.weight"], v)
    # A head's rows i and i + 8 are turned together; there they are neighbours.
    for name, ours in (("q", "q_proj"), ("k", "k_proj")):
        want = values[f"model.layers.0.self_attn.{ours}.weight"]
        got = tensors[f"blk.0.attn_{name}.weight"]
        for head in range(want.shape[0] // 16):
            for row in range(8):
                np.testing.assert_array_equal(got[16 * head + 2 * row], want[16 * head + row])
                np.testing.assert_array_equal(
                    got[16 * head + 2 * row + 1], want[16 * head + row + 8]
                )


def test_long_rotary_positions(convert):
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    report, reader, _ = convert(CONFIG | {"rope_scaling": scaling})
    assert report.runnable
    factors = next(np.asarray(t.data) for t in reader.tensors if t.name == "rope_freqs.weight")
    for index, factor in enumerate(factors):
        wave = 2 * math.pi * 5e5 ** (index / 8)
        if wave < 8192 / 4:
            assert factor == 1
        elif wave > 8192:
            assert factor == 8
        else:
            assert 1 < factor < 8
    for kind in ("linear", "yarn"):
        _, reader, _ = convert(CONFIG | {"rope_scaling": scaling | {"rope_type": kind}})
        found = fields(reader)
        assert found["llama.rope.scaling.type"] == kind
        assert found["llama.rope.scaling.factor"] == 8
        assert ("llama.rope.scaling.original_context_length" in found) == (kind == "yarn")


@pytest.mark.parametrize(
    ("change", "extra", "why"),
    [
        ({"model_type": "mamba9"}, (), "the architecture 'mamba9' has no conversion"),
        ({"hidden_act": "relu"}, (), "hidden_act 'relu' has no conversion"),
        ({"rope_scaling": {"rope_type": "longrope"}}, (), "type 'longrope' have no conversion"),
        ({}, ("vision.blocks.0.weight",), "has no tensors such as vision.blocks.0.weight"),
        ({}, ("model.layers.0.self_attn.q_norm.weight",), "no tensors such as model.layers.0.self"),
        ({"model_type": "qwen3", "use_sliding_window": True}, (), "sliding windows"),
    ],
)
def test_what_llama_cpp_will_not_run_is_said_and_keeps_its_names(convert, change, extra, why):
    report, reader, values = convert(CONFIG | change, extra)
    assert not report.runnable
    assert len(report.notes) == 1 and why in report.notes[0]
    assert "llama.cpp will not run this file" in report.notes[0]
    assert {tensor.name for tensor in reader.tensors} == set(values)
    assert fields(reader)["general.architecture"] == (CONFIG | change)["model_type"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "config.json: expected JSON"),
        ([1], "config.json: expected a JSON object"),
        (CONFIG | {"hidden_size": None}, "expected a positive number for 'hidden_size', but got N"),
        (CONFIG | {"num_hidden_layers": -1}, "'num_hidden_layers', but got -1"),
        (CONFIG | {"rms_norm_eps": "small"}, "expected a number for 'rms_norm_eps'"),
        (CONFIG | {"model_type": 3}, "expected a text for 'model_type'"),
        (CONFIG | {"rope_scaling": [1]}, "expected an object for 'rope_scaling'"),
    ],
)
def test_damaged_configurations(convert, config, message):
    with pytest.raises(FileError, match=message):
        convert(config)


# Tokenizers.

WORD_PIECE = {
    "added_tokens": [{"id": 1, "content": "[CLS]", "special": True}],
    "model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "##b": 3}},
}
BYTES = {
    "added_tokens": [
        {"id": 3, "content": "<s>", "special": True},
        {"id": 4, "content": "<tool>", "special": False},
    ],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
}
FALLBACK = {
    "normalizer": {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": SPACE}, {"type": "Replace"}],
    },
    "model": {
        "type": "BPE",
        "byte_fallback": True,
        "vocab": {"<0x00>": 0, "a": 1, "b": 2, "aba": 3, "ab": 4, "zz": 5},
        "merges": ["a b", "ab a"],
    },
}
NAMES = {"unk_token": "[UNK]", "cls_token": {"content": "[CLS]"}, "bos_token": "<s>"}


def test_word_piece(convert):
    _, reader, _ = convert(CONFIG, tokenizer=WORD_PIECE, tokenizer_config=NAMES)
    found = fields(reader)
    assert found["tokenizer.ggml.model"] == "bert"
    assert found["tokenizer.ggml.tokens"][:5] == ["[UNK]", "[CLS]", SPACE + "a", "b", "[PAD4]"]
    assert found["tokenizer.ggml.token_type"][:5] == [2, 3, 1, 1, 5]
    assert len(found["tokenizer.ggml.tokens"]) == 40
    assert found["tokenizer.ggml.unknown_token_id"] == 0
    assert found["tokenizer.ggml.cls_token_id"] == found["tokenizer.ggml.bos_token_id"] == 1


def test_byte_level(convert):
    settings = NAMES | {"add_bos_token": True, "chat_template": "{{ messages }}"}
    ids = {"bos_token_id": 7, "eos_token_id": [5, 6], "pad_token_id": 99}
    report, reader, _ = convert(CONFIG | ids, tokenizer=BYTES, tokenizer_config=settings)
    assert report.notes == ()
    found = fields(reader)
    assert found["tokenizer.ggml.model"] == "gpt2" and found["tokenizer.ggml.pre"] == "gpt-2"
    assert found["tokenizer.ggml.merges"] == ["a b"]
    assert found["tokenizer.ggml.token_type"][:6] == [1, 1, 1, 3, 4, 5]
    assert found["tokenizer.ggml.bos_token_id"] == 3, "the tokenizer's own comes first"
    assert found["tokenizer.ggml.eos_token_id"] == 5
    assert "tokenizer.ggml.padding_token_id" not in found
    assert (found["tokenizer.ggml.add_bos_token"], found["tokenizer.ggml.add_eos_token"]) == (1, 0)
    assert found["tokenizer.chat_template"] == "{{ messages }}"


def test_byte_fallback_has_scores_in_the_order_of_merges(convert):
    _, reader, _ = convert(CONFIG, tokenizer=FALLBACK)
    found = fields(reader)
    assert found["tokenizer.ggml.model"] == "llama"
    scores = found["tokenizer.ggml.scores"]
    assert scores[1] == scores[2] == 0 and scores[4] > scores[3] > scores[5]
    assert found["tokenizer.ggml.token_type"][0] == 6
    assert found["tokenizer.ggml.add_space_prefix"]


def split_by(pattern):
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    steps = [split, {"type": "ByteLevel", "use_regex": False}]
    return BYTES | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}


@pytest.mark.parametrize(
    ("tokenizer", "why"),
    [
        (BYTES | {"model": {"type": "Unigram", "vocab": {}}}, "type 'Unigram' have no conversion"),
        (split_by("[0-9]+"), "name for how it splits text is not known here: '\\[0-9\\]\\+'"),
        (BYTES | {"pre_tokenizer": {"type": "Whitespace"}}, "splits text by \\['Whitespace'\\]"),
        (BYTES | {"normalizer": {"type": "Lowercase"}}, "normalizes text by 'Lowercase'"),
        (BYTES | {"model": BYTES["model"] | {"ignore_merges": True}}, "but for 'ignore_merges'"),
        (BYTES | {"model": BYTES["model"] | {"vocab": {"a": 40}}}, "has id 40, of 40 embeddings"),
        (WORD_PIECE | {"normalizer": {"type": "Bert", "lowercase": False}}, "keeps upper case"),
        (FALLBACK | {"normalizer": {"type": "NFKC"}}, "changes text by NFKC"),
    ],
)
def test_tokenizers_without_a_conversion_are_left_out_and_it_is_said(convert, tokenizer, why):
    report, reader, _ = convert(CONFIG, tokenizer=tokenizer)
    assert report.runnable and len(report.notes) == 1
    assert re.search(why, report.notes[0])
    found = fields(reader)
    assert found["tokenizer.ggml.model"] == "none" and "tokenizer.ggml.tokens" not in found


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ("[", "tokenizer.json: expected JSON"),
        ({"model": 3}, "expected an object for 'model'"),
        (BYTES | {"model": {"type": "BPE", "vocab": [1]}}, "expected a 'vocab' of texts"),
        (BYTES | {"model": BYTES["model"] | {"vocab": {"a": -1}}}, "expected an id for token 'a'"),
        (BYTES | {"model": BYTES["model"] | {"merges": ["a"]}}, "expected merges of two tokens"),
        (BYTES | {"added_tokens": [3]}, "expected added tokens, but got 3"),
        (
            FALLBACK | {"model": FALLBACK["model"] | {"merges": ["b b"]}},
            "merge 0 makes no token: 'b', 'b'",
        ),
    ],
)
def test_damaged_tokenizers(convert, tokenizer, message):
    with pytest.raises(FileError, match=message):
        convert(CONFIG, tokenizer=tokenizer)


def test_without_gguf_the_error_names_it(convert, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ToolMissingError, match="need the Python package gguf; `pip install gguf`"):
        convert(CONFIG)
