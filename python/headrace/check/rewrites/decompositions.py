"""The decompositions themselves: what they leave computes the same once it is tidied up.

Whether they are right is for `headrace check --ops` to say.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headrace.check.operations.text import destination, tensor
from headrace.check.rewrites.inputs import normal, packed
from headrace.check.rewrites.rewrite import Rewrite
from headrace.ops import OpSpec

__all__ = ["cases"]


def cases(draw: np.random.Generator) -> Iterator[Rewrite]:
    """A gated product, which becomes products and an elementwise function, and attention."""
    rows, cols = int(draw.integers(1, 20)), 32 * int(draw.integers(1, 5))
    spec = OpSpec("gated_matvec", m=rows, k=cols, format="q8_0", act="silu")
    yield Rewrite(
        "decompose-qlinear",
        "gated product",
        spec.text(),
        lambda draw: [normal(draw, cols), *(packed(draw, "q8_0", rows, cols) for _ in range(2))],
        after={"qlinear.gated_matvec": 0, "linalg.matvec": 2},
        pipeline="decompose-qlinear,canonicalize,cse",
    )
    tokens, dim = int(draw.integers(1, 8)), int(draw.integers(1, 8))
    kind = tensor("f32", tokens, 2, dim)
    yield Rewrite(
        "decompose-qattn",
        "attention",
        destination(
            "qattn.prefill", [kind] * 3, [kind], head="causal", attributes="{scale = 0.5 : f32}"
        ),
        lambda draw: [normal(draw, tokens, 2, dim) for _ in range(4)],
        after={"qattn.prefill": 0},
        pipeline="decompose-qattn,canonicalize,cse",
    )
