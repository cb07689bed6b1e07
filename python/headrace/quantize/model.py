"""Quantizes a model: a checkpoint or GGUF file in, a GGUF, q4nx or safetensors file out.

>>> from headrace.quantize import quantize_model
>>> report = quantize_model("model.safetensors", "model.gguf", weights="q4_k")
>>> report.bits_per_weight, report.relative_rmse

Tensors are read, quantized and written one after another; besides the mapped input, about one of
them is in memory.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from headrace import files
from headrace.errors import UsageError, one_of
from headrace.files import Out
from headrace.files.base import PLAIN, matrix_shape, quoted
from headrace.formats import native
from headrace.formats.base import U8
from headrace.quantize.containers import (
    check_output,
    container_of,
    metadata_of,
    model_of,
    stored_format,
    write,
)
from headrace.quantize.importance import Importance
from headrace.quantize.matrix import Progress, quantize_matrix
from headrace.quantize.parts import Model, Part, Values
from headrace.quantize.plain import check_finite, to_plain
from headrace.quantize.plan import (
    DEFAULT_FALLBACK,
    KEPT,
    Choice,
    Options,
    check_options,
    choose,
    is_float,
    unmatched,
)
from headrace.quantize.report import QuantizeReport, TensorReport

__all__ = ["quantize_model"]


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
    container = container_of(target)
    options = Options(
        container=container,
        weights=weights,
        fallback=fallback or DEFAULT_FALLBACK[container],
        tensors=dict(tensors or {}),
        keep=tuple(keep),
        requantize=requantize,
    )
    check_options(options)
    with ExitStack() as stack:
        file = stack.enter_context(files.open(path))
        check_output(path, file, target, force)
        model = model_of(file, path, container)
        work = _Work(file.path, options, model, threads, progress or (lambda done, of: None))
        if importance is not None:
            work.importance = stack.enter_context(closing(Importance(Path(importance))))
        outs = work.plan()
        write(target, container, outs, metadata_of(file, container, model, weights))
        return QuantizeReport(
            source=path,
            output=target,
            container=container,
            weights=weights,
            fallback=options.fallback,
            architecture=model.architecture,
            runnable=model.runnable,
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
        model: Model,
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
        self._check_patterns()
        outs, quantized, weighed = [], 0, 0
        for part in self.model.parts:
            tensor = part.source
            choice = choose(
                self.options, part.names, tensor.shape, tensor.format, self._where(part)
            )
            form = self._format(part, choice)
            outs.append(Out(part.name, tensor.shape, form, self._maker(part, choice, form)))
            if _counts(choice, form):
                quantized += 1
                self.all += math.prod(tensor.shape)
            if self.importance is not None and form in native.KINDS:
                weighed += self.importance.has(part.names)
        if not quantized:
            raise UsageError(
                f"{self.path}: no tensor to quantize: none of {len(outs)} is a matrix named as "
                "a weight; allowed: --tensor 'PATTERN=FORMAT' names those that are meant"
            )
        if self.importance is not None and not weighed:
            raise UsageError(
                f"{self.importance.path}: it has no importance of a tensor that becomes "
                f"{one_of(native.KINDS)}; those formats can use one"
            )
        return outs

    def _check_patterns(self) -> None:
        names = [part.names for part in self.model.parts]
        missed = unmatched(self.options, names)
        if missed:
            raise UsageError(
                f"{self.path}: no tensor matches {one_of([quoted(p) for p in missed])}; it has "
                f"{len(names)} tensors, such as {one_of([quoted(n[0]) for n in names[:3]])}"
            )

    def _format(self, part: Part, choice: Choice) -> str:
        """The format that a tensor is written in."""
        stored = part.source.format
        form = choice.format or stored_format(part, self.options.container)
        if stored in PLAIN or form == stored:
            return form
        if choice.reason and not choice.fell_back:  # a rule, not a request: it stays
            return stored
        if not self.options.requantize:
            raise UsageError(
                f"{self._where(part)} is quantized already ({stored}); expected floats to make it "
                f"{form}; allowed: --requantize, which adds to its error, or --keep"
            )
        return form

    def _maker(self, part: Part, choice: Choice, form: str) -> Callable[[], U8]:
        return lambda: self._make(part, choice, form)

    def _make(self, part: Part, choice: Choice, form: str) -> U8:
        """The bytes of one tensor; keeps its report."""
        tensor = part.source
        report: dict[str, Any] = {"action": "copied"}
        if form == tensor.format and part.change is None:
            data = tensor.data
            if is_float(form) and choice.reason != KEPT:
                check_finite(tensor.array(), self._where(part))
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
        if _counts(choice, form):
            self.done += math.prod(tensor.shape)
            self.progress(self.done, self.all)
        return data

    def _quantized(self, part: Part, values: Values, form: str) -> tuple[U8, dict[str, Any]]:
        if form in PLAIN:
            data, errors = to_plain(values, form, self._where(part))
            return data, {"action": "converted" if errors["max_error"] else "copied", **errors}
        rows, cols = matrix_shape(part.source.shape)
        weights = None
        if self.importance is not None and form in native.KINDS:
            weights = self.importance.find(part.names, cols)
        before = self.done
        try:
            result = quantize_matrix(
                values.reshape(rows, cols),
                form,
                threads=self.threads,
                importance=weights,
                progress=lambda done, of: self.progress(before + done, self.all),
            )
        except UsageError as error:
            raise UsageError(f"{self._where(part)}: {error}") from error
        return result.data, {
            "action": "quantized" if is_float(part.source.format) else "requantized",
            "rmse": result.rmse,
            "relative_rmse": result.relative_rmse,
            "max_error": result.max_error,
            "importance": weights is not None,
        }

    def _where(self, part: Part) -> str:
        return f"{self.path}: tensor {quoted(part.source.name)}"


def _counts(choice: Choice, form: str) -> bool:
    """Whether a tensor is one of those that this is about."""
    return form not in PLAIN or not choice.reason or choice.fell_back
