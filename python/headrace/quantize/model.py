"""Quantizes a model: a checkpoint or GGUF file in, a GGUF, q4nx or safetensors file out.

>>> from headrace.quantize import quantize_model
>>> report = quantize_model("model.safetensors", "model.gguf", weights="q4_k")
>>> report.bits_per_weight, report.relative_rmse

Tensors are read, quantized and written one after another; besides the mapped input, about one of
them is in memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import files
from headrace.errors import UsageError, one_of
from headrace.files import FileError, GgufFile, Out, TensorFile, Typed
from headrace.files.base import PLAIN, matrix_shape, quoted
from headrace.formats import native
from headrace.formats.base import U8
from headrace.quantize.config_file import ConfigFile
from headrace.quantize.gguf_model import GgufModel, Part, gguf_model
from headrace.quantize.importance import Importance
from headrace.quantize.matrix import Progress, quantize_matrix
from headrace.quantize.plan import (
    DEFAULT_FALLBACK,
    Choice,
    Options,
    check_options,
    choose,
    is_float,
    unmatched,
)
from headrace.quantize.report import QuantizeReport, TensorReport

__all__ = ["quantize_model"]

_SUFFIXES = {".gguf": "gguf", ".q4nx": "q4nx", ".safetensors": "safetensors"}
_OUTPUT, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
_CHUNK = 1 << 22  # values converted at a time


def quantize_model(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    weights: str = "q4_k",
    *,
    fallback: str | None = None,
    tensors: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    requantize: bool = False,
    importance: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> QuantizeReport:
    """Quantizes the linear layers and embeddings of a model.

    source:   a safetensors or GGUF file, or a folder with config.json and safetensors
    output:   by its suffix .gguf, .q4nx or .safetensors; it appears when it is complete
    weights:  a format of `headrace.formats` that the output's container can hold
    fallback: the format of tensors whose columns do not fill blocks of `weights`; by default q8_0
              (bf16 in q4nx containers). "error" refuses them
    tensors:  shell patterns of tensor names (in the input or the output) -> format
    keep:     patterns of tensors that keep their stored type
    requantize: also quantize what is quantized already; its errors add up. The report compares
              with the dequantized input
    importance: a file that says how much each column matters; see `Importance`
    threads:  by default one for each CPU
    force:    replace an output that exists
    progress: called with the numbers of values done and of all that are quantized

    Vectors, norms, tables of positions and token types, and routers are not quantized; they are
    float32 in GGUF, bf16 in q4nx containers, and as they were in safetensors. See
    `headrace.quantize.plan`.

    UsageError for requests that cannot be meant, NaN and infinite weights; FileError for damaged
    files and an output that cannot be written.
    """
    started = time.monotonic()
    path, target = Path(source), Path(output)
    container = _container(target)
    options = Options(
        container=container,
        weights=weights,
        fallback=fallback or DEFAULT_FALLBACK[container],
        tensors=dict(tensors or {}),
        keep=tuple(keep),
        requantize=requantize,
    )
    check_options(options)
    with files.open(path) as file:
        _check_output(path, file, target, force)
        model = _model(file, path, container)
        work = _Work(file.path, options, model, threads, progress or (lambda done, of: None))
        if importance is not None:
            work.importance = Importance(Path(importance))
        outs = work.plan()
        _write(target, container, outs, _metadata(file, container, model, options))
        if work.importance is not None and not work.importance.used:
            raise UsageError(f"{importance}: none of its tensors is for a tensor that is quantized")
        return QuantizeReport(
            source=path,
            output=target,
            container=container,
            weights=weights,
            fallback=options.fallback,
            architecture=model.architecture if container == "gguf" else None,
            runnable=model.runnable if container == "gguf" else None,
            notes=tuple(model.notes),
            tensors=tuple(work.reports[part.name] for part in model.parts),
            source_bytes=sum(part.source.data.size for part in model.parts),
            seconds=time.monotonic() - started,
        )


class _Work:
    """The tensors of one model: their choices, then, as they are written, their reports."""

    def __init__(
        self,
        path: Path,
        options: Options,
        model: GgufModel,
        threads: int | None,
        progress: Progress,
    ) -> None:
        self.path, self.options, self.model = path, options, model
        self.threads, self.progress = threads, progress
        self.importance: Importance | None = None
        self.reports: dict[str, TensorReport] = {}
        self.done = self.all = 0

    def plan(self) -> list[Out]:
        """What is to be written; UsageError for all that can be known before the work."""
        names = [_names(part) for part in self.model.parts]
        missed = unmatched(self.options, names)
        if missed:
            raise UsageError(
                f"{self.path}: no tensor matches {one_of([quoted(p) for p in missed])}; the file "
                f"has {len(names)} tensors, such as {one_of([n[0] for n in names[:3]])}"
            )
        outs, quantized = [], 0
        for part, known in zip(self.model.parts, names, strict=True):
            tensor = part.source
            where = f"{self.path}: tensor {quoted(tensor.name)}"
            choice = choose(self.options, known, tensor.shape, tensor.format, where)
            form = choice.format or _stored(part, self.options.container)
            packed = tensor.format not in PLAIN
            if packed and choice.format not in (None, tensor.format):
                if choice.format == "f32" and choice.reason:  # a rule, not a request
                    form = tensor.format
                elif not self.options.requantize:
                    raise UsageError(
                        f"{where} is quantized already ({tensor.format}); expected floats to make "
                        f"it {choice.format}; allowed: --requantize, which adds to its error, or "
                        "--keep"
                    )
            outs.append(Out(part.name, tensor.shape, form, self._maker(part, choice, form)))
            if form not in PLAIN or not choice.reason:
                quantized += 1
                self.all += int(np.prod(tensor.shape))
        if not quantized:
            raise UsageError(
                f"{self.path}: no tensor to quantize: none of {len(names)} is a matrix named as "
                "a weight; allowed: --tensor 'PATTERN=FORMAT' names those that are meant"
            )
        return outs

    def _maker(self, part: Part, choice: Choice, form: str) -> Callable[[], U8]:
        return lambda: self._make(part, choice, form)

    def _make(self, part: Part, choice: Choice, form: str) -> U8:
        """The bytes of one tensor; keeps its report."""
        tensor = part.source
        report: dict[str, Any] = {"action": "copied"}
        if form == tensor.format and part.change is None:
            data = tensor.data
            if is_float(form):
                _check_numbers(f"{self.path}: tensor {quoted(tensor.name)}", tensor.array())
        else:
            values = tensor.array() if is_float(tensor.format) else tensor.values()
            values = values if part.change is None else part.change(values)
            data, report = self._quantized(part, values, form)
        self.reports[part.name] = TensorReport(
            name=part.name,
            source_name=tensor.name,
            shape=tensor.shape,
            source_format=tensor.format,
            format=form,
            reason=choice.reason,
            nbytes=data.size,
            **report,
        )
        if form not in PLAIN or not choice.reason:
            self.done += int(np.prod(tensor.shape))
            self.progress(self.done, self.all)
        return data

    def _quantized(
        self, part: Part, values: npt.NDArray[Any], form: str
    ) -> tuple[U8, dict[str, Any]]:
        where = f"{self.path}: tensor {quoted(part.source.name)}"
        if form in PLAIN:
            data, errors = _plain(where, values, form)
            return data, {"action": "converted" if errors["max_error"] else "copied", **errors}
        rows, cols = matrix_shape(part.source.shape)
        weights = None
        if self.importance is not None and form in native.KINDS:
            weights = self.importance.find(_names(part), cols)
        before = self.done
        try:
            result = quantize_matrix(
                values.reshape(rows, cols),
                form,
                threads=self.threads,
                importance=weights,
                progress=lambda done, of: self.progress(before + done, self.all),
            )
        except FileError:
            raise
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
        return result.data, {
            "action": "quantized" if is_float(part.source.format) else "requantized",
            "rmse": result.rmse,
            "relative_rmse": result.relative_rmse,
            "max_error": result.max_error,
            "importance": weights is not None,
        }


def _names(part: Part) -> list[str]:
    return list(dict.fromkeys((part.source.name, part.name)))


def _stored(part: Part, container: str) -> str:
    """The format of a tensor that is not quantized."""
    form = part.source.format
    if not is_float(form):
        return form
    if container == "q4nx":
        return "bf16"
    if container == "gguf" and (form == "f64" or len(part.source.shape) < 2):
        return "f32"
    return form


def _plain(where: str, values: npt.NDArray[Any], form: str) -> tuple[U8, dict[str, float]]:
    """Values as plain floats: bytes, and the errors."""
    flat = values.reshape(-1)
    out = np.empty(flat.size, dtype=PLAIN[form])
    squared = size = largest = 0.0
    for start in range(0, flat.size, _CHUNK):
        exact = flat[start : start + _CHUNK].astype(np.float64)
        _check_numbers(where, exact, start, values.shape)
        with np.errstate(over="ignore"):
            out[start : start + _CHUNK] = exact.astype(out.dtype)
        back = out[start : start + _CHUNK].astype(np.float64)
        if not np.isfinite(back[np.isfinite(exact)]).all():
            raise UsageError(
                f"{where}: has values too large for {form}; allowed: bf16, f32, or --keep"
            )
        off = np.where(np.isfinite(exact), back - np.where(np.isfinite(exact), exact, 0), 0)
        squared += float(np.sum(np.square(off)))
        size += float(np.sum(np.square(exact, where=np.isfinite(exact), out=np.zeros_like(exact))))
        largest = max(largest, float(np.max(np.abs(off), initial=0)))
    count = max(flat.size, 1)
    return out.view(np.uint8), {
        "rmse": (squared / count) ** 0.5,
        "relative_rmse": (squared / size) ** 0.5 if size else 0.0,
        "max_error": largest,
    }


def _check_numbers(
    where: str, values: npt.NDArray[Any], start: int = 0, shape: tuple[int, ...] | None = None
) -> None:
    """UsageError for NaN; infinities may mean something where nothing is quantized (masks)."""
    flat = values.reshape(-1)
    for at in range(0, flat.size, _CHUNK):
        bad = np.isnan(flat[at : at + _CHUNK])
        if bad.any():
            place = start + at + int(np.argmax(bad))
            index = [int(i) for i in np.unravel_index(place, shape or values.shape)]
            raise UsageError(f"{where}: expected numbers, but got nan at {index}")


def _container(target: Path) -> str:
    if target.suffix not in _SUFFIXES:
        raise UsageError(
            f"{target}: expected an output that ends in {one_of(_SUFFIXES)}, but got "
            f"'{target.suffix or target.name}'"
        )
    return _SUFFIXES[target.suffix]


def _check_output(source: Path, file: TensorFile, target: Path, force: bool) -> None:
    """UsageError if writing would lose something, or cannot work."""
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


def _folder(path: Path, file: TensorFile) -> Path | None:
    """Where config.json of a checkpoint is."""
    folder = path if path.is_dir() else file.path.parent
    return folder if (folder / "config.json").is_file() else None


def _model(file: TensorFile, path: Path, container: str) -> GgufModel:
    """The tensors to write, in the terms of the container."""
    if file.kind == "gguf":
        kind = str(file.metadata.get("general.architecture", "unknown"))
        parts = [Part(tensor.name, tensor) for tensor in file.tensors()]
        model = GgufModel(kind, kind != "unknown", parts)
        if container == "q4nx":
            model.notes.append("names are those of GGUF; programs for q4nx expect other ones")
        return model
    folder = _folder(path, file)
    config = ConfigFile.read(folder / "config.json") if folder else None
    method = config.get("quantization_config") if config is not None else None
    if method:
        name = method.get("quant_method") if isinstance(method, dict) else method
        raise UsageError(
            f"{path}: config.json says it is quantized already ({name}); expected a checkpoint of "
            "floats. Codes of other quantizers are read by headrace.importers"
        )
    if container == "gguf":
        return gguf_model(file, folder)
    parts = [Part(tensor.name, tensor) for tensor in file.tensors()]
    model = GgufModel("", False, parts)
    tied = config is not None and config.flag("tie_word_embeddings")
    if container == "q4nx" and tied and _OUTPUT not in file and _EMBEDDING in file:
        parts.append(Part(_OUTPUT, file[_EMBEDDING]))
        model.notes.append(f"{_OUTPUT} holds the embeddings again, to multiply with")
    return model


# llama.cpp's numbers for what most of a file's weights are; it only prints them.
_FILE_TYPES = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10,
    "q3_k": 12, "q4_k": 15, "q5_k": 17, "q6_k": 18, "iq4_nl": 25, "bf16": 32, "mxfp4": 38,
}  # fmt: skip


def _metadata(
    file: TensorFile, container: str, model: GgufModel, options: Options
) -> dict[str, Any]:
    if container != "gguf":
        return {k: v for k, v in file.metadata.items() if isinstance(v, str)}
    if isinstance(file, GgufFile):
        found: dict[str, Any] = dict(file.typed_metadata())
    else:
        name = file.path.absolute().parent.name
        found = {"general.architecture": model.architecture, "general.type": "model"}
        found["general.name"] = name
        found |= model.metadata
    found["general.quantization_version"] = Typed("u32", 2)
    found["general.file_type"] = Typed("u32", _FILE_TYPES[options.weights])
    return found


def _write(target: Path, container: str, outs: list[Out], metadata: dict[str, Any]) -> None:
    if container == "gguf":
        files.write_gguf(target, outs, metadata)
    elif container == "q4nx":
        files.write_q4nx(target, outs, metadata)
    else:
        files.write_safetensors(target, outs, metadata)
