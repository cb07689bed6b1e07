"""What a simulated launch can end with."""

from __future__ import annotations

from headrace.errors import HeadraceError

__all__ = ["SimulationError"]


class SimulationError(HeadraceError):
    """A kernel did what no device has to give a result for.

    kind: `out of bounds`, `read-only`, `address`, `stack`, `trap`, `uninitialized`, `race`,
    `workgroup race`, `divergent barrier`, `divergent subgroup`, `lane`, `workgroup memory`,
    `misaligned` or `resources`.
    kernel: its name. workgroup: in the grid; thread: in the workgroup; None where no thread is to
    blame. buffer: the binding, or the name of an array of the workgroup; None if it was neither.
    offset: in bytes from its start.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        kernel: str,
        workgroup: tuple[int, int, int] | None = None,
        thread: int | None = None,
        buffer: int | str | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.kernel = kernel
        self.workgroup = workgroup
        self.thread = thread
        self.buffer = buffer
        self.offset = offset
