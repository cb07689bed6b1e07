"""How the stand-ins for packages of a Mac run a kernel: in our simulator."""

from __future__ import annotations

from typing import Any

from headrace.sim import msl


def launch(source: str, name: str, buffers: list[Any], constants: list[int], grid, threads) -> None:
    """Runs one kernel; `buffers` are arrays of bytes, which get what it writes."""
    msl.build(source).launch(
        name, buffers=buffers, constants=constants, grid=tuple(grid), threads=tuple(threads)
    )
