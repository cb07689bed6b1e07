"""The matrix-vector products of llama.cpp for Metal, in the simulator.

third_party/fetch_metal_kernels.sh fetches them, as part of `make setup`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench.metal.figures import Counted, Problem, loads, weights_of_a_turn
from headrace.bench.peers.base import Unavailable
from headrace.reference import relative_l2
from headrace.sim import msl
from headrace.targets.metal.simulate import sectors

__all__ = ["SHAPES", "arguments", "count", "folder", "kernel_name", "launch"]

# Rows of a simdgroup and simdgroups of a threadgroup, in llama.cpp's ggml-metal-impl.h.
SHAPES = {
    "q4_0": (4, 2),
    "q5_0": (4, 2),
    "q8_0": (2, 4),
    "q4_K": (2, 2),
    "q5_K": (1, 2),
    "q6_K": (2, 2),
}
# Weights of one turn of the innermost loop.
_TURNS = {"q4_0": 64, "q5_0": 64, "q8_0": 16, "q4_K": 64, "q6_K": 32}


def folder() -> Path | None:
    """Where the kernels of others are, None where they were not fetched."""
    for parent in Path(__file__).resolve().parents:
        found = parent / "third_party" / "metal"
        if (found / ".complete").exists():
            return found
    return None


def kernel_name(name: str) -> str:
    """The kernel of a type of ggml, such as q4_K."""
    return f"kernel_mul_mv_{name}_f32"


def arguments(root: Path, name: str) -> dict[str, Any]:
    """What `msl.build` and `msl.inner_loop` take for a product of one matrix and one vector."""
    kernels = root / "ggml" / "kernels"
    return {
        "source": (kernels / "mul_mv.metal").read_text(),
        "include": [kernels, root / "ggml"],
        "function_constants": {600: SHAPES[name][1], 602: 1, 603: 1, 604: 1, 605: False},
    }


def launch(
    library: msl.Library, name: str, weights: Any, x: Any, schedule: msl.Schedule | None = None
) -> tuple[Any, msl.Run]:
    """The product of `weights`, rows of bytes, and x; and the run."""
    rows, simdgroups = SHAPES[name]
    m, k, row_bytes = len(weights), len(x), weights.shape[1]
    sizes = struct.pack(
        "<iii4xQQQQiii4xQQQQiiihh",
        *(k, m, 1, 0, row_bytes, row_bytes * m, row_bytes * m),
        *(k, 1, 1, 4, 4 * k, 4 * k, 4 * k),
        *(m, 1, rows, 1, 1),
    )
    # The simdgroups of q8_0 share their rows, the others have rows of their own.
    shared = name == "q8_0"
    per_group = rows if shared else rows * simdgroups
    y = np.full(m, np.nan, np.float32)
    run = library.launch(
        kernel_name(name),
        buffers=[np.frombuffer(sizes + bytes(-len(sizes) % 8), np.uint8), weights, x, y],
        threadgroup=[32 * 4 * rows] if shared else [],
        grid=(-(-m // per_group), 1, 1),
        threads=(32, simdgroups, 1),
        schedule=schedule,
    )
    return y, run


def count(problem: Problem) -> Counted:
    """The product; Unavailable where ggml has no such type or was not fetched."""
    name = problem.format[:-1] + "K" if problem.format.endswith("_k") else problem.format
    if name not in _TURNS:
        raise Unavailable(f"ggml has no {problem.format}")
    root = folder()
    if root is None:
        raise Unavailable("not fetched; third_party/fetch_metal_kernels.sh does so")
    given = arguments(root, name)
    library = msl.build(**given, kernels=[kernel_name(name)], trace=True)
    y, run = launch(library, name, problem.weights.reshape(problem.rows, -1), problem.x)
    assert run.traffic is not None
    _, *traffic = run.traffic
    weights = sectors(traffic[0])
    loop = msl.inner_loop(kernel=kernel_name(name), **given)
    return Counted(
        who="ggml",
        stored_share=weights / problem.weights.nbytes,
        bytes_per_weight=weights / problem.count,
        loads_per_weight=loads(traffic) / problem.count,
        instructions_per_weight=weights_of_a_turn(loop, _TURNS[name]),
        launches=1,
        error=relative_l2(y, problem.want),
    )
