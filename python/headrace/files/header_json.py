"""Reads JSON headers of files piece by piece, so that a hostile one cannot take much memory.

`json.loads` of 100 MB of `[[],[],...` takes gigabytes; here only one small value is decoded at a
time, and what it may take is bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .base import FileError, quoted

__all__ = ["JsonHeader"]

_SPACE = re.compile(r"[ \t\n\r]*")


class JsonHeader:
    """A cursor in JSON text. FileError, with the file and where, for all that is not JSON."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._text = text
        self._at = 0

    def error(self, message: str) -> FileError:
        return FileError(f"{self.path}: {message}")

    def members(self, what: str) -> Iterator[str]:
        """The keys of an object. After each the caller takes the value. Keys must differ."""
        seen: set[str] = set()
        self._expect("{", what)
        if self._next() == "}":
            self._at += 1
            return
        while True:
            self._next()
            key = self.string(f"a key of {what}")
            if key in seen:
                raise self.error(f"{quoted(key)} is there twice in {what}")
            seen.add(key)
            self._expect(":", what)
            self._next()
            yield key
            if self._next() == "}":
                self._at += 1
                return
            self._expect(",", what)

    def string(self, what: str) -> str:
        """A string, as far as it goes."""
        if self._next() != '"':
            raise self._damaged(f"a string for {what}")
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except ValueError as error:
            raise self._damaged(what) from error
        assert isinstance(value, str)
        try:
            value.encode()  # \ud800 is allowed in JSON, but is no text
        except UnicodeEncodeError as error:
            raise self.error(f"expected Unicode text for {what}, but got {value!r:.60}") from error
        return value

    def small_value(self, what: str, limit: int) -> Any:
        """Any value of at most `limit` characters."""
        self._next()
        try:
            value, used = _DECODER.raw_decode(self._text[self._at : self._at + limit])
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"{what} (JSON of at most {limit} characters)") from error
        self._at += used
        return value

    def end(self, what: str) -> None:
        """FileError if there is anything but space left."""
        if self._next():
            raise self._damaged(f"the end of {what}")

    def _next(self) -> str:
        """The next character that is not space, or nothing."""
        sign = self._text[self._at : self._at + 1]
        if sign > " ":
            return sign
        found = _SPACE.match(self._text, self._at)
        assert found is not None  # it matches nothing, too
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _expect(self, sign: str, what: str) -> None:
        if self._next() != sign:
            raise self._damaged(f"{sign!r} in {what}")
        self._at += 1

    def _damaged(self, what: str) -> FileError:
        got = self._text[self._at : self._at + 40]
        return self.error(f"expected {what} at character {self._at}, but got {got!r}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is there twice")
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
