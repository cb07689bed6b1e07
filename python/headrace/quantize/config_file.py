"""A checkpoint's JSON files: their numbers, checked, with the file and key in every message."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.files import FileError

__all__ = ["ConfigFile", "Unsupported", "read_json"]

_LARGEST = 1 << 31
_MAX_BYTES = 1 << 28  # the largest tokenizer.json are some 30 MB


class Unsupported(Exception):
    """Why a model, or its tokenizer, has no conversion: for a note, it is no error."""


def read_json(path: Path) -> Any:
    """A JSON file's value, None if there is no such file; FileError if it is damaged."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FileError(f"{path}: expected at most {_MAX_BYTES} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{path}: cannot read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: expected JSON, but {error}") from error


@dataclass(frozen=True)
class ConfigFile:
    """An object of a JSON file."""

    path: Path
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> ConfigFile | None:
        """The object in a file, None if there is no such file."""
        values = read_json(path)
        if values is None:
            return None
        if not isinstance(values, dict):
            raise FileError(f"{path}: expected a JSON object, but got {values!r:.60}")
        return cls(path, values)

    @classmethod
    def read_list(cls, path: Path) -> list[ConfigFile]:
        """The objects of a list in a file, none if there is no such file."""
        values = read_json(path)
        if values is None:
            return []
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise FileError(f"{path}: expected a list of JSON objects, but got {values!r:.60}")
        return [cls(path, value) for value in values]

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def number(self, key: str, default: int | None = None) -> int:
        """A positive whole number; null counts as absent."""
        value = self.values.get(key)
        value = default if value is None else value
        if type(value) is not int or not 1 <= value < _LARGEST:
            raise self._wrong(key, "a positive number", value)
        return value

    def real(self, key: str, default: float | None = None) -> float:
        """A finite number; null counts as absent."""
        value = self.values.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        if not math.isfinite(value):
            raise self._wrong(key, "a finite number", value)
        return float(value)

    def text(self, key: str, default: str) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def flag(self, key: str) -> bool:
        """Whether it is true; absent and null are not."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return bool(value)

    def only(self, key: str, known: tuple[str, ...], default: str) -> None:
        """`Unsupported` if a text is none of those that there is a conversion for."""
        value = self.text(key, default)
        if value not in known:
            raise Unsupported(f"{key} '{value}' has no conversion here")

    def rope(self) -> tuple[ConfigFile, ConfigFile]:
        """The parameters of rotary positions: of full attention, and of sliding windows.

        Newer files have `rope_parameters`, for each kind of layer or for all; older ones
        `rope_theta` and `rope_scaling`.
        """
        found = self.values.get("rope_parameters")
        if found is None:
            scaling = self.values.get("rope_scaling") or {}
            if not isinstance(scaling, dict):
                raise self._wrong("rope_scaling", "an object", scaling)
            old = {"rope_theta": self.values.get("rope_theta"), **scaling}
            return ConfigFile(self.path, old), ConfigFile(self.path, {})
        if not isinstance(found, dict):
            raise self._wrong("rope_parameters", "an object", found)
        full = found.get("full_attention", found)
        sliding = found.get("sliding_attention", {})
        if not isinstance(full, dict) or not isinstance(sliding, dict):
            raise self._wrong("rope_parameters", "objects", found)
        return ConfigFile(self.path, full), ConfigFile(self.path, sliding)

    def rope_type(self) -> str:
        """The kind of scaling, of parameters of rotary positions."""
        return self.text("rope_type", self.text("type", "default"))

    def _wrong(self, key: str, expected: str, value: Any) -> FileError:
        return FileError(f"{self.path}: expected {expected} for '{key}', but got {value!r:.60}")
