"""Access to decoded JSON that says exactly what is wrong with it, and where."""

from __future__ import annotations

from typing import Any

from .errors import ArtifactError

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
INF = float("inf")


class Table:
    """A JSON object and its path, with accessors that check what they return."""

    def __init__(self, data: Any, path: str) -> None:
        if not isinstance(data, dict):
            raise ArtifactError(f"{path}: expected an object, but got {data!r:.80}")
        self.data = data
        self.path = path

    def where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _get(self, key: str, kind: type, what: str) -> Any:
        if key not in self.data:
            raise ArtifactError(f"{self.where(key)}: missing; expected {what}")
        value = self.data[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ArtifactError(f"{self.where(key)}: expected {what}, but got {value!r:.80}")
        return value

    def text(self, key: str, allowed: tuple[str, ...] = ()) -> str:
        value: str = self._get(key, str, "a string")
        if allowed and value not in allowed:
            raise ArtifactError(
                f"{self.where(key)}: expected one of {', '.join(allowed)}, but got '{value}'"
            )
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.data.get(key) is None else self.text(key)

    def count(self, key: str) -> int:
        value: int = self._get(key, int, "a number that is not negative")
        if not 0 <= value <= INT64_MAX:
            raise ArtifactError(f"{self.where(key)}: expected 0 to 2^63 - 1, but got {value}")
        return value

    def amount(self, key: str) -> float:
        value = self.data.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < INF:
            raise ArtifactError(
                f"{self.where(key)}: expected a number from 0, but got {value!r:.80}"
            )
        return float(value)

    def flag(self, key: str) -> bool:
        if not isinstance(self.data.get(key), bool):
            raise ArtifactError(
                f"{self.where(key)}: expected true or false, but got {self.data.get(key)!r:.80}"
            )
        return bool(self.data[key])

    def _list(self, key: str, kind: type, what: str, optional: bool) -> list[Any]:
        if optional and key not in self.data:
            return []
        values: list[Any] = self._get(key, list, f"a list of {what}")
        for i, value in enumerate(values):
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ArtifactError(
                    f"{self.where(key)}[{i}]: expected {what}, but got {value!r:.80}"
                )
        return values

    def counts(self, key: str, most: int = INT64_MAX) -> list[int]:
        values = self._list(key, int, "numbers", optional=False)
        if not all(0 <= value <= most for value in values):
            raise ArtifactError(
                f"{self.where(key)}: expected numbers from 0 to {most}, but got {values}"
            )
        return values

    def int32s(self, key: str) -> list[int]:
        values = self._list(key, int, "numbers", optional=True)
        if not all(-INT32_MAX - 1 <= value <= INT32_MAX for value in values):
            raise ArtifactError(f"{self.where(key)}: expected 32-bit numbers, but got {values}")
        return values

    def texts(self, key: str) -> list[str]:
        return self._list(key, str, "strings", optional=True)

    def text_map(self, key: str) -> dict[str, str]:
        inner = self.table(key, optional=True)
        return {name: inner.text(name) for name in inner.data}

    def table(self, key: str, optional: bool = False) -> Table:
        if optional and key not in self.data:
            return Table({}, self.where(key))
        return Table(self._get(key, dict, "an object"), self.where(key))

    def tables(self, key: str, optional: bool = False) -> list[Table]:
        values = self._list(key, dict, "objects", optional)
        return [Table(value, f"{self.where(key)}[{i}]") for i, value in enumerate(values)]
