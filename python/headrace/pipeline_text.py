"""Pass pipelines as text: splitting, unwrapping, names. No native library needed."""

from __future__ import annotations

from headrace.errors import UsageError

__all__ = ["nest", "pass_name", "split", "unwrap"]

_CLOSE = {"(": ")", "{": "}", "[": "]"}


def split(pipeline: str) -> list[str]:
    """Split at the commas outside of brackets and quotes: `a{x=1,2},f(b,c)` -> 2 items."""
    items: list[str] = []
    stack: list[str] = []
    quote = ""
    current = ""
    for char in pipeline:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in _CLOSE:
            stack.append(_CLOSE[char])
        elif stack and char == stack[-1]:
            stack.pop()
        elif char in ")}]":
            raise UsageError(f"pipeline '{pipeline}': '{char}' closes nothing")
        if char == "," and not stack and not quote:
            items.append(current.strip())
            current = ""
        else:
            current += char
    if stack or quote:
        raise UsageError(f"pipeline '{pipeline}': expected a closing {(stack or [quote])[-1]!r}")
    items.append(current.strip())
    if items == [""]:
        return []
    if "" in items:
        raise UsageError(f"pipeline '{pipeline}': expected a pass between the commas")
    return items


def unwrap(pipeline: str, anchor: str = "builtin.module") -> str:
    """The inside of `builtin.module(...)`; text without that anchor is returned as it is."""
    text = pipeline.strip()
    if text.startswith(f"{anchor}(") and text.endswith(")") and len(split(text)) == 1:
        return text[len(anchor) + 1 : -1]
    return text


def nest(item: str) -> list[str]:
    """Give each pass of a nested pipeline its own: `func.func(a,b)` -> `func.func(a)`, ..."""
    anchor, inside = _nested(item)
    if inside is None:
        return [item]
    return [f"{anchor}({part})" for piece in split(inside) for part in nest(piece)]


def pass_name(item: str) -> str:
    """The name of the single pass in `item`, without nesting and options."""
    anchor, inside = _nested(item)
    return anchor.partition("{")[0] if inside is None else pass_name(inside)


def _nested(item: str) -> tuple[str, str | None]:
    """`func.func(x)` -> (`func.func`, `x`); `pass{options}` -> (itself, None)."""
    anchor, bracket, rest = item.partition("(")
    if not bracket or "{" in anchor or not rest.endswith(")"):
        return item, None
    return anchor, rest[:-1]
