"""The Python builders of the dataflow dialect."""

from __future__ import annotations

import pytest

from headrace import ir
from headrace.dialects import dataflow


def build(memory: list[str], body) -> str:
    """A verified graph on this memory; `body` gets its arguments."""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            graph = dataflow.graph("g", memory)
        with ir.InsertionPoint(graph.body.blocks[0]):
            body(*graph.body.blocks[0].arguments)
        assert module.operation.verify()
        text = str(module)
        assert str(ir.Module.parse(text)) == text
        return text


def test_a_task_between_ports():
    def body(source, target):
        inputs = dataflow.stream("in", 2, "memref<16xf32>")
        outputs = dataflow.stream("out", 1, "memref<16xf32>")
        dataflow.read(source, inputs, offset=16, sizes=[16], strides=[1], place=[0, 0])
        dataflow.write(target, outputs)
        task = dataflow.task("add", place=[0, 2])
        with ir.InsertionPoint(task.body.blocks[0]):
            taken = dataflow.pop(inputs)
            with ir.InsertionPoint(taken.body.blocks[0]):
                put = dataflow.push(outputs)
        assert str(put.body.blocks[0].arguments[0].type) == "memref<16xf32>"

    text = build(["memref<2x16xf32>", "memref<16xf32>"], body)
    assert "read %arg0 offset 16 sizes [16] strides [1] stream %0 at [0, 0]" in text
    assert 'dataflow.task "add" at [0, 2] {' in text


def test_all_of_the_memory_by_default():
    def body(memory):
        stream = dataflow.stream("s", 1, ir.Type.parse("memref<8xi8>"))
        dataflow.read(memory, stream, repeat=3)
        task = dataflow.task("use")
        with ir.InsertionPoint(task.body.blocks[0]):
            for _ in range(6):
                dataflow.pop(stream)

    assert "offset 0 sizes [16] strides [1] repeat 3 stream" in build(["memref<4x4xi8>"], body)


def test_rates_are_verified():
    def body(memory):
        stream = dataflow.stream("s", 1, "memref<8xi8>")
        dataflow.read(memory, stream)
        task = dataflow.task("use")
        with ir.InsertionPoint(task.body.blocks[0]):
            dataflow.pop(stream)

    with pytest.raises(ir.MLIRError, match='"s" .* got 2 from .* and 1 to task "use"'):
        build(["memref<16xi8>"], body)
