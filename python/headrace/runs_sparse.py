"""Comparison of products that skip columns, for single runs (`headrace run sparse_matvec:...`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import reference
from headrace.ops_sparse import SelectSpec, SparseSpec
from headrace.references import sparse

__all__ = ["compare", "evaluate"]

Array = npt.NDArray[Any]

# A CPU may add columns times bf16 as integers of 15 bits, as `headrace check` has it.
_BOUNDS = {"f32": reference.BOUNDS["f32"], "bf16": 1e-4}


def evaluate(spec: SelectSpec, inputs: Sequence[Array]) -> list[Array]:
    """What `spec` should give: indices and count, or y in float64."""
    selected = sparse.select_columns(inputs[0], spec.limit)
    if not isinstance(spec, SparseSpec):
        return list(selected)
    data = np.asarray(inputs[1]).view(np.uint8).reshape(-1)
    weights = reference.decode(spec.format, data, spec.m, spec.k)
    columns = selected[0][: selected[1][0]]
    return [weights[:, columns].astype(np.float64) @ inputs[0][columns].astype(np.float64)]


def compare(spec: SelectSpec, inputs: Sequence[Array], results: Sequence[Array]) -> dict[str, Any]:
    """The error against NumPy."""
    wants = evaluate(spec, inputs)
    if isinstance(spec, SparseSpec):
        bound = _BOUNDS[spec.activations]
        error = reference.relative_l2(results[0], wants[0])
        name = f"float64, weights by {reference.decoder(spec.format)}"
    else:
        pairs = zip(results, wants, strict=True)
        bound = reference.BOUNDS["exact"]
        error = sum(reference.count_differences(got, want) for got, want in pairs)
        name = "numpy"
    return {"reference": name, "error": error, "bound": bound, "ok": error <= bound}
