"""The manifest of an artifact: what `manifest.json` says, checked and typed.

Schema 1. A program is a list of *arguments* (inputs, then outputs), scratch buffers
(*transients*) that live for one call, and a *plan*: kernel launches in order, each binding
arguments and transients at byte offsets. Everything here raises ArtifactError with the path
into the manifest and what was expected there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .checked_json import INT32_MAX, Table
from .errors import ArtifactError
from .files import MANIFEST

SCHEMA = 1

#: Bytes of one element of every dtype an argument may have.
ITEM_BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1}


@dataclass(frozen=True)
class Packed:
    """The quantized weight inside a byte argument; rows are outputs, columns inputs."""

    rows: int
    cols: int
    padded_rows: int
    padded_cols: int
    format: str
    attribute: str


@dataclass(frozen=True)
class Argument:
    """One argument of the program. `shape` counts elements of `dtype` (bytes if packed).

    cache: the type of the cache inside a byte argument, as the IR writes it.
    updated: the program writes to this input where it lies, and it is this result of the function
        that was compiled.
    """

    name: str
    role: Literal["input", "output"]
    dtype: str
    shape: tuple[int, ...]
    packed: Packed | None = None
    cache: str | None = None
    updated: int | None = None

    @property
    def contents(self) -> str | None:
        """What the bytes of the argument are, for messages; None for plain numbers."""
        if self.cache is not None:
            return f"{self.bytes} bytes (int8 or uint8) of a {self.cache}"
        if self.packed is None:
            return None
        packed = self.packed
        what = (
            f"{self.bytes} bytes (int8 or uint8) of {packed.format} weights, "
            f"{packed.rows}x{packed.cols}"
        )
        if (packed.padded_rows, packed.padded_cols) != (packed.rows, packed.cols):
            what += f" padded to {packed.padded_rows}x{packed.padded_cols}"
        return what

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Modelled:
    """What a launch takes on a described device, by the compiler's cost model: never measured."""

    device: str
    time_us: float
    energy_uj: float


@dataclass(frozen=True)
class Kernel:
    """One kernel: `bytes` it moves and `operations` it does per launch (over its whole grid).

    activations: what a product's activations are in, `f32`, `bf16` or `i8`.
    """

    name: str
    op: str
    format: str | None
    bytes: int
    operations: int
    activations: str | None = None
    modelled: Modelled | None = None


@dataclass(frozen=True)
class Binding:
    """One memory argument of a kernel: buffer `index` of that kind, `offset` bytes into it."""

    kind: Literal["argument", "transient"]
    index: int
    offset: int


@dataclass(frozen=True)
class Step:
    """One launch of a kernel over a grid of workgroups (x, y, z)."""

    kernel: str
    grid: tuple[int, int, int]
    bindings: tuple[Binding, ...]
    constants: tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """A checked manifest; `data` is the JSON object it was made from."""

    data: dict[str, Any]
    headrace: str
    target: str
    loader: str
    entry: str
    machine: str | None
    system: str | None
    features: tuple[str, ...]
    arguments: tuple[Argument, ...]
    transients: tuple[int, ...]
    kernels: tuple[Kernel, ...]
    plan: tuple[Step, ...]
    library: str | None
    ir: dict[str, str]
    sources: dict[str, str]
    sha256: dict[str, str]

    @property
    def inputs(self) -> tuple[Argument, ...]:
        """Arguments the caller passes, in order."""
        return tuple(a for a in self.arguments if a.role == "input")

    @property
    def outputs(self) -> tuple[Argument, ...]:
        """Arguments the call returns, in order."""
        return tuple(a for a in self.arguments if a.role == "output")

    def kernel(self, name: str) -> Kernel:
        """The kernel of that name; KeyError if there is none."""
        for kernel in self.kernels:
            if kernel.name == name:
                return kernel
        raise KeyError(name)

    def op_of(self, argument: Argument) -> str:
        """The operation that first touches an argument, for messages; the entry if none does."""
        index = self.arguments.index(argument)
        for step in self.plan:
            if any(b.kind == "argument" and b.index == index for b in step.bindings):
                return self.kernel(step.kernel).op
        return self.entry


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks `manifest.json` of an artifact folder."""
    path = folder / MANIFEST
    if not folder.exists():
        raise ArtifactError(f"artifact {folder}: no such folder")
    if not path.is_file():
        raise ArtifactError(f"artifact {folder}: not a Headrace artifact (it has no {MANIFEST})")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:  # ValueError: JSON or UTF-8
        raise ArtifactError(f"artifact {folder}: {MANIFEST} is damaged: {error}") from error
    try:
        return parse_manifest(data)
    except ArtifactError as error:
        raise ArtifactError(f"artifact {folder}: {error}") from None


def parse_manifest(data: Any) -> Manifest:
    """Checks a manifest given as the object that JSON decodes to."""
    _check_schema(data)
    top = Table(data, "")
    requires = top.table("requires", optional=True)
    files = top.table("files")
    manifest = Manifest(
        data=data,
        headrace=top.text("headrace"),
        target=top.text("target"),
        loader=top.text("loader"),
        entry=top.text("entry"),
        machine=requires.optional_text("machine"),
        system=requires.optional_text("os"),
        features=tuple(requires.texts("features")),
        arguments=tuple(_argument(t) for t in top.tables("arguments")),
        transients=tuple(t.count("bytes") for t in top.tables("transients", optional=True)),
        kernels=tuple(_kernel(t) for t in top.tables("kernels")),
        plan=tuple(_step(t) for t in top.tables("plan")),
        library=files.optional_text("library"),
        ir=files.text_map("ir"),
        sources=files.text_map("sources"),
        sha256=top.text_map("sha256"),
    )
    _check_references(manifest)
    return manifest


def _check_schema(data: Any) -> None:
    if not isinstance(data, dict) or "schema" not in data:
        raise ArtifactError(f"{MANIFEST} is not an artifact manifest: it has no 'schema'")
    if data["schema"] != SCHEMA or isinstance(data["schema"], bool):
        by = f" (written by headrace {data['headrace']})" if "headrace" in data else ""
        raise ArtifactError(
            f"{MANIFEST} has schema {data['schema']!r}{by}, but this runtime reads schema "
            f"{SCHEMA}; compile the artifact again, or install the headrace-runtime of the version "
            "that wrote it"
        )


def _argument(table: Table) -> Argument:
    role = table.text("role", ("input", "output"))
    dtype = table.text("dtype", tuple(ITEM_BYTES))
    packed = None
    if "packed" in table.data:
        inner = table.table("packed")
        packed = Packed(
            rows=inner.count("rows"),
            cols=inner.count("cols"),
            padded_rows=inner.count("padded_rows"),
            padded_cols=inner.count("padded_cols"),
            format=inner.text("format"),
            attribute=inner.text("attribute"),
        )
    return Argument(
        name=table.text("name"),
        role="input" if role == "input" else "output",
        dtype=dtype,
        shape=tuple(table.counts("shape")),
        packed=packed,
        cache=table.optional_text("cache"),
        updated=table.count("updated") if "updated" in table.data else None,
    )


def _kernel(table: Table) -> Kernel:
    modelled = None
    if "modelled" in table.data:
        inner = table.table("modelled")
        modelled = Modelled(
            device=inner.text("device"),
            time_us=inner.amount("time_us"),
            energy_uj=inner.amount("energy_uj"),
        )
    return Kernel(
        name=table.text("name"),
        op=table.text("op"),
        format=table.optional_text("format"),
        bytes=table.count("bytes"),
        operations=table.count("operations"),
        activations=table.optional_text("activations"),
        modelled=modelled,
    )


def _step(table: Table) -> Step:
    grid = table.counts("grid", most=INT32_MAX)
    if len(grid) != 3:
        raise ArtifactError(f"{table.where('grid')}: expected 3 numbers, but got {len(grid)}")
    return Step(
        kernel=table.text("kernel"),
        grid=(grid[0], grid[1], grid[2]),
        bindings=tuple(_binding(t) for t in table.tables("bindings")),
        constants=tuple(table.int32s("constants")),
    )


def _binding(table: Table) -> Binding:
    offset = table.count("offset") if "offset" in table.data else 0
    match ("argument" in table.data, "transient" in table.data):
        case (True, False):
            return Binding("argument", table.count("argument"), offset)
        case (False, True):
            return Binding("transient", table.count("transient"), offset)
    raise ArtifactError(f"{table.path}: expected either 'argument' or 'transient'")


def _check_references(manifest: Manifest) -> None:
    """Every name and index refers to something, every offset lies inside its buffer."""
    names = {kernel.name for kernel in manifest.kernels}
    sizes = {
        "argument": [a.bytes for a in manifest.arguments],
        "transient": list(manifest.transients),
    }
    for i, step in enumerate(manifest.plan):
        if step.kernel not in names:
            raise ArtifactError(
                f"plan[{i}].kernel: expected one of {sorted(names)}, but got '{step.kernel}'"
            )
        for j, binding in enumerate(step.bindings):
            where = f"plan[{i}].bindings[{j}]"
            buffers = sizes[binding.kind]
            if binding.index >= len(buffers):
                raise ArtifactError(
                    f"{where}: {binding.kind} {binding.index} does not exist; there are "
                    f"{len(buffers)}"
                )
            if binding.offset > buffers[binding.index]:
                raise ArtifactError(
                    f"{where}: offset {binding.offset} is past the end of {binding.kind} "
                    f"{binding.index} ({buffers[binding.index]} bytes)"
                )
