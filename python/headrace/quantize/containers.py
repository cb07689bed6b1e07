"""The files that a model is read from and written to: which kind, what each of them wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headrace import files
from headrace.errors import UsageError, one_of
from headrace.files import FileError, Out, TensorFile, Typed
from headrace.files.base import PLAIN
from headrace.files.gguf_types import TYPE_CODES
from headrace.quantize.config_file import ConfigFile
from headrace.quantize.gguf_model import gguf_model
from headrace.quantize.parts import Model, Part
from headrace.quantize.plan import is_float

__all__ = ["check_output", "container_of", "metadata_of", "model_of", "stored_format", "write"]

_SUFFIXES = {".gguf": "gguf", ".q4nx": "q4nx", ".safetensors": "safetensors"}
_OUTPUT, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"

# llama.cpp's numbers for what most of a file's weights are; it only prints them.
_FILE_TYPES = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q8_0": 7,
    "q5_0": 8,
    "q5_1": 9,
    "q2_k": 10,
    "q3_k": 12,
    "q4_k": 15,
    "q5_k": 17,
    "q6_k": 18,
    "iq4_nl": 25,
    "bf16": 32,
    "mxfp4": 38,
}


def container_of(target: Path) -> str:
    """The kind of an output, by its suffix."""
    if target.suffix not in _SUFFIXES:
        raise UsageError(
            f"{target}: expected an output that ends in {one_of(_SUFFIXES)}, but got "
            f"'{target.suffix or target.name}'"
        )
    return _SUFFIXES[target.suffix]


def check_output(source: Path, file: TensorFile, target: Path, force: bool) -> None:
    """UsageError if writing would lose something; FileError if it cannot work."""
    if not target.exists():
        if not target.absolute().parent.is_dir():
            raise FileError(f"{target}: cannot write: its folder does not exist")
        return
    if target.is_dir():
        raise UsageError(f"{target}: expected a file to write, but it is a folder")
    inputs = {source, file.path, *(tensor.path for tensor in file.tensors())}
    if any(path.exists() and path.samefile(target) for path in inputs):
        raise UsageError(f"{target}: expected another file than the input to write to")
    if not force:
        raise UsageError(f"{target}: it exists; allowed: --force to replace it")


def stored_format(part: Part, container: str) -> str:
    """The format of a tensor that is not quantized."""
    form = part.source.format
    if not is_float(form):
        return form
    if container == "q4nx":
        return "bf16"
    if container == "gguf" and (form == "f64" or len(part.source.shape) < 2):
        return "f32"
    return form


def model_of(file: TensorFile, path: Path, container: str) -> Model:
    """The tensors to write, in the terms of the container."""
    parts = [Part(tensor.name, tensor) for tensor in file.tensors()]
    if file.kind == "gguf":
        return _of_gguf(file, parts, container)
    folder = path if path.is_dir() else file.path.parent
    config = ConfigFile.read(folder / "config.json")
    _refuse_codes(path, config)
    if container == "gguf":
        return _without_strange(gguf_model(file, folder if config is not None else None), "GGUF")
    model = Model(parts)
    if container == "q4nx":
        tied = config is not None and config.flag("tie_word_embeddings")
        if tied and _OUTPUT not in file and _EMBEDDING in file:
            parts.append(Part(_OUTPUT, file[_EMBEDDING]))
            model.notes.append(f"{_OUTPUT} holds the embeddings again, to multiply with")
        return _without_strange(model, "q4nx")
    return model


def _without_strange(model: Model, container: str) -> Model:
    """The model without tensors of integers, bools and codes that the container has no type for."""
    types = TYPE_CODES if container == "GGUF" else ()
    others = [
        part
        for part in model.parts
        if part.source.format in PLAIN
        and not is_float(part.source.format)
        and part.source.format not in types
    ]
    if others:
        kinds = ", ".join(f"{part.source.name} ({part.source.format})" for part in others)
        model.notes.append(f"left out, {container} has no such types: {kinds}")
        model.parts = [part for part in model.parts if part not in others]
    return model


def _of_gguf(file: TensorFile, parts: list[Part], container: str) -> Model:
    if container == "gguf":
        kind = file.metadata.get("general.architecture")
        return Model(parts, str(kind), isinstance(kind, str))
    model = Model(parts)
    model.notes.append("tensors have GGUF's names, and its metadata is not in the output")
    return model


def _refuse_codes(path: Path, config: ConfigFile | None) -> None:
    """UsageError for checkpoints whose tensors are codes and scales of another quantizer."""
    method = config.get("quantization_config") if config is not None else None
    if method:
        name = method.get("quant_method") if isinstance(method, dict) else method
        raise UsageError(
            f"{path}: config.json says that it is quantized already ({name}); expected a "
            "checkpoint of floats; headrace.importers reads those of GPTQ, AWQ and torchao"
        )


def metadata_of(file: TensorFile, container: str, model: Model, weights: str) -> dict[str, Any]:
    """What the output says besides its tensors."""
    if container != "gguf":
        texts = file.metadata.items() if file.kind != "gguf" else ()
        return {key: value for key, value in texts if isinstance(value, str)}
    typed = getattr(file, "typed_metadata", None)
    if typed is not None:
        found: dict[str, Any] = typed()
    else:
        found = {
            "general.architecture": model.architecture,
            "general.type": "model",
            "general.name": file.path.absolute().parent.name,
            **model.metadata,
        }
    found["general.quantization_version"] = Typed("u32", 2)
    found["general.file_type"] = Typed("u32", _FILE_TYPES[weights])
    return found


def write(target: Path, container: str, outs: list[Out], metadata: dict[str, Any]) -> None:
    """Writes the output, which appears when it is complete."""
    writers = {"gguf": files.write_gguf, "q4nx": files.write_q4nx}
    writers.get(container, files.write_safetensors)(target, outs, metadata)
