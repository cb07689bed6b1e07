"""The q4nx container `model.q4nx`: weights for spatial arrays, in a safetensors file.

Facts: the weight files of the authors of arXiv 2602.06063. Matrices that are multiplied with are
U8 tensors of q4nx blocks (see `headrace.formats.q4nx`), all else is BF16: embeddings, norms. Where
a model ties its output to its embeddings, the file has both: the bf16 table to look up, and the
same values as a q4nx `lm_head.weight` to multiply with.

The metadata of files that are written here says each matrix's true shape, as for every packed
format (see `safetensors.py`). Other programs' files do not; there the shapes come from the caller,
or from the model's configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from headrace import formats
from headrace.errors import UsageError
from headrace.formats.base import F32, U8

from .base import PLAIN, FileError, Out, Tensor, TensorFile, quoted
from .safetensors import write_safetensors
from .writing import listed

__all__ = ["LM_HEAD", "shapes_from_config", "to_q4nx", "write_q4nx"]

LM_HEAD = "lm_head.weight"
_EMBEDDING = "model.embed_tokens.weight"
_LARGEST = 1 << 31  # of a number in a configuration


def write_q4nx(
    path: str | os.PathLike[str],
    tensors: Iterable[Out],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a q4nx container: matrices in q4nx, all else in bf16.

    UsageError for a tensor in another format; see `to_q4nx`, and `write_safetensors`.
    """
    outs = listed(Path(path), tensors)
    for out in outs:
        if out.format not in ("q4nx", "bf16"):
            raise UsageError(
                f"{path}: tensor {quoted(out.name)}: expected q4nx or bf16 in a q4nx container, "
                f"but got {out.format}"
            )
    write_safetensors(path, outs, metadata)


def to_q4nx(
    source: TensorFile,
    *,
    tied: bool = False,
    encode: Callable[[F32], U8] | None = None,
) -> Iterator[Out]:
    """The tensors of a q4nx container for those of a model.

    source: a checkpoint with the names that Hugging Face's models have
    tied:   the model multiplies with its embeddings: adds them as `lm_head.weight`
    encode: float32 [rows, columns] -> q4nx bytes (one thread, without it)

    Matrices named `*.weight` become q4nx (those that are q4nx stay as they are), but for
    embeddings; all else becomes bf16. Each is read when it is written. UsageError for integers.
    """
    encode = encode or formats.get("q4nx").encode
    if tied and LM_HEAD not in source:
        if _EMBEDDING not in source:
            raise UsageError(f"{source.path}: tied: expected a tensor '{_EMBEDDING}'")
        yield _encoded(source[_EMBEDDING], LM_HEAD, encode)
    for tensor in source.tensors():
        if tensor.format == "q4nx":
            yield tensor.out()
        elif _is_linear(tensor):
            yield _encoded(tensor, tensor.name, encode)
        else:
            yield _as_bf16(tensor)


def _is_linear(tensor: Tensor) -> bool:
    name = tensor.name
    return len(tensor.shape) == 2 and name.endswith(".weight") and "embed" not in name


def _encoded(tensor: Tensor, name: str, encode: Callable[[F32], U8]) -> Out:
    def data() -> U8:
        try:
            return encode(tensor.values())
        except FileError:
            raise
        except UsageError as error:
            raise UsageError(f"{tensor.path}: tensor {quoted(tensor.name)}: {error}") from error

    return Out(name, tensor.shape, "q4nx", data)


def _as_bf16(tensor: Tensor) -> Out:
    if tensor.format in PLAIN and PLAIN[tensor.format].kind in "iub":
        raise UsageError(
            f"{tensor.path}: tensor {quoted(tensor.name)}: a q4nx container has no {tensor.format}"
        )

    def data() -> U8:
        if tensor.format == "bf16":
            return tensor.data
        rounded = tensor.values().astype(ml_dtypes.bfloat16)
        return np.ascontiguousarray(rounded).reshape(-1).view(np.uint8)

    return Out(tensor.name, tensor.shape, "bf16", data)


def shapes_from_config(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Shapes (rows, columns) of the projections of a model, by its Hugging Face configuration.

    For models of the Llama and Gemma families; those of a `text_config` if there is one. FileError
    if a number is missing or is none.
    """
    inner = config.get("text_config")
    if isinstance(inner, Mapping):
        config = inner

    def number(key: str, default: int | None = None) -> int:
        value = config.get(key, default)
        if value is None and default is not None:
            value = default
        if type(value) is not int or not 1 <= value < _LARGEST:
            raise FileError(
                f"configuration: expected a positive number for '{key}', but got {value!r:.40}"
            )
        return value

    hidden, ffn = number("hidden_size"), number("intermediate_size")
    heads = number("num_attention_heads")
    kv_heads = number("num_key_value_heads", heads)
    head = number("head_dim", max(hidden // heads, 1))
    layers = number("num_hidden_layers")
    if layers > 4096:
        raise FileError(f"configuration: expected at most 4096 layers, but got {layers}")
    projections = {
        "self_attn.q_proj": (heads * head, hidden),
        "self_attn.k_proj": (kv_heads * head, hidden),
        "self_attn.v_proj": (kv_heads * head, hidden),
        "self_attn.o_proj": (hidden, heads * head),
        "mlp.gate_proj": (ffn, hidden),
        "mlp.up_proj": (ffn, hidden),
        "mlp.down_proj": (hidden, ffn),
    }
    shapes = {
        f"model.layers.{layer}.{name}.weight": shape
        for layer in range(layers)
        for name, shape in projections.items()
    }
    shapes[LM_HEAD] = (number("vocab_size"), hidden)
    return shapes
