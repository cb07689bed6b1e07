"""`--verify-diagnostics`: compares diagnostics with `// expected-error @+1 {{text}}` comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Message", "capture", "expected", "mismatches"]

_COMMENT = re.compile(
    r"expected-(?P<kind>error|warning|remark|note)(?P<regex>-re)?\s*"
    r"(?:@(?P<at>[+-]\d+|above|below))?\s*\{\{(?P<text>.*?)\}\}"
)
_PLACE = re.compile(r":(\d+):\d+")


@dataclass(frozen=True)
class Message:
    """A diagnostic: its kind, line (0 if unknown), and text."""

    kind: str
    line: int
    text: str


@dataclass(frozen=True)
class Expected:
    """What a comment expects: a message of that kind on that line that contains the text."""

    kind: str
    line: int
    text: str
    regex: bool

    def matches(self, message: Message) -> bool:
        """Whether `message` is the expected one."""
        if (self.kind, self.line) != (message.kind, message.line):
            return False
        if not self.regex:
            return self.text in message.text
        # As in mlir-opt, the pattern is what stands in double braces, the rest is literal.
        parts = re.split(r"\{\{|\}\}", self.text)
        pattern = "".join(p if i % 2 else re.escape(p) for i, p in enumerate(parts))
        return re.search(pattern, message.text) is not None


def expected(text: str) -> list[Expected]:
    """The expectations in a file; lines count from 1."""
    lines = text.split("\n")
    found: list[Expected] = []
    for number, line in enumerate(lines, start=1):
        for match in _COMMENT.finditer(line):
            place = _target_line(lines, number, match["at"])
            found.append(Expected(match["kind"], place, match["text"], bool(match["regex"])))
    return found


def _target_line(lines: list[str], number: int, at: str | None) -> int:
    if at is None:
        return number
    if at in ("above", "below"):
        # The nearest line that is no expectation itself.
        step = -1 if at == "above" else 1
        place = number + step
        while 1 <= place <= len(lines) and _COMMENT.search(lines[place - 1]):
            place += step
        return place
    return number + int(at)


@contextmanager
def capture(context: Any) -> Iterator[list[Message]]:
    """Collects the diagnostics of an MLIR context instead of printing them."""
    messages: list[Message] = []

    def take(diagnostic: Any) -> bool:
        _append(messages, diagnostic)
        return True

    handler = context.attach_diagnostic_handler(take)
    try:
        yield messages
    finally:
        handler.detach()


def from_error(error: Any) -> list[Message]:
    """The diagnostics that an `MLIRError` carries."""
    messages: list[Message] = []
    for diagnostic in error.error_diagnostics:
        _append(messages, diagnostic)
    return messages


def _append(messages: list[Message], diagnostic: Any) -> None:
    place = _PLACE.search(str(diagnostic.location))
    kind = str(diagnostic.severity).rpartition(".")[2].lower()
    messages.append(Message(kind, int(place[1]) if place else 0, diagnostic.message))
    for note in diagnostic.notes:
        _append(messages, note)


def mismatches(messages: list[Message], wanted: list[Expected]) -> list[str]:
    """What was expected and did not come, and what came unexpectedly; empty if all is well."""
    left = list(messages)
    problems: list[str] = []
    for item in wanted:
        hit = next((message for message in left if item.matches(message)), None)
        if hit is None:
            problems.append(f"line {item.line}: expected {item.kind} '{item.text}' did not come")
        else:
            left.remove(hit)
    problems += [
        f"line {message.line}: unexpected {message.kind}: {message.text}"
        for message in left
        if message.kind in ("error", "warning")
    ]
    return problems
