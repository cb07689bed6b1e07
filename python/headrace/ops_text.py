"""The written form of operations, `op:name=value,...`, and text of modules with one function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace import formats
from headrace.errors import UsageError, unknown

__all__ = ["check_positive", "function", "packed", "read_items", "read_number", "tensor"]


def read_items(op: str, text: str, parameters: Mapping[str, str | None]) -> dict[str, str]:
    """The values in the written form `text` of `op`, by name.

    parameters: every name that there is; an example for those that must be given, else None
    """
    values: dict[str, str] = {}
    rest = text.strip().partition(":")[2]
    for item in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise UsageError(f"{op}: expected name=value, but got '{item}' in '{text}'")
        if name not in parameters:
            raise unknown(f"parameter of {op}", name, parameters)
        if name in values:
            raise UsageError(f"{op}: parameter '{name}' is given twice in '{text}'")
        values[name] = value
    missing = {n: e for n, e in parameters.items() if e is not None and n not in values}
    if missing:
        example = ",".join(f"{name}={value}" for name, value in missing.items())
        raise UsageError(f"{op}: missing {', '.join(missing)} in '{text}', for example {example}")
    return values


def read_number(op: str, name: str, value: str, kind: type[int] | type[float]) -> Any:
    """`value` as a number of that kind."""
    try:
        return kind(value)
    except ValueError:
        what = "an integer" if kind is int else "a number"
        raise UsageError(f"{op}: expected {name} to be {what}, but got '{value}'") from None


def check_positive(op: str, name: str, value: object) -> None:
    """Raises `UsageError` unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{op}: expected {name} to be a positive integer, but got {value!r}")


def tensor(shape: Iterable[int], dtype: str) -> str:
    """The type of a tensor."""
    return f"tensor<{'x'.join(map(str, shape))}x{dtype}>"


def packed(rows: int, cols: int, format_name: str) -> str:
    """The type of a packed matrix, with its padded shape where the format pads."""
    form = formats.get(format_name)
    padded = form.padded_shape(rows, cols)
    suffix = f", padded = {padded[0]}x{padded[1]}" if padded != (rows, cols) else ""
    return f"!qlinear.packed<{rows}x{cols}, {form.attribute}{suffix}>"


def function(arguments: Sequence[tuple[str, str]], result: str, body: Iterable[str]) -> str:
    """A module with the function `@main`, whose arguments have names and whose result is `y`."""
    args = ", ".join(f'%{name}: {kind} {{headrace.name = "{name}"}}' for name, kind in arguments)
    lines = [f'func.func @main({args}) -> ({result} {{headrace.name = "y"}}) {{']
    lines += [f"  {line}" for line in body]
    return "\n".join([*lines, "}", ""])
