"""Damaged and hostile GGUF files: what they say, and what they may take."""

import struct

import numpy as np
import pytest

from headrace import files
from headrace.errors import UsageError
from headrace.files import FileError, Out, Typed


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def info(name, dims, code, offset):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, code, offset)


def raw_file(tensors=(), keys=(), data=b"", counts=None, version=3, magic=b"GGUF", align=32):
    counts = counts or (len(tensors), len(keys))
    raw = magic + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(tensors)
    return raw + bytes(-len(raw) % align) + data


def key(name, code, value=b""):
    return text(name) + struct.pack("<I", code) + value


BIG = (1 << 64) - 1
DATA = bytes(64)
BAD = {
    "magic only": (b"GGUF", "expected 4 bytes for the version"),
    "version 1": (raw_file(version=1), "expected GGUF version 2 or 3, but got 1"),
    "big endian": (b"GGUF\0\0\0\3" + bytes(16), "it is big endian"),
    "tensors": (raw_file(counts=(1 << 40, 0)), "expected at most 1048576 tensors"),
    "keys": (raw_file(counts=(0, BIG)), "expected at most 65536 keys"),
    "missing tensors": (
        raw_file(counts=(9, 0), align=1),
        "expected 8 bytes for the name of tensor 0 at byte 24, but the file has 24 bytes",
    ),
    "key length": (
        raw_file(counts=(0, 1), data=struct.pack("<Q", BIG), align=1),
        f"expected {BIG} bytes for key 0",
    ),
    "key not UTF-8": (raw_file(keys=[key(b"\xff\xfe", 4, DATA[:4])]), "expected UTF-8 for key 0"),
    "key twice": (raw_file(keys=[key("a", 0, b"1")] * 2), "key 'a' is there twice"),
    "value type": (raw_file(keys=[key("a", 13)]), "expected a type of value 0 to 12 for 'a'"),
    "bool": (raw_file(keys=[key("a", 7, b"\2")]), "expected 0 or 1 for the value of 'a'"),
    "bools": (
        raw_file(keys=[key("a", 9, struct.pack("<IQ", 7, 2) + b"\1\2")]),
        "expected 0 and 1 for the value of 'a'",
    ),
    "nested": (
        raw_file(keys=[key("a", 9, struct.pack("<IQ", 9, 1) + DATA)]),
        "expected an array of numbers, bools or strings for 'a', but got nested arrays",
    ),
    "element type": (
        raw_file(keys=[key("a", 9, struct.pack("<IQ", 77, 1))]),
        "elements of type 77",
    ),
    "a billion strings": (
        raw_file(keys=[key("a", 9, struct.pack("<IQ", 8, 10**9) + DATA)]),
        "'a' says that it has 1000000000 strings",
    ),
    "array length": (
        raw_file(keys=[key("a", 9, struct.pack("<IQ", 12, BIG) + DATA)]),
        f"expected {BIG * 8} bytes for the value of 'a'",
    ),
    "alignment 0": (
        raw_file(keys=[key("general.alignment", 4, struct.pack("<I", 0))]),
        "expected a power of two (u32) for 'general.alignment', but got 0",
    ),
    "alignment 48": (
        raw_file(keys=[key("general.alignment", 4, struct.pack("<I", 48))]),
        "expected a power of two (u32) for 'general.alignment', but got 48",
    ),
    "alignment of another type": (
        raw_file(keys=[key("general.alignment", 8, text("32"))]),
        "but got a value of type str",
    ),
    "axes": (raw_file([info("w", [1] * 5, 0, 0)], data=DATA), "'w': expected at most 4 axes"),
    "axes 2^32 - 1": (
        raw_file([text("w") + b"\xff" * 4], data=DATA),
        "expected at most 4 axes, but got 4294967295",
    ),
    "zero axis": (raw_file([info("w", [4, 0], 0, 0)]), "expected axes of at least 1"),
    "huge": (raw_file([info("w", [1 << 32, 1 << 32], 0, 0)], data=DATA), "but the file has"),
    "wraps to 0": (raw_file([info("w", [1 << 62, 4], 0, 0)], data=DATA), "but the file has"),
    "rows": (
        raw_file([info("w", [33, 2], 8, 0)], data=DATA),
        "expected rows of a multiple of 32 values for q8_0, but got [2, 33]",
    ),
    "offset": (raw_file([info("w", [4], 0, 64)], data=DATA), "expected 16 bytes at byte"),
    "offset overflow": (raw_file([info("w", [4], 0, BIG - 31)], data=DATA), "truncated or damaged"),
    "unaligned": (
        raw_file([info("w", [4], 0, 16)], data=DATA),
        "expected an offset that is a multiple of 32, but got 16",
    ),
    "overlap": (
        raw_file([info("a", [12], 0, 0), info("b", [4], 0, 32)], data=DATA),
        "tensors 'a' (bytes 96 to 144) and 'b' (bytes 128 to 144) overlap",
    ),
    "same place": (raw_file([info(n, [4], 0, 0) for n in "ab"], data=DATA), "overlap"),
    "tensor twice": (raw_file([info("a", [4], 0, 0)] * 2, data=DATA), "tensor 'a' is there twice"),
    "name not UTF-8": (
        raw_file([info(b"\xc3", [4], 0, 0)], data=DATA),
        "expected UTF-8 for the name of tensor 0",
    ),
    "control characters": (
        raw_file([info("\x1b[2J", [0], 0, 0)], data=DATA),
        "tensor '\\x1b[2J': expected axes",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_files_say_what_is_wrong(tmp_path, name):
    raw, message = BAD[name]
    path = tmp_path / "bad.gguf"
    path.write_bytes(raw)
    with pytest.raises(FileError) as error:
        files.open(path)
    assert message in str(error.value) and str(error.value).startswith(f"{path}: ")


def test_truncated_anywhere(tmp_path):
    outs = [
        Out("f64", (3,), "f64", np.arange(3.0).view(np.uint8)),
        Out("q8_0", (2, 32), "q8_0", np.ones(68, dtype=np.uint8)),
        Out("i16", (2, 3, 4), "i16", np.arange(24, dtype=np.int16).view(np.uint8)),
    ]
    metadata = {"text": "é", "texts": ["a", ""], "ints": [1, 2], "u8": Typed("u8", 3), "b": True}
    files.write_gguf(tmp_path / "a.gguf", outs, metadata)
    whole = (tmp_path / "a.gguf").read_bytes()
    with files.open(tmp_path / "a.gguf") as file:
        last = file["i16"]
        end = whole.index(last.data.tobytes()) + last.data.size
    path = tmp_path / "cut.gguf"
    for size in range(end):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            files.open(path)
        path.unlink()
    path.write_bytes(whole[:end])  # only the padding is missing
    assert len(files.open(path)) == 3


def test_unknown_types_are_listed_and_refused_when_used(tmp_path):
    path = tmp_path / "a.gguf"
    tensors = [info("w", [4], 0, 0), info("x", [3, 5], 99, 32), info("y", [256], 17, 64)]
    path.write_bytes(raw_file(tensors, data=bytes(160)))
    with files.open(path) as file:
        assert [(t.name, t.shape, t.format) for t in file.tensors()] == [
            ("w", (4,), "f32"),
            ("x", (5, 3), "gguf:type_99"),
            ("y", (256,), "gguf:iq2_xs"),
        ]
        with pytest.raises(FileError, match="tensor 'x' is of type gguf:type_99, whose size"):
            _ = file["x"].data
        for use in (file["x"].values, file["y"].values, file["y"].packed):
            with pytest.raises(FileError, match="which has no decoder; allowed: q4_0"):
                use()
        assert file["y"].data.size == 74


def test_strings_that_are_not_utf8_are_kept(tmp_path):
    value = struct.pack("<IQ", 8, 2) + text(b"\xff") + text("ok")
    raw = raw_file(keys=[key("t", 9, value)], align=1)
    (tmp_path / "a.gguf").write_bytes(raw)
    with files.open(tmp_path / "a.gguf") as file:
        assert file.metadata["t"] == [b"\xff", "ok"]
        files.write_gguf(tmp_path / "b.gguf", [], file.typed_metadata())
    assert (tmp_path / "b.gguf").read_bytes() == raw


def test_limits_of_strings_and_headers(tmp_path, monkeypatch):
    from headrace.files import gguf as reader

    files.write_gguf(tmp_path / "a.gguf", [], {"long": "x" * 64, "a.texts": list("abc")})
    monkeypatch.setattr(reader, "MAX_STRINGS", 2)
    with pytest.raises(FileError, match="expected at most 2 strings at 'a.texts'"):
        files.open(tmp_path / "a.gguf")
    monkeypatch.setattr(reader, "MAX_HEADER", 64)
    with pytest.raises(FileError, match="expected a header of at most 64 bytes"):
        files.open(tmp_path / "a.gguf")


def test_many_tensors(tmp_path):
    # A million take the same way; see docs/files.md for its time and memory.
    count = 30_000
    tensors = [info(f"blk.{i}", [1 + i % 8], 0, i * 32) for i in range(count)]
    (tmp_path / "a.gguf").write_bytes(raw_file(tensors, data=bytes(32 * count)))
    with files.open(tmp_path / "a.gguf") as file:
        assert len(file) == count and file["blk.29999"].shape == (8,)
        with pytest.raises(UsageError, match="no tensor 'blk.30000'.*the file has 30000 tensors"):
            _ = file["blk.30000"]
