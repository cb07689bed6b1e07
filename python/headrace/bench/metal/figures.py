"""What products of Metal kernels move and take, whoever wrote them: counted by the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import headrace
from headrace import formats, ops, runs_attention
from headrace.bench.peers.base import Unavailable
from headrace.check import storage
from headrace.errors import CompileError
from headrace.reference import relative_l2
from headrace.sim import msl
from headrace.targets.metal import simulate, timing
from headrace.targets.metal.description import MetalDescription
from headrace.targets.metal.package import SOURCE
from headrace.targets.metal.simulate import sectors

__all__ = ["Counted", "Problem", "cache_share", "ours", "weights_of_a_turn"]

Array = npt.NDArray[Any]

# Weights that a lane of our kernels multiplies in one turn of the innermost loop.
_TURNS = {
    **dict.fromkeys(("q4_0", "q5_0", "q8_0", "q4_k", "q6_k"), 64),
    **dict.fromkeys(("q4nx", "int4:g128"), 128),
}


@dataclass(frozen=True)
class Problem:
    """A product: weights in storage, activations, and the result in float64."""

    format: str
    rows: int
    columns: int
    weights: npt.NDArray[np.uint8]
    x: npt.NDArray[np.float32]
    want: npt.NDArray[np.float64]

    @classmethod
    def draw(cls, name: str, rows: int, columns: int, seed: int) -> Problem:
        """Any bytes with sane scales, normal activations."""
        rng = np.random.default_rng([seed, rows, columns])
        form = formats.get(name)
        weights = storage.near(form, rows, columns, rng, 0.01)
        x = rng.standard_normal(columns, dtype=np.float32)
        values = form.decode(weights, rows, columns).astype(np.float64)
        return cls(name, rows, columns, weights, x, values @ x)

    @property
    def count(self) -> int:
        """Weights."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Counted:
    """What a product takes, of sectors of 64 bytes that launches touch.

    stored_share: sectors of the stored weights, over their bytes.
    bytes_per_weight: of all that grows with the weights, copies of them in other types included.
    loads_per_weight: of all threads.
    instructions_per_weight: of the innermost loop; None where nothing is a loop.
    error: relative, against float64.
    """

    who: str
    stored_share: float
    bytes_per_weight: float
    loads_per_weight: float
    instructions_per_weight: float | None
    launches: int
    error: float

    def modelled_us(self, chip: MetalDescription, rows: int, columns: int) -> float:
        """The modelled time of a product of that shape."""
        model = timing.calibrate()
        weights = rows * columns
        nbytes = self.bytes_per_weight * weights + 4 * (rows + columns)
        instructions = (self.instructions_per_weight or 0) * weights
        whole = model.kernel_us(chip, nbytes, instructions)
        return whole + (self.launches - 1) * model.launch_us

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return {
            "stored_share": round(self.stored_share, 4),
            "bytes_per_weight": round(self.bytes_per_weight, 4),
            "loads_per_weight": round(self.loads_per_weight, 4),
            "instructions_per_weight": None
            if self.instructions_per_weight is None
            else round(self.instructions_per_weight, 3),
            "launches": self.launches,
            "error": self.error,
        }


def weights_of_a_turn(loop: msl.InnerLoop, wanted: int) -> float:
    """Instructions for each of the `wanted` weights that a turn of the loop multiplies.

    Raises CompileError if the loop has not as many multiply-adds: then `wanted` is wrong.
    """
    found = sum(n for name, n in loop.operations.items() if "fma" in name or "mac" in name)
    if not 0.9 * wanted <= found <= 2 * wanted:
        raise CompileError(
            f"expected a loop that multiplies {wanted} weights, but got one with {found} "
            "multiply-adds"
        )
    return loop.instructions / wanted


def ours(problem: Problem, chip: str) -> Counted:
    """Our matrix-vector product; Unavailable where there is no kernel."""
    from headrace.bench.session import compiled

    spec = ops.matvec(problem.rows, problem.columns, format=problem.format)
    artifact = compiled(spec, f"metal:{chip}", keep_ir=True)
    arguments, runs = simulate.run_traced(artifact, [problem.x, problem.weights])
    (kernel,), (traffic,) = artifact.manifest["kernels"], runs
    names = [buffer["name"] for buffer in kernel["buffers"]]
    weights = sectors(traffic[names.index("w")])
    if problem.format not in _TURNS:
        raise Unavailable(
            f"how many weights a turn of the loop has is not known of {problem.format}"
        )
    loop = msl.inner_loop(artifact.sources[SOURCE], kernel["name"])
    return Counted(
        who="ours",
        stored_share=weights / problem.weights.nbytes,
        bytes_per_weight=weights / problem.count,
        loads_per_weight=loads(traffic) / problem.count,
        instructions_per_weight=weights_of_a_turn(loop, _TURNS[problem.format]),
        launches=1,
        error=relative_l2(arguments[-1], problem.want),
    )


def cache_share(dtype: str, slots: int, seed: int) -> tuple[str, float]:
    """What is decoded, and the sectors that attention to a full cache touches of it, over its
    bytes. Raises CompileError for a wrong result."""
    spec = ops.decode(heads=8, kv_heads=2, dim=128, slots=slots, cache=dtype)
    artifact = headrace.compile(spec, target="metal:m2-max")
    inputs = runs_attention.inputs_for(spec, np.random.default_rng(seed))
    arguments, launches = simulate.run_traced(artifact, inputs)
    found = runs_attention.compare(spec, inputs, arguments[-1])
    if not found["ok"]:
        raise CompileError(f"{spec}: computes something else in the simulator")
    touched = sum(
        sectors(traffic[index])
        for step, traffic in zip(artifact.manifest["plan"], launches, strict=True)
        for index, binding in enumerate(step["bindings"])
        if binding.get("argument") == 1
    )
    return f"{dtype}, {slots} tokens", touched / inputs[1].nbytes


def loads(traffic: Sequence[msl.Traffic]) -> int:
    """Loads of all threads from all buffers."""
    return sum(part.loads for part in traffic)
