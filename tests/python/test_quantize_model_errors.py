"""Quantizing model files: requests and input that are refused, outputs that are kept."""

import json
import subprocess
import sys

import numpy as np
import pytest
from quantize_sources import by_source, normal, out, write_source

from headrace import files
from headrace.errors import UsageError
from headrace.files import FileError
from headrace.quantize import quantize_model


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


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
