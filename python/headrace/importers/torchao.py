"""torchao checkpoints: weight-only and dynamically quantized integers.

torchao keeps a weight as an object of several tensors. In safetensors (torchao's own layout, which
Hugging Face's programs write too) the parts of `LAYER.weight` are the tensors `LAYER._weight_PART`,
and the metadata has, under "LAYER.weight", JSON: {"_type": CLASS, "_data": {attributes},
"_tensor_data_names": [parts]}; "tensor_names" lists all. Other tensors have the type "Tensor". The
classes that have an affine format, for N outputs and K inputs with groups of g:

    Int8Tensor                 qdata i8 [N, K], scale [N, K / g], zero_point i8 [N, K / g] or none
    IntxUnpackedToInt8Tensor   the same; codes of target_dtype (int2, int4, int8), one in a byte
        value = (q - zero_point) scale

    Int4Tensor                 qdata i8 [N, K / 2] (low 4 bits = even column, signed),
                               scale and zero_point [K / g, N], of one float type
        value = q scale + zero_point

    Int4TilePackedTo4dTensor   qdata i32 [N' / 8, K' / 128, 32, 4], scale_and_zero bf16
                               [K' / g, N', 2]; N' and K' are N and K padded to 8 and 1024
        value = (q - 8) scale + zero
        word (n, k, lane, i), q of output 8 n + lane / 4 and inputs, from the low bits,
        p, p + 8, p + 16, p + 24, p + 1, p + 9, p + 17, p + 25, p = 128 k + 32 i + 2 (lane % 4)

Activations that torchao quantizes at run time are no part of the weights; attributes about them
stay in `origin`. Facts: torchao 0.18, PyTorch's CPU and CUDA kernels for int4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import files
from headrace.errors import one_of
from headrace.files import FileError, TensorFile
from headrace.files.base import quoted
from headrace.formats.base import F32

from .base import ImportedLinear, ImportedTensor, build, check_codes, out
from .torchao_tiles import TILE_COLS, TILE_ROWS, from_tiles

__all__ = ["State", "Weight", "from_file", "is_flattened", "linears", "tensors"]

Array = npt.NDArray[Any]
_SCALES = ("float16", "bfloat16", "float32")
_BITS = {"int2": 2, "int4": 4, "int8": 8}


@dataclass(frozen=True)
class Weight:
    """A quantized weight, taken apart: its class, its tensors and its other attributes.

    Attributes are as torchao's JSON has them; types of values are {"_type": "torch.dtype", ...}.
    """

    name: str
    kind: str
    parts: Mapping[str, Array] = field(repr=False)
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """What a checkpoint holds: functions that read one tensor at a time, in order.

    where: the file, for messages
    """

    where: str
    weights: Mapping[str, Callable[[], Weight]]
    plain: Mapping[str, Callable[[], Array]]
    close: Callable[[], None]


def is_flattened(file: TensorFile) -> bool:
    """Whether an open file is in torchao's layout of safetensors."""
    return any("tensor_names" in texts for texts in _metadata(file).values())


def _metadata(file: TensorFile) -> dict[str, dict[str, Any]]:
    """The metadata of each file of a checkpoint, by its path."""
    if "tensor_names" in file.metadata:
        return {str(file.path): file.metadata}
    found = {}
    for path in dict.fromkeys(file[name].path for name in file.names()):
        if path != file.path:
            with files.open(path) as part:
                found[str(path)] = part.metadata
    return found


def from_file(file: TensorFile) -> State:
    """The state in an open safetensors file, or a checkpoint of several."""
    weights: dict[str, Callable[[], Weight]] = {}
    plain: dict[str, Callable[[], Array]] = {}
    used: set[str] = set()
    for path, texts in _metadata(file).items():
        for name, entry in _entries(path, texts):
            kind = entry.get("_type")
            if kind == "Tensor":
                continue
            names = entry.get("_tensor_data_names")
            attributes = entry.get("_data")
            layer, _, last = name.rpartition(".")
            where = f"{path}: {quoted(name)}"
            if not isinstance(names, list) or not isinstance(attributes, dict):
                raise FileError(f"{where}: expected '_data' and '_tensor_data_names'")
            found = {str(key): f"{layer}._{last}_{key}" for key in names}
            for tensor in found.values():
                if tensor not in file:
                    raise FileError(f"{where}: expected a tensor {quoted(tensor)}, but it has none")
            used.update(found.values())
            weights[name] = _reader(file, name, str(kind), found, attributes)
    for name in file.names():
        if name not in used:
            plain[name] = file[name].array
    if not weights:
        raise FileError(f"{file.path}: expected weights quantized by torchao, but it has none")
    return State(str(file.path), weights, plain, file.close)


def _entries(path: str, texts: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names of tensors and what the metadata of a file says about each."""

    def parsed(key: str) -> Any:
        try:
            return json.loads(texts[key])
        except KeyError:
            raise FileError(f"{path}: expected {quoted(key)} in the metadata") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise FileError(f"{path}: metadata {quoted(key)}: {error}") from error

    names = parsed("tensor_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FileError(f"{path}: expected a list of names for 'tensor_names'")
    for name in names:
        entry = parsed(name)
        if not isinstance(entry, dict):
            raise FileError(f"{path}: expected an object for {quoted(name)} in the metadata")
        yield name, entry


def _reader(
    file: TensorFile, name: str, kind: str, found: Mapping[str, str], attributes: Mapping[str, Any]
) -> Callable[[], Weight]:
    def read() -> Weight:
        parts = {key: file[tensor].array() for key, tensor in found.items()}
        return Weight(name, kind, parts, attributes)

    return read


def linears(state: State) -> Iterator[ImportedLinear]:
    """The quantized layers, one in memory at a time; FileError for what one has wrong."""
    for name, read in state.weights.items():
        weight = read()
        where = f"{state.where}: {quoted(name)}"
        convert = _CONVERT.get(weight.kind)
        if convert is None:
            raise FileError(
                f"{where}: no format holds {weight.kind[:60]!a}; allowed: {one_of(_CONVERT)}"
            )
        layer = name.removesuffix(".weight")
        linear = convert(where, layer, weight)
        bias = _bias(state, where, layer, linear.rows)
        yield linear if bias is None else _with_bias(linear, *bias)


def tensors(state: State) -> Iterator[ImportedTensor]:
    """All tensors that are no part of a quantized layer."""
    biases = {f"{name.removesuffix('.weight')}.bias" for name in state.weights}
    for name, read in state.plain.items():
        if name not in biases:
            tensor = out(name, read())
            assert not callable(tensor.data)
            yield ImportedTensor(name, tensor.shape, tensor.format, tensor.data)


def _bias(state: State, where: str, layer: str, rows: int) -> tuple[F32, str] | None:
    if f"{layer}.bias" not in state.plain:
        return None
    array = state.plain[f"{layer}.bias"]()
    if array.shape != (rows,) or array.dtype.name not in _SCALES:
        raise FileError(
            f"{where}: expected a bias of {rows} floats, but got {array.dtype} {list(array.shape)}"
        )
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise FileError(f"{where}: expected a finite bias, but it has NaN or infinite values")
    return values, out(layer, array).format


def _with_bias(linear: ImportedLinear, bias: F32, kind: str) -> ImportedLinear:
    origin = {**linear.origin, "bias": kind}
    return ImportedLinear(
        linear.name, linear.format, linear.rows, linear.cols, linear.data, bias, origin
    )


def _part(where: str, weight: Weight, name: str, dtypes: tuple[str, ...], ndim: int) -> Array:
    array = weight.parts.get(name)
    if array is None or array.dtype.name not in dtypes or array.ndim != ndim or not array.size:
        got = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise FileError(
            f"{where}: expected {name} of type {' or '.join(dtypes)} with {ndim} axes, but got "
            f"{got}"
        )
    return array


def _group(where: str, weight: Weight, cols: int) -> int:
    """Columns of a group."""
    if weight.parts.get("act_pre_scale") is not None:
        raise FileError(f"{where}: expected no act_pre_scale, which no format holds")
    block = weight.attributes.get("block_size")
    if not isinstance(block, list | tuple) or len(block) != 2:
        raise FileError(f"{where}: expected a block_size of two numbers, but got {block!a:.60}")
    rows, size = block
    if rows != 1 or not isinstance(size, int) or size < 1 or cols % size:
        raise FileError(
            f"{where}: expected groups of one row that divide {cols} columns, but got a block_size "
            f"of {list(block)}"
        )
    return size


def _shaped(where: str, what: str, array: Array, shape: tuple[int, ...]) -> Array:
    if array.shape != shape:
        raise FileError(
            f"{where}: expected {what} of shape {list(shape)}, but got {list(array.shape)}"
        )
    return array


def _origin(weight: Weight) -> dict[str, Any]:
    return {
        "kind": "torchao",
        "class": weight.kind,
        "attributes": dict(weight.attributes),
        "zero_point": "zero_point" in weight.parts,
    }


def _from_bytes(where: str, layer: str, weight: Weight) -> ImportedLinear:
    """Int8Tensor and IntxUnpackedToInt8Tensor: a code in a byte."""
    bits = 8
    if weight.kind != "Int8Tensor":
        target = weight.attributes.get("target_dtype")
        name = target.get("_data") if isinstance(target, dict) else target
        if not isinstance(name, str) or name not in _BITS:
            raise FileError(f"{where}: no format holds {name!a:.40}; allowed: {one_of(_BITS)}")
        bits = _BITS[name]
    codes = _part(where, weight, "qdata", ("int8",), 2)
    rows, cols = codes.shape
    check_codes(where, codes, bits)
    shape = (rows, cols // _group(where, weight, cols))
    scales = _shaped(where, "scale", _part(where, weight, "scale", _SCALES, 2), shape)
    half = 1 << (bits - 1)
    zeros = None
    if weight.parts.get("zero_point") is not None:
        stored = _part(where, weight, "zero_point", ("int8",), 2)
        shifted = _shaped(where, "zero_point", stored, shape).astype(np.int16) + half
        if shifted.min() < 0:
            raise FileError(
                f"{where}: expected zero points of at least {-half}, but got {int(stored.min())}"
            )
        zeros = shifted.astype(np.uint8)
    unsigned = (codes.view(np.uint8) + np.uint8(half)).reshape(rows, cols)
    parameters, data = build(where, bits, unsigned, scales, zeros)
    return ImportedLinear(layer, parameters.format, rows, cols, data, None, _origin(weight))


def _from_nibbles(where: str, layer: str, weight: Weight) -> ImportedLinear:
    """Int4Tensor: two signed codes in a byte, float zero points, tables transposed."""
    packed = _part(where, weight, "qdata", ("int8", "uint8"), 2).view(np.uint8)
    rows, cols = packed.shape[0], packed.shape[1] * 2
    shape = (cols // _group(where, weight, cols), rows)
    scales = _shaped(where, "scale", _part(where, weight, "scale", _SCALES, 2), shape)
    zero_type = (scales.dtype.name,)
    zeros = _shaped(where, "zero_point", _part(where, weight, "zero_point", zero_type, 2), shape)
    codes = np.empty((rows, cols), dtype=np.uint8)
    codes[:, ::2] = (packed & 15) ^ 8
    codes[:, 1::2] = (packed >> 4) ^ 8
    parameters, data = build(
        where, 4, codes, np.ascontiguousarray(scales.T), np.ascontiguousarray(zeros.T)
    )
    return ImportedLinear(layer, parameters.format, rows, cols, data, None, _origin(weight))


def _from_tiles(where: str, layer: str, weight: Weight) -> ImportedLinear:
    """Int4TilePackedTo4dTensor: in the order of tensor cores, padded."""
    words = _part(where, weight, "qdata", ("int32",), 4)
    shape = weight.attributes.get("shape")
    if not isinstance(shape, list | tuple) or len(shape) != 2 or words.shape[2:] != (32, 4):
        raise FileError(
            f"{where}: expected a shape of two axes and qdata [N / 8, K / 128, 32, 4], but got "
            f"{shape!a:.60} and {list(words.shape)}"
        )
    rows, cols = (axis if isinstance(axis, int) else 0 for axis in shape)
    padded = (words.shape[0] * TILE_ROWS, words.shape[1] * TILE_COLS)
    if not 0 < rows <= padded[0] or not 0 < cols <= padded[1]:
        raise FileError(f"{where}: expected a shape within {list(padded)}, but got {list(shape)}")
    group = _group(where, weight, cols)
    tables = _part(where, weight, "scale_and_zero", ("bfloat16",), 3)
    _shaped(where, "scale_and_zero", tables, (padded[1] // group, padded[0], 2))
    used = np.ascontiguousarray(tables[: cols // group, :rows].transpose(2, 1, 0))
    codes = np.ascontiguousarray(from_tiles(words)[:rows, :cols])
    parameters, data = build(where, 4, codes, used[0], used[1])
    return ImportedLinear(layer, parameters.format, rows, cols, data, None, _origin(weight))


_CONVERT: dict[str, Callable[[str, str, Weight], ImportedLinear]] = {
    "Int8Tensor": _from_bytes,
    "IntxUnpackedToInt8Tensor": _from_bytes,
    "Int4Tensor": _from_nibbles,
    "Int4TilePackedTo4dTensor": _from_tiles,
}
