"""Cases for every operation of qlinear and qattn: its decomposition against NumPy in float64.

Each module here has cases of one family of operations, as

    def cases(draw: np.random.Generator) -> Iterator[Case]:
        rows = int(draw.integers(1, 9))          # shapes are drawn here
        yield Case("qlinear.matvec", "one row", f"{rows}x64", text, data, ...)

whose references are the plain functions of `headrace.references`. `headrace check --ops` runs each
case by MLIR's JIT and by IREE (`running`).
"""

from __future__ import annotations

from headrace.check.operations.case import Case, Run, Want

__all__ = ["Case", "Run", "Want"]
