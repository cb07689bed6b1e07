"""Inputs, comparison and files for single runs of an artifact (`headrace run`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import formats, ops, runs_attention, runs_sparse
from headrace.errors import UsageError
from headrace_runtime import Argument, Artifact

__all__ = ["DTYPES", "compare", "inputs_for", "load_inputs", "summary", "write_results"]

Array = npt.NDArray[Any]

DTYPES: Mapping[str, Any] = {
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "i64": np.int64,
    "i32": np.int32,
    "i16": np.int16,
    "i8": np.int8,
}


def inputs_for(artifact: Artifact, seed: int) -> list[Array]:
    """Random inputs: normal activations, and weights quantized from normal values."""
    draw = np.random.default_rng(seed)
    spec = _spec_of(artifact)
    if isinstance(spec, ops.AttentionSpec):
        return runs_attention.inputs_for(spec, draw)
    return [_random(item, draw) for item in artifact.arguments if item.role == "input"]


def _spec_of(artifact: Artifact) -> ops.Operation | None:
    """The operation that the artifact is, if it is a single one."""
    written = artifact.manifest.get("source")
    return None if written is None else ops.parse(written)


def _random(argument: Argument, draw: np.random.Generator) -> Array:
    if argument.packed is not None:
        shape = (argument.packed.rows, argument.packed.cols)
        return _encode(argument, draw.normal(0.0, 0.02, shape))
    if argument.dtype.startswith("i"):
        return draw.integers(-100, 100, argument.shape).astype(DTYPES[argument.dtype])
    return draw.normal(size=argument.shape).astype(DTYPES[argument.dtype])


def _encode(argument: Argument, values: Array) -> Array:
    assert argument.packed is not None
    form = formats.get(argument.packed.format)
    return np.asarray(form.encode(values.astype(np.float32))).reshape(-1)


def load_inputs(artifact: Artifact, paths: Sequence[Path]) -> list[Array]:
    """Inputs from .npy files in order, or from one .npz by name.

    A packed input may be its bytes, or its values (rows, cols), which are quantized.
    """
    wanted = [item for item in artifact.arguments if item.role == "input"]
    names = ", ".join(item.name for item in wanted)
    if len(paths) == 1 and paths[0].suffix == ".npz":
        arrays = _read(paths[0])
        if missing := [item.name for item in wanted if item.name not in arrays]:
            raise UsageError(f"{paths[0]}: no array named '{missing[0]}'; expected {names}")
        values = [arrays[item.name] for item in wanted]
    elif len(paths) == len(wanted):
        values = [_read(path) for path in paths]
    else:
        raise UsageError(
            f"run: expected {len(wanted)} .npy files ({names}) or one .npz, but got {len(paths)}"
        )
    return [_fit(item, value) for item, value in zip(wanted, values, strict=True)]


def _read(path: Path) -> Any:
    try:
        value = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"cannot read {path}: {error}; allowed: .npy and .npz") from error
    if path.suffix == ".npz":
        return value
    if not isinstance(value, np.ndarray):
        raise UsageError(f"{path}: expected a .npy file with one array")
    return value


def _fit(argument: Argument, value: Array) -> Array:
    packed = argument.packed
    is_float = np.issubdtype(value.dtype, np.floating)
    if packed is not None and is_float and value.shape == (packed.rows, packed.cols):
        return _encode(argument, value)
    if argument.dtype == "bf16" and is_float:
        return value.astype(ml_dtypes.bfloat16)
    if argument.dtype == "bf16" and value.dtype.itemsize == 2:
        return value.view(ml_dtypes.bfloat16)  # .npy files do not know the type
    return value


def compare(
    artifact: Artifact, inputs: Sequence[Array], results: Sequence[Array]
) -> list[dict[str, Any]]:
    """Errors against the references, if the artifact is a single operation (else empty)."""
    from headrace.check.runner import comparisons

    spec = _spec_of(artifact)
    if spec is None:
        return []
    if isinstance(spec, ops.AttentionSpec):
        return [runs_attention.compare(spec, inputs, results[0])]
    if isinstance(spec, ops.SelectSpec):
        return [runs_sparse.compare(spec, inputs, results)]
    x = None if spec.x_shape is None else inputs[0]
    weights = inputs[len(inputs) - len(spec.weights) :]
    return [
        {"reference": name, "error": error, "bound": bound, "ok": error <= bound}
        for name, error, bound in comparisons(spec, x, weights, results[0])
    ]


def summary(name: str, value: Array) -> dict[str, Any]:
    """What `headrace run` says of an output: dtype, shape, norm, first values."""
    flat = value.reshape(-1).astype(np.float64)
    return {
        "name": name,
        "dtype": str(value.dtype),
        "shape": list(value.shape),
        "norm": float(np.linalg.norm(flat)),
        "head": [float(item) for item in flat[:4]],
    }


def write_results(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz whole or not at all."""
    work = path.with_name(f".{path.name}.{secrets.token_hex(4)}.npz")
    try:
        named: dict[str, Any] = dict(arrays)
        np.savez(work, **named)
        work.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        work.unlink(missing_ok=True)
