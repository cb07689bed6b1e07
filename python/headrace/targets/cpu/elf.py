"""The symbol table of a 64-bit little-endian ELF object, as far as kernels need it."""

from __future__ import annotations

import struct

__all__ = ["undefined_symbols"]

_SYMTAB = 2
_UNDEFINED = 0


def undefined_symbols(data: bytes) -> list[str]:
    """Names that the object uses and does not define, sorted."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("expected a 64-bit little-endian ELF object")
    (start,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    # name, type, flags, address, offset, size, link, info, align, entry size
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, start + i * size) for i in range(count)]
    names: set[str] = set()
    for section in sections:
        if section[1] != _SYMTAB:
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], section[9]):
            name, _, _, where = struct.unpack_from("<IBBH", data, at)
            if name and where == _UNDEFINED:
                end = data.index(b"\0", strings + name)
                names.add(data[strings + name : end].decode())
    return sorted(names)
