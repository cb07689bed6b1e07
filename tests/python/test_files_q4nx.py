"""q4nx containers, and every packed format in safetensors."""

import json

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from headrace import files, formats
from headrace.errors import UsageError
from headrace.files import FileError, Out

WEIGHTS = [name for name in formats.names() if not formats.get(name).holds_activations]
CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 100,
}


def matrix(rows, cols, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, cols)).astype(np.float32)


def bytes_of(array):
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_format_in_safetensors(tmp_path, name):
    path = tmp_path / "a.safetensors"
    form = formats.get(name)
    values = matrix(256, 512)
    packed = form.encode(values)
    files.write_safetensors(path, [Out("w", (2, 128, 512), name, packed)], {"format": "pt"})
    with files.open(path) as file:
        tensor = file["w"]
        assert (tensor.shape, tensor.format) == ((2, 128, 512), name)
        assert file.metadata == {"format": "pt"}
        assert np.array_equal(tensor.packed(), packed)
        expected = form.decode(packed, 256, 512).reshape(2, 128, 512)
        np.testing.assert_array_equal(tensor.values(), expected)
        files.write_safetensors(tmp_path / "b", [tensor.out()], file.metadata)
    assert path.read_bytes() == (tmp_path / "b").read_bytes()
    # Others read the same bytes, but for what has a type of its own.
    if name not in files.PLAIN:
        assert np.array_equal(safetensors.numpy.load_file(path)["w"], packed)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if formats.get(name).pads])
def test_padded_formats_keep_the_true_shape(tmp_path, name):
    values = matrix(5, 256)[:, : 256 if formats.get(name).block_shape[1] > 1 else 250]
    packed = formats.get(name).encode(values)
    files.write_safetensors(tmp_path / "a", [Out("w", values.shape, name, packed)])
    with files.open(tmp_path / "a") as file:
        assert file["w"].shape == file["w"].values().shape == values.shape


@pytest.mark.parametrize("name", ["q8_0", "q4_k", "q4nx"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scales_that_are_not_finite_are_refused(tmp_path, name, value):
    form = formats.get(name)
    packed = form.encode(matrix(32, 256))
    form.scales(packed, 32, 256)[0].flat[3] = value
    files.write_safetensors(tmp_path / "a", [Out("w.0", (32, 256), name, packed)])
    with files.open(tmp_path / "a") as file:
        with pytest.raises(FileError) as error:
            file["w.0"].packed()
        assert str(error.value).startswith(f"{tmp_path / 'a'}: tensor 'w.0': {name}: expected fin")
        assert file["w.0"].packed(check=False).size == packed.size
        assert np.isnan(file["w.0"].values()).any() or np.isinf(file["w.0"].values()).any()


def raw_file(path, metadata, **arrays):
    safetensors.numpy.save_file(arrays, path, metadata)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2x64", "expected 'ROWSxCOLUMNS FORMAT'"),
        ("2 q8_0", "expected 'ROWSxCOLUMNS FORMAT'"),
        ("0x64 q8_0", "expected 'ROWSxCOLUMNS FORMAT'"),
        ("-2x64 q8_0", "expected 'ROWSxCOLUMNS FORMAT'"),
        ("2x64 q8_0 ", "expected 'ROWSxCOLUMNS FORMAT'"),
        ("2x60 q8_0", "'w': q8_0: expected the number of columns to be a multiple of 32"),
        ("4x64 q8_0", "expected 272 bytes for [4, 64] q8_0, but got 136"),
        ("9999999999x9999999999 q8_0", "expected at most 64 values a byte"),
        ("2x64 f32", "expected a packed format, but got f32"),
        ("2x64 bf16", "expected a packed format, but got bf16"),
        ("2x64 gguf:q8_1", "expected a packed format, but got gguf:q8_1"),
    ],
)
def test_bad_packed_metadata(tmp_path, text, message):
    path = tmp_path / "a"
    raw_file(path, {"headrace.packed.w": text}, w=np.zeros(136, dtype=np.uint8))
    with pytest.raises(FileError) as error:
        files.open(path)
    assert message in str(error.value)


def test_packed_metadata_of_other_tensors(tmp_path):
    path = raw_file(tmp_path / "a", {"headrace.packed.x": "1x32 q8_0"}, w=np.zeros(34, np.uint8))
    with pytest.raises(FileError, match="of a tensor of the file for 'headrace.packed.x'"):
        files.open(path)
    path = raw_file(tmp_path / "b", {"headrace.packed.w": "1x32 q8_0"}, w=np.zeros(34, np.int16))
    with pytest.raises(FileError, match="expected dtype U8 for packed q8_0, but got i16"):
        files.open(path)


def test_many_formats(tmp_path):
    arrays = {f"w{index}": np.zeros(1, dtype=np.uint8) for index in range(1025)}
    metadata = {f"headrace.packed.w{index}": f"1x1 q{index + 99}" for index in range(1025)}
    path = raw_file(tmp_path / "a", metadata, **arrays)
    with pytest.raises(FileError, match="expected at most 1024 formats"):
        files.open(path)


def test_unknown_formats_are_listed(tmp_path):
    path = raw_file(tmp_path / "a", {"headrace.packed.w": "2x32 q99"}, w=np.zeros(34, np.uint8))
    with files.open(path) as file:
        assert (file["w"].shape, file["w"].format) == ((2, 32), "q99")
        for use in (file["w"].packed, file["w"].values):
            with pytest.raises(FileError, match="tensor 'w': unknown format 'q99'"):
                use()


# --- the container -------------------------------------------------------------------------------


def model_tensors():
    """A model's float32 tensors, with the names of `CONFIG`."""
    shapes = files.shapes_from_config(CONFIG)
    tensors = {name: matrix(*shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
    del tensors["lm_head.weight"]
    tensors["model.embed_tokens.weight"] = matrix(100, 64, 99)
    tensors["model.norm.weight"] = matrix(1, 64, 100)[0]
    return tensors


def test_to_q4nx(tmp_path):
    tensors = model_tensors()
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    path = tmp_path / "model.q4nx"
    with files.open(tmp_path) as source:
        files.write_q4nx(path, files.to_q4nx(source, tied=True), {"model": "test"})
    q4nx = formats.get("q4nx")
    with files.open(path) as file:
        assert file.kind == "q4nx" and file.metadata == {"model": "test"}
        assert set(file.names()) == {*tensors, "lm_head.weight"}
        for name, values in tensors.items():
            tensor = file[name]
            assert tensor.shape == values.shape
            if "_proj" in name:
                assert tensor.format == "q4nx"
                assert np.array_equal(tensor.packed(), q4nx.encode(values))
            else:
                assert np.array_equal(tensor.array(), values.astype(ml_dtypes.bfloat16))
        head = file["lm_head.weight"]
        embedding = tensors["model.embed_tokens.weight"]
        assert head.shape == (100, 64)
        assert np.array_equal(head.packed(), q4nx.encode(embedding))
        # Once more, from itself: the same.
        files.write_q4nx(tmp_path / "b", files.to_q4nx(file, tied=True), file.metadata)
    assert path.read_bytes() == (tmp_path / "b").read_bytes()


def test_to_q4nx_takes_an_encoder_and_names_the_tensor(tmp_path):
    safetensors.numpy.save_file({"a.weight": np.full((2, 2), np.nan)}, tmp_path / "a.safetensors")
    with files.open(tmp_path) as source:
        with pytest.raises(UsageError, match="tensor 'a.weight': q4nx: cannot encode nan"):
            files.write_q4nx(tmp_path / "b", files.to_q4nx(source))
        calls = []

        def encode(values):
            calls.append(values.shape)
            return np.zeros(5120, dtype=np.uint8)

        files.write_q4nx(tmp_path / "b", files.to_q4nx(source, encode=encode))
        assert calls == [(2, 2)]
        with pytest.raises(UsageError, match=r"expected a tensor 'model.embed_tokens.weight'"):
            list(files.to_q4nx(source, tied=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b"]


def test_a_container_holds_no_integers(tmp_path):
    safetensors.numpy.save_file({"ids": np.arange(3)}, tmp_path / "a.safetensors")
    with (
        files.open(tmp_path) as source,
        pytest.raises(UsageError, match="tensor 'ids': a q4nx container has no i64"),
    ):
        files.write_q4nx(tmp_path / "b", files.to_q4nx(source))


def test_a_container_holds_q4nx_and_bf16(tmp_path):
    out = Out("w", (2, 2), "f32", np.zeros(16, dtype=np.uint8))
    with pytest.raises(UsageError, match="'w': expected q4nx or bf16 .* but got f32"):
        files.write_q4nx(tmp_path / "a", [out])


def others_container(folder):
    """A container as other programs write it: its metadata does not say the shapes."""
    arrays = {"model.norm.weight": np.zeros(64, dtype=ml_dtypes.bfloat16)}
    for name, shape in files.shapes_from_config(CONFIG).items():
        arrays[name] = formats.get("q4nx").encode(matrix(*shape))
    path = folder / "model.q4nx"
    safetensors.numpy.save_file(arrays, path)
    return path, arrays


def test_shapes_come_from_the_argument_or_the_configuration(tmp_path):
    path, arrays = others_container(tmp_path)
    shapes = files.shapes_from_config(CONFIG)
    assert shapes["model.layers.1.self_attn.k_proj.weight"] == (32, 64)
    assert shapes["model.layers.1.mlp.down_proj.weight"] == (64, 160)
    with files.open(path) as file:
        assert file.kind == "safetensors"  # nothing says what the bytes are
        assert file["lm_head.weight"].format == "u8"
    with files.open(path, shapes=shapes) as file:
        assert file.kind == "q4nx"
        for name, shape in shapes.items():
            assert (file[name].format, file[name].shape) == ("q4nx", shape)
            assert np.array_equal(file[name].packed(), arrays[name])
    (tmp_path / "config.json").write_text(json.dumps({"text_config": CONFIG}))
    with files.open(path) as file:
        assert file["lm_head.weight"].values().shape == (100, 64)
    wrong = {"lm_head.weight": (500, 64)}
    with pytest.raises(FileError, match=r"expected 81920 bytes for \[500, 64\] q4nx, but"):
        files.open(path, shapes=wrong)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"[]", "expected a JSON object: not an object"),
        (b"\xff", "expected a JSON object"),
        (b"[" * 100000, "expected a JSON object"),
        (b"{}", "expected a positive number for 'hidden_size', but got None"),
        (json.dumps({**CONFIG, "vocab_size": -1}).encode(), "'vocab_size', but got -1"),
        (json.dumps({**CONFIG, "num_hidden_layers": 10**9}).encode(), "at most 4096 layers"),
        (json.dumps({**CONFIG, "hidden_size": 1 << 40}).encode(), "for 'hidden_size', but got"),
        (b" " * (1 << 20) + b"{}", "expected a file of at most 1048576 bytes"),
    ],
)
def test_bad_configurations(tmp_path, config, message):
    path, _ = others_container(tmp_path)
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(FileError) as error:
        files.open(path)
    assert message in str(error.value) and "config.json: " in str(error.value)
    # Who says the shapes needs no configuration.
    assert len(files.open(path, shapes={})) == 16
