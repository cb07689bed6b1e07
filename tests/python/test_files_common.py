"""Opening what a path stands for, the life of views, and writing whole files or none."""

import gc
import json
import os
import stat

import numpy as np
import pytest
import safetensors.numpy

from headrace import files
from headrace.errors import HeadraceError, UsageError
from headrace.files import FileError, Out

ONE = Out("w", (2, 2), "f32", np.arange(4, dtype=np.float32).view(np.uint8))


def write(path, *outs):
    files.write_safetensors(path, outs or [ONE])
    return path


# --- what a path is ------------------------------------------------------------------------------


def test_content_decides_not_the_name(tmp_path):
    files.write_gguf(tmp_path / "a.safetensors", [ONE])
    write(tmp_path / "b.gguf")
    assert files.open(tmp_path / "a.safetensors").kind == "gguf"
    assert files.open(str(tmp_path / "b.gguf")).kind == "safetensors"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a file of tensors, but it is empty"),
        (b"GG", "expected GGUF or safetensors, but it starts with b'GG'"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(30), "a zip archive, perhaps a PyTorch checkpoint"),
        (b"\x80\x02}q\x00.", "a pickle, perhaps a PyTorch checkpoint"),
        (b"lmgg" + bytes(30), "ggml, older than GGUF"),
        (b"hello, world", "but it starts with b'hello, world'"),
    ],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        files.open(path)
    assert message in str(error.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileError, match="nothing.gguf: no such file"):
        files.open(tmp_path / "nothing.gguf")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe: expected a regular file"):
        files.open(tmp_path / "pipe")
    with pytest.raises(FileError, match="null: expected a regular file"):
        files.open("/dev/null")
    with pytest.raises(HeadraceError):
        files.open("a\0b")
    with pytest.raises(FileError, match="cannot read: File name too long"):
        files.open("x" * 5000)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileError, match="cannot read"):
        files.open(tmp_path / "loop")


def test_folders(tmp_path):
    with pytest.raises(FileError, match="expected a folder with model.safetensors"):
        files.open(tmp_path)
    write(tmp_path / "weights.safetensors")
    assert files.open(tmp_path).path.name == "weights.safetensors"
    files.write_gguf(tmp_path / "x.gguf", [ONE])
    with pytest.raises(FileError, match="name one of weights.safetensors or x.gguf"):
        files.open(tmp_path)
    write(tmp_path / "model.safetensors")
    assert files.open(tmp_path).path.name == "model.safetensors"
    (tmp_path / "folder.gguf").mkdir()
    with pytest.raises(FileError, match="expected a folder with"):
        files.open(tmp_path / "folder.gguf")


# --- checkpoints in parts ------------------------------------------------------------------------


def sharded(folder, weight_map, **more):
    for part, names in (("a.safetensors", "xy"), ("b.safetensors", "z")):
        arrays = {name: np.full((2, 3), ord(name), dtype=np.float32) for name in names}
        safetensors.numpy.save_file(arrays, folder / part)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 72}, "weight_map": weight_map, **more}))
    return index


def test_sharded(tmp_path):
    parts = {"z": "b.safetensors", "x": "a.safetensors", "y": "a.safetensors"}
    index = sharded(tmp_path, parts)
    for path in (tmp_path, index):
        with files.open(path) as file:
            assert file.names() == ["z", "x", "y"] and len(file) == 3 and "y" in file
            assert file.metadata == {"total_size": 72} and file.kind == "safetensors"
            for tensor in file.tensors():
                assert tensor.path.name == parts[tensor.name]
                assert (tensor.array() == ord(tensor.name)).all()
            tensor = file["z"]
        assert tensor.array()[0, 0] == ord("z")
        with pytest.raises(UsageError, match="is closed"):
            _ = file["z"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b.safetensors", "expected tensor 'x' in 'b.safetensors', but it is not there"),
        ("c.safetensors", "c.safetensors: no such file"),
        ("../a.safetensors", "expected names of files beside it in 'weight_map'"),
        ("/etc/passwd", "expected names of files beside it"),
        ("", "expected names of files beside it"),
        ("model.safetensors.index.json", "expected GGUF or safetensors, but it starts with"),
        (3, "expected a string for the file of 'x'"),
    ],
)
def test_bad_parts(tmp_path, name, message):
    with pytest.raises(FileError) as error:
        files.open(sharded(tmp_path, {"x": name}))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("{}", "expected an index with 'metadata' and 'weight_map'"),
        ('{"weight_map": {}, "metadata": []}', "expected an index with"),
        ('{"weight_map": {"x": "a", "x": "a"}}', "'x' is there twice in weight_map"),
        ('{"metadata": ' + "[" * 100000, "expected 'metadata' (JSON of at most 65536 characters)"),
        ('{"weight_map": {}} x', "expected the end of the index"),
        (b"\xff\xfe", "expected UTF-8"),
    ],
)
def test_bad_indices(tmp_path, text, message):
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileError) as error:
        files.open(tmp_path)
    assert message in str(error.value)


# --- tensors and their life ----------------------------------------------------------------------


def test_views_are_of_the_file_and_outlive_it(tmp_path):
    path = write(tmp_path / "a")
    with files.open(path) as file:
        data, array = file["w"].data, file["w"].array()
        assert data is not file["w"].data and np.shares_memory(data, file["w"].data)
        assert not data.flags.writeable and not array.flags.writeable
        tensor = file["w"]
    del file
    gc.collect()
    path.unlink()
    assert data.tobytes() == ONE.data.tobytes() == tensor.data.tobytes()
    assert array.tolist() == [[0, 1], [2, 3]]


def test_closed_files(tmp_path):
    file = files.open(write(tmp_path / "a"))
    file.close()
    file.close()
    assert file.names() == ["w"] and "closed" in repr(file)
    with pytest.raises(UsageError, match="is closed; expected an open file"):
        _ = file["w"]


def test_names_that_are_not_there(tmp_path):
    write(tmp_path / "a", Out("blk.0.ffn_up.weight", ONE.shape, "f32", ONE.data))
    with files.open(tmp_path / "a") as file:
        with pytest.raises(UsageError, match="no tensor 'blk.0.ffn_up', did you mean 'blk.0.ffn_"):
            _ = file["blk.0.ffn_up"]
        assert "blk" not in file and 3 not in file


def test_plain_tensors_are_no_packed_ones(tmp_path):
    with files.open(write(tmp_path / "a")) as file:
        with pytest.raises(UsageError, match="'w' holds plain f32; expected a storage format"):
            file["w"].packed()
        assert "_bytes" not in repr(file["w"])


def test_values_of_plain_types(tmp_path):
    arrays = {
        "f64": np.array([1e300, -1e300, 0.1]),
        "i64": np.array([1 << 40, -1]),
        "bool": np.array([True, False]),
    }
    outs = [Out(name, array.shape, name, array.view(np.uint8)) for name, array in arrays.items()]
    write(tmp_path / "a", *outs)
    with files.open(tmp_path / "a") as file:
        assert file["f64"].values().tolist() == [np.inf, -np.inf, np.float32(0.1)]
        assert file["i64"].values().tolist() == [float(1 << 40), -1]
        assert file["bool"].values().tolist() == [1, 0]
        assert file["bool"].values().flags.writeable
    write(tmp_path / "b", Out("w", (2,), "bool", np.uint8([1, 2])))
    with files.open(tmp_path / "b") as file, pytest.raises(FileError, match="expected bytes 0 and"):
        file["w"].values()


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [files.write_gguf, files.write_safetensors])
def test_a_file_appears_when_it_is_complete(tmp_path, writer):
    path = tmp_path / "a"
    path.write_text("old")

    def fails():
        assert [p.name for p in tmp_path.iterdir() if p != path]  # it is being written
        raise RuntimeError("no data")

    with pytest.raises(RuntimeError, match="no data"):
        writer(path, [ONE, Out("x", (2,), "f32", fails)])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match="tensor 'w': expected names to differ"):
        writer(path, [ONE, ONE])
    writer(path, [ONE])
    assert path.read_text(errors="replace") != "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", [files.write_gguf, files.write_safetensors])
def test_a_file_may_be_replaced_while_it_is_read(tmp_path, writer):
    path = tmp_path / "a"
    writer(path, [ONE])
    with files.open(path) as file:
        writer(path, [file["w"].out(), Out("x", (2, 2), "f32", lambda: file["w"].data)])
    with files.open(path) as file:
        assert np.array_equal(file["x"].array(), file["w"].array()) and len(file) == 2


@pytest.mark.parametrize("writer", [files.write_gguf, files.write_safetensors])
def test_places_that_cannot_be_written(tmp_path, writer):
    with pytest.raises(FileError, match="cannot write: No such file or directory"):
        writer(tmp_path / "none" / "a", [ONE])
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="folder: cannot write: Is a directory"):
        writer(tmp_path / "folder", [ONE])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="cannot write: Not a directory"):
        writer(tmp_path / "file" / "a", [ONE])


def test_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "other").touch()
    path = write(tmp_path / "a")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(FileError, match="not a regular file"):
        files.write_gguf(tmp_path / "pipe.gguf", [ONE])
    assert stat.S_ISFIFO((tmp_path / "pipe.gguf").stat().st_mode)
