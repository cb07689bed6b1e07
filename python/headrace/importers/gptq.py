"""GPTQ checkpoints: auto-gptq's and gptqmodel's, versions 1 and 2, with and without act-order.

A layer of N outputs and K inputs with G groups is (i32 words, the first code lowest):

    qweight i32 [K B / 32, N]    codes; a word holds codes of consecutive inputs
    qzeros  i32 [G, N B / 32]    zero points; a word holds those of consecutive outputs
    scales  f16 [G, N]           (bf16 or f32 in some files)
    g_idx   i32 [K]              the group of each input (in some old files missing)
    bias        [N]              if it has one

    value = scale (q - zero)

Version 1 (`checkpoint_format` "gptq", or none) stores zero points less one: 0x11..1 (4 bits) must
be added to each word, as one number, as gptqmodel does when it loads one. So it undoes what
gptqmodel subtracts when it saves; a file whose fields are not all ones, which is every valid one
of auto-gptq, reads the same field by field.

With act-order g_idx is not sorted. Inputs are in their own order in qweight; here they are stored
group by group, in a group in their own order, with the table of positions that the format has. A
sorted g_idx needs no table.

Facts: the loaders of auto-gptq 0.7 and gptqmodel 7.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError, one_of
from headrace.files import FileError, Out, TensorFile
from headrace.files.base import quoted

from .base import (
    ImportedLinear,
    bias_out,
    build,
    out,
    plain_array,
    read_bias,
    tensor_of,
    whole_number,
)
from .words import pack_columns, pack_rows, unpack_columns, unpack_rows

__all__ = ["SUFFIXES", "export_tensors", "linears"]

# What a layer consists of, besides its bias.
SUFFIXES = ("qweight", "qzeros", "scales", "g_idx")

_VERSIONS = {"gptq": 1, "gptq_v2": 2}
_BITS = (2, 4, 8)


def linears(file: TensorFile, config: Mapping[str, Any]) -> Iterator[ImportedLinear]:
    """The layers of an open checkpoint, one in memory at a time.

    config: its quantization config. FileError for what it or a layer has wrong.
    """
    version = _version(file, config)
    mixed = bool(config.get("dynamic"))  # layers with bits and groups of their own
    bits = whole_number(config, ("bits",), str(file.path))
    group = whole_number(config, ("group_size",), str(file.path))
    _check_bits(bits, str(file.path))
    if group == 0 or group < -1:
        raise FileError(f"{file.path}: expected a group_size of -1 or more, but got {group}")
    for name in file.names():
        if not name.endswith(".qweight"):
            continue
        layer = name.removesuffix(".qweight")
        yield _linear(file, layer, version, None if mixed else (bits, group))


def _version(file: TensorFile, config: Mapping[str, Any]) -> int:
    if config.get("is_marlin_format"):
        raise FileError(
            f"{file.path}: is in marlin's order; expected checkpoint_format {one_of(_VERSIONS)}"
        )
    name = config.get("checkpoint_format") or config.get("format") or "gptq"
    if not isinstance(name, str) or name not in _VERSIONS:
        raise FileError(
            f"{file.path}: unknown checkpoint_format {name!a:.60}; allowed: {one_of(_VERSIONS)}"
        )
    return _VERSIONS[name]


def _check_bits(bits: int, where: str) -> None:
    if bits not in _BITS:
        crossing = " (their codes cross words)" if bits in (3, 5, 6, 7) else ""
        raise FileError(f"{where}: expected 2, 4 or 8 bits, but got {bits}{crossing}")


def _linear(
    file: TensorFile, layer: str, version: int, expected: tuple[int, int] | None
) -> ImportedLinear:
    """One layer; `expected` are the bits and the group that the config says for all."""
    where = f"{file.path}: layer {quoted(layer)}"
    scales_tensor = tensor_of(file, layer, "scales", where)
    scales = plain_array(scales_tensor, ("f16", "bf16", "f32"), (None, None), where)
    groups, rows = scales.shape
    qzeros = tensor_of(file, layer, "qzeros", where)
    qweight = file[f"{layer}.qweight"]
    bits = expected[0] if expected else _bits_of(qzeros.shape, rows, where)
    if rows * bits % 32 or not rows or not groups:
        raise FileError(
            f"{where}: expected zero points of {rows} outputs to fill words of 32 bits, with "
            f"{groups} groups of {bits} bits each"
        )
    zero_words = plain_array(qzeros, ("i32",), (groups, rows * bits // 32), where)
    words = plain_array(qweight, ("i32",), (None, rows), where)
    cols = words.shape[0] * 32 // bits
    if not cols or cols % groups:
        raise FileError(f"{where}: expected {cols} inputs in {groups} groups of one size")
    group = cols // groups
    if expected and group != (cols if expected[1] == -1 else expected[1]):
        raise FileError(
            f"{where}: expected groups of {expected[1]}, as the config says, but {cols} inputs "
            f"have {groups} scales"
        )

    if version == 1:
        zero_words = zero_words.view(np.uint32) + _ones(bits)
    zeros = np.ascontiguousarray(unpack_columns(zero_words, bits).T)
    codes = unpack_rows(words, bits).T
    position, has_g_idx = _position(file, layer, cols, group, where)
    if position is not None:
        stored = np.empty_like(codes)
        stored[:, position] = codes
        codes = stored
    parameters, data = build(
        where, bits, np.ascontiguousarray(codes), np.ascontiguousarray(scales.T), zeros, position
    )
    bias, bias_type = read_bias(file, layer, rows, where)
    origin = {"kind": "gptq", "version": version, "g_idx": has_g_idx, "bias": bias_type}
    return ImportedLinear(layer, parameters.format, rows, cols, data, bias, origin)


def _bits_of(shape: tuple[int, ...], rows: int, where: str) -> int:
    """The bits of a layer, where the config has them for each layer: from the packed shape."""
    bits = shape[1] * 32 // rows if len(shape) == 2 and rows else 0
    _check_bits(bits, where)
    return bits


def _ones(bits: int) -> np.uint32:
    """1 in each field of a word."""
    return np.uint32(sum(1 << at for at in range(0, 32, bits)))


def _position(
    file: TensorFile, layer: str, cols: int, group: int, where: str
) -> tuple[npt.NDArray[np.int32] | None, bool]:
    """Stored positions of the columns, None if they are in order; and whether there is a g_idx."""
    if f"{layer}.g_idx" not in file:
        return None, False
    g_idx = plain_array(file[f"{layer}.g_idx"], ("i32", "i64"), (cols,), where)
    groups = cols // group
    low, high = int(g_idx.min()), int(g_idx.max())
    if low < 0 or high >= groups:
        raise FileError(
            f"{where}: expected g_idx to hold groups 0 to {groups - 1}, but got {low} to {high}"
        )
    counts = np.bincount(g_idx, minlength=groups)
    if (counts != group).any():
        at = int(np.argmax(counts != group))
        raise FileError(
            f"{where}: expected {group} inputs in each group of g_idx, but group {at} has "
            f"{int(counts[at])}"
        )
    if (np.diff(g_idx) >= 0).all():
        return None, True
    order = np.argsort(g_idx, kind="stable")
    position = np.empty(cols, dtype="<i4")
    position[order] = np.arange(cols, dtype="<i4")
    return position, True


def export_tensors(linear: ImportedLinear, *, version: int | None = None) -> list[Out]:
    """The tensors of a layer as a GPTQ checkpoint has them.

    linear:  imported from anywhere, or made of any affine format without float zero points
    version: 1 or 2; by default as it was imported, and 1 for others

    What was imported from GPTQ is the same, byte for byte. UsageError for what GPTQ cannot store:
    float zero points, integer ones beyond their bits, outputs that do not fill words.
    """
    parameters, parts = linear.parts()
    bits, rows, cols = parameters.bits, linear.rows, linear.cols
    origin = linear.origin if linear.origin.get("kind") == "gptq" else {}
    version = version or int(origin.get("version", 1))
    what = f"{linear.name}: cannot write {linear.format.name} [{rows}, {cols}] as gptq"
    if version not in (1, 2):
        raise UsageError(f"{what}: expected version 1 or 2, but got {version}")
    if parameters.zero == "float":
        raise UsageError(f"{what}: it has float zero points; allowed: integer ones or none")
    if rows * bits % 32 or cols * bits % 32:
        raise UsageError(f"{what}: both sides must fill words of {32 // bits} codes")
    zeros = parts.zeros
    if zeros is None:
        zeros = np.full(parts.scales.shape, parameters.middle, dtype=np.uint8)
    if zeros.max() >> bits:
        raise UsageError(f"{what}: zero point {int(zeros.max())} has more than {bits} bits")

    codes, position = parts.codes, parts.position
    group = parameters.group or cols
    g_idx = np.arange(cols, dtype=np.int32) // group
    if position is not None:
        codes, g_idx = codes[:, position], position // group
    zero_words = pack_columns(np.ascontiguousarray(zeros.T), bits)
    if version == 1:
        zero_words = (zero_words.view(np.uint32) - _ones(bits)).view(np.int32)
    tensors = [
        out(f"{linear.name}.qweight", pack_rows(np.ascontiguousarray(codes.T), bits)),
        out(f"{linear.name}.qzeros", zero_words),
        out(f"{linear.name}.scales", parts.scales.T),
    ]
    if origin.get("g_idx", True):
        tensors.append(out(f"{linear.name}.g_idx", g_idx.astype(np.int32)))
    return [*tensors, *bias_out(linear, parameters.scale)]
