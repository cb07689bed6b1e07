"""Which format each tensor of a model gets: what containers hold, rules by name, fallbacks.

Quantized are the weights of linear layers and embeddings: floating-point tensors of two axes (of
three for stacked experts) named `...weight`. Others stay in float: vectors, norms, tables of
positions and token types, routers of experts, convolutions. Patterns of the caller come first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from headrace import formats
from headrace.errors import UsageError, one_of, unknown
from headrace.files.base import PLAIN, matrix_shape
from headrace.files.gguf_types import TYPE_CODES
from headrace.quantize.config import weight_formats

__all__ = [
    "DEFAULT_FALLBACK",
    "FALLBACK",
    "KEPT",
    "Choice",
    "Options",
    "allowed",
    "check_options",
    "choose",
    "is_float",
    "unmatched",
]

DEFAULT_FALLBACK = {"gguf": "q8_0", "q4nx": "bf16", "safetensors": "q8_0"}
FALLBACK = "fallback"  # how reasons of these begin
KEPT = "kept as asked"
REFUSE = "error"  # the fallback that is none

_FLOATS = ("f64", "f32", "f16", "bf16")
_PLAIN_TARGETS = ("f32", "f16", "bf16")
_SMALL_PARTS = (
    (re.compile(r"norm|(^|\.)ln_"), "a norm"),
    (
        re.compile(r"position_emb|pos_emb|(^|\.)wpe\.|token_type"),
        "a table of positions or token types",
    ),
    (re.compile(r"router|gate_inp|(mlp|moe|feed_forward)\.gate\."), "a router of experts"),
    (re.compile(r"conv"), "a convolution"),
)


@dataclass(frozen=True)
class Options:
    """What the caller asks for.

    weights:  the format of all tensors that are quantized
    fallback: the format where a tensor's shape does not fit; "error" to refuse
    tensors:  pattern of names -> format, before the rules; the first that matches decides
    keep:     patterns of tensors that stay as they are stored, before all else
    requantize: quantize again what is quantized already
    """

    container: str
    weights: str
    fallback: str
    tensors: Mapping[str, str]
    keep: Sequence[str]
    requantize: bool


@dataclass(frozen=True)
class Choice:
    """The format of one tensor, or None to keep its stored type; and why, if not as asked."""

    format: str | None
    reason: str = ""

    @property
    def fell_back(self) -> bool:
        """Whether the format that was asked for does not fit."""
        return self.reason.startswith(FALLBACK)


def is_float(form: str) -> bool:
    """Whether a tensor's stored format is plain floats whose values are what they say."""
    return form in _FLOATS


def allowed(container: str) -> list[str]:
    """The formats that tensors can be given in a container."""
    if container == "q4nx":
        return ["q4nx", "bf16"]
    names = [*_PLAIN_TARGETS, *(n for n in weight_formats() if n not in _PLAIN_TARGETS)]
    return [n for n in names if container != "gguf" or n in TYPE_CODES]


def check_format(container: str, name: str, what: str) -> None:
    """UsageError if there is no such format, or the container cannot hold it."""
    if name in _PLAIN_TARGETS:
        known = True
    else:
        try:
            known = not formats.get(name).holds_activations
        except UsageError as error:
            if name.split(":")[0] in {n.split(":")[0] for n in formats.names()}:
                raise  # of a family with parameters, but wrong: it says what is
            raise unknown(f"format of {what}", name, allowed(container)) from error
    fits = name in allowed(container) or (container == "safetensors" and known)
    if not known or not fits:
        raise UsageError(
            f"quantize: expected a format that a {container} file holds for {what}, but got "
            f"'{name}'; allowed: {one_of(allowed(container))}"
        )


def check_options(options: Options) -> None:
    """UsageError for formats that are unknown or that the container cannot hold."""
    check_format(options.container, options.weights, "--weights")
    if options.fallback != REFUSE:
        check_format(options.container, options.fallback, "--fallback")
    for pattern, name in options.tensors.items():
        check_format(options.container, name, f"--tensor '{pattern}'")


def choose(
    options: Options, names: Sequence[str], shape: tuple[int, ...], stored: str, where: str
) -> Choice:
    """Decides about one tensor.

    names: all names it goes by (in the input, in the output); a pattern may match any
    where: for messages
    """
    if _matching(options.keep, names) is not None:
        return Choice(None, KEPT)
    if stored in PLAIN and not is_float(stored):
        return Choice(None, f"{stored} is no type of weights")
    if len(shape) < 2:
        return Choice("f32" if options.container == "gguf" else None, "no matrix")
    pattern = _matching(list(options.tensors), names)
    if pattern is None:
        reason = _small_part(names, shape)
        if reason:
            return Choice("f32" if options.container == "gguf" else None, reason)
        if options.container == "q4nx" and "embed" in names[-1] and options.weights == "q4nx":
            return Choice("bf16", "a table that is looked up is bf16 in this container")
    wanted = options.weights if pattern is None else options.tensors[pattern]
    return _fitting(options, wanted, shape, where)


def unmatched(options: Options, all_names: Sequence[Sequence[str]]) -> list[str]:
    """Patterns that match no tensor (a typing error, most likely)."""
    patterns = [*options.tensors, *options.keep]
    return [p for p in patterns if not any(_matching([p], names) for names in all_names)]


def misfit(form: str, shape: tuple[int, ...]) -> str:
    """Why a tensor cannot be stored in a format, or "" if it can."""
    if form in _PLAIN_TARGETS:
        return ""
    rows, cols = matrix_shape(shape)
    unit = formats.get(form)
    try:
        unit.storage_bytes(rows, cols)
    except UsageError:
        if cols % unit.k_multiple:
            return f"its {cols} columns are no multiple of {unit.k_multiple}"
        return f"{rows}x{cols} does not fill its blocks of {unit.block_shape[0]} rows"
    return ""


def _fitting(options: Options, wanted: str, shape: tuple[int, ...], where: str) -> Choice:
    why = misfit(wanted, shape)
    if not why:
        return Choice(wanted)
    if options.fallback == REFUSE:
        raise UsageError(
            f"{where}: cannot be {wanted}: {why}; allowed: a --fallback format, --keep, or another "
            "format by --tensor"
        )
    worse = misfit(options.fallback, shape)
    if not worse:
        return Choice(options.fallback, f"{FALLBACK}: for {wanted} {why}")
    floats = "f32" if options.container == "gguf" else None
    return Choice(
        floats, f"{FALLBACK} to float: for {wanted} {why}; for {options.fallback} {worse}"
    )


def _small_part(names: Sequence[str], shape: tuple[int, ...]) -> str:
    """Why a tensor is not one of those that are quantized, or ""."""
    for pattern, what in _SMALL_PARTS:
        if any(pattern.search(name.lower()) for name in names):
            return what
    if len(shape) > 2 and not any("exp" in name for name in names):
        return f"{len(shape)} axes are no matrix"
    return "" if any(name.endswith("weight") for name in names) else "not named as a weight"


def _matching(patterns: Sequence[str], names: Sequence[str]) -> str | None:
    for pattern in patterns:
        if any(fnmatchcase(name, pattern) for name in names):
            return pattern
    return None
