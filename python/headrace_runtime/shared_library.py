"""Loader "shared-library": CPU artifacts whose kernels and plan executor are one ELF library.

The structures mirror runtime/cpu/headrace_plan.h.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine
from .arrays import Buffer, aligned_bytes, input_buffer, is_torch, output_buffer, poison
from .errors import ArgumentError, ArtifactError, MachineError
from .files import check_sha256, inside
from .manifest import Manifest, Step

ABI_VERSION = 1
MAX_BINDINGS = 64

_NO_THREADS = 2  # HR_NO_THREADS


class _Step(ctypes.Structure):
    _fields_ = [
        ("kernel", ctypes.c_void_p),
        ("grid", ctypes.c_uint32 * 3),
        ("num_bindings", ctypes.c_uint32),
        ("slots", ctypes.POINTER(ctypes.c_uint32)),
        ("offsets", ctypes.POINTER(ctypes.c_int64)),
        ("constants", ctypes.POINTER(ctypes.c_int32)),
    ]


class SharedLibrary:
    """The program of an artifact, loaded into this process.

    Calls may come from several threads and are run one after the other, since they share the
    transients. Raises MachineError if this machine cannot run it and ArtifactError if the
    library is missing, damaged, or lacks a kernel.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        machine.host().check(manifest.machine, manifest.system, manifest.features)
        self.manifest = manifest
        self._inputs = manifest.inputs
        if manifest.library is None:
            raise ArtifactError(f"artifact {folder}: files.library is missing from the manifest")
        if manifest.library not in manifest.sha256:
            raise ArtifactError(f"artifact {folder}: '{manifest.library}' has no sha256")
        check_sha256(folder, {manifest.library: manifest.sha256[manifest.library]})
        self._library = _open(inside(folder, manifest.library), manifest.sha256[manifest.library])
        version = self._library.hr_abi_version()
        if version != ABI_VERSION:
            raise ArtifactError(
                f"artifact {folder}: its executor has ABI version {version}, but this runtime "
                f"calls version {ABI_VERSION}; compile the artifact again"
            )
        self._keep: list[Any] = []  # arrays that the steps point to
        self._steps = (_Step * len(manifest.plan))(*map(self._step, manifest.plan))
        self._transients = [aligned_bytes(size) for size in manifest.transients]
        self._lock = threading.Lock()
        _programs.add(self)

    def _step(self, step: Step) -> _Step:
        count = len(step.bindings)
        if count > MAX_BINDINGS:
            raise ArtifactError(
                f"kernel '{step.kernel}' has {count} bindings; at most {MAX_BINDINGS} are allowed"
            )
        try:
            kernel = ctypes.cast(getattr(self._library, step.kernel), ctypes.c_void_p)
        except AttributeError:
            raise ArtifactError(
                f"{self.manifest.library} has no kernel named '{step.kernel}'"
            ) from None
        # Slots are the arguments, then the transients.
        first = {"argument": 0, "transient": len(self.manifest.arguments)}
        slots = (ctypes.c_uint32 * count)(*(first[b.kind] + b.index for b in step.bindings))
        offsets = (ctypes.c_int64 * count)(*(b.offset for b in step.bindings))
        constants = (ctypes.c_int32 * len(step.constants))(*step.constants)
        self._keep += [slots, offsets, constants]
        return _Step(
            kernel,
            step.grid,
            count,
            ctypes.cast(slots, ctypes.POINTER(ctypes.c_uint32)),
            ctypes.cast(offsets, ctypes.POINTER(ctypes.c_int64)),
            ctypes.cast(constants, ctypes.POINTER(ctypes.c_int32)),
        )

    def bind(
        self, values: Sequence[Any], *, threads: int | None = None, poison: bool = False
    ) -> Call:
        """Checks the inputs and allocates the outputs of a call that can run repeatedly."""
        if len(values) != len(self._inputs):
            names = ", ".join(a.name for a in self._inputs)
            raise ArgumentError(
                f"{self.manifest.entry}: expected {len(self._inputs)} arguments ({names}), but "
                f"got {len(values)}"
            )
        # Results are tensors if the first input is one, whatever holds the weights.
        torch = bool(values) and is_torch(values[0])
        rest = iter(enumerate(values))
        buffers = []
        for argument in self.manifest.arguments:
            if argument.role == "input":
                index, value = next(rest)
                try:
                    buffers.append(input_buffer(argument, value))
                except ArgumentError as error:
                    op = self.manifest.op_of(argument)
                    raise ArgumentError(
                        f"argument {index} '{argument.name}' of {op}: {error}"
                    ) from None
            else:
                buffers.append(output_buffer(argument, torch))
        return Call(self, buffers, _check_threads(threads), poison)

    def reset_after_fork(self) -> None:
        """Forgets a lock that a thread of the parent process may hold."""
        self._lock = threading.Lock()


class Call:
    """A call with its memory bound: `run()` it as often as needed, then read `outputs`."""

    def __init__(
        self, program: SharedLibrary, buffers: list[Buffer], threads: int, poisoned: bool
    ) -> None:
        self._program = program
        self._buffers = buffers
        self._threads = threads
        self._poison = poisoned
        memory = [b.address for b in buffers] + [b.address for b in program._transients]
        self._slots = (ctypes.c_void_p * len(memory))(*memory)
        self.outputs: tuple[Any, ...] = tuple(
            buffer.owner
            for argument, buffer in zip(program.manifest.arguments, buffers, strict=True)
            if argument.role == "output"
        )

    def run(self) -> None:
        """Runs the whole plan once, writing `outputs`."""
        with self._program._lock:
            if self._poison:
                self._poison_memory()
            self._run(0, len(self._program._steps))

    def time_steps(self, repeats: int) -> list[float]:
        """Runs the plan, then each step alone; returns the best time of each in seconds.

        Repeated runs read weights that may be in a cache: compare kernels with these times,
        use `headrace bench` to judge against memory bandwidth.
        """
        best = []
        with self._program._lock:
            self._run(0, len(self._program._steps))
            for index in range(len(self._program._steps)):
                times = []
                for _ in range(repeats):
                    start = time.perf_counter()
                    self._run(index, 1)
                    times.append(time.perf_counter() - start)
                best.append(min(times))
        return best

    def _run(self, first: int, count: int) -> None:
        program = self._program
        steps = ctypes.byref(program._steps, first * ctypes.sizeof(_Step))
        result = program._library.hr_plan_run(steps, count, self._slots, self._threads)
        if result == _NO_THREADS:
            raise MachineError(
                f"cannot start {self._threads} threads: the system refused (see ulimit -u); "
                "pass a smaller 'threads'"
            )
        if result != 0:
            raise ArtifactError(f"the executor rejected the plan (code {result})")

    def _poison_memory(self) -> None:
        manifest = self._program.manifest
        for argument, buffer in zip(manifest.arguments, self._buffers, strict=True):
            if argument.role == "output":
                poison(buffer.address, argument.bytes)
        for size, buffer in zip(manifest.transients, self._program._transients, strict=True):
            poison(buffer.address, size)


def _check_threads(threads: int | None) -> int:
    if threads is None:
        return machine.default_threads()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ArgumentError(f"threads: expected a number from 1, but got {threads!r}")
    return min(threads, machine.MAX_THREADS)


# The dynamic linker takes a path it has seen before for the same library, even if the file is
# another one now (an artifact saved over an old one). So each new content gets its own spelling.
_opened: dict[str, list[str]] = {}
_opened_lock = threading.Lock()


def _open(path: Path, sha256: str) -> ctypes.CDLL:
    path = path.resolve()
    with _opened_lock:
        contents = _opened.setdefault(str(path), [])
        if sha256 not in contents:
            contents.append(sha256)
        spelling = f"{path.parent}/{'./' * contents.index(sha256)}{path.name}"
        try:
            library = ctypes.CDLL(spelling, mode=os.RTLD_NOW | os.RTLD_LOCAL)
        except OSError as error:
            raise ArtifactError(f"cannot load {path}: {error}") from error
    for symbol in ("hr_abi_version", "hr_plan_run"):
        if not hasattr(library, symbol):
            raise ArtifactError(f"{path} is not a Headrace library: it has no symbol '{symbol}'")
    library.hr_abi_version.restype = ctypes.c_uint32
    library.hr_plan_run.restype = ctypes.c_int32
    library.hr_plan_run.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_uint32,
    ]
    return library


_programs: weakref.WeakSet[SharedLibrary] = weakref.WeakSet()


def _after_fork() -> None:
    global _opened_lock
    _opened_lock = threading.Lock()
    for program in _programs:
        program.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
