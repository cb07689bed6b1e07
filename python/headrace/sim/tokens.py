"""Tokens of preprocessed C-like source, with what stands between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Token", "TokenList", "tokenize"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>(?:L|u8|u|U)?"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<mark>->\*|->|::|\S)
    """,
    re.VERBOSE,
)
_DIRECTIVE = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass
class Token:
    """kind: `name`, `number`, `string`, `mark`, or `attribute` for a whole `[[...]]`, whose text is
    what is inside. before: the space and directives in front; output: what is printed instead."""

    kind: str
    text: str
    before: str = ""
    output: str = ""


class TokenList(list[Token]):
    """The tokens of a file; `tail` is the space behind the last."""

    tail: str = ""

    def text(self, index: int) -> str:
        """Of the token at `index`; empty beyond the ends."""
        return self[index].text if 0 <= index < len(self) else ""

    def closing(self, index: int) -> int:
        """Where the bracket at `index` is closed."""
        depth = 0
        for at in range(index, len(self)):
            if self[at].kind != "mark":
                continue
            if self[at].text in _CLOSING:
                depth += 1
            elif self[at].text in _CLOSING.values():
                depth -= 1
                if depth == 0:
                    return at
        return len(self) - 1

    def closing_angle(self, index: int) -> int:
        """Where the `<` at `index` is closed; `index` if it is no bracket."""
        depth, at = 0, index
        while at < len(self):
            text = self[at].text if self[at].kind == "mark" else ""
            if text == "<":
                depth += 1
            elif text == ">":
                depth -= 1
                if depth == 0:
                    return at
            elif text in _CLOSING:
                at = self.closing(at)
            elif text in (";", ")", "]", "}"):
                return index
            at += 1
        return index

    def top_level(self, start: int, end: int) -> Iterator[int]:
        """The tokens of [start, end) that are in no bracket; opening ones are among them."""
        at = start
        while at < end:
            yield at
            text = self[at].text if self[at].kind == "mark" else ""
            if text in _CLOSING:
                at = self.closing(at)
            elif text == "<" and at > start and self[at - 1].kind == "name":
                at = self.closing_angle(at)
            at += 1

    def join(self, start: int, end: int) -> str:
        """The source of [start, end) without what stands between tokens."""
        return " ".join(token.output for token in self[start:end] if token.output)

    def remove(self, start: int, end: int) -> None:  # type: ignore[override]
        """Print nothing for [start, end)."""
        for token in self[start:end]:
            token.output = ""

    def render(self) -> str:
        return "".join(token.before + token.output for token in self) + self.tail


def tokenize(text: str) -> TokenList:
    """Lines that begin with `#` count as space: line markers and pragmas stay where they are."""
    tokens = TokenList()
    before = ""
    position = 0
    directives = {match.start(): match for match in _DIRECTIVE.finditer(text)}
    while position < len(text):
        if position in directives:
            before += directives[position][0]
            position = directives[position].end()
            continue
        match = _TOKEN.match(text, position)
        assert match is not None, text[position : position + 20]
        kind = match.lastgroup or ""
        part = match[0]
        if kind == "space":
            # Up to the next line: it may be a directive.
            line = part.find("\n")
            part = part if line < 0 else part[: line + 1]
            before += part
        else:
            tokens.append(Token(kind, part, before, part))
            before = ""
        position += len(part)
    tokens.tail = before
    return _with_attributes(tokens)


def _with_attributes(tokens: TokenList) -> TokenList:
    """Each `[[...]]` as one token, which prints nothing unless it is clang's own."""
    result = TokenList()
    result.tail = tokens.tail
    at = 0
    while at < len(tokens):
        if tokens.text(at) == "[" and tokens.text(at + 1) == "[" and not tokens[at + 1].before:
            end = tokens.closing(at)
            inside = "".join(token.text for token in tokens[at + 2 : end - 1])
            lines = "".join(token.before for token in tokens[at + 1 : end + 1]).count("\n")
            known = inside.startswith(("clang::", "gnu::", "likely", "unlikely", "maybe_unused"))
            output = f"[[{inside}]]" if known else ""
            result.append(Token("attribute", inside, tokens[at].before, output + "\n" * lines))
            at = end + 1
        else:
            result.append(tokens[at])
            at += 1
    return result
