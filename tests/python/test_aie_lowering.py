"""What the simulator makes of objectFifos is what mlir-aie's own lowering was observed to make.

aie_lowered.json has buffers, locks, descriptors and channels that its passes made of these designs.
"""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from test_aie_checks import design as columns

from headrace.sim import aie

LOWERED = json.loads((Path(__file__).parent / "aie_lowered.json").read_text())["cases"]


def loop(body):
    return f"""
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {{{body}
    }}
    aie.end"""


def held(name, port, count, kind):
    view = f"!aie.objectfifosubview<{kind}>"
    lines = [f"%{name}s = aie.objectfifo.acquire @{name}({port}, {count}) : {view}"]
    lines += [
        f"%{name}{i} = aie.objectfifo.subview.access %{name}s[{i}] : {view} -> {kind}"
        for i in range(count)
    ]
    return "".join(f"\n      {line}" for line in lines)


def released(name, port, count):
    return f"\n      aie.objectfifo.release @{name}({port}, {count})"


X, S, M, Y = "memref<10240xbf16>", "memref<342xf32>", "memref<96xi32>", "memref<32xf32>"
PARTS = "memref<684xbf16>"

# Elements larger than a bank and others of odd sizes, neighbours that share a memory, three buffers
# for two that are held, elements that a memory tile sends twice and in another order.
MIXED = f"""module {{ aie.device(npu2) {{
  func.func private @first({X}, {S}, {PARTS}, {M})
  func.func private @second({S}, {Y}, {Y})
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%shim, {{%a}}, 1 : i32) : !aie.objectfifo<{X}>
  aie.objectfifo @s(%a, {{%b}}, 2 : i32) : !aie.objectfifo<{S}>
  aie.objectfifo @y(%b, {{%shim}}, 2 : i32) : !aie.objectfifo<{Y}>
  aie.objectfifo @m(%shim, {{%memory}}, [2, 3]) : !aie.objectfifo<{M}>
  aie.objectfifo @n(%memory dimensionsToStream [<size = 12, stride = 8>, <size = 8, stride = 1>],
    {{%a}}, [3, 2]) {{repeat_count = 2 : i32}} : !aie.objectfifo<{M}>
  aie.objectfifo.link [@m] -> [@n] ([] [])
  %parts = aie.buffer(%a) {{sym_name = "parts"}} : {PARTS}
  %one = aie.core(%a) {{{
    loop(
        held("x", "Consume", 1, X)
        + held("s", "Produce", 1, S)
        + held("n", "Consume", 1, M)
        + f'''
      func.call @first(%x0, %s0, %parts, %n0) : ({X}, {S}, {PARTS}, {M}) -> ()'''
        + released("x", "Consume", 1)
        + released("s", "Produce", 1)
        + released("n", "Consume", 1)
    )
}
  }} {{stack_size = 2048 : i32}}
  %two = aie.core(%b) {{{
    loop(
        held("s", "Consume", 1, S)
        + held("y", "Produce", 2, Y)
        + f'''
      func.call @second(%s0, %y0, %y1) : ({S}, {Y}, {Y}) -> ()'''
        + released("s", "Consume", 1)
        + released("y", "Produce", 2)
    )
}
  }}
  aie.runtime_sequence @run(%x: memref<40960xbf16>, %m: memref<192xi32>, %y: memref<256xf32>) {{
    %tx = aiex.dma_configure_task_for @x {{
      aie.dma_bd(%x : memref<40960xbf16>, 0, 40960)
      aie.end
    }}
    %tm = aiex.dma_configure_task_for @m {{
      aie.dma_bd(%m : memref<192xi32>, 0, 192)
      aie.end
    }}
    %ty = aiex.dma_configure_task_for @y {{
      aie.dma_bd(%y : memref<256xf32>, 0, 256)
      aie.end
    }} {{issue_token = true}}
    aiex.dma_start_task(%tx)
    aiex.dma_start_task(%tm)
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
    aiex.dma_free_task(%tx)
    aiex.dma_free_task(%tm)
  }}
}} }}"""

TEXTS = {
    "columns_8": columns(8),
    "columns_4": columns(4, device="npu1"),
    "mixed": MIXED,
}
FUNCTIONS = ("add", "flush", "first", "second")


@pytest.fixture(scope="module", params=TEXTS)
def lowered(request):
    """A design as the simulator has it, and what mlir-aie made of the same text."""
    design = aie.load(
        TEXTS[request.param], dict.fromkeys(FUNCTIONS, 1), dict.fromkeys(FUNCTIONS, 1)
    )
    return design.design, LOWERED[request.param]


def test_everything_is_counted(lowered):
    design, expected = lowered
    array = [channel for channel in design.channels if not channel.shim]
    # A shim tile gets a pair of locks for each of its fifos, which nothing uses.
    unused = 2 * (len(design.channels) - len(array))
    assert {
        "buffers": len(design.buffers),
        "locks": len(design.locks) + unused,
        "channels": len(array),
        "descriptors": sum(len(channel.descriptors) for channel in array),
        "flows": len(design.streams),
    } == {key: value for key, value in expected.items() if key != "tiles"}


def test_tiles_have_the_same_buffers_locks_and_descriptors(lowered):
    design, expected = lowered
    for tile in expected["tiles"]:
        place = tuple(tile["tile"])
        own = [buffer for buffer in design.buffers if buffer.tile == place]
        if place[1] > 1:  # those of a memory tile have no place here
            found = sorted([buffer.offset, buffer.size] for buffer in own)
            assert found == tile["buffers"]
        values = sorted(lock.value for lock in design.locks if lock.tile == place)
        assert values == sorted(tile["locks"])
        channels = {
            " ".join(channel.name.split()[1:3]): channel.descriptors
            for channel in design.channels
            if channel.tile == place
        }
        assert set(channels) == set(tile["channels"])
        buffers, locks = defaultdict(set), defaultdict(set)
        for name, descriptors in channels.items():
            assert len(descriptors) == len(tile["channels"][name])
            for ours, theirs in zip(descriptors, tile["channels"][name], strict=True):
                buffer, offset, length, acquired, taken, released, given, *dimensions = theirs
                assert (ours.offset, ours.length) == (offset, length)
                assert (ours.acquire[1], ours.release[1]) == (taken, given)
                strides = [[size, stride // ours.element] for size, stride in ours.dimensions]
                assert strides == (dimensions[0] if dimensions else [])
                buffers[buffer].add(ours.memory)
                locks[acquired].add(ours.acquire[0])
                locks[released].add(ours.release[0])
        # Each of theirs is one of ours, with the same size and value.
        for pairs, sizes, mine in (
            (buffers, [size for _, size in tile["buffers"]], [b.size for b in design.buffers]),
            (locks, tile["locks"], [lock.value for lock in design.locks]),
        ):
            assert all(len(found) == 1 for found in pairs.values())
            ours = [next(iter(found)) for found in pairs.values()]
            assert len(set(ours)) == len(ours)
            assert [mine[i] for i in ours] == [sizes[number] for number in pairs]
