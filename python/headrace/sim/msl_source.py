"""From preprocessed MSL to C++ that clang compiles with the headers of runtime/msl.

Nearly all of MSL is C++ with clang's extensions. What is not is rewritten here, token by token, so
that messages of clang keep the lines of the source:

- keywords of address spaces, `kernel`, attributes and function constants;
- constructors and casts of vectors, which in clang have other rules;
- arrays of threadgroup memory inside functions, which have no form in C++;
- functions of classes for another address space than that of the thread: dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from headrace.errors import UsageError, unknown
from headrace.sim.msl_kernels import IDS, Kernel, find_kernels
from headrace.sim.tokens import TokenList, tokenize

__all__ = ["Rewritten", "rewrite"]

Constant = int | float | bool

_SPACES = {
    "device": "MSL_DEVICE",
    "constant": "MSL_CONSTANT",
    "threadgroup": "MSL_THREADGROUP",
    "thread": "MSL_THREAD",
}
_ELEMENTS = [
    *("bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong"),
    *("half", "bfloat", "float"),
]
_VECTORS = {
    f"{prefix}{element}{size}"
    for prefix in ("", "packed_")
    for element in _ELEMENTS
    for size in (2, 3, 4)
}


@dataclass
class Rewritten:
    """source: C++. kernels: those that it has entries for, `headrace_entry_<position>`. missing:
    function constants that have no value."""

    source: str
    kernels: list[Kernel]
    missing: list[str]


def rewrite(
    text: str, constants: Mapping[int, Constant], wanted: list[str] | None = None
) -> Rewritten:
    """constants: values of function constants, by index. wanted: names of kernels, None for all."""
    tokens = tokenize(text)
    kernels = find_kernels(tokens)
    if wanted is not None:
        by_name = {kernel.name: kernel for kernel in kernels}
        for name in wanted:
            if name not in by_name:
                raise unknown("kernel", name, by_name)
        kernels = [by_name[name] for name in wanted]
    given = _function_constants(tokens, constants)
    for kernel in kernels:
        kernel.parameters = tuple(
            parameter if given.get(parameter.condition, True) else replace(parameter, kind="absent")
            for parameter in kernel.parameters
        )
    _plain_arrays(tokens)
    _bodies(tokens)
    _array_parameters(tokens)
    _vectors(tokens)
    for token in tokens:
        if token.kind != "name" or not token.output:
            continue
        if token.text in _SPACES:
            token.output = token.output.replace(token.text, _SPACES[token.text])
        elif token.text == "kernel":  # compiled only if it is used
            token.output = "inline"
        elif token.text == "double":
            raise UsageError("MSL has no type 'double'; allowed: float, half or bfloat")
    entries = "".join(_entry(number, kernel) for number, kernel in enumerate(kernels))
    missing = [name for name, value in given.items() if value is None]
    return Rewritten(f'{tokens.render()}\n# 1 "entries"\n{entries}', kernels, missing)


def _entry(number: int, kernel: Kernel) -> str:
    """A function that calls a kernel with what it is launched on, and a list of its arguments."""
    function = f"headrace_function_{number}"
    arguments, described = [], []
    for position, parameter in enumerate(kernel.parameters):
        kind = f"metal_shim::Parameter<{function}, {position}>"
        described.append(f"metal_shim::describe<{kind}>()")
        if parameter.kind == "buffer":
            arguments.append(f"metal_shim::memory<{kind}>(buffers[{parameter.index}])")
        elif parameter.kind == "threadgroup":
            arguments.append(f"metal_shim::memory<{kind}>(arrays[{parameter.index}])")
        elif parameter.kind == "absent":
            arguments.append(f"metal_shim::memory<{kind}>(nullptr)")
        else:
            arguments.append(f"metal_shim::id<{kind}>({IDS[parameter.name]})")
    exported = 'extern "C" __attribute__((visibility("default")))'
    return (
        f"using {function} = decltype(&::{kernel.function});\n"
        f"{exported} const metal_shim::Argument headrace_arguments_{number}[] = {{\n"
        f"{', '.join(described) or 'metal_shim::Argument()'}}};\n"
        f"{exported} void headrace_entry_{number}(void *const *buffers, void *const *arrays,\n"
        f"const simt::Ids *ids) {{ ::{kernel.function}({', '.join(arguments)}); }}\n"
    )


def _statement_start(tokens: TokenList, at: int) -> int:
    while at > 0 and tokens.text(at - 1) not in (";", "{", "}"):
        at -= 1
    return at


def _function_constants(
    tokens: TokenList, constants: Mapping[int, Constant]
) -> dict[str, Constant | None]:
    """`constant T x [[function_constant(n)]];` with its value, or declared only: then a kernel that
    uses it does not load. Returns all by name, with None for those without a value."""
    values: dict[str, Constant | None] = {}
    for at, token in enumerate(tokens):
        found = re.fullmatch(r"function_constant\s*\(([\d\s+*()-]+)\)", token.text)
        if token.kind != "attribute" or not found:
            continue
        index = sum(int(part) for part in re.findall(r"\d+", found[1]))
        if re.search(r"[*-]", found[1]):
            raise UsageError(f"MSL: expected a number as function constant, but got '{found[1]}'")
        start = _statement_start(tokens, at)
        name = tokens.text(at - 1)
        kind = " ".join(part.text for part in tokens[start : at - 1] if part.text != "constant")
        values[name] = constants.get(index)
        tokens.remove(start, at + 1)
        if index in constants:
            value = constants[index]
            literal = str(value).lower() if isinstance(value, bool) else repr(value)
            declaration = f"constexpr MSL_CONSTANT {kind} {name} = {kind}({literal})"
        else:
            declaration = f"extern MSL_CONSTANT const {kind} {name}"
        tokens[start].output = declaration
    for at, token in enumerate(tokens):
        if token.text == "is_function_constant_defined" and tokens.text(at + 1) == "(":
            tokens.remove(at, at + 4)
            token.output = str(values.get(tokens.text(at + 2)) is not None).lower()
    return values


def _plain_arrays(tokens: TokenList) -> None:
    """SPIRV-Cross, whose MSL IREE gives, has a class of arrays with functions for all memory."""
    name = "spvUnsafeArray"
    for at, token in enumerate(tokens):
        if token.text != name:
            continue
        if tokens.text(at - 1) == "struct" and tokens.text(at + 1) == "{":
            tokens.remove(at - 1, tokens.closing(at + 1) + 1)
            token.output = f"using {name} = T[Num ? Num : 1]"
        elif tokens.text(at + 1) == "<":
            opening = tokens.closing_angle(at + 1) + 1
            if tokens.text(opening) == "(" and tokens.text(opening + 1) == "{":
                tokens.remove(at, opening + 1)
                tokens[tokens.closing(opening)].output = ""


def _bodies(tokens: TokenList) -> None:
    """What stands in functions and classes."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind != "mark" and token.text != "threadgroup":
            continue
        if token.text == "{":
            depth += 1
        elif token.text == "}":
            depth -= 1
        elif token.text == "threadgroup" and depth and tokens.text(at - 1) in (";", "{", "}"):
            _threadgroup_array(tokens, at)
        elif token.text == ")" and depth:
            _method(tokens, at)


def _threadgroup_array(tokens: TokenList, start: int) -> None:
    """`threadgroup float a[4], b;`: references to arrays that the simulator gives."""
    end = start
    while tokens.text(end) != ";":
        end = tokens.closing(end) + 1 if tokens.text(end) in ("(", "[", "{") else end + 1
    top = list(tokens.top_level(start + 1, end))
    if any(tokens.text(at) in ("*", "&", "=") for at in top):
        return  # a pointer to somewhere else
    first = next(
        at for at in top if tokens[at].kind == "name" and tokens.text(at + 1) in ("[", ",", ";")
    )
    kind = tokens.join(start + 1, first)
    declared = []
    at = first
    while at < end:
        name, sizes = tokens.text(at), ""
        at += 1
        while tokens.text(at) == "[":
            close = tokens.closing(at)
            sizes += tokens.join(at, close + 1)
            at = close + 1
        declared.append(
            f"static char {name}_key; MSL_THREADGROUP {kind} (&{name}){sizes} = "
            f"*(MSL_THREADGROUP {kind} (*){sizes})headrace_simt_workgroup_array("
            f'&{name}_key, sizeof({kind} {sizes}), "{name}")'
        )
        at += 1  # a comma
    tokens.remove(start, end)
    tokens[start].output = "; ".join(declared)


def _array_parameters(tokens: TokenList) -> None:
    """`f(constant int a[2])`: a pointer, as in C, which clang does not see in an address space."""
    for start, token in enumerate(tokens):
        if token.text not in _SPACES or tokens.text(start - 1) not in ("(", ","):
            continue
        at = start + 1
        while tokens[at].kind == "name" or tokens.text(at) == "::":
            at += 1
        close = tokens.closing(at)
        if tokens.text(at) == "[" and tokens.text(close + 1) in (",", ")"):
            tokens[at - 1].output = f"*{tokens[at - 1].output}"
            tokens.remove(at, close + 1)


def _method(tokens: TokenList, closing: int) -> None:
    """Drops `int f() const device { ... }`; the one for `thread` stays, without the word."""
    at = closing + 1
    while tokens.text(at) in ("const", "volatile"):
        at += 1
    if tokens.text(at) not in _SPACES or tokens.text(at + 1) not in ("{", ":", ";"):
        return
    if tokens.text(at) == "thread":
        return
    end = at
    while tokens.text(end) not in ("{", ";"):
        end = tokens.closing(end) + 1 if tokens.text(end) == "(" else end + 1
    if tokens.text(end) == "{":
        end = tokens.closing(end)
    start = _statement_start(tokens, closing)
    while tokens.text(start + 1) == ":":
        start += 2  # `public:`
    tokens.remove(start, end + 1)


def _vectors(tokens: TokenList) -> None:
    """Constructors and casts of vectors, whose types are written out."""
    for at, token in enumerate(tokens):
        if token.kind != "name" or not token.output:
            continue
        if token.text in _VECTORS:
            end = at
        elif token.text == "vec" and tokens.text(at + 1) == "<":
            end = tokens.closing_angle(at + 1)
        else:
            continue
        before = tokens.text(at - 1)
        follows = tokens.text(end + 1)
        if follows == "(" and before not in ("operator", "class", "struct"):
            after = tokens.text(end + 2)
            declares = after in ("&", "*") and tokens.text(end + 4) == ")"
            if declares and tokens.text(end + 5) in ("[", "("):
                continue  # `thread float4 (&a)[4]`
            _wrap(tokens, at, end, "::metal_shim::make<", ">")
        elif before == "(" and follows == ")" and _is_cast(tokens, at - 1, end + 1):
            _wrap(tokens, at, end, "::metal_shim::cast<", ">()")
            tokens[at - 1].output = ""
            tokens[end + 1].output = "->*"


def _wrap(tokens: TokenList, start: int, end: int, opening: str, closing: str) -> None:
    if tokens.text(start - 1) == "::" and tokens.text(start - 2) == "metal":
        tokens.remove(start - 2, start)
        opening += "metal::"
    tokens[start].output = opening + tokens[start].output
    tokens[end].output += closing


def _is_cast(tokens: TokenList, opening: int, closing: int) -> bool:
    previous, following = tokens[opening - 1], tokens[closing + 1]
    if previous.kind == "name" and previous.text not in ("return", "case", "else"):
        return False
    if previous.text in (")", "]", ">"):
        return False
    return following.kind in ("name", "number") or following.text in ("(", "-", "+", "~", "*", "&")
