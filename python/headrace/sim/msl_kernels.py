"""The kernels of preprocessed MSL: what they are called, and what their arguments are bound to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.errors import UsageError
from headrace.sim.tokens import TokenList

__all__ = ["IDS", "Kernel", "Parameter", "find_kernels"]

# An attribute of MSL -> the C++ expression for it, on `simt::Ids *ids`.
IDS = {
    "threadgroup_position_in_grid": "ids->workgroup",
    "threadgroups_per_grid": "ids->workgroups",
    "thread_position_in_threadgroup": "ids->thread",
    "threads_per_threadgroup": "ids->threads",
    "dispatch_threads_per_threadgroup": "ids->threads",
    "thread_position_in_grid": "metal_shim::gridPosition(ids)",
    "threads_per_grid": "metal_shim::gridSize(ids)",
    "thread_index_in_threadgroup": "ids->threadIndex",
    "thread_index_in_simdgroup": "ids->lane",
    "simdgroup_index_in_threadgroup": "ids->subgroup",
    "simdgroups_per_threadgroup": "ids->subgroups",
    "dispatch_simdgroups_per_threadgroup": "ids->subgroups",
    "threads_per_simdgroup": "simt::subgroupSize",
    "thread_execution_width": "simt::subgroupSize",
    "thread_index_in_quadgroup": "ids->lane % 4",
    "quadgroup_index_in_threadgroup": "ids->threadIndex / 4",
}


@dataclass(frozen=True)
class Parameter:
    """kind: `buffer`, `threadgroup`, `id` or `absent`. index: of the binding. name: of the
    parameter, or of the attribute that an id has. condition: the function constant without which it
    is not there."""

    kind: str
    index: int
    name: str
    condition: str = ""


@dataclass
class Kernel:
    """name: as the host asks for it. function: the C++ expression of the function.
    max_threads: of a workgroup, where the kernel says so."""

    name: str
    function: str
    parameters: tuple[Parameter, ...] = ()
    max_threads: int | None = None


@dataclass
class _Definition:
    kernel: Kernel
    template: bool
    instances: list[Kernel] = field(default_factory=list)


def find_kernels(tokens: TokenList) -> list[Kernel]:
    """All kernels that the host can ask for; drops the explicit instantiations from the output.

    They are instantiated by the calls that are added for those that are wanted.
    """
    definitions: dict[str, _Definition] = {}
    instances: list[tuple[str, Kernel]] = []
    for start, at in _declarations(tokens):
        if tokens.text(start) == "template" and tokens.text(start + 1) != "<":
            end = next(
                index for index in range(at, len(tokens)) if tokens.text(index) in (";", "{")
            )
            base, function = _template_id(tokens, start, end)
            name = _host_name(tokens, start, end) or function
            instances.append((base, Kernel(name, function)))
            tokens.remove(start, end + 1)
        else:
            definition = _definition(tokens, start, at)
            definitions.setdefault(definition.kernel.function, definition)
    kernels = [found.kernel for found in definitions.values() if not found.template]
    for base, kernel in instances:
        if base not in definitions:
            raise UsageError(f"MSL: {kernel.function} is instantiated, but {base} is no kernel")
        kernel.parameters = definitions[base].kernel.parameters
        kernel.max_threads = definitions[base].kernel.max_threads
        kernels.append(kernel)
    return kernels


def _declarations(tokens: TokenList) -> Iterator[tuple[int, int]]:
    """Each declaration that is marked as a kernel: where it starts, and where the mark is."""
    start, at = 0, 0
    while at < len(tokens):
        text, kind = tokens[at].text, tokens[at].kind
        if text == "{" and tokens.text(start) in ("namespace", "extern"):
            start = at + 1
        elif text in ("(", "[", "{") and kind == "mark":
            at = tokens.closing(at)
            if text == "{":
                start = at + 1
        elif text in (";", "}"):
            start = at + 1
        elif text == "kernel" or (kind == "attribute" and "kernel" in text.split(",")):
            yield start, at
            # To the body, or the end.
            while at < len(tokens) and tokens[at].text not in (";", "{"):
                at = tokens.closing(at) + 1 if tokens[at].text == "(" else at + 1
            if tokens.text(at) == "{":
                at = tokens.closing(at)
            start = at + 1
        at += 1


def _host_name(tokens: TokenList, start: int, end: int) -> str | None:
    for token in tokens[start:end]:
        if token.kind == "attribute" and (
            found := re.search(r'host_name\("([^"]*)"\)', token.text)
        ):
            return found[1]
    return None


def _template_id(tokens: TokenList, start: int, end: int) -> tuple[str, str]:
    """`f`, `f<float, 4>`: the last name with arguments in an explicit instantiation."""
    found = ("", "")
    at = start
    while at < end:
        if tokens[at].kind == "name" and tokens.text(at + 1) == "<":
            close = tokens.closing_angle(at + 1)
            found = (tokens[at].text, tokens.join(at, close + 1))
            at = close
        elif tokens[at].text == "(":
            at = tokens.closing(at)
        at += 1
    if not found[0]:
        raise UsageError(
            f"MSL: expected f<...> in an instantiation of a kernel, but got "
            f"'{tokens.join(start, end)}'"
        )
    return found


def _definition(tokens: TokenList, start: int, at: int) -> _Definition:
    opening = next(index for index in range(at, len(tokens)) if tokens.text(index) == "(")
    name = tokens.text(opening - 1)
    closing = tokens.closing(opening)
    limit = None
    for token in tokens[start:closing]:
        if found := re.search(r"max_total_threads_per_threadgroup\((\d+)\)", token.text):
            limit = int(found[1])
    kernel = Kernel(
        _host_name(tokens, start, closing) or name,
        name,
        _parameters(tokens, name, opening, closing),
        limit,
    )
    return _Definition(kernel, tokens.text(start) == "template")


def _parameters(
    tokens: TokenList, kernel: str, opening: int, closing: int
) -> tuple[Parameter, ...]:
    parts: list[list[int]] = [[]]
    for at in tokens.top_level(opening + 1, closing):
        if tokens.text(at) == ",":
            parts.append([])
        else:
            parts[-1].append(at)
    parameters = []
    next_index = {"buffer": 0, "threadgroup": 0}
    for part in filter(None, parts):
        parameter = _parameter(tokens, kernel, part, next_index)
        if parameter.kind in next_index:
            next_index[parameter.kind] = parameter.index + 1
        parameters.append(parameter)
    return tuple(parameters)


def _parameter(
    tokens: TokenList, kernel: str, part: list[int], next_index: dict[str, int]
) -> Parameter:
    attributes = [
        one.strip()
        for at in part
        if tokens[at].kind == "attribute"
        for one in re.split(r",(?![^(]*\))", tokens[at].text)
    ]
    name = [tokens.text(at) for at in part if tokens[at].kind == "name"][-1]
    condition = ""
    for attribute in attributes:
        if found := re.fullmatch(r"function_constant\((\w+)\)", attribute):
            condition = found[1]
    for attribute in attributes:
        if found := re.fullmatch(r"(buffer|threadgroup)\s*\(\s*(\d+)\s*\)", attribute):
            return Parameter(found[1], int(found[2]), name, condition)
        if attribute in IDS:
            return Parameter("id", 0, attribute)
    words = [tokens.text(at) for at in part]
    if not attributes and ("*" in words or "&" in words):
        kind = "threadgroup" if "threadgroup" in words else "buffer"
        return Parameter(kind, next_index[kind], name)
    raise UsageError(
        f"MSL: expected a buffer, threadgroup memory or an id as parameter '{name}' of kernel "
        f"'{kernel}', but got [[{', '.join(attributes)}]]; allowed: {', '.join(sorted(IDS))}"
    )
