"""The buffers of a launch: what a kernel has, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.errors import UsageError
from headrace.sim import simt

__all__ = ["Binding", "Buffer", "set_buffers"]

# A list is an argument buffer: pointers to its members.
Buffer = np.ndarray[Any, Any] | list[np.ndarray[Any, Any]] | None


@dataclass(frozen=True)
class Binding:
    """name: of the parameter. writable: whether the kernel may write it. size: bytes, at least."""

    name: str
    writable: bool
    size: int


def set_buffers(
    launch: simt.Launch, kernel: str, bindings: dict[int, Binding], arrays: list[Buffer]
) -> None:
    given = {index: array for index, array in enumerate(arrays) if array is not None}
    for index, binding in bindings.items():
        if index not in given:
            raise UsageError(
                f"kernel '{kernel}': expected a buffer at {index} for '{binding.name}', "
                "but got none"
            )
    members = sum(len(array) for array in given.values() if isinstance(array, list))
    if len(arrays) + members > simt.MAX_BUFFERS:
        raise UsageError(
            f"kernel '{kernel}': expected at most {simt.MAX_BUFFERS} buffers, but got "
            f"{len(arrays) + members}"
        )
    placed: dict[str, tuple[np.ndarray[Any, Any], bool]] = {}
    next_member = simt.MAX_BUFFERS - members
    for index, array in given.items():
        if index not in bindings:
            raise UsageError(
                f"kernel '{kernel}': buffer {index}: there is none; allowed: {sorted(bindings)}"
            )
        binding = bindings[index]
        size = 8 * len(array) if isinstance(array, list) else getattr(array, "nbytes", 0)
        if isinstance(array, np.ndarray) and binding.writable and not array.flags.writeable:
            raise UsageError(
                f"kernel '{kernel}': buffer {index}: it is written, but its array is read-only"
            )
        if not isinstance(array, list):
            _check_array(kernel, str(index), array, binding.writable, placed)
            launch.buffers[index] = simt.Buffer(array.ctypes.data, size, binding.writable)
        else:
            launch.buffers[index] = simt.Buffer(None, size, False, len(array), next_member)
            for position, member in enumerate(array):
                name, writable = f"{index}[{position}]", member.flags.writeable
                _check_array(kernel, name, member, writable, placed)
                launch.buffers[next_member] = simt.Buffer(
                    member.ctypes.data, member.nbytes, writable
                )
                next_member += 1
        if size < binding.size:
            raise UsageError(
                f"kernel '{kernel}': buffer {index}: expected {binding.size} bytes or more for "
                f"'{binding.name}', but got {size}"
            )


def _check_array(
    kernel: str,
    name: str,
    array: np.ndarray[Any, Any],
    writable: bool,
    placed: dict[str, tuple[np.ndarray[Any, Any], bool]],
) -> None:
    """placed: those before, with whether they may be written; gets this one too."""
    what = f"kernel '{kernel}': buffer {name}"
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
        raise UsageError(f"{what}: expected a contiguous array")
    for other, (before, written) in placed.items():
        if (written or writable) and np.may_share_memory(before, array):
            raise UsageError(f"{what}: overlaps with buffer {other}, and one is written")
    placed[name] = (array, writable)
