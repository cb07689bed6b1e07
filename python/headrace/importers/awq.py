"""AWQ checkpoints, version "gemm": what AutoAWQ writes.

A layer of N outputs and K inputs with G groups is

    qweight i32 [K, N / 8]       4-bit codes; a word holds 8 consecutive outputs of one input
    qzeros  i32 [G, N / 8]       zero points, packed alike
    scales  f16 [G, N]
    bias    f16 [N]              if it has one

    field of a word, from the lowest bits:   0 1 2 3 4 5 6 7
    output (of its 8) that it holds:         0 2 4 6 1 3 5 7

    value = (q - zero) scale

Facts: AutoAWQ 0.2.9.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from headrace.errors import UsageError
from headrace.files import FileError, Out, TensorFile
from headrace.files.base import quoted

from .base import (
    ImportedLinear,
    bias_out,
    build,
    flag,
    out,
    plain_array,
    read_bias,
    tensor_of,
    whole_number,
)
from .words import pack_columns, unpack_columns

__all__ = ["SUFFIXES", "export_tensors", "linears"]

# What a layer consists of, besides its bias.
SUFFIXES = ("qweight", "qzeros", "scales")

_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def linears(file: TensorFile, config: Mapping[str, Any]) -> Iterator[ImportedLinear]:
    """The layers of an open checkpoint, one in memory at a time.

    config: its quantization config. FileError for what it or a layer has wrong.
    """
    where = str(file.path)
    version = config.get("version") or config.get("checkpoint_format") or "gemm"
    if not isinstance(version, str) or version.lower() != "gemm":
        raise FileError(f"{where}: unknown version {version!a:.60} of awq; allowed: gemm")
    bits = whole_number(config, ("bits", "w_bit"), where)
    if bits != 4:
        raise FileError(f"{where}: expected 4 bits for awq, but got {bits}")
    if not flag(config, "zero_point", True, where):
        raise FileError(f"{where}: expected awq with zero_point true, but it is false")
    group = whole_number(config, ("group_size", "q_group_size"), where)
    for name in file.names():
        if name.endswith(".qweight"):
            yield _linear(file, name.removesuffix(".qweight"), group)


def _linear(file: TensorFile, layer: str, group: int) -> ImportedLinear:
    where = f"{file.path}: layer {quoted(layer)}"
    words = plain_array(file[f"{layer}.qweight"], ("i32",), (None, None), where)
    cols, rows = words.shape[0], words.shape[1] * 8
    size = cols if group == -1 else group
    if size < 1 or not rows or not cols or cols % size:
        raise FileError(
            f"{where}: expected {rows} outputs of {cols} inputs in groups of {group}, with no "
            "group left over"
        )
    qzeros = tensor_of(file, layer, "qzeros", where)
    zero_words = plain_array(qzeros, ("i32",), (cols // size, rows // 8), where)
    scales_tensor = tensor_of(file, layer, "scales", where)
    scales = plain_array(scales_tensor, ("f16", "bf16", "f32"), (cols // size, rows), where)
    codes = np.ascontiguousarray(unpack_columns(words, 4, _ORDER).T)
    zeros = np.ascontiguousarray(unpack_columns(zero_words, 4, _ORDER).T)
    parameters, data = build(where, 4, codes, np.ascontiguousarray(scales.T), zeros)
    bias, bias_type = read_bias(file, layer, rows, where)
    origin = {"kind": "awq", "bias": bias_type}
    return ImportedLinear(layer, parameters.format, rows, cols, data, bias, origin)


def export_tensors(linear: ImportedLinear) -> list[Out]:
    """The tensors of a layer as an AWQ checkpoint has them.

    What was imported from AWQ is the same, byte for byte. UsageError for what it cannot store:
    other than 4 bits, float zero points or ones beyond 15, reordered columns, outputs that are no
    multiple of 8.
    """
    parameters, parts = linear.parts()
    what = f"{linear.name}: cannot write {linear.format.name} as awq"
    if parameters.bits != 4 or parameters.zero == "float" or parameters.act_order:
        raise UsageError(f"{what}; allowed: int4:GROUP or int4:GROUP:zp, without act_order")
    if linear.rows % 8:
        raise UsageError(f"{what}: expected a multiple of 8 outputs, but got {linear.rows}")
    zeros = parts.zeros
    if zeros is None:
        zeros = np.full(parts.scales.shape, parameters.middle, dtype=np.uint8)
    if zeros.max() > 15:
        raise UsageError(f"{what}: zero point {int(zeros.max())} has more than 4 bits")
    tensors = [
        out(f"{linear.name}.qweight", pack_columns(parts.codes.T, 4, _ORDER)),
        out(f"{linear.name}.qzeros", pack_columns(zeros.T, 4, _ORDER)),
        out(f"{linear.name}.scales", parts.scales.T),
    ]
    return [*tensors, *bias_out(linear, parameters.scale)]
