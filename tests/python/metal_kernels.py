"""Metal kernels of others, as third_party/fetch_metal_kernels.sh fetches them at set-up."""

from pathlib import Path

import pytest

from headrace.bench.metal import ggml
from headrace.sim import msl

FOLDER = Path(__file__).resolve().parents[2] / "third_party" / "metal"
MLX = FOLDER / "mlx"

there = pytest.mark.skipif(
    not (FOLDER / ".complete").exists(),
    reason="kernels of others are not there: third_party/fetch_metal_kernels.sh fetches them",
)


def ggml_source(name: str) -> dict[str, object]:
    """What `msl.build` and `msl.inner_loop` take for a matrix-vector product of ggml."""
    return ggml.arguments(FOLDER, name)


def ggml_library(name: str, **options: bool) -> msl.Library:
    kernels = [ggml.kernel_name(name)]
    return msl.build(**ggml_source(name), kernels=kernels, **options)  # type: ignore[arg-type]
