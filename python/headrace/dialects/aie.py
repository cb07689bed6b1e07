"""The `aie` dialect: designs for an array of AI Engine tiles, in mlir-aie's assembly.

    with ir.Context():
        module = ir.Module.parse(text)
        device = module.body.operations[0]
        for fifo in device.regions[0].blocks[0].operations:
            if isinstance(fifo, aie.ObjectFifoOp):
                print(fifo.sym_name, aie.element(fifo.elemType.value), aie.depths(fifo))

The operation classes (`DeviceOp`, `ObjectFifoOp`, ...) come from the dialect's TableGen
description; the functions below read what it keeps in attributes and types of its own.
"""

from __future__ import annotations

import re

from .. import ir as _ir
from ._aie_enum_gen import *
from ._aie_ops_gen import *
from ._aie_ops_gen import _Dialect as _Dialect


def element(kind: _ir.Type) -> _ir.MemRefType:
    """The memref of an `!aie.objectfifo` or `!aie.objectfifosubview`."""
    found = re.fullmatch(r"!aie\.objectfifo(?:subview)?<(.*)>", str(kind))
    if found is None:
        raise ValueError(f"expected an !aie.objectfifo or !aie.objectfifosubview, but got {kind}")
    return _ir.MemRefType(_ir.Type.parse(found[1], kind.context))


def depths(fifo: ObjectFifoOp) -> list[int]:
    """Elements at the producer and at each consumer of an objectFifo, as declared."""
    number = fifo.elemNumber
    if isinstance(number, _ir.ArrayAttr):
        return [_ir.IntegerAttr(depth).value for depth in number]
    return [_ir.IntegerAttr(number).value] * (1 + len(fifo.consumerTiles))


def dimensions(pattern: _ir.Attribute | None) -> list[tuple[int, int]]:
    """(size, stride) of each dimension of an access pattern, the outermost first."""
    return [] if pattern is None else _pairs(str(pattern))


def dimensions_per_consumer(fifo: ObjectFifoOp) -> list[list[tuple[int, int]]]:
    """The access pattern of each consumer of an objectFifo; an empty one is linear."""
    each = re.findall(r"\[([^\[\]]*)\]", str(fifo.dimensionsFromStreamPerConsumer))
    return [_pairs(text) for text in each] or [[] for _ in fifo.consumerTiles]


def _pairs(text: str) -> list[tuple[int, int]]:
    pairs = re.findall(r"<size = (\d+), stride = (\d+)>", text)
    return [(int(size), int(stride)) for size, stride in pairs]
