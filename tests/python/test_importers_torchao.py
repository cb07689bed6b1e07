"""Checkpoints that torchao writes, and ones of its classes that need another machine to make."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from importer_checkpoints import raw, written
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.torch import save_file

from headrace import files, formats, importers
from headrace.errors import UsageError
from headrace.files import FileError
from headrace.importers import ImportedLinear
from headrace.importers.torchao_export import export_tensors, metadata

logging.getLogger("torchao").setLevel(logging.ERROR)
torchao = pytest.importorskip("torchao.quantization")

CONFIGS: dict[str, tuple[Any, str]] = {
    "int8": (lambda: torchao.Int8WeightOnlyConfig(), "int8:channel:f32"),
    "int8 groups": (
        lambda: torchao.Int8WeightOnlyConfig(granularity=torchao.PerGroup(32)),
        "int8:g32:f32",
    ),
    "int8 dynamic": (
        lambda: torchao.Int8DynamicActivationInt8WeightConfig(),
        "int8:channel:f32",
    ),
    "int4": (lambda: intx(torch.int4, 32), "int4:g32:bf16"),
    "int4 zero points": (lambda: intx(torch.int4, 16, asymmetric=True), "int4:g16:zp:bf16"),
    "int8 rows": (lambda: intx(torch.int8, 0), "int8:channel:bf16"),
    "int2 zero points": (lambda: intx(torch.int2, 8, asymmetric=True), "int2:g8:zp:bf16"),
    "int4 dynamic": (
        lambda: torchao.Int8DynamicActivationIntxWeightConfig(
            weight_dtype=torch.int4, weight_granularity=torchao.PerGroup(32)
        ),
        "int4:g32:bf16",
    ),
}


def intx(dtype: torch.dtype, group: int, *, asymmetric: bool = False) -> Any:
    mapping = torchao.MappingType.ASYMMETRIC if asymmetric else torchao.MappingType.SYMMETRIC
    return torchao.IntxWeightOnlyConfig(
        weight_dtype=dtype,
        granularity=torchao.PerGroup(group) if group else torchao.PerAxis(0),
        mapping_type=mapping,
    )


def quantized(config: Any) -> dict[str, torch.Tensor]:
    """A state dictionary with a quantized layer "0", a plain norm "1" and a layer "2"."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 24), torch.nn.LayerNorm(24), torch.nn.Linear(64, 8, bias=False)
    ).to(torch.bfloat16)
    torchao.quantize_(model, config)
    return dict(model.state_dict())


def flattened(state: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict

    tensors, texts = flatten_tensor_state_dict(state)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}, texts


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_torchao_writes(tmp_path: Path, name: str, suffix: str) -> None:
    make, form = CONFIGS[name]
    state = quantized(make())
    tensors, texts = flattened(state)
    path = tmp_path / f"model.{suffix}"
    if suffix == "pt":
        torch.save(state, path)
    else:
        save_file(tensors, path, metadata=texts)
    with importers.open(path) as checkpoint:
        assert checkpoint.kind == "torchao"
        linears = list(checkpoint.linears())
        rest = {tensor.name: tensor for tensor in checkpoint.tensors()}
    assert [linear.name for linear in linears] == ["0", "2"]
    assert {linear.format.name for linear in linears} == {form}
    assert linears[1].bias is None
    assert_array_equal(linears[0].bias, state["0.bias"].float().numpy())
    for linear in linears:
        # torchao multiplies in float32, then rounds to the model's type.
        want = state[f"{linear.name}.weight"].dequantize()
        assert torch.equal(torch.from_numpy(linear.values()).to(want.dtype), want)
    assert set(rest) == {"1.weight", "1.bias"}
    assert rest["1.weight"].format == "bf16"
    assert bytes(rest["1.weight"].data) == raw(state["1.weight"])

    entries = []
    for linear in linears:
        outs, entry = export_tensors(linear)
        entries.append(entry)
        for out in outs:
            assert out.shape == tuple(tensors[out.name].shape)
            assert written(out) == raw(tensors[out.name])
    if suffix == "safetensors":
        again = metadata(entries, rest.values())
        assert set(json.loads(again["tensor_names"])) == set(json.loads(texts["tensor_names"]))
        for key in set(texts) - {"tensor_names"}:
            ours, theirs = json.loads(again[key]), json.loads(texts[key])
            for part in (ours, theirs):
                part["_tensor_data_names"] = sorted(part.get("_tensor_data_names", []))
            assert ours == theirs


def test_a_checkpoint_in_parts(tmp_path: Path) -> None:
    """As Hugging Face's programs write it: the metadata of all is in each part."""
    state = quantized(CONFIGS["int4 zero points"][0]())
    tensors, texts = flattened(state)
    places = {name: f"model-{1 + (i % 2)}.safetensors" for i, name in enumerate(tensors)}
    for file in set(places.values()):
        part = {name: tensor for name, tensor in tensors.items() if places[name] == file}
        save_file(part, tmp_path / file, metadata=texts)
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"quantization_config": {"quant_method": "torchao"}}
    for text in (json.dumps(config), "{}"):
        (tmp_path / "config.json").write_text(text)
        with importers.open(tmp_path) as checkpoint:
            found = {linear.name: linear.values() for linear in checkpoint.linears()}
            assert {tensor.name for tensor in checkpoint.tensors()} == {"1.weight", "1.bias"}
        assert list(found) == ["0", "2"]
        for name, values in found.items():
            want = state[f"{name}.weight"].dequantize()
            assert torch.equal(torch.from_numpy(values).to(want.dtype), want)


def written_by_us(folder: Path, linear: ImportedLinear, **more: Any) -> Path:
    outs, entry = export_tensors(linear, **more)
    files.write_safetensors(folder / "model.safetensors", outs, metadata([entry]))
    return folder / "model.safetensors"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("int4:g32:zp", "IntxUnpackedToInt8Tensor"),
        ("int8:channel:f32", "Int8Tensor"),
        ("int8:g32", "IntxUnpackedToInt8Tensor"),
        ("int4:g32:fz:bf16", "Int4Tensor"),
        ("int2:g16", None),
    ],
)
def test_matrices_from_elsewhere_are_read_by_torchao(
    tmp_path: Path, name: str, kind: str | None
) -> None:
    from torchao.prototype.safetensors.safetensors_support import unflatten_tensor_state_dict

    form = formats.get(name)
    w = np.random.default_rng(2).standard_normal((16, 64))
    linear = ImportedLinear("model.l", form, 16, 64, form.encode(w), np.ones(16, np.float32))
    path = written_by_us(tmp_path, linear, kind=kind)
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state, left = unflatten_tensor_state_dict(tensors, file.metadata())
    assert not left
    weight = state["model.l.weight"]
    assert type(weight).__name__ == (kind or "IntxUnpackedToInt8Tensor")
    if kind != "Int4Tensor":  # which only CUDA dequantizes
        want = torch.from_numpy(linear.values())
        assert torch.equal(weight.dequantize(), want.to(weight.dtype))
    (again,) = importers.read(path)
    assert again.format == form
    assert_array_equal(again.data, linear.data)


# -- classes that need other machines -------------------------------------------------------------


def entry_file(
    path: Path, kind: str, attributes: dict[str, Any], parts: dict[str, torch.Tensor]
) -> Path:
    entry = {"_type": kind, "_data": attributes, "_tensor_data_names": list(parts)}
    texts = {"l.weight": json.dumps(entry), "tensor_names": '["l.weight"]'}
    tensors = {f"l._weight_{name}": tensor.contiguous() for name, tensor in parts.items()}
    save_file(tensors, path / "model.safetensors", metadata=texts)
    return path / "model.safetensors"


def test_int4_with_float_zero_points(tmp_path: Path) -> None:
    """Int4Tensor, whose codes are signed and tables transposed."""
    rng = np.random.default_rng(3)
    codes = rng.integers(-8, 8, (6, 64))
    scale, zero = (torch.from_numpy(rng.standard_normal((2, 6))).bfloat16() for _ in range(2))
    packed = (codes[:, ::2] & 15) | ((codes[:, 1::2] & 15) << 4)
    path = entry_file(
        tmp_path,
        "Int4Tensor",
        {"block_size": [1, 32], "shape": [6, 64]},
        {
            "qdata": torch.from_numpy(packed.astype(np.uint8).view(np.int8)),
            "scale": scale,
            "zero_point": zero,
        },
    )
    (linear,) = importers.read(path)
    assert linear.format.name == "int4:g32:fz:bf16"
    scales, zeros = (table.float().numpy().T.repeat(32, axis=1) for table in (scale, zero))
    assert_array_equal(linear.values(), codes.astype(np.float32) * scales + zeros)
    with safe_open(path, "pt") as file:
        for out in export_tensors(linear)[0]:
            assert written(out) == raw(file.get_tensor(out.name))


@pytest.mark.parametrize(("rows", "cols", "group"), [(8, 1024, 32), (21, 1152, 128)])
def test_int4_in_the_order_of_tensor_cores(
    tmp_path: Path, rows: int, cols: int, group: int
) -> None:
    """Int4TilePackedTo4dTensor, packed as one thread of a warp after the other would."""
    rng = np.random.default_rng(4)
    high, wide = -(-rows // 8) * 8, -(-cols // 1024) * 1024
    codes = rng.integers(0, 16, (high, wide))
    words = np.zeros((high // 8, wide // 128, 32, 4), dtype=np.int64)
    for tile, column, lane, pair in np.ndindex(*words.shape):
        line = codes[8 * tile + lane // 4]
        first = [128 * column + 32 * pair + 2 * (lane % 4) + 8 * i for i in range(4)]
        columns = first + [at + 1 for at in first]
        words[tile, column, lane, pair] = sum(
            int(line[at]) << (4 * i) for i, at in enumerate(columns)
        )
    tables = torch.from_numpy(rng.standard_normal((wide // group, high, 2))).bfloat16()
    path = entry_file(
        tmp_path,
        "Int4TilePackedTo4dTensor",
        {"block_size": [1, group], "shape": [rows, cols]},
        {
            "qdata": torch.from_numpy(words.astype(np.uint32).view(np.int32)),
            "scale_and_zero": tables,
        },
    )
    (linear,) = importers.read(path)
    assert linear.format.name == f"int4:g{group}:fz:bf16"
    scale, zero = (
        tables[..., i].float().numpy().T.repeat(group, axis=1)[:rows, :cols] for i in range(2)
    )
    want = (codes[:rows, :cols] - 8).astype(np.float32) * scale + zero
    assert_array_equal(linear.values(), want)
    with pytest.raises(UsageError, match="cannot write .* Int4TilePackedTo4dTensor; allowed: Int8"):
        export_tensors(linear)


# -- what cannot be imported ----------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "block_size": [1, 32],
    "dtype": {"_type": "torch.dtype", "_data": "bfloat16"},
}


def good_parts() -> dict[str, torch.Tensor]:
    return {
        "qdata": torch.zeros(4, 64, dtype=torch.int8),
        "scale": torch.ones(4, 2),
        "zero_point": torch.zeros(4, 2, dtype=torch.int8),
    }


@pytest.mark.parametrize(
    ("kind", "attributes", "parts", "message"),
    [
        ("Float8Tensor", {}, {}, "no format holds 'Float8Tensor'; allowed: Int8Tensor, Intx"),
        ("Int8Tensor", {"block_size": [1, 48]}, {}, r"divide 64 columns, but .* \[1, 48\]"),
        ("Int8Tensor", {"block_size": [4, 64]}, {}, "expected groups of one row"),
        ("Int8Tensor", {"block_size": 32}, {}, "expected a block_size of two numbers, but got 32"),
        ("Int8Tensor", {}, {"scale": torch.ones(2, 4)}, r"scale of shape \[4, 2\], but"),
        ("Int8Tensor", {}, {"scale": torch.full((4, 2), torch.nan)}, "expected finite scales"),
        ("Int8Tensor", {}, {"qdata": torch.zeros(4, 64)}, "qdata of type int8 with 2 axes"),
        ("Int8Tensor", {}, {"zero_point": torch.zeros(4, 2)}, "zero_point of type int8"),
        ("Int8Tensor", {}, {"act_pre_scale": torch.ones(64)}, "expected no act_pre_scale"),
        ("IntxUnpackedToInt8Tensor", {}, {}, "no format holds None; allowed: int2, int4 or int8"),
        ("IntxUnpackedToInt8Tensor", {"target_dtype": "int3"}, {}, "no format holds 'int3'"),
        ("IntxUnpackedToInt8Tensor", {"target_dtype": ["int4"]}, {}, "no format holds"),
        (
            "IntxUnpackedToInt8Tensor",
            {"target_dtype": "int4"},
            {"qdata": torch.full((4, 64), 8, dtype=torch.int8)},
            "expected codes of 4 bits, -8 to 7, but got 8 to 8",
        ),
        (
            "IntxUnpackedToInt8Tensor",
            {"target_dtype": "int4"},
            {"zero_point": torch.full((4, 2), -9, dtype=torch.int8)},
            "expected zero points of at least -8, but got -9",
        ),
        ("Int4TilePackedTo4dTensor", {}, {}, "qdata of type int32 with 4 axes"),
    ],
)
def test_wrong_weights(
    tmp_path: Path,
    kind: str,
    attributes: dict[str, Any],
    parts: dict[str, torch.Tensor],
    message: str,
) -> None:
    path = entry_file(tmp_path, kind, {**GOOD, **attributes}, {**good_parts(), **parts})
    with pytest.raises(FileError, match=message):
        list(importers.read(path))


def test_wrong_metadata(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for texts, message in (
        ({"tensor_names": "["}, "metadata 'tensor_names'"),
        ({"tensor_names": "3"}, "expected a list of names"),
        ({"tensor_names": '["l.weight"]'}, "expected 'l.weight' in the metadata"),
        ({"tensor_names": '["l.weight"]', "l.weight": "[]"}, "expected an object for 'l.weight'"),
        (
            {"tensor_names": '["l.weight"]', "l.weight": '{"_type": "Int8Tensor"}'},
            "expected '_data' and '_tensor_data_names'",
        ),
        (
            {
                "tensor_names": '["l.weight"]',
                "l.weight": '{"_type": "Int8Tensor", "_data": {}, "_tensor_data_names": ["q"]}',
            },
            "expected a tensor 'l._weight_q', but it has none",
        ),
        ({"tensor_names": "[]"}, "expected weights quantized by torchao, but it has none"),
    ):
        save_file({"x": torch.ones(2)}, path, metadata=texts)
        with pytest.raises(FileError, match=message):
            importers.open(path)


def test_wrong_state_dictionaries(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(FileError, match=r"model.pt: (no such file|cannot read)"):
        importers.open(path)
    path.write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(FileError, match="expected a state dictionary of torch and torchao"):
        importers.open(path)
    torch.save([torch.ones(2)], path)
    with pytest.raises(FileError, match="expected a state dictionary, but got list"):
        importers.open(path)
    torch.save({"l.weight": torch.ones(2, 2)}, path)
    with pytest.raises(FileError, match="expected weights quantized by torchao, but it has none"):
        importers.open(path)
    torch.save({"l.weight": Path("x")}, path)  # an object that must not be made
    with pytest.raises(FileError, match="expected a state dictionary"):
        importers.open(path)


def test_other_checkpoints(tmp_path: Path) -> None:
    save_file({"l.weight": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match="has no quantization config .* gptq, awq, torchao"):
        importers.open(tmp_path)
    config = tmp_path / "config.json"
    config.write_text('{"quantization_config": {"quant_method": "gptqq"}}')
    with pytest.raises(UsageError, match="unknown quant_method 'gptqq', did you mean 'gptq'"):
        importers.open(tmp_path)
    for text in ("[", "[]", "\x00", '{"quantization_config": 3}'):
        config.write_text(text)
        with pytest.raises(FileError, match=r"config.json: expected (a JSON|an) object"):
            importers.open(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="expected a folder with model.safetensors"):
        importers.open(tmp_path / "empty")
