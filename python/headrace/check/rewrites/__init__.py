"""Cases for every common pass: modules that a pass rewrites and that must compute the same after.

Each module here has cases of some passes, as

    def cases(draw: np.random.Generator) -> Iterator[Rewrite]:
        rows = int(draw.integers(1, 9))          # shapes are drawn here
        yield Rewrite(
            "fuse-dequant-matvec",               # the pass
            "vecmat",                            # what is special about the case
            text,                                # MLIR before
            lambda draw: [normal(draw, 64), weights(draw, "q8_0", rows, 64)],
            after={"qlinear.matvec": 1, "linalg.vecmat": 0},
        )

`headrace check --passes` runs the IR before and after the pass by MLIR's JIT, decomposed, on the
same fresh inputs (`running`). A pass that does nothing fails: the numbers of operations in `after`,
or the texts in `mentions`, must be right after it and wrong before it.
"""

from __future__ import annotations

from headrace.check.rewrites.rewrite import Rewrite

__all__ = ["Rewrite"]
