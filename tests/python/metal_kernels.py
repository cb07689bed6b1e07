"""Metal kernels of others, as third_party/fetch_metal_kernels.sh fetches them at set-up."""

from pathlib import Path

import pytest

from headrace.sim import msl

FOLDER = Path(__file__).resolve().parents[2] / "third_party" / "metal"
GGML = FOLDER / "ggml"
MLX = FOLDER / "mlx"

there = pytest.mark.skipif(
    not (FOLDER / ".complete").exists(),
    reason="kernels of others are not there: third_party/fetch_metal_kernels.sh fetches them",
)

# Rows of a simdgroup and simdgroups of a threadgroup, in llama.cpp's ggml-metal-impl.h.
GGML_SHAPES = {
    "q4_0": (4, 2),
    "q5_0": (4, 2),
    "q8_0": (2, 4),
    "q4_K": (2, 2),
    "q5_K": (1, 2),
    "q6_K": (2, 2),
}


def ggml_kernel(name: str) -> str:
    return f"kernel_mul_mv_{name}_f32"


def ggml_source(name: str) -> dict[str, object]:
    """What `msl.build` and `msl.inner_loop` take for a matrix-vector product of ggml: one matrix,
    one vector."""
    simdgroups = GGML_SHAPES[name][1]
    return {
        "source": (GGML / "kernels" / "mul_mv.metal").read_text(),
        "include": [GGML / "kernels", GGML],
        "function_constants": {600: simdgroups, 602: 1, 603: 1, 604: 1, 605: False},
    }


def ggml_library(name: str, **options: bool) -> msl.Library:
    kernels = [ggml_kernel(name)]
    return msl.build(**ggml_source(name), kernels=kernels, **options)  # type: ignore[arg-type]
