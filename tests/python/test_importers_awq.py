"""AWQ checkpoints, packed by a slow packer of this test, and what wrong ones say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importer_checkpoints import awq_tensors, random_layer, raw, values_of, write, written
from numpy.testing import assert_array_equal

from headrace import formats, importers
from headrace.errors import UsageError
from headrace.files import FileError
from headrace.importers import ImportedLinear, awq


def config(group: int = 32, **more: Any) -> dict[str, Any]:
    return {
        "quant_method": "awq",
        "bits": 4,
        "group_size": group,
        "zero_point": True,
        "version": "gemm",
        **more,
    }


def only(path: Path) -> ImportedLinear:
    (linear,) = importers.read(path)
    return linear


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    words=st.integers(1, 3),
    group=st.sampled_from([8, 32, -1]),
    groups=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    bias=st.booleans(),
)
def test_import_and_export(
    tmp_path: Path, words: int, group: int, groups: int, seed: int, bias: bool
) -> None:
    cols = groups * (group if group > 0 else 16)
    layer = random_layer(4, words * 8, cols, group, seed=seed)
    stored = awq_tensors(layer)
    if not bias:
        del stored["bias"]
    tensors = write(tmp_path, {"l": stored}, config(group))
    linear = only(tmp_path)
    assert linear.format.name == f"int4:{f'g{group}' if group > 0 and groups > 1 else 'channel'}:zp"
    assert_array_equal(linear.values(), values_of(layer))
    parts = linear.parts()[1]
    assert_array_equal(parts.codes, layer["codes"])
    assert_array_equal(parts.zeros, layer["zeros"])
    assert_array_equal(parts.scales, layer["scales"])
    if bias:
        assert_array_equal(linear.bias, layer["bias"].astype(np.float32))
    outs = awq.export_tensors(linear)
    assert {out.name for out in outs} == {f"l.{part}" for part in stored}
    for out in outs:
        assert out.shape == tuple(tensors[out.name].shape)
        assert written(out) == raw(tensors[out.name])


def test_the_order_in_a_word(tmp_path: Path) -> None:
    """As AutoAWQ documents it: the word 0x75316420 holds the outputs 0 to 7."""
    stored = {
        "qweight": torch.full((8, 1), 0x75316420, dtype=torch.int32),
        "qzeros": torch.zeros((1, 1), dtype=torch.int32),
        "scales": torch.ones((1, 8), dtype=torch.float16),
    }
    write(tmp_path, {"l": stored}, config(-1))
    assert_array_equal(only(tmp_path).values(), np.tile(np.arange(8.0)[:, None], (1, 8)))


def test_configs_of_autoawq_itself(tmp_path: Path) -> None:
    layer = random_layer(4, 8, 64, 32, seed=2)
    own = {"zero_point": True, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}
    write(tmp_path, {"l": awq_tensors(layer)}, own, config_name="quant_config.json")
    with importers.open(tmp_path) as checkpoint:
        assert checkpoint.kind == "awq"
        assert [tensor.name for tensor in checkpoint.tensors()] == ["model.embed.weight"]
        (linear,) = checkpoint.linears()
    assert_array_equal(linear.values(), values_of(layer))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 3}, "expected 4 bits for awq, but got 3"),
        ({"version": "gemv"}, "unknown version 'gemv' of awq; allowed: gemm"),
        ({"version": 7}, "unknown version 7 of awq"),
        ({"zero_point": False}, "expected awq with zero_point true"),
        ({"zero_point": "yes"}, "expected true or false for 'zero_point', but got 'yes'"),
        ({"group_size": None}, "expected 'group_size' in the quantization config"),
        ({"group_size": 48}, "layer 'l': expected 8 outputs of 64 inputs in groups of 48"),
        ({"group_size": 0}, "groups of 0"),
        ({"group_size": 16}, r"'l.qzeros' of type i32 and shape \[4, 1\], but got i32 \[2, 1\]"),
    ],
)
def test_wrong_configs(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    layer = random_layer(4, 8, 64, 32, seed=3)
    write(tmp_path, {"l": awq_tensors(layer)}, {**config(), **change})
    with pytest.raises(FileError, match=message):
        only(tmp_path)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("qzeros", None, "expected a tensor 'l.qzeros', but the file has none"),
        ("scales", None, "expected a tensor 'l.scales', but the file has none"),
        (
            "scales",
            torch.ones(2, 16).half(),
            r"'l.scales' .* shape \[2, 8\], but got f16 \[2, 16\]",
        ),
        ("scales", torch.full((2, 8), torch.nan).half(), "expected finite scales"),
        ("qweight", torch.ones(64, 1), "expected 'l.qweight' of type i32"),
        ("qweight", torch.ones(64, 0, dtype=torch.int32), "expected 0 outputs of 64 inputs"),
        ("bias", torch.zeros(9), r"'l.bias' .* shape \[8\], but got f32 \[9\]"),
    ],
)
def test_wrong_layers(tmp_path: Path, part: str, value: torch.Tensor | None, message: str) -> None:
    stored = awq_tensors(random_layer(4, 8, 64, 32, seed=3))
    if value is None:
        del stored[part]
    else:
        stored[part] = value
    write(tmp_path, {"l": stored}, config())
    with pytest.raises(FileError, match=message):
        only(tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("int8:g32", 8, "allowed: int4:GROUP or int4:GROUP:zp, without act_order"),
        ("int4:g32:fz", 8, "allowed: int4:GROUP"),
        ("int4:g32:act_order", 8, "without act_order"),
        ("int4:g32", 12, "expected a multiple of 8 outputs, but got 12"),
    ],
)
def test_what_awq_cannot_store(name: str, rows: int, message: str) -> None:
    form = formats.get(name)
    data = form.encode(np.random.default_rng(9).standard_normal((rows, 64)))
    with pytest.raises(UsageError, match=message):
        awq.export_tensors(ImportedLinear("l", form, rows, 64, data))
