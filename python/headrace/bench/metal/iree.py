"""What IREE compiles for Metal of the same operation, in the simulator.

It gets the operation as the linalg that it decomposes to, and makes two kernels of it: one writes
the weights as f32, the other multiplies them.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from headrace import ops
from headrace.bench.metal.figures import Counted, Problem, loads
from headrace.bench.peers.base import Unavailable
from headrace.reference import relative_l2
from headrace.sim import msl
from headrace.sim.msl import SimulationError
from headrace.targets.metal.simulate import sectors

__all__ = ["FLAGS", "count", "kernels_of"]

FLAGS = (
    "--iree-hal-target-device=metal",
    "--iree-metal-compile-to-metallib=false",
)
# Values that a thread of the first kernel may write.
_WIDTHS = (1, 2, 4, 8)


def kernels_of(module: str) -> list[tuple[str, str, int]]:
    """Source, name and threads of a threadgroup of each kernel, in the order of dispatches.

    Raises Unavailable where IREE is not installed or compiles no Metal of the module.
    """
    try:
        import iree.compiler as compiler
    except ImportError:
        raise Unavailable("iree-base-compiler is not installed") from None
    with tempfile.TemporaryDirectory(prefix="headrace-iree-") as name:
        dump = f"--iree-hal-dump-executable-files-to={name}"
        try:
            compiler.compile_str(module, extra_args=[*FLAGS, dump])
        except compiler.CompilerToolError as error:
            raise Unavailable(str(error).partition("\n")[0]) from error
        found = []
        for path in sorted(Path(name).glob("*.metal")):
            source = path.read_text()
            ir = path.with_name(re.sub(r"\d*\.metal$", ".mlir", path.name)).read_text()
            kernel = re.search(r"kernel void (\w+)\(", source)
            block = re.search(r"known_block_size = array<i32: (\d+), 1, 1>", ir)
            if kernel is None or block is None:
                raise Unavailable(f"its {path.name} is not what is expected of it")
            found.append((source, kernel[1], int(block[1])))
    return found


def _module(problem: Problem) -> str:
    from headrace.decomposition import decompose
    from headrace.reference_iree import leave_only_what_iree_knows

    spec = ops.matvec(problem.rows, problem.columns, format=problem.format)
    lowered, name, _, _ = decompose(spec.build(), None)
    leave_only_what_iree_knows(lowered, name)
    return str(lowered)


def count(problem: Problem) -> Counted:
    """The product; Unavailable where IREE does not make the two kernels of it."""
    kernels = kernels_of(_module(problem))
    if len(kernels) != 2:
        raise Unavailable(f"it makes {len(kernels)} kernels of it, not those that are known")
    (first, first_name, first_threads), (second, second_name, second_threads) = kernels
    decode = msl.build(first, trace=True)
    values, unpacked = _unpack(decode, first_name, first_threads, problem)
    y = np.full(problem.rows, np.nan, np.float32)
    library = msl.build(second, trace=True)
    values.flags.writeable = False
    run = library.launch(
        second_name,
        buffers=[[values, problem.x, y]],
        grid=(problem.rows, 1, 1),
        threads=(second_threads, 1, 1),
    )
    assert run.traffic is not None
    multiplied = run.traffic[1:]
    stored = sectors(unpacked[0])
    moved = stored + sectors(unpacked[1]) + sectors(multiplied[0])
    return Counted(
        who="iree",
        stored_share=stored / problem.weights.nbytes,
        bytes_per_weight=moved / problem.count,
        loads_per_weight=(loads(unpacked) + loads(multiplied)) / problem.count,
        instructions_per_weight=None,
        launches=2,
        error=relative_l2(y, problem.want),
    )


def _unpack(
    library: msl.Library, name: str, threads: int, problem: Problem
) -> tuple[Any, tuple[msl.Traffic, ...]]:
    """The weights as f32, and the traffic of storage and values. Each thread writes some values
    next to each other; the number is the one with which all are written, and none else."""
    weights = problem.weights.copy()
    weights.flags.writeable = False
    for width in _WIDTHS:
        values = np.full(problem.count, np.nan, np.float32)
        try:
            run = library.launch(
                name,
                buffers=[[weights, values]],
                grid=(-(-problem.count // (threads * width)), 1, 1),
                threads=(threads, 1, 1),
            )
        except SimulationError:
            continue
        if not np.isnan(values).any():
            assert run.traffic is not None
            return values, run.traffic[1:]
    raise Unavailable(f"how many threads its kernel {name} has is not known")
