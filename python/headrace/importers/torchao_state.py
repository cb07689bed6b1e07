"""torchao's state dictionaries, as `torch.save(model.state_dict(), path)` writes them.

They are pickles. They are read with `weights_only`, so that no code of the file runs, and mapped,
so that one layer is in memory at a time. This needs torch, and the torchao that wrote the file or a
newer one that still knows its classes: it is torchao that builds the objects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace.errors import ToolMissingError
from headrace.files import FileError

from .torchao import State, Weight

__all__ = ["load", "taken_apart"]


def load(path: Path) -> State:
    """Opens a pickled state dictionary; FileError if it is damaged or has other objects."""
    # It would say that kernels for other machines do not load, and how it declares its classes.
    for logger in ("torchao", "torch.utils._pytree"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    try:
        import torch
        import torchao.quantization  # noqa: F401 - it declares its classes safe to load
    except ImportError as error:
        raise ToolMissingError(
            f"{path}: reading torchao's pickled checkpoints needs torch and torchao; install them, "
            f"or save the checkpoint as safetensors ({error})"
        ) from error
    if not path.is_file():
        raise FileError(f"{path}: no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch has no class of its own for a damaged file
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise FileError(
            f"{path}: expected a state dictionary of torch and torchao: {text[0][:300]}"
        ) from error
    if not isinstance(state, dict):
        raise FileError(f"{path}: expected a state dictionary, but got {type(state).__name__}")
    weights: dict[str, Callable[[], Weight]] = {}
    plain: dict[str, Callable[[], npt.NDArray[Any]]] = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise FileError(f"{path}: expected names and tensors, but got {type(tensor).__name__}")
        if type(tensor) in (torch.Tensor, torch.nn.Parameter):
            plain[name] = _later_array(tensor)
        else:
            weights[name] = _later_weight(name, tensor)
    if not weights:
        raise FileError(f"{path}: expected weights quantized by torchao, but it has none")
    return State(str(path), weights, plain, state.clear)


def _later_array(tensor: Any) -> Callable[[], npt.NDArray[Any]]:
    return lambda: _array(tensor)


def _later_weight(name: str, tensor: Any) -> Callable[[], Weight]:
    return lambda: taken_apart(name, tensor)


def taken_apart(name: str, tensor: Any) -> Weight:
    """A tensor object of torchao as its parts, with attributes as in torchao's safetensors."""
    names = [
        *getattr(tensor, "tensor_data_names", []),
        *getattr(tensor, "optional_tensor_data_names", []),
    ]
    parts = {key: _array(part) for key in names if (part := getattr(tensor, key)) is not None}
    keys = [
        *getattr(tensor, "tensor_attribute_names", []),
        *getattr(tensor, "optional_tensor_attribute_names", []),
    ]
    attributes = {key: _plain(getattr(tensor, key)) for key in keys}
    return Weight(name, type(tensor).__name__, parts, attributes)


def _plain(value: Any) -> Any:
    """An attribute as JSON has it."""
    import torch

    if isinstance(value, torch.dtype):
        return {"_type": "torch.dtype", "_data": str(value).removeprefix("torch.")}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"_type": type(value).__name__, "_data": str(value)}


def _array(tensor: Any) -> npt.NDArray[Any]:
    """The values of a plain tensor, not a copy where torch has them in order."""
    import torch

    plain = tensor.detach().contiguous()
    small = {torch.bfloat16: ml_dtypes.bfloat16, torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn}
    if plain.dtype in small:
        words = torch.uint16 if plain.dtype == torch.bfloat16 else torch.uint8
        raw = plain.view(words).numpy()
        return np.asarray(raw.view(small[plain.dtype]))
    return np.asarray(plain.numpy())
