"""Ways to run Metal kernels from Python on a Mac: torch.mps, mlx and PyObjC.

Each is a module with a class that has the methods of `Backend`; none is imported before it is
wanted. What is launched is the same text with each, but mlx takes bodies of kernels alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .arrays import is_torch
from .checked_json import Table
from .errors import ArtifactError, MachineError
from .files import inside
from .manifest import Argument, Manifest

Bytes = npt.NDArray[np.uint8]

# Backend -> the module that has it, the package that it needs, how that is installed.
_BACKENDS = {
    "pyobjc": ("metal_pyobjc", "Metal", "pip install pyobjc-framework-Metal"),
    "torch": ("metal_torch", "torch", "pip install torch"),
    "mlx": ("metal_mlx", "mlx.core", "pip install mlx"),
}
NAMES = tuple(_BACKENDS)


@dataclass(frozen=True)
class KernelBuffer:
    """An argument of a kernel: its name and type in the text, its size, what is done to it."""

    name: str
    type: str
    bytes: int
    read: bool
    written: bool


@dataclass(frozen=True)
class MetalKernel:
    """A kernel: threads of a threadgroup, buffers in order, its statements as mlx takes them."""

    name: str
    threads: tuple[int, int, int]
    buffers: tuple[KernelBuffer, ...]
    body: str


@dataclass(frozen=True)
class Launch:
    """A kernel on memory of a backend, at offsets in bytes; `grid` counts threadgroups."""

    kernel: MetalKernel
    grid: tuple[int, int, int]
    memories: tuple[Any, ...]
    offsets: tuple[int, ...]
    constants: tuple[int, ...]

    @property
    def all_threads(self) -> tuple[int, int, int]:
        """Threads of the whole grid, as torch and mlx count."""
        x, y, z = (a * b for a, b in zip(self.grid, self.kernel.threads, strict=True))
        return x, y, z


class Backend(Protocol):
    """A device, with the kernels of one artifact."""

    name: str
    #: The GPU, as the system calls it.
    device: str

    def __init__(self, source: str, kernels: Iterable[MetalKernel]) -> None:
        """Compiles the kernels; MachineError where there is no GPU, ArtifactError where Metal's
        compiler refuses them."""

    def allocate(self, size: int) -> Any:
        """Memory of the device for so many bytes."""

    def write(self, memory: Any, data: Bytes) -> None:
        """Copies `data` to the start of memory."""

    def read(self, memory: Any, size: int) -> Bytes:
        """A copy of the first bytes of memory."""

    def run(self, launches: Sequence[Launch]) -> None:
        """Runs one after the other and waits for the last."""

    def time(self, launches: Sequence[Launch]) -> list[float]:
        """The same; the seconds that each took on the device."""

    def adopt(self, argument: Argument, value: Any) -> Any | None:
        """Memory that is `value`, an array of the backend's package on the device, or a copy
        of it; None if it is no such array. ArgumentError for a wrong type or shape."""

    def result(self, argument: Argument, memory: Any) -> Any:
        """The array of the backend's package that is in memory."""


def kernels_of(folder: Path, manifest: Manifest) -> tuple[str, dict[str, MetalKernel]]:
    """The source of an artifact, and its kernels by name; ArtifactError if they are not whole."""
    top = Table(manifest.data, "")
    files = top.table("files")
    bodies = files.text_map("bodies")
    source = _read(folder, files.text("metal"))
    found = {}
    for table in top.tables("kernels"):
        name = table.text("name")
        threads = table.counts("workgroup")
        if len(threads) != 3 or not 1 <= math.prod(threads) <= 1024:
            raise ArtifactError(f"{table.where('workgroup')}: expected 3 sizes, got {threads}")
        buffers = tuple(
            KernelBuffer(
                name=item.text("name"),
                type=item.text("type"),
                bytes=item.count("bytes"),
                read=item.flag("read"),
                written=item.flag("written"),
            )
            for item in table.tables("buffers")
        )
        if name not in bodies:
            raise ArtifactError(f"files.bodies: expected the body of kernel '{name}'")
        body = _read(folder, bodies[name])
        found[name] = MetalKernel(name, (threads[0], threads[1], threads[2]), buffers, body)
    for index, step in enumerate(manifest.plan):
        wanted = len(found[step.kernel].buffers)
        if len(step.bindings) != wanted:
            raise ArtifactError(
                f"plan[{index}].bindings: expected {wanted}, the buffers of '{step.kernel}', but "
                f"got {len(step.bindings)}"
            )
    return source, found


def _read(folder: Path, name: str) -> str:
    try:
        return inside(folder, name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"artifact {folder}: cannot read '{name}': {error}") from error


def installed() -> list[str]:
    """The backends whose packages are here; whether they find a GPU shows when one is made."""
    return [name for name in NAMES if _is_installed(_BACKENDS[name][1])]


def _is_installed(package: str) -> bool:
    if sys.modules.get(package) is not None:
        return True
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def wanted(values: Sequence[Any]) -> str:
    """The backend for a call: that of the arrays on the device that are passed, else the first that
    is here."""
    for value in values:
        package = type(value).__module__.partition(".")[0]
        if package == "mlx" or (is_torch(value) and value.device.type == "mps"):
            return "mlx" if package == "mlx" else "torch"
    here = installed()
    if not here:
        ways = ", ".join(install for _, _, install in _BACKENDS.values())
        raise MachineError(f"nothing here runs Metal kernels; allowed: {ways}")
    return here[0]


def make(name: str, source: str, kernels: Iterable[MetalKernel]) -> Backend:
    """A backend with these kernels; MachineError if its package is not installed."""
    if name not in _BACKENDS:
        raise MachineError(f"unknown backend '{name}'; allowed: {', '.join(NAMES)}")
    module, package, install = _BACKENDS[name]
    if not _is_installed(package):
        raise MachineError(f"the backend {name} needs the package {package}: {install}")
    kind: type[Backend] = importlib.import_module(f"{__package__}.{module}").METAL
    return kind(source, kernels)
