"""Builders of the `dataflow` dialect: tasks connected by bounded streams.

    with ir.InsertionPoint(module.body):
        copy = dataflow.graph("copy", ["memref<64xf32>", "memref<64xf32>"])
    with ir.InsertionPoint(copy.body.blocks[0]):
        source, target = copy.body.blocks[0].arguments
        pieces = dataflow.stream("pieces", 2, "memref<16xf32>")
        dataflow.read(source, pieces)
        dataflow.write(target, pieces)

The operation classes (`GraphOp`, ...) come from the dialect's TableGen description. Operations with
a body give it a block: a window has the element as its argument.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import ir as _ir
from ._dataflow_enum_gen import *
from ._dataflow_ops_gen import *
from ._dataflow_ops_gen import GraphOp, PopOp, PortOp, PushOp, StreamOp, TaskOp
from ._dataflow_ops_gen import _Dialect as _Dialect

_Type = _ir.Type | str


def _type(given: _Type) -> _ir.Type:
    return _ir.Type.parse(given) if isinstance(given, str) else given


def _place(place: Sequence[int] | None) -> _ir.Attribute | None:
    return None if place is None else _ir.DenseI64ArrayAttr.get(place)


def graph(name: str, memory: Sequence[_Type]) -> GraphOp:
    """A `dataflow.graph` with these memrefs as arguments; its body is `body.blocks[0]`."""
    kinds = [_type(item) for item in memory]
    op = GraphOp(name, _ir.TypeAttr.get(_ir.FunctionType.get(kinds, [])))
    op.body.blocks.append(*kinds)
    return op


def stream(name: str, depth: int, element: _Type) -> _ir.Value:
    """A stream of elements of the memref type `element`."""
    kind = _ir.Type.parse(f"!dataflow.stream<{_type(element)}>")
    return StreamOp(kind, name, depth).stream


def task(name: str, place: Sequence[int] | None = None) -> TaskOp:
    """A `dataflow.task`; its body is `body.blocks[0]`."""
    op = TaskOp(name, place=_place(place))
    op.body.blocks.append()
    return op


def pop(stream: _ir.Value) -> PopOp:
    """A window on the oldest element, which is the argument of `body.blocks[0]`."""
    return _window(PopOp(stream))


def push(stream: _ir.Value) -> PushOp:
    """A window on the next element, which is the argument of `body.blocks[0]`."""
    return _window(PushOp(stream))


def _window(op: PopOp | PushOp) -> PopOp | PushOp:
    text = str(op.stream.type)
    op.body.blocks.append(_ir.Type.parse(text[text.index("<") + 1 : -1]))
    return op


def read(memory: _ir.Value, stream: _ir.Value, **access: object) -> PortOp:
    """A port from `memory` to `stream`; see `write` for `access`."""
    return _port("read", memory, stream, **access)


def write(memory: _ir.Value, stream: _ir.Value, **access: object) -> PortOp:
    """A port from `stream` to `memory`.

    access: offset, sizes, strides (default: all of the memory, in order), repeat, place.
    """
    return _port("write", memory, stream, **access)


def _port(
    direction: str,
    memory: _ir.Value,
    stream: _ir.Value,
    *,
    offset: int = 0,
    sizes: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    repeat: int = 1,
    place: Sequence[int] | None = None,
) -> PortOp:
    if sizes is None:
        count = 1
        for size in _ir.MemRefType(memory.type).shape:
            count *= size
        sizes, strides = [count - offset], [1]
    return PortOp(
        _ir.Attribute.parse(f"#dataflow<direction {direction}>"),
        memory,
        stream,
        offset,
        sizes,
        strides,
        repeat=repeat,
        place=_place(place),
    )
