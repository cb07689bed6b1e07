"""Writes affine matrices as torchao's tensors; the layouts are in `torchao`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError, one_of
from headrace.files import Out
from headrace.formats.affine import Affine, Parts

from .base import ImportedLinear, ImportedTensor, bias_out, out

__all__ = ["export_tensors", "metadata"]

_KINDS = ("Int8Tensor", "IntxUnpackedToInt8Tensor", "Int4Tensor")
_DTYPES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}


def export_tensors(
    linear: ImportedLinear, *, kind: str | None = None
) -> tuple[list[Out], dict[str, str]]:
    """The tensors of a layer as torchao's safetensors have them, and their entries of metadata.

    linear: imported from anywhere, or made of any affine format without act_order
    kind:   torchao's class; by default the one that it was imported from, or Int4Tensor for 4 bits
            with float zero points, Int8Tensor for 8 bits and IntxUnpackedToInt8Tensor for others

    What was imported from torchao is the same, byte for byte (but for Int4TilePackedTo4dTensor,
    which cannot be written: its padding is not kept). A file needs `metadata` of all its layers.
    UsageError for what torchao cannot store.
    """
    parameters, parts = linear.parts()
    origin = linear.origin if linear.origin.get("kind") == "torchao" else {}
    kind = kind or origin.get("class") or _usual(parameters)
    what = f"{linear.name}: cannot write {linear.format.name} as torchao's {kind}"
    if kind not in _KINDS:
        raise UsageError(f"{what}; allowed: {one_of(_KINDS)}")
    floats = kind == "Int4Tensor"
    if parameters.act_order or floats != (parameters.zero == "float"):
        raise UsageError(f"{what}; allowed: no act_order, and float zero points in Int4Tensor only")
    if parameters.bits != {"Int8Tensor": 8, "Int4Tensor": 4}.get(kind, parameters.bits):
        raise UsageError(f"{what}: its codes have {parameters.bits} bits")
    tables = _nibbles(parts) if floats else _bytes(what, parameters, parts)
    if "zero_point" in tables and not origin.get("zero_point", True):
        if parts.zeros is not None:
            raise UsageError(f"{what}: it has zero points")
        del tables["zero_point"]
    attributes = origin.get("attributes") or _attributes(kind, parameters, linear)
    entry = {"_type": kind, "_data": attributes, "_tensor_data_names": list(tables)}
    tensors = [out(f"{linear.name}._weight_{key}", table) for key, table in tables.items()]
    biases = bias_out(linear, parameters.scale)
    entries = {f"{linear.name}.weight": json.dumps(entry)}
    entries.update({bias.name: json.dumps({"_type": "Tensor"}) for bias in biases})
    return [*tensors, *biases], entries


def metadata(
    entries: Iterable[dict[str, str]], tensors: Iterable[ImportedTensor] = ()
) -> dict[str, str]:
    """The metadata of a file of exported layers, and of tensors that are not quantized."""
    result: dict[str, str] = {}
    for entry in entries:
        result.update(entry)
    result.update({tensor.name: json.dumps({"_type": "Tensor"}) for tensor in tensors})
    return {**result, "tensor_names": json.dumps(list(result))}


def _usual(parameters: Affine) -> str:
    if parameters.zero == "float":
        return "Int4Tensor"
    return "Int8Tensor" if parameters.bits == 8 else "IntxUnpackedToInt8Tensor"


def _attributes(kind: str, parameters: Affine, linear: ImportedLinear) -> dict[str, Any]:
    scale = {"_type": "torch.dtype", "_data": _DTYPES[parameters.scale]}
    block = {"block_size": [1, parameters.group or linear.cols]}
    if kind == "Int4Tensor":
        activations = {"_type": "torch.dtype", "_data": "bfloat16"}
        return {
            "activation_dtype": activations,
            **block,
            "shape": [linear.rows, linear.cols],
        }
    if kind == "Int8Tensor":
        return {"act_quant_kwargs": None, "reduce_range": False, **block, "dtype": scale}
    target = {"_type": "torch.dtype", "_data": f"int{parameters.bits}"}
    return {"target_dtype": target, **block, "dtype": scale, "activation_quantization": None}


def _bytes(what: str, parameters: Affine, parts: Parts) -> dict[str, npt.NDArray[Any]]:
    half = parameters.middle
    zeros = np.zeros(parts.scales.shape, dtype=np.int16)
    if parts.zeros is not None:
        zeros = parts.zeros.astype(np.int16) - half
    if zeros.max() > 127:
        raise UsageError(f"{what}: zero point {int(zeros.max())} has more than 8 bits")
    codes = (parts.codes - np.uint8(half)).view(np.int8)
    return {"qdata": codes, "scale": parts.scales, "zero_point": zeros.astype(np.int8)}


def _nibbles(parts: Parts) -> dict[str, npt.NDArray[Any]]:
    assert parts.zeros is not None
    signed = parts.codes ^ 8
    packed = (signed[:, ::2] | (signed[:, 1::2] << np.uint8(4))).view(np.int8)
    return {"qdata": packed, "scale": parts.scales.T, "zero_point": parts.zeros.T}
