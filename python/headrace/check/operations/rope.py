"""rope: positions that are small, large and negative, of whole heads and of parts of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headrace.check.operations.case import Case, Run, Want
from headrace.check.operations.text import destination, poison, tensor
from headrace.references.rope import rope

__all__ = ["cases"]

Generator = np.random.Generator


def cases(draw: Generator) -> Iterator[Case]:
    """Pairs of both kinds, of a whole head and of its first values, with a magnitude."""
    tokens, heads = int(draw.integers(2, 6)), int(draw.integers(1, 4))
    pairs = int(draw.integers(2, 9))
    yield _case("halves", (tokens, heads, 2 * pairs), pairs)
    yield _case("interleaved", (tokens, heads, 2 * pairs), pairs, interleaved=True)
    yield _case("halves of a part", (1, heads, 2 * pairs + 3), pairs, magnitude=1.25)
    yield _case("interleaved, a part", (tokens, 1, 2 * pairs + 1), pairs, interleaved=True)
    yield _case("one pair", (1, 1, 2), 1, magnitude=0.5)


def _case(
    what: str,
    shape: tuple[int, int, int],
    pairs: int,
    *,
    interleaved: bool = False,
    magnitude: float | None = None,
) -> Case:
    kind, n = tensor("f32", *shape), shape[0]
    factor = "" if magnitude is None else f"{{magnitude = {magnitude:e} : f32}}"

    def runs(draw: Generator) -> Iterator[Run]:
        # From one turn for each token to one in a million, as models have them.
        frequencies = (1e6 ** (-np.arange(pairs) / pairs)).astype(np.float32)
        for name, positions in (
            ("at the start", np.arange(n)),
            ("somewhere", draw.integers(0, 4096, n)),
            ("far away", draw.integers(100_000, 131_072, n)),
            ("before the start", -draw.integers(0, 4096, n)),
        ):
            x = draw.normal(size=shape).astype(np.float32)
            at = positions.astype(np.int32)
            want = rope(x, at, frequencies, interleaved=interleaved, magnitude=magnitude or 1.0)
            yield Run(name, [x, at, frequencies, *poison([kind])], [Want(want)])

    return Case(
        op="qattn.rope",
        what=what,
        shape="x".join(map(str, shape)),
        module=destination(
            "qattn.rope",
            [kind, tensor("i32", n), tensor("f32", pairs)],
            [kind],
            head="interleaved" if interleaved else "",
            attributes=factor,
        ),
        runs=runs,
    )
