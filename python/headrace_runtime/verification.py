"""What an artifact says its results should be, for machines without the compiler.

Inputs are drawn from the artifact's seed, outputs are compared with results that it carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import drawn
from .checked_json import Table
from .errors import ArtifactError, MachineError
from .files import check_sha256, inside
from .manifest import Argument, Manifest

Array = npt.NDArray[Any]
_DTYPES = {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "i16": "<i2", "i8": "i1"}


class Verification:
    """What an artifact says its results should be: inputs, and comparison of outputs."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        top = Table(manifest.data, "")
        if "verification" not in manifest.data:
            raise ArtifactError(
                f"artifact {folder} has nothing to compare results with; compile it from an "
                f"operation: headrace compile OPERATION --target {manifest.target} -o DIR"
            )
        self._folder = folder
        self._manifest = manifest
        self._table = top.table("verification")

    def inputs(self) -> list[Array]:
        """The inputs in order, in the types that a call takes."""
        pairs = zip(self.memory(), self._manifest.inputs, strict=True)
        return [_typed(data, argument) for data, argument in pairs]

    def memory(self) -> list[npt.NDArray[np.uint8]]:
        """The bytes of the inputs in order."""
        seed = self._table.count("seed")
        recipes = self._table.tables("inputs")
        if len(recipes) != len(self._manifest.inputs):
            raise ArtifactError(f"verification.inputs: expected {len(self._manifest.inputs)}")
        found = []
        pairs = zip(recipes, self._manifest.inputs, strict=True)
        for stream, (table, argument) in enumerate(pairs):
            if "file" in table.data:
                data = self._load(table).view(np.uint8).reshape(-1)
            else:
                numbers = [drawn.Numbers.of(t, argument.bytes) for t in table.tables("numbers")]
                data = drawn.draw(argument.bytes, numbers, seed, stream)
            if drawn.sha256(data) != table.text("sha256"):
                raise ArtifactError(
                    f"verification: input '{argument.name}' is not the one that results were "
                    f"computed with (NumPy {np.__version__})"
                )
            found.append(data)
        return found

    def compare(self, outputs: Sequence[Array]) -> list[dict[str, Any]]:
        """For each output: relative error, or how many differ where none may; the bound."""
        records = []
        tables = self._table.tables("outputs")
        for table, argument, got in zip(tables, self._manifest.outputs, outputs, strict=True):
            want, bound = self._load(table), table.amount("bound")
            if "rows" in table.data:
                got = np.concatenate([got[..., a:b] for a, b in _spans(table)], -1)
            if got.shape != want.shape:
                raise ArtifactError(
                    f"verification: '{argument.name}' has shape {list(got.shape)}, but results to "
                    f"compare with have {list(want.shape)}"
                )
            error = _error(got, want, exact=bound == 0)
            records.append(
                {"output": argument.name, "error": error, "bound": bound, "ok": error <= bound}
            )
        return records

    def _load(self, table: Table) -> Array:
        name = table.text("file")
        check_sha256(self._folder, {name: self._manifest.sha256.get(name, "")})
        values: Array = np.load(inside(self._folder, name), allow_pickle=False)
        return values


def agree(runs: Sequence[Sequence[Array]]) -> bool:
    """Whether all runs gave the same outputs, bit for bit."""
    first, *others = runs
    return all(
        one.tobytes() == other.tobytes()
        for run in others
        for one, other in zip(first, run, strict=True)
    )


def _spans(table: Table) -> list[tuple[int, int]]:
    """First row and the one behind the last, of each part that there are results for."""
    spans = table.data["rows"]
    if not isinstance(spans, list) or not all(
        isinstance(span, list) and len(span) == 2 and all(type(row) is int for row in span)
        for span in spans
    ):
        raise ArtifactError(f"{table.where('rows')}: expected pairs of rows, but got {spans!r:.80}")
    return [(span[0], span[1]) for span in spans]


def _typed(data: npt.NDArray[np.uint8], argument: Argument) -> Array:
    if argument.dtype == "bf16":
        try:
            import ml_dtypes
        except ImportError as error:
            raise MachineError(
                "inputs in bfloat16 need the package ml_dtypes: pip install ml_dtypes"
            ) from error
        return data.view(ml_dtypes.bfloat16).reshape(argument.shape)
    return data.view(_DTYPES[argument.dtype]).reshape(argument.shape)


def _error(got: Array, want: Array, *, exact: bool) -> float:
    """Relative in the Euclidean norm; 1e300 for what is no number."""
    if exact:
        return float(np.count_nonzero(got != want))
    values, norm = got.astype(np.float64), float(np.linalg.norm(want))
    error = float(np.linalg.norm(values - want)) / norm if norm else float(np.abs(values).max())
    return error if np.isfinite(error) else 1e300
