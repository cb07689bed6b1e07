"""Python bindings of the dialects `aie` and `aiex`, and the text of a whole design."""

import pytest

from headrace import ir
from headrace.dialects import aie, aiex

TEXT = """
module {
  aie.device(npu2) {
    %shim = aie.tile(0, 0)
    %memory = aie.tile(0, 1)
    %first = aie.tile(0, 2)
    %second = aie.tile(0, 3)
    aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<64xbf16>>
    aie.objectfifo @all(
        %memory dimensionsToStream [<size = 32, stride = 2>, <size = 2, stride = 1>],
        {%first, %second dimensionsFromStream [<size = 8, stride = 8>, <size = 8, stride = 1>]},
        [2, 1, 3]) : !aie.objectfifo<memref<64xbf16>>
    aie.objectfifo.link [@x] -> [@all] ([] [])
    aie.runtime_sequence @seq(%x: memref<1024xbf16>) {
      %task = aiex.dma_configure_task_for @x {
        aie.dma_bd(%x : memref<1024xbf16>, 128, 512)
        aie.end
      } {issue_token = true, repeat_count = 3 : i32}
      aiex.dma_start_task(%task)
      aiex.dma_await_task(%task)
    }
  }
}
"""


def operations(module, kind):
    device = module.body.operations[0]
    return [op for op in device.regions[0].blocks[0].operations if isinstance(op, kind)]


def test_what_a_design_says():
    with ir.Context():
        module = ir.Module.parse(TEXT)
        assert module.operation.verify()
        device = module.body.operations[0]
        assert ir.IntegerAttr(device.device).value == aie.Device.npu2
        assert [(op.col.value, op.row.value) for op in operations(module, aie.TileOp)] == [
            (0, row) for row in range(4)
        ]
        x, everywhere = operations(module, aie.ObjectFifoOp)
        assert str(aie.element(x.elemType.value)) == "memref<64xbf16>"
        assert aie.element(x.elemType.value).shape == [64]
        assert aie.depths(x) == [2, 2] and aie.depths(everywhere) == [2, 1, 3]
        assert aie.dimensions(x.dimensionsToStream) == []
        assert aie.dimensions(everywhere.dimensionsToStream) == [(32, 2), (2, 1)]
        assert aie.dimensions_per_consumer(x) == [[]]
        assert aie.dimensions_per_consumer(everywhere) == [[], [(8, 8), (8, 1)]]
        assert everywhere.producerTile.owner.row.value == 1
        (sequence,) = operations(module, aie.RuntimeSequenceOp)
        task, start, wait = sequence.body.blocks[0].operations
        assert isinstance(task, aiex.DMAConfigureTaskForOp) and task.alloc.value == "x"
        assert task.issue_token.value and task.repeat_count.value == 3
        move = task.body.blocks[0].operations[0]
        assert (move.offset.value, move.len.value) == (128, 512)
        assert isinstance(start, aiex.DMAStartTaskOp) and isinstance(wait, aiex.DMAAwaitTaskOp)
        assert start.task == task.result


def test_text_of_a_design_is_stable():
    with ir.Context():
        once = str(ir.Module.parse(TEXT))
        assert str(ir.Module.parse(once)) == once


def test_a_type_of_something_else():
    with ir.Context(), pytest.raises(ValueError, match="expected an !aie.objectfifo or .* memref"):
        aie.element(ir.Type.parse("memref<4xf32>"))


def test_a_design_is_built():
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            device = aie.DeviceOp(aie.Device.npu1)
        block = device.body_region.blocks.append()
        element = ir.MemRefType.get([16], ir.F32Type.get())
        queue = ir.TypeAttr.get(ir.Type.parse(f"!aie.objectfifo<{element}>"))
        linear = ir.Attribute.parse("#aie<bd_dim_layout_array[]>")
        each = ir.Attribute.parse("#aie<bd_dim_layout_array_array[[]]>")
        depth = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 2)
        with ir.InsertionPoint(block):
            tiles = [aie.TileOp(column, 2) for column in range(2)]
            aie.ObjectFifoOp("next", tiles[0], [tiles[1]], depth, queue, linear, each)
            core = aie.CoreOp(ir.IndexType.get(), tiles[1], stack_size=2048)
            aie.EndOp()
        subview = ir.Type.parse(f"!aie.objectfifosubview<{element}>")
        with ir.InsertionPoint(core.body.blocks.append()):
            held = aie.AcquireOp(subview, aie.Port.Consume, "next", 1)
            aie.SubviewAccessOp(element, held, 0)
            aie.ReleaseOp(aie.Port.Consume, "next", 1)
            aie.EndOp()
        assert module.operation.verify()
        text = str(module)
    for line in (
        "aie.objectfifo @next(%core_0_2, {%core_1_2}, 2 : i32) : !aie.objectfifo<memref<16xf32>>",
        "aie.objectfifo.acquire @next(Consume, 1) : !aie.objectfifosubview<memref<16xf32>>",
        "{stack_size = 2048 : i32}",
    ):
        assert line in text
