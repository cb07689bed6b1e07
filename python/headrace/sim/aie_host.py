"""The runtime sequence, from IR to tasks and steps of the array simulator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from headrace import ir
from headrace.dialects import aie, aiex
from headrace.errors import UsageError
from headrace.sim.aie_design import Argument, Descriptor, Design, StepKind
from headrace.sim.aie_errors import ArraySimulationError

__all__ = ["add_sequence"]

# Dimensions that a shim counts within one execution; a fourth counts executions.
_WITHIN = 3
_STEPS: dict[str, StepKind] = {"aiex.dma_start_task": "start", "aiex.dma_await_task": "await"}


def add_sequence(design: Design, sequence: Any, shims: Mapping[str, int]) -> None:
    """Adds what a runtime sequence does. shims: the channel of a FIFO that ends in a shim."""
    body = sequence.body.blocks[0]
    arguments = {value: number for number, value in enumerate(body.arguments)}
    tasks: dict[Any, int] = {}
    tokens: set[int] = set()
    for operation in body.operations:
        op = operation.operation
        if isinstance(operation, aiex.DMAConfigureTaskForOp):
            task = _task(design, operation, arguments, shims)
            tasks[op.results[0]] = task
            if operation.issue_token is not None and operation.issue_token.value:
                tokens.add(task)
            design.step("configure", task)
        elif op.name in _STEPS:
            task = tasks[op.operands[0]]
            if _STEPS[op.name] == "await" and task not in tokens:
                raise UsageError(
                    f"expected task {design.tasks[task].name}, which is awaited, to have "
                    "issue_token = true"
                )
            design.step(_STEPS[op.name], task)
        elif op.name != "aiex.dma_free_task":
            raise UsageError(f"the array simulator does not run {op.name} in a runtime sequence")
    _results_are_awaited(design)


def _results_are_awaited(design: Design) -> None:
    """The tasks of a channel end in their order: an await covers those before it."""
    open_tasks: dict[int, int] = {}
    for kind, task in design.steps:
        channel = design.tasks[task].channel
        if kind == "start" and design.channels[channel].direction == "S2MM":
            open_tasks[channel] = task
        elif kind == "await" and open_tasks.get(channel) == task:
            del open_tasks[channel]
    for task in open_tasks.values():
        raise ArraySimulationError(
            f"the sequence does not await task {design.tasks[task].name}: the host would read what "
            "may not be there yet",
            kind="unfinished",
        )


def _task(
    design: Design, operation: Any, arguments: Mapping[Any, int], shims: Mapping[str, int]
) -> int:
    name = ir.FlatSymbolRefAttr(operation.alloc).value
    if name not in shims:
        raise UsageError(f"expected objectfifo @{name} to have an end in a shim tile")
    repeats = 1 + (operation.repeat_count.value if operation.repeat_count is not None else 0)
    number = sum(task.channel == shims[name] for task in design.tasks)
    descriptors = [
        _descriptor(op, arguments, f"@{name} task {number}")
        for op in operation.body.blocks[0].operations
        if isinstance(op, aie.DmaBdOp)
    ]
    return design.task(f"@{name} {number}", shims[name], descriptors, repeats)


def _descriptor(op: Any, arguments: Mapping[Any, int], name: str) -> Descriptor:
    kind: Any = ir.MemRefType(op.buffer.type)
    value = kind.element_type.width // 8
    offset = op.offset.value if op.offset is not None else 0
    length = op.len.value if op.len is not None else math.prod(kind.shape)
    dimensions = aie.dimensions(op.dimensions)
    iteration = (1, 0)
    if len(dimensions) > _WITHIN:
        size, stride = dimensions.pop(0)
        iteration = (size, stride * value)
    if dimensions and math.prod(size for size, _ in dimensions) != length:
        covered = math.prod(size for size, _ in dimensions)
        raise ArraySimulationError(
            f"descriptor {name}: expected the {len(dimensions)} innermost dimensions to hold "
            f"{length} values, but got {covered}",
            kind="alignment",
        )
    return Descriptor(
        name,
        Argument(arguments[op.buffer]),
        offset * value,
        length * value,
        value,
        tuple((size, stride * value) for size, stride in dimensions),
        iteration,
    )
