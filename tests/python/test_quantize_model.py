"""Quantizing model files: formats by rule and by name, containers, reports, and bad input."""

import json
import subprocess
import sys
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from headrace import files, formats
from headrace.errors import UsageError
from headrace.files import FileError, Out
from headrace.quantize import quantize_matrix, quantize_model
from headrace.quantize.plan import allowed

RNG = np.random.default_rng(5)
BF16 = ml_dtypes.bfloat16


def raw(values):
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def out(name, values, form="f32"):
    return Out(name, values.shape, form, raw(values))


def normal(*shape):
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


@pytest.fixture(scope="module")
def values():
    return {name: normal(*shape) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def source(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("source") / "model.safetensors"
    outs = [out(name, array) for name, array in values.items()]
    outs.append(out("model.position_ids", np.arange(16, dtype=np.int64), "i64"))
    files.write_safetensors(path, outs, {"format": "pt"})
    return path


def by_source(report):
    return {row.source_name: row for row in report.tensors}


def test_linear_layers_and_embeddings_are_quantized_and_the_rest_is_not(source, tmp_path, values):
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
            if not row.changed and name in values:
                np.testing.assert_array_equal(tensor.array(), values[name])
        for name in (EMBEDDING, Q, DOWN):
            want = quantize_matrix(values[name], rows[name].format)
            np.testing.assert_array_equal(made[name].data, want.data)
            assert rows[name].relative_rmse == want.relative_rmse > 0
            assert rows[name].max_error == want.max_error
    total = np.concatenate([values[row.source_name].ravel() for row in report.quantized])
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
    weight, norm = normal(64, 256), normal(256).astype(BF16)
    files.write_safetensors(source, [out("a.weight", weight), out("norm.weight", norm, "bf16")])
    report = quantize_model(source, made, "q4nx")
    assert report.container == "safetensors" and report.runnable is None
    with files.open(made) as file:
        want = formats.get("q4nx").encode(weight)
        np.testing.assert_array_equal(file["a.weight"].packed(), want)
        assert file["norm.weight"].format == "bf16"
        np.testing.assert_array_equal(file["norm.weight"].array(), norm)


def test_q4nx_has_tables_in_bf16_and_tied_embeddings_twice(source, tmp_path, values):
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
        want = formats.get("q4nx").encode(values[EMBEDDING])
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


def test_checkpoints_in_parts(tmp_path, values):
    folder = tmp_path / "model"
    folder.mkdir()
    files.write_safetensors(folder / "a.safetensors", [out(Q, values[Q])])
    files.write_safetensors(folder / "b.safetensors", [out(DOWN, values[DOWN])])
    index = {"metadata": {}, "weight_map": {Q: "a.safetensors", DOWN: "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    report = quantize_model(folder, tmp_path / "o.gguf", "q8_0")
    assert [row.source_name for row in report.quantized] == [Q, DOWN]
    with pytest.raises(UsageError, match="expected another file than the input"):
        quantize_model(folder, folder / "b.safetensors", "q8_0", force=True)


def test_requantizing_is_asked_for_and_compares_with_the_dequantized(source, tmp_path):
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    quantize_model(source, first, "q8_0")
    with pytest.raises(UsageError, match=r"is quantized already \(q8_0\).*allowed: --requantize"):
        quantize_model(first, second, "q4_0")
    assert not second.exists()
    report = quantize_model(first, second, "q4_0", requantize=True)
    row = by_source(report)[Q]
    assert (row.action, row.source_format, row.format) == ("requantized", "q8_0", "q4_0")
    with files.open(first) as before, files.open(second) as after:
        assert after.metadata["general.architecture"] == before.metadata["general.architecture"]
        assert after.metadata["general.file_type"] == 2
        want = before[Q].values()
        error = np.linalg.norm(after[Q].values() - want) / np.linalg.norm(want)
        assert row.relative_rmse == pytest.approx(error, rel=1e-5)
        want = quantize_matrix(want, "q4_0").data
        np.testing.assert_array_equal(after[Q].data, want)


def test_what_has_the_format_already_is_copied(source, tmp_path):
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    quantize_model(source, first, "q8_0")
    report = quantize_model(first, second, "q8_0")
    assert not report.quantized
    with files.open(first) as before, files.open(second) as after:
        for tensor in before.tensors():
            np.testing.assert_array_equal(after[tensor.name].data, tensor.data)


def test_importance_weighs_columns(source, tmp_path, values):
    weights = np.linspace(0, 4, 256, dtype=np.float32)
    plain, theirs = tmp_path / "i.safetensors", tmp_path / "imatrix.gguf"
    files.write_safetensors(plain, [out(Q, weights)])
    sums, counts = (weights * 8).reshape(1, 256), np.array([[8]], np.float32)
    files.write_gguf(theirs, [out(f"{Q}.in_sum2", sums), out(f"{Q}.counts", counts)])
    want = quantize_matrix(values[Q], "q4_k", importance=weights)
    assert (want.data != quantize_matrix(values[Q], "q4_k").data).any()
    for path in (plain, theirs):
        target = tmp_path / f"{path.stem}.q.gguf"
        rows = by_source(quantize_model(source, target, "q4_k", importance=path))
        assert [name for name, row in rows.items() if row.importance] == [Q]
        with files.open(target) as file:
            np.testing.assert_array_equal(file[Q].data, want.data)


def test_an_importance_that_is_of_no_use_is_refused(source, tmp_path):
    path = tmp_path / "i.safetensors"
    files.write_safetensors(path, [out("other.weight", np.ones(256, np.float32))])
    for form in ("q4_k", "q8_0"):
        with pytest.raises(UsageError, match="it has no importance of a tensor that becomes q2_k"):
            quantize_model(source, tmp_path / "o.gguf", form, importance=path)
    files.write_safetensors(path, [out(Q, np.ones(255, np.float32))])
    with pytest.raises(FileError, match=r"expected 256 finite importances.*shape \[255\]"):
        quantize_model(source, tmp_path / "o.gguf", "q4_k", importance=path)


def test_the_result_does_not_depend_on_threads(source, tmp_path):
    for threads in (1, 3):
        quantize_model(source, tmp_path / f"{threads}.gguf", "q4_k", threads=threads)
    assert (tmp_path / "1.gguf").read_bytes() == (tmp_path / "3.gguf").read_bytes()


def test_one_tensor_is_in_memory_at_a_time(tmp_path):
    size = 1 << 20
    outs = [
        Out(f"{i}.weight", (1024, 1024), "f32", lambda: raw(normal(1024, 1024))) for i in range(8)
    ]
    files.write_safetensors(tmp_path / "in.safetensors", outs)
    quantize_model(tmp_path / "in.safetensors", tmp_path / "warm.gguf", "q8_0")
    tracemalloc.start()
    quantize_model(tmp_path / "in.safetensors", tmp_path / "out.gguf", "q8_0", threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 8 tensors of 4 MB; a piece of some MB and one result of 1 MB are what it needs.
    assert peak < 4 * size * 3


def test_progress_ends_at_all_values(source, tmp_path):
    seen = []
    quantize_model(source, tmp_path / "o.gguf", "q4_k", progress=lambda *at: seen.append(at))
    counts = [done for done, _ in seen]
    assert counts == sorted(counts) and len({of for _, of in seen}) == 1
    assert seen[-1][0] == seen[-1][1] == 48 * 256 + 64 * 256 + 256 * 96 + 8 * 20


# Bad requests and bad input.


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "o.gguf",
            {"weights": "q4_kk"},
            "unknown format of --weights 'q4_kk', did you mean 'q4_k'",
        ),
        ("o.gguf", {"weights": "q4nx"}, "a gguf file holds for --weights, but got 'q4nx'.*q8_0"),
        ("o.q4nx", {"weights": "q8_0"}, "a q4nx file holds.*allowed: q4nx or bf16"),
        ("o.gguf", {"weights": "act_i8"}, "act_i8"),
        ("o.gguf", {"fallback": "q4nx"}, "holds for --fallback"),
        ("o.gguf", {"tensors": {"*": "q9"}}, "unknown format of --tensor '\\*' 'q9'"),
        ("o.bin", {}, "expected an output that ends in .gguf, .q4nx or .safetensors"),
        (
            "o.gguf",
            {"tensors": {"*.nope.*": "q8_0"}},
            "no tensor matches '\\*.nope.\\*'; it has 11",
        ),
        ("o.gguf", {"keep": ["zzz"]}, "no tensor matches 'zzz'"),
        ("o.gguf", {"fallback": "error"}, "down_proj.weight': cannot be q4_k: its 96 columns"),
        ("o.gguf", {"threads": 0}, "expected at least one thread"),
    ],
)
def test_requests_that_cannot_be_meant(source, tmp_path, name, options, message):
    target = tmp_path / name
    with pytest.raises(UsageError, match=message):
        quantize_model(source, target, options.pop("weights", "q4_k"), **options)
    assert list(tmp_path.iterdir()) == []


def test_what_containers_hold():
    gguf = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"}
    assert gguf | {"iq4_nl", "f16", "bf16", "f32"} <= set(allowed("gguf"))
    assert "q4nx" not in allowed("gguf") and "q4nx" in allowed("safetensors")
    assert allowed("q4nx") == ["q4nx", "bf16"]
    assert not [name for name in allowed("safetensors") if name.startswith("act_")]


def test_a_file_with_no_weights(tmp_path):
    source = tmp_path / "in.safetensors"
    files.write_safetensors(source, [out("a.norm.weight", normal(64)), out("table", normal(8, 64))])
    with pytest.raises(UsageError, match="no tensor to quantize: none of 2.*--tensor 'PATTERN"):
        quantize_model(source, tmp_path / "o.gguf", "q8_0")
    rows = by_source(quantize_model(source, tmp_path / "o.gguf", "q8_0", tensors={"table": "q8_0"}))
    assert rows["table"].format == "q8_0"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("form", ["q4_k", "q8_0", "f16"])
def test_nan_names_tensor_and_place(tmp_path, value, form):
    source, weight = tmp_path / "in.safetensors", normal(2000, 256)
    weight[1777, 31] = value
    files.write_safetensors(source, [out("a.weight", normal(32, 256)), out("b.weight", weight)])
    place = r"tensor 'b.weight'.*(row 1777, column 31|\[1777, 31\])"
    with pytest.raises(UsageError, match=place):
        quantize_model(source, tmp_path / "o.gguf", form)
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_nan_in_a_tensor_that_is_not_quantized(tmp_path):
    source, norm = tmp_path / "in.safetensors", normal(64)
    norm[7] = np.nan
    files.write_safetensors(source, [out("norm.weight", norm), out("b.weight", normal(32, 32))])
    with pytest.raises(UsageError, match=r"tensor 'norm.weight'.*nan at \[7\]"):
        quantize_model(source, tmp_path / "o.gguf", "q8_0")
    quantize_model(source, tmp_path / "o.gguf", "q8_0", keep=["norm*"])


def test_too_large_for_f16(tmp_path):
    source, weight = tmp_path / "in.safetensors", normal(32, 32)
    weight[0, 0] = 1e5
    files.write_safetensors(source, [out("a.weight", weight)])
    with pytest.raises(UsageError, match="'a.weight': cannot be f16: its largest value is 100000"):
        quantize_model(source, tmp_path / "o.gguf", "f16")
    assert quantize_model(source, tmp_path / "o.gguf", "bf16").tensors[0].format == "bf16"


def test_outputs_are_not_overwritten_by_accident(source, tmp_path):
    target = tmp_path / "o.gguf"
    target.write_bytes(b"precious")
    with pytest.raises(UsageError, match="it exists; allowed: --force"):
        quantize_model(source, target, "q8_0")
    assert target.read_bytes() == b"precious"
    quantize_model(source, target, "q8_0", force=True)
    copy = tmp_path / "in.safetensors"
    copy.write_bytes(source.read_bytes())
    link = tmp_path / "link.safetensors"
    link.symlink_to(copy)
    for place in (copy, link):
        with pytest.raises(UsageError, match="expected another file than the input"):
            quantize_model(copy, place, "q8_0", force=True)
    assert copy.read_bytes() == source.read_bytes()
    with pytest.raises(UsageError, match="it is a folder"):
        (tmp_path / "d.gguf").mkdir()
        quantize_model(source, tmp_path / "d.gguf", "q8_0", force=True)


def test_an_interrupt_leaves_what_was_there(source, tmp_path):
    target = tmp_path / "o.gguf"
    target.write_bytes(b"precious")

    def stop(done, of):
        if done > of // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_model(source, target, "q4_k", force=True, progress=stop)
    assert target.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_nothing(source, tmp_path):
    """The largest file a process may write stands for the disk."""
    code = f"""
import resource
from headrace.quantize import quantize_model
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
quantize_model({str(source)!r}, {str(tmp_path / "o.gguf")!r}, "q8_0")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "FileError" in done.stderr and "o.gguf: cannot write: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written(source, tmp_path):
    with pytest.raises(FileError, match="cannot write: its folder does not exist"):
        quantize_model(source, tmp_path / "no" / "o.gguf", "q8_0")
    with pytest.raises(FileError, match=r"/proc/o.gguf: cannot write"):
        quantize_model(source, "/proc/o.gguf", "q8_0")


def test_truncated_and_missing_inputs(source, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(FileError, match=r"cut.safetensors"):
        quantize_model(cut, tmp_path / "o.gguf", "q8_0")
    with pytest.raises(FileError, match=r"none.safetensors"):
        quantize_model(tmp_path / "none.safetensors", tmp_path / "o.gguf", "q8_0")
    assert list(tmp_path.iterdir()) == [cut]


def test_checkpoints_of_other_quantizers_are_refused(source, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(source.read_bytes())
    config = {"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"quantized already \(gptq\)"):
        quantize_model(folder, tmp_path / "o.gguf", "q8_0")


def test_plot(source, tmp_path):
    pytest.importorskip("matplotlib")
    report = quantize_model(source, tmp_path / "o.gguf", "q4_k")
    report.plot(tmp_path / "errors.svg")
    drawn = (tmp_path / "errors.svg").read_text()
    assert "<svg" in drawn and len(drawn) > 5000
    with pytest.raises(UsageError, match=r"allowed: .png, .svg, .pdf"):
        report.plot(tmp_path / "errors.txt")
    with pytest.raises(UsageError, match="expected its folder to exist"):
        report.plot(tmp_path / "no" / "errors.png")
