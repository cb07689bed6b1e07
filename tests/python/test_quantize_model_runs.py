"""Quantizing model files again, with importances, in threads, with reports and plots."""

import tracemalloc

import numpy as np
import pytest
from quantize_sources import VALUES, Q, by_source, normal, out, raw, write_source

from headrace import files
from headrace.errors import UsageError
from headrace.files import FileError, Out
from headrace.quantize import quantize_matrix, quantize_model


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


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


def test_importance_weighs_columns(source, tmp_path):
    weights = np.linspace(0, 4, 256, dtype=np.float32)
    plain, theirs = tmp_path / "i.safetensors", tmp_path / "imatrix.gguf"
    files.write_safetensors(plain, [out(Q, weights)])
    sums, counts = (weights * 8).reshape(1, 256), np.array([[8]], np.float32)
    files.write_gguf(theirs, [out(f"{Q}.in_sum2", sums), out(f"{Q}.counts", counts)])
    want = quantize_matrix(VALUES[Q], "q4_k", importance=weights)
    assert (want.data != quantize_matrix(VALUES[Q], "q4_k").data).any()
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
