"""safetensors files, against the safetensors package; and what damaged ones say."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from headrace import files
from headrace.errors import UsageError
from headrace.files import FileError, Out

NUMPY = ("f64", "f32", "f16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool")
TORCH = {
    "bf16": torch.bfloat16,
    "f8_e4m3": torch.float8_e4m3fn,
    "f8_e5m2": torch.float8_e5m2,
    "f8_e4m3fnuz": torch.float8_e4m3fnuz,
    "f8_e5m2fnuz": torch.float8_e5m2fnuz,
    "f8_e8m0": torch.float8_e8m0fnu,
}


def some_arrays():
    rng = np.random.default_rng(1)
    arrays = {f"z.{form}": rng.integers(0, 2, (3, 5)).astype(files.PLAIN[form]) for form in NUMPY}
    arrays['a.ünïcode \\ "quoted"'] = np.float32([1, 2])
    arrays["scalar"] = np.array(3.5)
    arrays["none"] = np.zeros((0, 4), dtype=np.float16)
    return arrays


def outs_of(arrays):
    names = {dtype: name for name, dtype in files.PLAIN.items()}
    return [
        Out(name, array.shape, names[array.dtype], array.reshape(-1).view(np.uint8))
        for name, array in arrays.items()
    ]


def test_reads_what_safetensors_writes(tmp_path):
    arrays = some_arrays()
    safetensors.numpy.save_file(arrays, tmp_path / "a.safetensors", {"format": "np", "x": "ä"})
    with files.open(tmp_path / "a.safetensors") as file:
        assert file.kind == "safetensors" and file.metadata == {"format": "np", "x": "ä"}
        assert set(file.names()) == set(arrays)
        for name, array in arrays.items():
            found = file[name].array()
            assert found.dtype == array.dtype and found.shape == array.shape
            assert np.array_equal(found, array) and not found.flags.writeable
            np.testing.assert_array_equal(file[name].values(), array.astype(np.float32))


@pytest.mark.parametrize("form", TORCH)
def test_reads_what_torch_writes_and_numpy_has_no_type_for(tmp_path, form):
    values = torch.linspace(0.1, 3, 24).reshape(4, 6).to(TORCH[form])
    safetensors.torch.save_file({"w": values}, tmp_path / "a.safetensors")
    with files.open(tmp_path / "a.safetensors") as file:
        tensor = file["w"]
        assert tensor.format == form and tensor.array().dtype == files.PLAIN[form]
        np.testing.assert_array_equal(tensor.values(), values.float().numpy())
        files.write_safetensors(tmp_path / "b.safetensors", [tensor.out()])
    again = safetensors.torch.load_file(tmp_path / "b.safetensors")["w"]
    assert again.dtype == TORCH[form] and torch.equal(again.float(), values.float())


@pytest.mark.parametrize("metadata", [None, {"a": "日本"}])
def test_writes_the_same_bytes_as_safetensors(tmp_path, metadata):
    arrays = some_arrays()
    arrays["bf"] = np.ones((2, 3), dtype=ml_dtypes.bfloat16)
    safetensors.numpy.save_file(arrays, tmp_path / "a", metadata)
    files.write_safetensors(tmp_path / "b", outs_of(arrays), metadata)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_writes_the_same_bytes_as_safetensors_for_all_types(tmp_path):
    raw = torch.arange(8, dtype=torch.uint8)
    types = [*TORCH.values(), torch.complex64, torch.float4_e2m1fn_x2, torch.uint64, torch.int32]
    tensors = {f"{i}": raw.clone().view(dtype) for i, dtype in enumerate(types)}
    safetensors.torch.save_file(tensors, tmp_path / "a")
    with files.open(tmp_path / "a") as file:
        outs = [tensor.out() for tensor in file.tensors()]
        files.write_safetensors(tmp_path / "b", reversed(outs))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tensors_come_one_at_a_time(tmp_path):
    made = []

    def data(name):
        made.append(name)
        return np.zeros(4, dtype=np.uint8)

    outs = [Out(name, (1,), "f32", lambda name=name: data(name)) for name in "cab"]
    files.write_safetensors(tmp_path / "a", iter(outs))
    assert made == ["a", "b", "c"]


# --- damaged files -------------------------------------------------------------------------------


def raw_file(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


EIGHT = bytes(8)
# Damage that both readers refuse.
BAD = {
    "header length": (raw_file({}, length=1 << 63), "expected a header of 9223372036854775808"),
    "header too long": (raw_file({}, length=3), "expected a header of 3 bytes, but the file has"),
    "not JSON": (raw_file(b"{]"), "expected a string for a key of the header"),
    "not UTF-8": (raw_file(b'{"\xff":1}'), "expected UTF-8 in the header"),
    "cut off": (raw_file(b'{"w":{"dtype":"F32"'), "expected tensor 'w'"),
    "more after it": (raw_file(b"{}{}"), "expected the end of the header"),
    "no entry": (raw_file({"w": 3}), "'w': expected dtype, shape and data_offsets, but got 3"),
    "no dtype": (raw_file({"w": {"shape": [], "data_offsets": [0, 0]}}), "expected dtype, shape"),
    "dtype": (raw_file({"w": one("Q4")}, EIGHT), "'w': unknown dtype 'Q4'; allowed: U64, "),
    "shape of text": (raw_file({"w": one(shape=("2",))}, EIGHT), "expected a shape of at most"),
    "shape of floats": (raw_file({"w": one(shape=(2.0,))}, EIGHT), "expected a shape of at most"),
    "negative axis": (raw_file({"w": one(shape=(-2,))}, EIGHT), "expected a shape of at most"),
    "huge axis": (raw_file({"w": one(shape=(1 << 63,))}, EIGHT), "expected a shape of at most"),
    "overflow": (
        raw_file({"w": one(shape=(1 << 62, 1 << 62, 4))}, EIGHT),
        "expected at most 2^59 values",
    ),
    "size": (raw_file({"w": one(shape=(3,))}, EIGHT), "expected 12 bytes for [3] F32"),
    "backwards": (raw_file({"w": one(offsets=(8, 0))}, EIGHT), "expected 8 bytes for [2] F32"),
    "three offsets": (raw_file({"w": one(offsets=(0, 4, 8))}, EIGHT), "and two offsets"),
    "outside": (raw_file({"w": one(offsets=(8, 16))}, EIGHT), "but the file has"),
    "truncated": (raw_file({"w": one()}, EIGHT[:7]), "it is truncated or damaged"),
    "overlap": (
        raw_file({"a": one(), "b": one(offsets=(4, 12))}, bytes(12)),
        "tensors 'a' (bytes 131 to 139) and 'b' (bytes 135 to 143) overlap",
    ),
    "same place": (raw_file({"a": one(), "b": one()}, EIGHT), "overlap"),
    "hole before": (raw_file({"w": one(offsets=(1, 9))}, bytes(9)), "after the header at byte"),
    "hole": (
        raw_file({"a": one(), "b": one(offsets=(9, 17))}, bytes(17)),
        "expected the next tensor, or the end of the file, after tensor 'a'",
    ),
    "more data": (raw_file({"w": one()}, bytes(9)), "after tensor 'w' at byte"),
    "only data": (raw_file({}, EIGHT), "after the header at byte 10"),
    "metadata": (raw_file({"__metadata__": {"a": 1}}), "a string for the value of 'a'"),
    "metadata list": (raw_file({"__metadata__": []}), "expected '{' in the metadata"),
    "NaN": (raw_file(b'{"w":{"dtype":"F32","shape":[NaN],"data_offsets":[0,0]}}'), "tensor 'w'"),
    "surrogate": (raw_file(b'{"__metadata__":{"a":"\\ud800"}}'), "expected Unicode text for the"),
    "sub byte": (raw_file({"w": one("F4", (3,), (0, 1))}, b"x"), "expected 1.5 bytes for [3] F4"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_files_say_what_is_wrong(tmp_path, name):
    raw, message = BAD[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(raw)
    with pytest.raises(FileError) as error:
        files.open(path)
    assert message in str(error.value) and str(error.value).startswith(f"{path}: ")
    with pytest.raises(safetensors.SafetensorError):
        safetensors.safe_open(path, framework="np").keys()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            raw_file(b'{"w":%s,"w":%s}' % ((json.dumps(one()).encode(),) * 2), EIGHT),
            "'w' is there twice in the header",
        ),
        (raw_file(b'{"__metadata__":{"a":"1","a":"2"}}'), "'a' is there twice in the metadata"),
        (
            raw_file(b'{"w":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
            "expected tensor 'w'",
        ),
        (raw_file({"w": one("U8", [1] * 33, (0, 1))}, b"x"), "a shape of at most 32 axes"),
        (raw_file(b'{"w":' + b"[" * 99999), "expected tensor 'w' (JSON of at most 4096 char"),
        (raw_file(b'{"w":[' + b"0," * 99999), "expected tensor 'w' (JSON of at most 4096 char"),
        (raw_file(b'{"w":' + b"1" * 5000 + b"}"), "tensor 'w': expected dtype, shape and"),
        (raw_file(b'{"\x1b":3}'), "a key of the header"),
    ],
)
def test_what_is_refused_besides(tmp_path, raw, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(raw)
    with pytest.raises(FileError) as error:
        files.open(path)
    assert message in str(error.value) and len(str(error.value)) < 400


def test_the_header_may_have_100_megabytes(tmp_path):
    path = tmp_path / "big.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 100_000_001) + b"{")
        file.truncate(200_000_000)  # no disk is used
    with pytest.raises(FileError, match="expected a header of at most 100000000 bytes"):
        files.open(path)


def test_truncated_anywhere(tmp_path):
    whole_path, path = tmp_path / "a", tmp_path / "b"
    files.write_safetensors(whole_path, outs_of({"a": np.arange(3), "b": np.float32([1])}))
    whole = whole_path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            files.open(path)
        path.unlink()


def test_many_tensors(tmp_path, monkeypatch):
    count = 30_000
    header = {f"t{i}": one("U8", [1], (i, i + 1)) for i in range(count)}
    (tmp_path / "a").write_bytes(raw_file(header, bytes(count)))
    assert len(files.open(tmp_path / "a")) == count
    from headrace.files import safetensors as reader

    monkeypatch.setattr(reader, "MAX_TENSORS", count - 1)
    with pytest.raises(FileError, match="expected at most 29999 tensors"):
        files.open(tmp_path / "a")


def test_sub_byte_and_complex_types_are_listed_and_copied(tmp_path):
    header = {"f4": one("F4", [2, 2], (0, 2)), "c": one("C64", [1], (2, 10))}
    (tmp_path / "a").write_bytes(raw_file(header, bytes(range(10))))
    with files.open(tmp_path / "a") as file:
        formats = {tensor.name: tensor.format for tensor in file.tensors()}
        assert formats == {"f4": "safetensors:f4", "c": "safetensors:c64"}
        with pytest.raises(FileError, match="tensor 'f4' is of type safetensors:f4"):
            file["f4"].values()
        with pytest.raises(UsageError, match="expected plain values for a typed view"):
            file["c"].array()
        files.write_safetensors(tmp_path / "b", [tensor.out() for tensor in file.tensors()])
    with files.open(tmp_path / "b") as file:
        assert file["f4"].data.tolist() == [0, 1] and file["c"].data.tolist() == list(range(2, 10))


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "metadata", "message"),
    [
        (Out("w", (2,), "f32", bytes(8)), {}, "expected its bytes as uint8 [8], but got <class"),
        (Out("w", (3,), "safetensors:f4", bytes(1)), {}, "expected whole bytes, but got [3] of F4"),
        (Out("w", (32,), "q8_0", bytes(34)), {}, "expected a matrix for q8_0, but got [32]"),
        (Out("w", (2, 31), "q8_0", bytes(34)), {}, "number of columns to be a multiple of 32"),
        (Out("w", (2, 32), "q99", bytes(34)), {}, "'w': unknown format 'q99'"),
        (Out("w", (2, 32), "gguf:q8_1", bytes(80)), {}, "'w': unknown format 'gguf:q8_1'"),
        (Out("__metadata__", (0,), "u8", b""), {}, "this name is reserved"),
        (Out("\udc80", (0,), "u8", b""), {}, "cannot be written as UTF-8"),
        (None, {"a": 1}, "metadata 'a': expected a text, but got 1"),
        (None, {"headrace.packed.w": "x"}, "'headrace.packed.' is reserved"),
    ],
)
def test_what_safetensors_cannot_hold(tmp_path, out, metadata, message):
    with pytest.raises(UsageError) as error:
        files.write_safetensors(tmp_path / "a", [out] if out else [], metadata)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())
