"""Quantizing model files: formats by rule and by name, and containers."""

import json

import ml_dtypes
import numpy as np
import pytest
from quantize_sources import DOWN, EMBEDDING, ODD, VALUES, Q, by_source, normal, out, write_source

from headrace import files, formats
from headrace.errors import UsageError
from headrace.quantize import quantize_matrix, quantize_model
from headrace.quantize.plan import allowed


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


def test_linear_layers_and_embeddings_are_quantized_and_the_rest_is_not(source, tmp_path):
    report = quantize_model(source, tmp_path / "a.gguf", "q4_k")
    rows = by_source(report)
    assert {name: rows[name].format for name in rows} == {
        EMBEDDING: "q4_k",
        Q: "q4_k",
        DOWN: "q8_0",
        ODD: "f32",
        "model.layers.0.mlp.gate.weight": "f32",
        "model.layers.0.conv1d.weight": "f32",
        "model.layers.0.input_layernorm.weight": "f32",
        "model.layers.0.table": "f32",
        "transformer.wpe.weight": "f32",
        "lm_head.bias": "f32",
        "model.position_ids": "i64",
    }
    assert rows[DOWN].reason == "fallback: for q4_k its 96 columns are no multiple of 256"
    assert "its 20 columns are no multiple of 32" in rows[ODD].reason
    assert "router" in rows["model.layers.0.mlp.gate.weight"].reason
    assert "positions" in rows["transformer.wpe.weight"].reason
    assert {row.source_name for row in report.fallen_back} == {DOWN, ODD}
    with files.open(tmp_path / "a.gguf") as made:
        for name, row in rows.items():
            tensor = made[row.name]
            assert (tensor.shape, tensor.format) == (row.shape, row.format)
            assert tensor.data.size == row.nbytes
            if not row.changed and name in VALUES:
                np.testing.assert_array_equal(tensor.array(), VALUES[name])
        for name in (EMBEDDING, Q, DOWN):
            want = quantize_matrix(VALUES[name], rows[name].format)
            np.testing.assert_array_equal(made[name].data, want.data)
            assert rows[name].relative_rmse == want.relative_rmse > 0
            assert rows[name].max_error == want.max_error
    total = np.concatenate([VALUES[row.source_name].ravel() for row in report.quantized])
    squared = sum(row.rmse**2 * row.weights for row in report.quantized)
    expected = np.sqrt(squared / np.sum(total.astype(np.float64) ** 2))
    assert report.relative_rmse == pytest.approx(expected)
    assert report.nbytes == sum(row.nbytes for row in report.tensors)


def test_patterns_of_names_come_before_the_rules(source, tmp_path):
    report = quantize_model(
        source,
        tmp_path / "a.gguf",
        "q4_k",
        fallback="q4_0",
        tensors={"*.q_proj.*": "q6_k", "*_proj.*": "f16", "*.table": "q8_0"},
        keep=["*embed*"],
    )
    rows = by_source(report)
    assert rows[Q].format == "q6_k"
    assert (rows[DOWN].format, rows[DOWN].action, rows[DOWN].reason) == ("f16", "converted", "")
    assert 0 < rows[DOWN].relative_rmse < 1e-3
    assert rows["model.layers.0.table"].format == "q8_0"
    assert (rows[EMBEDDING].format, rows[EMBEDDING].reason) == ("f32", "kept as asked")


def test_safetensors_hold_any_format_and_keep_types(tmp_path):
    source, made = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    weight, norm = normal(64, 256), normal(256).astype(ml_dtypes.bfloat16)
    files.write_safetensors(source, [out("a.weight", weight), out("norm.weight", norm, "bf16")])
    report = quantize_model(source, made, "q4nx")
    assert report.container == "safetensors" and report.runnable is None
    with files.open(made) as file:
        want = formats.get("q4nx").encode(weight)
        np.testing.assert_array_equal(file["a.weight"].packed(), want)
        assert file["norm.weight"].format == "bf16"
        np.testing.assert_array_equal(file["norm.weight"].array(), norm)


def test_q4nx_has_tables_in_bf16_and_tied_embeddings_twice(source, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(source.read_bytes())
    (folder / "config.json").write_text(json.dumps({"tie_word_embeddings": True}))
    report = quantize_model(folder, tmp_path / "model.q4nx", "q4nx")
    rows = {row.name: row.format for row in report.tensors}
    assert rows[EMBEDDING] == "bf16" and rows["lm_head.weight"] == "q4nx"
    assert rows[DOWN] == "q4nx" and rows["lm_head.bias"] == "bf16"
    assert any("position_ids (i64)" in note for note in report.notes)
    with files.open(tmp_path / "model.q4nx") as file:
        assert file.kind == "q4nx"
        want = formats.get("q4nx").encode(VALUES[EMBEDDING])
        np.testing.assert_array_equal(file["lm_head.weight"].packed(), want)


def test_stacked_experts_are_quantized(tmp_path):
    source, experts = tmp_path / "in.gguf", normal(4, 32, 256)
    files.write_gguf(source, [out("blk.0.ffn_up_exps.weight", experts)])
    report = quantize_model(source, tmp_path / "o.gguf", "q4_k")
    assert report.tensors[0].format == "q4_k"
    with files.open(tmp_path / "o.gguf") as made:
        tensor = made["blk.0.ffn_up_exps.weight"]
        assert tensor.shape == (4, 32, 256)
        want = quantize_matrix(experts.reshape(128, 256), "q4_k")
        np.testing.assert_array_equal(tensor.data, want.data)


def test_types_that_gguf_lacks_are_left_out_and_it_is_said(tmp_path):
    source = tmp_path / "in.safetensors"
    mask = out("attn.mask", np.ones((4, 4), np.bool_), "bool")
    files.write_safetensors(source, [out("a.weight", normal(32, 32)), mask])
    report = quantize_model(source, tmp_path / "o.gguf", "q8_0")
    assert "left out, GGUF has no such types: attn.mask (bool)" in report.notes
    with files.open(tmp_path / "o.gguf") as made:
        assert made.names() == ["a.weight"]


def test_checkpoints_in_parts(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    files.write_safetensors(folder / "a.safetensors", [out(Q, VALUES[Q])])
    files.write_safetensors(folder / "b.safetensors", [out(DOWN, VALUES[DOWN])])
    index = {"metadata": {}, "weight_map": {Q: "a.safetensors", DOWN: "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    report = quantize_model(folder, tmp_path / "o.gguf", "q8_0")
    assert [row.source_name for row in report.quantized] == [Q, DOWN]
    with pytest.raises(UsageError, match="expected another file than the input"):
        quantize_model(folder, folder / "b.safetensors", "q8_0", force=True)


def test_what_containers_hold():
    gguf = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"}
    assert gguf | {"iq4_nl", "f16", "bf16", "f32"} <= set(allowed("gguf"))
    assert "q4nx" not in allowed("gguf") and "q4nx" in allowed("safetensors")
    assert allowed("q4nx") == ["q4nx", "bf16"]
    assert not [name for name in allowed("safetensors") if name.startswith("act_")]
