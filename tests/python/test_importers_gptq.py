"""GPTQ checkpoints, packed by a slow packer of this test, and what wrong ones say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importer_checkpoints import gptq_tensors, random_layer, raw, values_of, write, written
from numpy.testing import assert_array_equal
from safetensors.torch import save_file

from headrace import formats, importers
from headrace.errors import UsageError
from headrace.files import FileError
from headrace.importers import ImportedLinear, gptq

NAME = "model.layers.0.q_proj"


def config(bits: int = 4, group: int = 32, **more: Any) -> dict[str, Any]:
    return {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": False, **more}


def only(path: Path) -> ImportedLinear:
    (linear,) = importers.read(path)
    return linear


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize(
    ("bits", "rows", "cols", "group"),
    [(4, 16, 64, 32), (4, 8, 96, 32), (4, 24, 64, -1), (2, 32, 64, 16), (8, 12, 32, 8)],
)
def test_import_and_export(
    tmp_path: Path, version: int, act_order: bool, bits: int, rows: int, cols: int, group: int
) -> None:
    layer = random_layer(bits, rows, cols, group, seed=bits + cols, lowest_zero=version == 1)
    if act_order:
        layer["g_idx"] = np.random.default_rng(1).permutation(layer["g_idx"])
    stored = gptq_tensors(layer, bits, version=version)
    more = {"checkpoint_format": "gptq_v2"} if version == 2 else {}
    tensors = write(tmp_path, {NAME: stored}, config(bits, group, desc_act=act_order, **more))

    linear = only(tmp_path)
    sorts = act_order and group != -1
    kind = "channel" if group == -1 else f"g{group}"
    assert linear.format.name == f"int{bits}:{kind}:zp" + (":act_order" if sorts else "")
    assert (linear.name, linear.rows, linear.cols) == (NAME, rows, cols)
    assert_array_equal(linear.values(), values_of(layer))
    assert_array_equal(linear.bias, layer["bias"].astype(np.float32))
    parts = linear.parts()[1]
    codes = parts.codes if parts.position is None else parts.codes[:, parts.position]
    assert_array_equal(codes, layer["codes"])
    assert_array_equal(parts.zeros, layer["zeros"])
    assert_array_equal(parts.scales, layer["scales"])

    outs = gptq.export_tensors(linear)
    assert {out.name for out in outs} == {f"{NAME}.{part}" for part in stored}
    for out in outs:
        assert out.shape == tuple(tensors[out.name].shape)
        assert written(out) == raw(tensors[out.name])


def test_symmetric_needs_no_zero_points(tmp_path: Path) -> None:
    layer = random_layer(4, 16, 64, 32, seed=1)
    layer["zeros"][:] = 8
    tensors = write(tmp_path, {NAME: gptq_tensors(layer, 4)}, config(sym=True))
    linear = only(tmp_path)
    assert linear.format.name == "int4:g32"
    assert_array_equal(linear.values(), values_of(layer))
    for out in gptq.export_tensors(linear):
        assert written(out) == raw(tensors[out.name])


def test_zero_points_of_0_as_gptqmodel_saves_them(tmp_path: Path) -> None:
    """It subtracts 0x11111111 from whole words of version 2."""
    layer = random_layer(4, 16, 64, 32, seed=2)
    layer["zeros"][:, 0] = 0
    stored = gptq_tensors(layer, 4, version=2)
    stored["qzeros"] -= 0x11111111
    tensors = write(tmp_path, {NAME: stored}, config(checkpoint_format="gptq"))
    linear = only(tmp_path)
    assert_array_equal(linear.values(), values_of(layer))
    for out in gptq.export_tensors(linear):
        assert written(out) == raw(tensors[out.name])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_scales_of_other_types(tmp_path: Path, dtype: torch.dtype) -> None:
    layer = random_layer(4, 8, 32, 32, seed=3)
    layer["zeros"][:] = 8
    stored = gptq_tensors(layer, 4)
    stored["scales"] = stored["scales"].to(dtype)
    tensors = write(tmp_path, {NAME: stored}, config())
    linear = only(tmp_path)
    scales = stored["scales"].float().numpy().T
    assert linear.format.name == f"int4:channel:{'f32' if dtype == torch.float32 else 'bf16'}"
    assert_array_equal(linear.values(), scales * (layer["codes"] - 8))
    for out in gptq.export_tensors(linear):
        assert written(out) == raw(tensors[out.name])


def test_no_g_idx_and_no_bias(tmp_path: Path) -> None:
    layer = random_layer(4, 8, 64, 32, seed=4, lowest_zero=1)
    stored = gptq_tensors(layer, 4)
    del stored["g_idx"], stored["bias"]
    write(tmp_path, {NAME: stored}, config(), config_name="quantize_config.json")
    linear = only(tmp_path)
    assert linear.bias is None
    assert_array_equal(linear.values(), values_of(layer))
    assert {out.name for out in gptq.export_tensors(linear)} == {f"{NAME}.{p}" for p in stored}


def test_layers_with_bits_of_their_own(tmp_path: Path) -> None:
    """gptqmodel's "dynamic" config; the shapes say what each layer has."""
    four, eight = random_layer(4, 16, 64, 32, seed=5), random_layer(8, 16, 64, 16, seed=6)
    for layer in (four, eight):
        layer["zeros"] = np.maximum(layer["zeros"], 1)
    layers = {"a": gptq_tensors(four, 4), "b": gptq_tensors(eight, 8)}
    write(tmp_path, layers, config(dynamic={"+:b": {"bits": 8, "group_size": 16}}))
    found = {linear.name: linear for linear in importers.read(tmp_path)}
    assert {name: linear.format.name for name, linear in found.items()} == {
        "a": "int4:g32:zp",
        "b": "int8:g16:zp",
    }
    assert_array_equal(found["b"].values(), values_of(eight))


def test_a_checkpoint_in_parts_and_its_other_tensors(tmp_path: Path) -> None:
    layers = {}
    places: dict[str, str] = {}
    for i in range(2):
        layer = random_layer(4, 8, 64, 32, seed=i, lowest_zero=1)
        layers[f"layer{i}"] = layer
        part = {f"layer{i}.{key}": t for key, t in gptq_tensors(layer, 4).items()}
        part[f"layer{i}.norm.weight"] = torch.full((5,), float(i))
        part[f"layer{i}.norm.bias"] = torch.full((5,), float(i))
        file = f"model-{i + 1:05}-of-00002.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in part.items()}, tmp_path / file)
        places |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": config()}))
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        with importers.open(path) as checkpoint:
            assert checkpoint.kind == "gptq"
            found = {linear.name: linear.values() for linear in checkpoint.linears()}
            rest = {tensor.name: tensor for tensor in checkpoint.tensors()}
        for name, layer in layers.items():
            assert_array_equal(found.pop(name), values_of(layer))
        assert not found
        assert set(rest) == {f"layer{i}.norm.{kind}" for i in (0, 1) for kind in ("weight", "bias")}
        norm = rest["layer1.norm.weight"]
        assert (norm.shape, norm.format, norm.data.tobytes()) == ((5,), "f32", raw(torch.ones(5)))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bits=st.sampled_from([2, 4, 8]),
    words=st.integers(1, 2),
    group=st.sampled_from([16, 32, -1]),
    groups=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    act_order=st.booleans(),
    version=st.sampled_from([1, 2]),
)
def test_any_layer(
    tmp_path: Path,
    bits: int,
    words: int,
    group: int,
    groups: int,
    seed: int,
    act_order: bool,
    version: int,
) -> None:
    rows, cols = words * 32 // bits, groups * (group if group > 0 else 16)
    layer = random_layer(bits, rows, cols, group, seed=seed, lowest_zero=version == 1)
    if act_order:
        layer["g_idx"] = np.random.default_rng(seed).permutation(layer["g_idx"])
    stored = gptq_tensors(layer, bits, version=version)
    name = {1: "gptq", 2: "gptq_v2"}[version]
    tensors = write(tmp_path, {NAME: stored}, config(bits, group, checkpoint_format=name))
    linear = only(tmp_path)
    assert_array_equal(linear.values(), values_of(layer))
    for out in gptq.export_tensors(linear):
        assert written(out) == raw(tensors[out.name])


# -- what cannot be imported ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 3}, r"expected 2, 4 or 8 bits, but got 3 \(their codes cross words\)"),
        ({"bits": 5}, "expected 2, 4 or 8 bits, but got 5"),
        ({"bits": "4"}, "expected a whole number for 'bits', but got '4'"),
        ({"bits": None}, "expected 'bits' in the quantization config"),
        ({"bits": 8}, r"expected 'l.qzeros' of type i32 and shape \[2, 4\]"),
        ({"group_size": 64}, "expected groups of 64, as the config says, but 64 inputs have 2"),
        ({"group_size": 0}, "expected a group_size of -1 or more, but got 0"),
        ({"checkpoint_format": "gptq_v3"}, "unknown checkpoint_format 'gptq_v3'; allowed: gptq or"),
        ({"checkpoint_format": "marlin"}, "unknown checkpoint_format 'marlin'"),
        ({"checkpoint_format": ["gptq"]}, "unknown checkpoint_format"),
        ({"is_marlin_format": True}, "is in marlin's order"),
    ],
)
def test_wrong_configs(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    stored = gptq_tensors(random_layer(4, 16, 64, 32, seed=1, lowest_zero=1), 4)
    write(tmp_path, {"l": stored}, {**config(), **change})
    with pytest.raises(FileError, match=message):
        only(tmp_path)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("qzeros", None, "layer 'l': expected a tensor 'l.qzeros', but the file has none"),
        ("scales", None, "expected a tensor 'l.scales', but the file has none"),
        ("qzeros", torch.zeros(2, 1, dtype=torch.int32), r"shape \[2, 2\], but got i32 \[2, 1\]"),
        ("scales", torch.ones(2, 15, dtype=torch.float16), "words of 32 bits"),
        ("scales", torch.ones(3, 16, dtype=torch.float16), r"shape \[3, 2\]"),
        ("scales", torch.ones(2, 16, dtype=torch.int32), "expected 'l.scales' of type f16 or"),
        ("scales", torch.ones(16, dtype=torch.float16), r"shape \[\*, \*\], but got f16 \[16\]"),
        ("qweight", torch.zeros(8, 17, dtype=torch.int32), r"expected 'l.qweight'.* \[\*, 16\]"),
        ("qweight", torch.zeros(8, 16), r"expected 'l.qweight' of type i32"),
        ("qweight", torch.zeros(0, 16, dtype=torch.int32), "expected 0 inputs in 2 groups"),
        ("qweight", torch.zeros(2, 8, 16, dtype=torch.int32), r"but got i32 \[2, 8, 16\]"),
        ("g_idx", torch.zeros(64, dtype=torch.int32), "32 inputs in each group .* group 0 has 64"),
        ("g_idx", torch.full((64,), 2, dtype=torch.int32), "groups 0 to 1, but got 2 to 2"),
        ("g_idx", torch.full((64,), -1, dtype=torch.int32), "groups 0 to 1, but got -1 to -1"),
        ("g_idx", torch.zeros(63, dtype=torch.int32), r"'l.g_idx' .* shape \[64\]"),
        ("bias", torch.zeros(15, dtype=torch.float16), r"'l.bias' .* shape \[16\]"),
        ("bias", torch.full((16,), torch.nan), "expected a finite bias"),
        ("scales", torch.full((2, 16), torch.nan).half(), "layer 'l': int4.*finite scales"),
        ("scales", torch.full((2, 16), torch.inf).half(), "expected finite scales"),
    ],
)
def test_wrong_layers(tmp_path: Path, part: str, value: torch.Tensor | None, message: str) -> None:
    stored = gptq_tensors(random_layer(4, 16, 64, 32, seed=1, lowest_zero=1), 4)
    if value is None:
        del stored[part]
    else:
        stored[part] = value
    write(tmp_path, {"l": stored}, config())
    with pytest.raises(FileError, match=message):
        only(tmp_path)


def test_groups_that_no_format_has(tmp_path: Path) -> None:
    stored = gptq_tensors(random_layer(8, 4, 24, 12, seed=1, lowest_zero=1), 8)
    write(tmp_path, {"l": stored}, config(8, 12))
    with pytest.raises(FileError, match="multiple of 8 columns"):
        only(tmp_path)


def made(name: str, rows: int, cols: int) -> ImportedLinear:
    form = formats.get(name)
    w = np.random.default_rng(9).standard_normal((rows, cols))
    return ImportedLinear("l", form, rows, cols, form.encode(w))


@pytest.mark.parametrize("name", ["int4:g32", "int8:channel:f32", "int2:g16:zp:act_order"])
def test_export_of_matrices_from_elsewhere(tmp_path: Path, name: str) -> None:
    linear = made(name, 32, 64)
    tensors = {}
    for out in gptq.export_tensors(linear, version=2):
        dtype = {"i32": torch.int32, "f16": torch.float16, "f32": torch.float32}[out.format]
        assert not callable(out.data)
        tensors[out.name] = torch.from_numpy(out.data.copy()).view(dtype).reshape(out.shape)
    save_file(tensors, tmp_path / "model.safetensors")
    group = int(name.split(":")[1][1:]) if ":g" in name else -1
    settings = config(int(name[3]), group, checkpoint_format="gptq_v2")
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": settings}))
    assert_array_equal(only(tmp_path).values(), linear.values())


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("int4:g32:fz", 8, "it has float zero points; allowed: integer ones or none"),
        ("int4:g32", 4, "both sides must fill words of 8 codes"),
        ("q8_0", 8, "expected an affine format to export, but got q8_0"),
    ],
)
def test_what_gptq_cannot_store(name: str, rows: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gptq.export_tensors(made(name, rows, 64))
    with pytest.raises(UsageError, match="expected version 1 or 2, but got 3"):
        gptq.export_tensors(made("int4:g32", 8, 64), version=3)
