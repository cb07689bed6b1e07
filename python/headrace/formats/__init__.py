"""Storage formats of weights and activations, in NumPy: the reference for every target.

>>> from headrace import formats
>>> q4 = formats.get("q4_k")
>>> packed = q4.encode(w)                    # float32 [rows, columns] -> uint8 [bytes]
>>> w_again = q4.decode(packed, *w.shape)    # float32 [rows, columns]

Each family is one module, which draws its byte layout. A family with parameters is written
`NAME:PARAMETER:...`, as in `int4:g128:zp`; `names()` lists its usual members, `get` makes any.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType

from headrace.errors import unknown

from . import (
    act_i8,
    affine,
    codebook,
    fp8,
    gguf,
    kquants,
    mx,
    nvfp4,
    plain,
    q4nx,
    repacked,
    strips,
    zigzag,
)
from .base import Format

__all__ = ["Converted", "Format", "convert", "get", "modules", "names"]

_MODULES: tuple[ModuleType, ...] = (
    gguf,
    kquants,
    q4nx,
    plain,
    fp8,
    mx,
    nvfp4,
    affine,
    codebook,
    zigzag,
    repacked,
    strips,
    act_i8,
)
_FORMATS = {form.name: form for module in _MODULES for form in module.FORMATS}

# Families with parameters: a name to its format, None if it is of another family; UsageError if
# it is of this family, but wrong. Layouts first: behind their name's end is that of another family.
_PARSERS: tuple[Callable[[str], Format | None], ...] = tuple(
    module.parse
    for module in dict.fromkeys((zigzag, repacked, strips, *_MODULES))
    if hasattr(module, "parse")
)


def names() -> list[str]:
    """The short names of all formats, of families with parameters the usual ones."""
    return list(_FORMATS)


def modules() -> tuple[ModuleType, ...]:
    """The modules of the families, whose documentation draws their byte layouts."""
    return _MODULES


@functools.cache
def get(name: str) -> Format:
    """The format of that name; UsageError, with the nearest name, if there is none."""
    if name in _FORMATS:
        return _FORMATS[name]
    for parse in _PARSERS:
        form = parse(name)
        if form is not None:
            return form
    raise unknown("format", name, _FORMATS) from None


# Behind `get`, which it uses.
from .conversion import Converted, convert  # noqa: E402
