"""Templates: text with names in it, as `@NAME@`."""

from __future__ import annotations

import re

__all__ = ["filled"]


def filled(text: str, **values: str) -> str:
    """The template with each name replaced by its value."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    left = re.search(r"@[A-Z_]+@", text)
    assert left is None, f"nothing for {left}"
    return text
