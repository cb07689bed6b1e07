"""Calls what was compiled for AArch64 on another machine, under QEMU's user-mode emulation.

A request lays out the memory of one call; `runtime/emulation/call.c`, built for AArch64, serves it.
So an artifact's plan runs here as it does there: by the executor inside its library.
"""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import HeadraceError, MachineError
from headrace_runtime import ArgumentError, Artifact, Manifest, host, parse_manifest

__all__ = ["EmulationError", "Emulator", "Request", "aarch64", "run_plan"]

Array = npt.NDArray[Any]

QEMU = "qemu-aarch64"
SYSROOT = Path("/usr/aarch64-linux-gnu")
INSTALL = "apt-get install qemu-user libc6-dev-arm64-cross"

# The oldest first: a program is to meet no instruction that its CPU lacks.
_CPUS = (
    ("cortex-a72", frozenset({"asimd"})),
    ("neoverse-n1", frozenset({"asimd", "asimdhp", "asimddp", "asimdrdm", "atomics", "lrcpc"})),
    ("a64fx", frozenset({"asimd", "asimdhp", "asimdrdm", "atomics", "fcma", "sve"})),
)
_NEWEST = "max"
# Bytes of a vector of SVE, which kernels must not depend on.
_SVE_BYTES = (16, 64)
_SECONDS = 600


class EmulationError(HeadraceError):
    """What was called under QEMU ended early."""


@dataclass
class Request:
    """The memory of a call of `function`, and its arguments.

    buffers: contents of each, or how many poisoned bytes it has.
    replied: the buffers that are wanted back.
    pointers: (buffer, offset of a pointer in it, the buffer or the function that it points to).
    arguments: numbers, and buffers (as `Address`) whose address is passed.
    """

    function: str
    buffers: list[bytes | int] = field(default_factory=list)
    replied: list[int] = field(default_factory=list)
    pointers: list[tuple[int, int, int | str]] = field(default_factory=list)
    arguments: list[int | Address] = field(default_factory=list)

    def add(self, contents: bytes | int, *, replied: bool = False) -> int:
        """Another buffer; returns its number."""
        self.buffers.append(contents)
        if replied:
            self.replied.append(len(self.buffers) - 1)
        return len(self.buffers) - 1

    def encode(self) -> bytes:
        """The request as `call.c` reads it."""
        parts = [_words(len(self.buffers), len(self.pointers), len(self.arguments))]
        parts += _name(self.function)
        for number, contents in enumerate(self.buffers):
            poisoned = isinstance(contents, int)
            size = contents if isinstance(contents, int) else len(contents)
            parts.append(_words(size, poisoned, number in self.replied))
            parts += [] if isinstance(contents, int) else [contents]
        for buffer, offset, target in self.pointers:
            parts.append(_words(buffer, offset))
            parts += [_words(target)] if isinstance(target, int) else [_words(-1), *_name(target)]
        for argument in self.arguments:
            if isinstance(argument, Address):
                parts.append(_words(1, argument.buffer))
            else:
                parts.append(_words(0, argument))
        return b"".join(parts)

    def sizes(self) -> list[int]:
        """Bytes of each buffer of the reply."""
        chosen = (self.buffers[number] for number in self.replied)
        return [size if isinstance(size, int) else len(size) for size in chosen]


@dataclass(frozen=True)
class Address:
    """Where a buffer of a request is."""

    buffer: int


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _name(text: str) -> list[bytes]:
    return [_words(len(text.encode())), text.encode()]


@dataclass(frozen=True)
class Emulator:
    """A command that serves requests to a library."""

    command: tuple[str, ...]

    def call(self, library: Path, requests: Sequence[Request]) -> list[tuple[int, list[bytes]]]:
        """The result and the buffers of each request, in one process.

        Raises `EmulationError` where a call crashes, or there is no such function.
        """
        done = subprocess.run(
            [*self.command, str(library)],
            input=b"".join(request.encode() for request in requests),
            capture_output=True,
            timeout=_SECONDS,
        )
        if done.returncode != 0:
            raise EmulationError(_how_it_ended(done.returncode, done.stderr))
        replies, at = [], 0
        for request in requests:
            (result,) = struct.unpack_from("<q", done.stdout, at)
            at += 8
            buffers = []
            for size in request.sizes():
                buffers.append(done.stdout[at : at + size])
                at += size
            replies.append((result, buffers))
        if at != len(done.stdout):
            raise EmulationError(f"expected replies of {at} bytes, but got {len(done.stdout)}")
        return replies


def _how_it_ended(code: int, errors: bytes) -> str:
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    why = f": {last[0]}" if last else ""
    if code < 0:
        return f"the emulated program was stopped by {signal.Signals(-code).name}{why}"
    return f"the emulated program ended with code {code}{why}"


def aarch64(features: Collection[str], sve_bytes: int | None = None) -> Emulator:
    """An emulator of an AArch64 CPU with these features (as /proc/cpuinfo spells them).

    sve_bytes: the length of its vectors of SVE; None: QEMU's, or no SVE unless it is a feature.

    Raises `MachineError` where QEMU or the C library of AArch64 is not installed.
    """
    qemu = shutil.which(QEMU)
    caller = files("headrace.targets.cpu") / "native" / "aarch64" / "call"
    lacking = [QEMU] if qemu is None else []
    lacking += [] if (SYSROOT / "lib/libc.so.6").exists() else [f"{SYSROOT}/lib/libc.so.6"]
    if lacking:
        raise MachineError(
            f"the program needs an aarch64 machine, but this one is {host().machine}; running it "
            f"under QEMU needs {' and '.join(lacking)}: {INSTALL}"
        )
    if not caller.is_file():
        raise MachineError(
            "running a program under QEMU needs 'native/aarch64/call' of the cpu target, which "
            f"`make build` makes in a source tree: {INSTALL}, then `cmake build && make build`"
        )
    cpu = next((name for name, has in _CPUS if has.issuperset(features)), _NEWEST)
    if sve_bytes is not None:
        cpu += f",sve-default-vector-length={sve_bytes}"
    elif cpu == _NEWEST and "sve" not in features:
        cpu += ",sve=off"
    return Emulator((str(qemu), "-L", str(SYSROOT), "-cpu", cpu, str(caller)))


def run_plan(
    artifact: Artifact, inputs: Sequence[Array], threads: Sequence[int]
) -> list[list[Array]]:
    """For each number of threads, all arguments after a call; outputs and scratch are poisoned.

    Kernels that use SVE run with short and with long vectors. Raises `EmulationError` where their
    results are not the same, bit for bit.
    """
    manifest = parse_manifest(artifact.manifest)
    assert manifest.library is not None
    requests = [_plan_request(manifest, inputs, count) for count in threads]
    lengths = _SVE_BYTES if "sve" in manifest.features else (None,)
    every = []
    for length in lengths:
        emulator = aarch64(manifest.features, length)
        replies = emulator.call(artifact.path / manifest.library, requests)
        if codes := [code & 0xFFFFFFFF for code, _ in replies if code & 0xFFFFFFFF]:
            raise EmulationError(f"the executor rejected the plan (code {codes[0]})")
        every.append([buffers for _, buffers in replies])
    if any(one != every[0] for one in every):
        raise EmulationError(f"results differ between SVE vectors of {_SVE_BYTES} bytes")
    return [_arguments(manifest, inputs, buffers) for buffers in every[0]]


def _plan_request(manifest: Manifest, inputs: Sequence[Array], threads: int) -> Request:
    """A call of `hr_plan_run` (runtime/cpu/headrace_plan.h)."""
    request = Request("hr_plan_run")
    given = iter(inputs)
    for argument in manifest.arguments:
        if argument.role == "output":
            request.add(argument.bytes, replied=True)
            continue
        contents = np.ascontiguousarray(next(given)).tobytes()
        if len(contents) != argument.bytes:
            raise ArgumentError(
                f"argument '{argument.name}': expected {argument.bytes} bytes, "
                f"but got {len(contents)}"
            )
        request.add(contents, replied=argument.updated is not None)
    for size in manifest.transients:
        request.add(size)
    count = len(request.buffers)
    slots = request.add(bytes(8 * count))
    request.pointers += [(slots, 8 * number, number) for number in range(count)]
    # Slots are the arguments, then the transients.
    first = {"argument": 0, "transient": len(manifest.arguments)}
    steps = bytearray()
    pointers: list[tuple[int, int | str]] = []
    for step in manifest.plan:
        places = [first[binding.kind] + binding.index for binding in step.bindings]
        tables = (
            struct.pack(f"<{len(places)}I", *places),
            struct.pack(f"<{len(places)}q", *(binding.offset for binding in step.bindings)),
            struct.pack(f"<{len(step.constants)}i", *step.constants),
        )
        at = len(steps)
        pointers.append((at, step.kernel))
        pointers += [(at + 24 + 8 * i, request.add(table)) for i, table in enumerate(tables)]
        steps += struct.pack("<Q4I3Q", 0, *step.grid, len(places), 0, 0, 0)
    plan = request.add(bytes(steps))
    request.pointers += [(plan, offset, target) for offset, target in pointers]
    request.arguments = [Address(plan), len(manifest.plan), Address(slots), threads]
    return request


def _arguments(
    manifest: Manifest, inputs: Sequence[Array], buffers: Sequence[bytes]
) -> list[Array]:
    """Arguments in order, those that were written from `buffers`."""
    given, written = iter(inputs), iter(buffers)
    found = []
    for argument in manifest.arguments:
        array = next(given) if argument.role == "input" else None
        if argument.role == "input" and argument.updated is None:
            assert array is not None
            found.append(array)
            continue
        data = np.frombuffer(next(written), np.uint8)
        if array is None:
            found.append(data.view(_dtype(argument.dtype)).reshape(argument.shape))
        else:
            found.append(data.view(array.dtype).reshape(array.shape))
    return found


def _dtype(name: str) -> npt.DTypeLike:
    from ml_dtypes import bfloat16

    return {"bf16": bfloat16}.get(name) or np.dtype(f"{name[0]}{int(name[1:]) // 8}")
