"""GGUF files, against the gguf package in both directions; and what damaged ones say."""

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from headrace import files, formats
from headrace.errors import UsageError
from headrace.files import Out, Typed
from headrace.files.gguf_types import TENSOR_TYPES

# The formats that GGUF has and that are decoded here.
BLOCKS = [kind for kind in TENSOR_TYPES.values() if kind.block > 1 and ":" not in kind.format]
# Where blocks have half-precision scales; mxfp4's, of one byte, is NaN for 255 only.
SCALES = {"q2_k": (80, 82), "q3_k": (108,), "q6_k": (208,), "q4_1": (0, 2), "q5_1": (0, 2)}
SCALES |= {"q4_k": (0, 2), "q5_k": (0, 2), "q4_0": (0,), "q5_0": (0,), "q8_0": (0,)}
SCALES |= {"iq4_nl": (0,), "mxfp4": ()}


def theirs(path, tensors=(), alignment=None):
    """A file by the gguf package: (name, array, type or None)."""
    writer = gguf.GGUFWriter(path, "llama")
    if alignment:
        writer.add_custom_alignment(alignment)
    writer.add_uint8("a.u8", 255)
    writer.add_int8("a.i8", -128)
    writer.add_uint16("a.u16", 65535)
    writer.add_int16("a.i16", -2)
    writer.add_uint32("a.u32", 1 << 31)
    writer.add_int32("a.i32", -7)
    writer.add_uint64("a.u64", 1 << 63)
    writer.add_int64("a.i64", -(1 << 62))
    writer.add_float32("a.f32", 0.1)
    writer.add_float64("a.f64", 1e300)
    writer.add_bool("a.bool", True)
    writer.add_string("a.text", "Zürich 日本")
    writer.add_array("a.texts", ["a", "", "é" * 100])
    writer.add_array("a.floats", [0.5, -1.0])
    writer.add_array("a.ints", [1, 2, 3])
    writer.add_array("a.bools", [True, False])
    for name, array, kind in tensors:
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def some_tensors(rng):
    values = rng.standard_normal((6, 512)).astype(np.float32)
    plain = [
        ("f32", values, None),
        ("f16", values[:3].astype(np.float16), None),
        ("f64", values[0, :3].astype(np.float64), None),
        ("i8", np.arange(7, dtype=np.int8), None),
        ("i16", np.arange(24, dtype=np.int16).reshape(2, 3, 4), None),
        ("i32", np.arange(24, dtype=np.int32).reshape(2, 3, 2, 2), None),
        ("i64", np.array([-1]), None),
        ("bf16", gguf.quants.quantize(values, Kind.BF16), Kind.BF16),
    ]
    blocks = []
    for kind in BLOCKS:
        code = Kind[kind.format.upper()]
        data = rng.integers(0, 256, (2, 512 // kind.block * kind.nbytes), dtype=np.uint8)
        blocks.append((kind.format, data, code))
    return plain + blocks


@pytest.mark.parametrize("alignment", [None, 8, 4096])
def test_reads_what_gguf_writes_and_writes_it_again_byte_for_byte(tmp_path, alignment):
    tensors = some_tensors(np.random.default_rng(1))
    theirs(tmp_path / "a.gguf", tensors, alignment)
    with files.open(tmp_path / "a.gguf") as file:
        assert file.kind == "gguf" and file.alignment == (alignment or 32)
        assert file.names() == [name for name, _, _ in tensors] and len(file) == len(tensors)
        for name, array, kind in tensors:
            tensor = file[name]
            assert tensor.format == name
            assert tensor.data.tobytes() == array.tobytes()
            if kind is None:
                assert np.array_equal(tensor.array(), array)
                assert tensor.array().dtype == array.dtype
        metadata = file.metadata
        assert metadata["general.architecture"] == "llama"
        assert metadata["a.u64"] == 1 << 63 and metadata["a.i64"] == -(1 << 62)
        assert metadata["a.f32"] == np.float32(0.1) and metadata["a.f64"] == 1e300
        assert metadata["a.bool"] is True and metadata["a.text"] == "Zürich 日本"
        assert metadata["a.texts"] == ["a", "", "é" * 100]
        assert metadata["a.ints"].tolist() == [1, 2, 3] and metadata["a.ints"].dtype == np.int32
        assert metadata["a.bools"].tolist() == [True, False]
        outs = [tensor.out() for tensor in file.tensors()]
        files.write_gguf(tmp_path / "b.gguf", outs, file.typed_metadata())
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


@pytest.mark.parametrize(
    "kind",
    [kind for kind in BLOCKS if kind.format in formats.names()],
    ids=lambda kind: kind.format,
)
def test_values_are_those_of_gguf(tmp_path, kind):
    rng = np.random.default_rng(2)
    code = Kind[kind.format.upper()]
    raw = rng.integers(0, 256, (2 * 512 // kind.block, kind.nbytes), dtype=np.uint8)
    # Any bytes decode, but half-precision scales must be finite for `packed`.
    for at in SCALES[kind.format]:
        raw[:, at + 1] &= 0x3B
    if kind.format == "mxfp4":
        raw[:, 0] &= 0x7F
    data = raw.reshape(2, -1)
    theirs(tmp_path / "a.gguf", [("w", data, code)])
    with files.open(tmp_path / "a.gguf") as file:
        tensor = file["w"]
        assert tensor.shape == (2, 512)
        assert np.array_equal(tensor.packed(), data.reshape(-1))
        np.testing.assert_array_equal(tensor.values(), gguf.quants.dequantize(data, code))


def test_gguf_reads_what_we_write(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "a.gguf"
    outs = []
    for name, array, kind in some_tensors(rng):
        shape = array.shape if kind is None else (array.shape[0], 512)
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        outs.append(Out(name, shape, name, data))
    scalars = {
        "general.architecture": "test",
        "int": -5,
        "float": 0.25,
        "bool": False,
        "u16": np.uint16(9),
        "u32": Typed("u32", 1 << 31),
        "f64": np.float64(0.1),
        "raw": b"text",
    }
    arrays = {
        "texts": ["x", "yy"],
        "ints": [1, 2],
        "floats": (0.5, 1.5),
        "bools": [True, False],
        "u8": np.arange(3, dtype=np.uint8),
        "none": Typed("i64[]", []),
    }
    files.write_gguf(path, outs, {**scalars, **arrays, "general.alignment": 128})

    reader = gguf.GGUFReader(path)
    assert reader.alignment == 128
    assert [t.name for t in reader.tensors] == [out.name for out in outs]
    for found, out in zip(reader.tensors, outs, strict=True):
        assert tuple(int(n) for n in reversed(found.shape)) == tuple(out.shape)
        assert found.tensor_type.name.lower() == out.format
        assert found.data.tobytes() == out.data.tobytes()
    for key, value in scalars.items():
        value = value.value if isinstance(value, Typed) else value
        value = value.decode() if isinstance(value, bytes) else value
        assert reader.get_field(key).contents() == value
    for key in ("texts", "ints", "floats", "bools", "u8"):
        assert reader.get_field(key).contents() == list(arrays[key])
    types = {key: reader.get_field(key).types[0].name for key in scalars}
    assert types["int"] == "INT32" and types["float"] == "FLOAT32" and types["u16"] == "UINT16"
    assert types["f64"] == "FLOAT64" and types["bool"] == "BOOL"


def test_all_tensor_types_and_their_sizes_are_those_of_gguf():
    ours = {code: (kind.block, kind.nbytes) for code, kind in TENSOR_TYPES.items()}
    assert ours == {int(code): sizes for code, sizes in gguf.GGML_QUANT_SIZES.items()}
    names = {code: kind.format.removeprefix("gguf:") for code, kind in TENSOR_TYPES.items()}
    assert names == {int(code): code.name.lower() for code in gguf.GGML_QUANT_SIZES}


# --- writing -------------------------------------------------------------------------------------

FLOATS = np.zeros(16, dtype=np.uint8)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (Out("w", (4,), "q4nx", FLOATS), "GGUF has no type for q4nx; allowed: f32, f16, q4_0"),
        (Out("w", (1,) * 5, "f32", FLOATS), "expected at most 4 axes of at least 1"),
        (Out("w", (0,), "f32", FLOATS[:0]), "expected at most 4 axes of at least 1"),
        (Out("w", (2, 33), "q8_0", FLOATS), "expected rows of a multiple of 32 values for q8_0"),
        (Out("w", (5,), "f32", FLOATS), "expected 20 bytes for [5] f32, but got 16"),
        (Out("w", (4,), "f32", np.zeros(4)), "as uint8 [16], but got float64 [4]"),
        (Out("w", (-4,), "f32", FLOATS), "expected axes of at least 0, but got [-4]"),
        (Out("\ud800", (4,), "f32", FLOATS), "cannot be written as UTF-8"),
    ],
)
def test_tensors_that_gguf_cannot_hold(tmp_path, out, message):
    with pytest.raises(UsageError) as error:
        files.write_gguf(tmp_path / "a.gguf", [out])
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1 << 40, "does not fit type i32; allowed: Typed('u64', ...)"),
        (Typed("u8", -1), "-1 does not fit type u8"),
        (Typed("u99", 1), "unknown type 'u99'; allowed: u8, i8"),
        (Typed("bool", 1), "does not fit type bool"),
        (Typed("str", 1), "does not fit type str"),
        (Typed("f32", "x"), "does not fit type f32"),
        (Typed("u8[]", np.arange(3)), "does not fit type u8[]"),
        ([], "expected elements of one type, but got none"),
        ([1, "a"], "expected elements of one type, but got i32 and str"),
        ([[1]], "GGUF has no type for a list"),
        (None, "GGUF has no type for a NoneType"),
        (np.zeros((2, 2)), "expected a 1-D array"),
        (np.complex64(1), "GGUF has no type for complex64"),
    ],
)
def test_metadata_that_gguf_cannot_hold(tmp_path, value, message):
    with pytest.raises(UsageError) as error:
        files.write_gguf(tmp_path / "a.gguf", [], {"some.key": value})
    assert message in str(error.value) and "'some.key'" in str(error.value)


@pytest.mark.parametrize("alignment", [0, 3, -8, Typed("u64", 8)])
def test_bad_alignment(tmp_path, alignment):
    with pytest.raises(UsageError, match="expected a power of two"):
        files.write_gguf(tmp_path / "a.gguf", [], {"general.alignment": alignment})


# --- models in parts -----------------------------------------------------------------------------


def split(folder, count=3):
    """A model in parts by the gguf package; returns the first."""
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama", split_max_tensors=2)
    writer.add_uint32("llama.block_count", 1)
    for index in range(2 * count - 1):
        writer.add_tensor(f"t{index}", np.full((2, 3), index, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / f"m-00001-of-{count:05}.gguf"


def test_models_in_parts(tmp_path):
    first = split(tmp_path)
    for path in (first, tmp_path):
        with files.open(path) as file:
            assert file.kind == "gguf" and file.names() == [f"t{index}" for index in range(5)]
            assert file.metadata == {"general.architecture": "llama", "llama.block_count": 1}
            for index, tensor in enumerate(file.tensors()):
                assert tensor.path.name == f"m-0000{index // 2 + 1}-of-00003.gguf"
                assert (tensor.array() == index).all()
            outs = [tensor.out() for tensor in file.tensors()]
            files.write_gguf(tmp_path / "whole", outs, file.typed_metadata())
    assert len(gguf.GGUFReader(tmp_path / "whole").tensors) == 5
    with files.open(tmp_path / "m-00002-of-00003.gguf") as file:
        assert file.names() == ["t2", "t3"]


def test_parts_that_do_not_fit(tmp_path):
    first = split(tmp_path)
    second, third = (tmp_path / f"m-0000{number}-of-00003.gguf" for number in (2, 3))
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(files.FileError, match=r"m-00002-of-00003.gguf: no such file"):
        files.open(first)
    with pytest.raises(files.FileError, match="expected one file of tensors; name one of"):
        files.open(tmp_path)
    second.write_bytes(third.read_bytes())
    with pytest.raises(files.FileError, match="expected 1 for 'split.no', but got 2"):
        files.open(first)
    second.write_bytes(kept.replace(b"t2", b"t0"))
    with pytest.raises(files.FileError, match="tensor 't0' is in m-00001-of-00003.gguf too"):
        files.open(first)
    with files.open(third) as file:
        outs, typed = [tensor.out() for tensor in file.tensors()], file.typed_metadata()
    second.write_bytes(kept)
    files.write_gguf(third, [*outs, Out("more", (4,), "f32", FLOATS)], typed)
    with pytest.raises(files.FileError, match="expected 5 tensors by 'split.tensors.count'"):
        files.open(first)
    other = tmp_path / "m-00001-of-00002.gguf"
    first.rename(other)
    with pytest.raises(files.FileError, match="expected 00002 files, but 'split.count' is 3"):
        files.open(other)
