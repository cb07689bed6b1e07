"""MLIR files as `headrace opt` and `headrace translate` read and write them."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from headrace.errors import UsageError

__all__ = ["read", "split_chunks", "write"]

_SEPARATOR = "// -----"


def read(path: str) -> str:
    """The text of a file, or of standard input for `-`."""
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def write(path: str, content: str | bytes) -> None:
    """Write a file whole or not at all; `-` is standard output, and devices are written to."""
    data = content.encode() if isinstance(content, str) else content
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    work = Path(f"{path}.{secrets.token_hex(4)}.partial")
    try:
        if Path(path).exists() and not Path(path).is_file():
            # A file in the place of a device such as /dev/null would harm the whole machine.
            Path(path).write_bytes(data)
            return
        work.write_bytes(data)
        work.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {os.strerror(error.errno or 0)}") from error
    finally:
        work.unlink(missing_ok=True)


def split_chunks(text: str) -> list[str]:
    """The parts between lines `// -----`, each after as many empty lines as it had lines before."""
    chunks: list[str] = []
    current: list[str] = []
    lines = text.split("\n")
    start = 0
    for index, line in enumerate([*lines, _SEPARATOR]):
        if line.startswith(_SEPARATOR):
            chunks.append("\n" * start + "\n".join(current) + "\n")
            current, start = [], index + 1
        else:
            current.append(line)
    return chunks
