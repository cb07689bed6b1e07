"""Storage formats of weights and activations, in NumPy: the reference for every target.

>>> from headrace import formats
>>> q4 = formats.get("q4_k")
>>> packed = q4.encode(w)                    # float32 [rows, columns] -> uint8 [bytes]
>>> w_again = q4.decode(packed, *w.shape)    # float32 [rows, columns]

No native code is loaded. Each family is one module, which draws its byte layout.
"""

from __future__ import annotations

from headrace.errors import unknown

from . import act_i8, gguf, kquants, q4nx
from .base import Format

__all__ = ["Format", "get", "names"]

_MODULES = (gguf, kquants, q4nx, act_i8)
_FORMATS = {form.name: form for module in _MODULES for form in module.FORMATS}


def names() -> list[str]:
    """The short names of all formats."""
    return list(_FORMATS)


def get(name: str) -> Format:
    """The format of that name; UsageError, with the nearest name, if there is none."""
    try:
        return _FORMATS[name]
    except KeyError:
        raise unknown("format", name, _FORMATS) from None
