"""What is imported from a checkpoint of another quantizer, and what importers share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import UsageError
from headrace.files import PLAIN, FileError, Out, Tensor, TensorFile
from headrace.files.base import quoted
from headrace.formats import Format, affine
from headrace.formats.base import F32, U8

__all__ = [
    "ImportedLinear",
    "ImportedTensor",
    "bias_out",
    "build",
    "check_codes",
    "flag",
    "out",
    "plain_array",
    "read_bias",
    "read_json",
    "tensor_of",
    "where_errors",
    "whole_number",
]

_MAX_CONFIG = 1 << 24
_DTYPE_NAMES = {dtype: name for name, dtype in PLAIN.items()}


@dataclass(frozen=True, eq=False)
class ImportedLinear:
    """One quantized matrix of a checkpoint, in the storage of a format; nothing is requantized.

    name:   of the layer; its matrix is the tensor `name.weight` of the model
    format: an affine format of `headrace.formats`
    data:   uint8 [bytes], as the format lays them out
    bias:   float32 [rows], or None
    origin: what the checkpoint says besides, which is not part of the values: enough to write
            the same bytes again (see the `export_tensors` of each importer)
    """

    name: str
    format: Format
    rows: int
    cols: int
    data: U8 = field(repr=False)
    bias: F32 | None = field(default=None, repr=False)
    origin: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> F32:
        """The weights, float32 [rows, cols]."""
        return self.format.decode(self.data, self.rows, self.cols)

    def parts(self) -> tuple[affine.Affine, affine.Parts]:
        """Parameters, and codes, scales, zero points and column positions."""
        parameters = affine.parameters(self.format.name)
        if parameters is None:
            raise UsageError(
                f"{self.name}: expected an affine format to export, but got {self.format.name}; "
                "allowed: intB:GROUP..., as int4:g128:zp"
            )
        raw = self.format._raw_bytes(self.data, self.rows, self.cols)
        return parameters, parameters.unpack(raw, self.rows, self.cols)


@dataclass(frozen=True, eq=False)
class ImportedTensor:
    """A tensor of the checkpoint that is not quantized.

    format: a name of `headrace.files.PLAIN`, as "bf16"
    data:   uint8 [bytes], not a copy where the file is mapped
    """

    name: str
    shape: tuple[int, ...]
    format: str
    data: U8 = field(repr=False)

    def out(self) -> Out:
        """The same, to be written to another file."""
        return Out(self.name, self.shape, self.format, self.data)


@contextmanager
def where_errors(where: str) -> Iterator[None]:
    """Puts the file and the layer before messages of formats."""
    try:
        yield
    except UsageError as error:
        raise FileError(f"{where}: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; FileError if the file is none, or larger than a configuration can be."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_CONFIG + 1)
        if len(raw) > _MAX_CONFIG:
            raise FileError(f"{path}: expected a configuration of at most {_MAX_CONFIG} bytes")
        data = json.loads(raw)
    except OSError as error:
        raise FileError(f"{path}: cannot read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path}: expected a JSON object: {error}") from error
    if not isinstance(data, dict):
        raise FileError(f"{path}: expected a JSON object, but got {type(data).__name__}")
    return data


def whole_number(config: Mapping[str, Any], keys: tuple[str, ...], what: str) -> int:
    """The integer that a configuration has under one of some keys; FileError if there is none."""
    for key in keys:
        value = config.get(key)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int):
                raise FileError(f"{what}: expected a whole number for '{key}', but got {value!a}")
            return value
    raise FileError(f"{what}: expected '{keys[0]}' in the quantization config, but it has none")


def flag(config: Mapping[str, Any], key: str, default: bool, what: str) -> bool:
    """A boolean of a configuration; FileError if it is something else."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise FileError(f"{what}: expected true or false for '{key}', but got {value!a}")
    return value


def tensor_of(file: TensorFile, layer: str, suffix: str, where: str) -> Tensor:
    """The tensor `layer.suffix`; FileError if the layer lacks it."""
    name = f"{layer}.{suffix}"
    if name not in file:
        raise FileError(f"{where}: expected a tensor {quoted(name)}, but the file has none")
    return file[name]


def plain_array(
    tensor: Tensor, formats: tuple[str, ...], shape: tuple[int | None, ...], where: str
) -> npt.NDArray[Any]:
    """A typed view of a plain tensor; FileError if its type or shape is another.

    shape: None where any size will do
    """
    fits = len(tensor.shape) == len(shape) and all(
        want in (None, got) for want, got in zip(shape, tensor.shape, strict=True)
    )
    if tensor.format not in formats or not fits:
        sizes = ", ".join("*" if axis is None else str(axis) for axis in shape)
        raise FileError(
            f"{where}: expected {quoted(tensor.name)} of type {' or '.join(formats)} and shape "
            f"[{sizes}], but got {tensor.format} {list(tensor.shape)}"
        )
    return tensor.array()


def read_bias(file: TensorFile, layer: str, rows: int, where: str) -> tuple[F32 | None, str | None]:
    """The bias of a layer, if it has one, as float32, and the name of its type in the file."""
    name = f"{layer}.bias"
    if name not in file:
        return None, None
    tensor = file[name]
    values = plain_array(tensor, ("f16", "bf16", "f32"), (rows,), where).astype(np.float32)
    if not np.isfinite(values).all():
        raise FileError(f"{where}: expected a finite bias, but it has NaN or infinite values")
    return values, tensor.format


def build(
    where: str,
    bits: int,
    codes: U8,
    scales: npt.NDArray[Any],
    zeros: npt.NDArray[Any] | None,
    position: npt.NDArray[np.int32] | None = None,
) -> tuple[affine.Affine, U8]:
    """The format, and the bytes in it, of what a checkpoint stores.

    codes:  u8 [rows, cols], unsigned, in stored order
    scales: [rows, groups] of any of the three types
    zeros:  [rows, groups]: u8, or floats of the scales' type. Integer ones that are all the
            middle code are not stored: the format without zero points says the same.
    FileError for NaN and infinite scales.
    """
    rows, cols = codes.shape
    groups = scales.shape[1]
    if groups < 1 or cols % groups:
        raise FileError(f"{where}: expected {cols} columns to be whole groups, but got {groups}")
    zero = "none"
    if zeros is not None:
        zero = "integer" if zeros.dtype == np.uint8 else "float"
        if zero == "integer" and (zeros == 1 << (bits - 1)).all():
            zero, zeros = "none", None
    with where_errors(where):
        parameters = affine.Affine(
            bits,
            cols // groups if groups > 1 else 0,
            zero,
            _DTYPE_NAMES[scales.dtype],
            position is not None,
        )
        data = parameters.pack(affine.Parts(codes, scales, zeros, position))
        parameters.format.check_scales(data, rows, cols)
    return parameters, data


def check_codes(where: str, codes: npt.NDArray[Any], bits: int) -> None:
    """FileError if signed codes are beyond their number of bits."""
    half = 1 << (bits - 1)
    low, high = int(codes.min()), int(codes.max())
    if low < -half or high >= half:
        raise FileError(
            f"{where}: expected codes of {bits} bits, {-half} to {half - 1}, but got {low} to "
            f"{high}"
        )


def out(name: str, values: npt.NDArray[Any]) -> Out:
    """An array as a tensor to write."""
    array = np.ascontiguousarray(values)
    return Out(name, array.shape, _DTYPE_NAMES[array.dtype], array.reshape(-1).view(np.uint8))


def bias_out(linear: ImportedLinear, default: str) -> list[Out]:
    """The bias, if there is one, in the type that it was imported from, else `default`."""
    if linear.bias is None:
        return []
    dtype = PLAIN[linear.origin.get("bias") or default]
    return [out(f"{linear.name}.bias", linear.bias.astype(dtype))]
