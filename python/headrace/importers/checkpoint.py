"""Finds out which quantizer wrote a checkpoint, and opens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from headrace import files
from headrace.errors import UsageError, unknown
from headrace.files import FileError, TensorFile

from . import awq, gptq, torchao, torchao_state
from .base import ImportedLinear, ImportedTensor, read_json

__all__ = ["KINDS", "Checkpoint", "open_checkpoint"]

KINDS = ("gptq", "awq", "torchao")

# Where the quantization config is: a file, and its key there (None: the whole file).
_CONFIGS = (
    ("config.json", "quantization_config"),
    ("quantize_config.json", None),
    ("quant_config.json", None),
)
_STATE_SUFFIXES = (".pt", ".pth", ".bin")


class Checkpoint:
    """An open checkpoint. A context manager.

    kind:   one of `KINDS`
    config: its quantization config, as its quantizer wrote it; {} if it has none
    """

    def __init__(self, kind: str, config: Mapping[str, Any], source: TensorFile | torchao.State):
        self.kind = kind
        self.config = config
        self._source = source

    def linears(self) -> Iterator[ImportedLinear]:
        """The quantized layers, in the order of the file, one in memory at a time."""
        if isinstance(self._source, torchao.State):
            return torchao.linears(self._source)
        read = gptq.linears if self.kind == "gptq" else awq.linears
        return read(self._source, self.config)

    def tensors(self) -> Iterator[ImportedTensor]:
        """All tensors that are no part of a quantized layer."""
        if isinstance(self._source, torchao.State):
            yield from torchao.tensors(self._source)
            return
        suffixes = gptq.SUFFIXES if self.kind == "gptq" else awq.SUFFIXES
        file = self._source
        for name in file.names():
            layer, _, last = name.rpartition(".")
            if f"{layer}.qweight" in file and last in (*suffixes, "bias"):
                continue
            tensor = file[name]
            yield ImportedTensor(name, tensor.shape, tensor.format, tensor.data)

    def close(self) -> None:
        """Ends the use of the file. What was imported stays valid."""
        self._source.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_checkpoint(path: Path) -> Checkpoint:
    """See `headrace.importers.open`."""
    state = _state_dictionary(path)
    if state is not None:
        return Checkpoint("torchao", {}, torchao_state.load(state))
    config = _config(path if path.is_dir() else path.parent)
    file = files.open(path)
    try:
        kind = _kind(config, file)
        if kind == "torchao":
            return Checkpoint(kind, config, torchao.from_file(file))
        return Checkpoint(kind, config, file)
    except BaseException:
        file.close()
        raise


def _state_dictionary(path: Path) -> Path | None:
    """The pickled state dictionary that a path stands for, if it does."""
    if path.is_file():
        return path if path.suffix in _STATE_SUFFIXES else None
    only = path / "pytorch_model.bin"
    if path.is_dir() and only.is_file() and not list(path.glob("*.safetensors*")):
        return only
    return None


def _config(folder: Path) -> dict[str, Any]:
    """The quantization config of a folder; {} if it has none."""
    for name, key in _CONFIGS:
        if (folder / name).is_file():
            data = read_json(folder / name)
            config = data if key is None else data.get(key)
            if config is None:
                continue
            if not isinstance(config, dict):
                raise FileError(f"{folder / name}: expected an object for '{key}'")
            method = {"quant_config.json": "awq", "quantize_config.json": "gptq"}.get(name)
            return {"quant_method": method, **config} if method else config
    return {}


def _kind(config: Mapping[str, Any], file: TensorFile) -> str:
    if file.kind == "gguf":
        raise UsageError(
            f"{file.path}: is GGUF, which needs no import; expected a checkpoint of "
            f"{', '.join(KINDS)}"
        )
    method = config.get("quant_method")
    if method is None and torchao.is_flattened(file):
        return "torchao"
    if method is None:
        raise UsageError(
            f"{file.path}: has no quantization config (config.json with quantization_config, "
            f"quantize_config.json, or quant_config.json); allowed: checkpoints of "
            f"{', '.join(KINDS)}"
        )
    if method not in KINDS:
        raise unknown("quant_method", str(method)[:60], KINDS)
    return str(method)
