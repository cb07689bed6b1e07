"""The checks of AIE designs: what they count, and that each mistake is found.

The counts are those that mlir-aie's own lowering (commit 979629649) was observed to make of a
design of this structure: 8 columns, 32 cores, weights by two shim channels of each column but the
first, whose other one brings the activations.
"""

import json
import re
from pathlib import Path

import pytest

from headrace import ir, targets
from headrace.dialects import aie
from headrace.passmanager import PassManager

DEVICES = Path(targets.__path__[0]) / "aie" / "devices.json"
CHECKS = ["tiles", "channels", "memory", "descriptors", "locks", "access-patterns"]
CHECKS += ["releases", "feed", "progress", "arguments", "program-memory"]
WITHOUT_DEVICES = ("releases", "feed", "progress", "arguments")
BLOCK = 1280  # bytes of weights of 32 rows and 64 columns


def core(column, row, blocks):
    tile = f"{column}_{row}"
    return f"""
    %core{tile} = aie.core(%t{tile}) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %blocks = arith.constant {blocks} : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %i = %c0 to %forever step %c1 {{
        %ys = aie.objectfifo.acquire @y{tile}(Produce, 1) : !aie.objectfifosubview<memref<32xf32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<32xf32>> -> memref<32xf32>
        scf.for %j = %c0 to %blocks step %c1 {{
          %xs = aie.objectfifo.acquire @x_all(Consume, 1) : !aie.objectfifosubview<memref<64xbf16>>
          %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<64xbf16>> -> memref<64xbf16>
          %ws = aie.objectfifo.acquire @w{tile}(Consume, 1) : !aie.objectfifosubview<memref<{BLOCK}xi8>>
          %w = aie.objectfifo.subview.access %ws[0] : !aie.objectfifosubview<memref<{BLOCK}xi8>> -> memref<{BLOCK}xi8>
          func.call @add(%x, %w, %acc{tile}) : (memref<64xbf16>, memref<{BLOCK}xi8>, memref<32xf32>) -> ()
          aie.objectfifo.release @x_all(Consume, 1)
          aie.objectfifo.release @w{tile}(Consume, 1)
        }}
        func.call @flush(%acc{tile}, %y) : (memref<32xf32>, memref<32xf32>) -> ()
        aie.objectfifo.release @y{tile}(Produce, 1)
      }}
      aie.end
    }} {{stack_size = 2048 : i32}}"""  # noqa: E501


def fifo(name, producer, consumers, element, depth=2):
    ends = ", ".join(f"%t{tile}" for tile in consumers)
    return (
        f"    aie.objectfifo @{name}(%t{producer}, {{{ends}}}, {depth} : i32)"
        f" : !aie.objectfifo<memref<{element}>>"
    )


def link(inputs, outputs, join=(), distribute=()):
    names = [", ".join(f"@{name}" for name in side) for side in (inputs, outputs)]
    return f"    aie.objectfifo.link [{names[0]}] -> [{names[1]}] ({list(join)} {list(distribute)})"


def task(name, queue, buffer, offset, length, attributes=""):
    return f"""
      %{name} = aiex.dma_configure_task_for @{queue} {{
        aie.dma_bd({buffer}, {offset}, {length})
        aie.end
      }}{attributes}"""


def design(columns=8, rounds=2, blocks=4, device="npu2"):
    """y = W x on all cores: `rounds` blocks of 32 rows for each, of `blocks` blocks of columns."""
    tiles = [(c, r) for c in range(columns) for r in range(2, 6)]
    groups = [(0, (2, 3, 4, 5))]
    groups += [(c, rows) for c in range(1, columns) for rows in ((2, 3), (4, 5))]
    size = rounds * blocks * BLOCK
    weights = f"%w : memref<{len(tiles) * size}xi8>"
    results = f"%y : memref<{len(tiles) * rounds * 32}xf32>"
    lines = [
        f"module {{\n  aie.device({device}) {{",
        f"    func.func private @add(memref<64xbf16>, memref<{BLOCK}xi8>, memref<32xf32>)",
        "    func.func private @flush(memref<32xf32>, memref<32xf32>)",
        *(f"    %t{c}_{r} = aie.tile({c}, {r})" for c in range(columns) for r in range(6)),
        fifo("x", "0_0", ["0_1"], "64xbf16"),
        fifo("x_all", "0_1", [f"{c}_{r}" for c, r in tiles], "64xbf16"),
        link(["x"], ["x_all"]),
    ]
    for c, rows in groups:
        name = f"w{c}_{rows[0]}{rows[-1]}"
        parts = [f"w{c}_{r}" for r in rows]
        lines.append(fifo(name, f"{c}_0", [f"{c}_1"], f"{len(rows) * BLOCK}xi8"))
        lines += [fifo(f"w{c}_{r}", f"{c}_1", [f"{c}_{r}"], f"{BLOCK}xi8") for r in rows]
        lines.append(link([name], parts, (), [i * BLOCK for i in range(len(rows))]))
    for c in range(columns):
        lines += [fifo(f"y{c}_{r}", f"{c}_{r}", [f"{c}_1"], "32xf32") for r in range(2, 6)]
        lines.append(fifo(f"y{c}", f"{c}_1", [f"{c}_0"], "128xf32"))
        lines.append(link([f"y{c}_{r}" for r in range(2, 6)], [f"y{c}"], (0, 32, 64, 96)))
    for c, r in tiles:
        lines.append(f'    %acc{c}_{r} = aie.buffer(%t{c}_{r}) {{sym_name = "acc{c}_{r}"}} : ')
        lines[-1] += "memref<32xf32>" + core(c, r, blocks)
    width = blocks * 64
    arguments = f"{weights}, %x : memref<{width}xbf16>, {results}".replace(" :", ":")
    lines.append(f"    aie.runtime_sequence @run({arguments}) {{")
    repeat = f" {{repeat_count = {rounds - 1} : i32}}"
    lines.append(task("tx", "x", f"%x : memref<{width}xbf16>", 0, width, repeat))
    offset, names = 0, ["tx"]
    for c, rows in groups:
        queue = f"w{c}_{rows[0]}{rows[-1]}"
        lines.append(task(f"t{queue}", queue, weights, offset, len(rows) * size))
        offset += len(rows) * size
        names.append(f"t{queue}")
    for c in range(columns):
        span = 128 * rounds
        lines.append(task(f"ty{c}", f"y{c}", results, c * span, span, " {issue_token = true}"))
    done = [f"ty{c}" for c in range(columns)]
    lines += [f"      aiex.dma_start_task(%{name})" for name in names + done]
    lines += [f"      aiex.dma_await_task(%{name})" for name in done]
    lines += [f"      aiex.dma_free_task(%{name})" for name in names]
    return "\n".join([*lines, "    }\n  }\n}"])


def diagnostics(text, checks=CHECKS, devices=DEVICES):
    """Errors of the first check that finds any, each with its notes behind it."""
    with ir.Context():
        try:
            module = ir.Module.parse(text)
            for check in checks:
                option = "" if check in WITHOUT_DEVICES else f"{{devices={devices}}}"
                PassManager.parse(f"builtin.module(aie-check-{check}{option})").run(
                    module.operation
                )
        except ir.MLIRError as error:
            found = error.error_diagnostics
            return [part.message for one in found for part in (one, *one.notes) if part.message]
    return []


def test_every_device_is_described():
    table = json.loads(DEVICES.read_text())
    assert {device.name for device in aie.Device} == set(table["devices"])
    named = ", ".join(table["sources"])
    for device in table["devices"].values():
        assert all(key in named for key in device if key not in ("rows", "core", "memory", "shim"))


@pytest.mark.parametrize(("columns", "device"), [(8, "npu2"), (4, "npu1"), (1, "npu1")])
def test_a_right_design_passes(columns, device):
    assert diagnostics(design(columns, device=device)) == []


@pytest.mark.parametrize(
    ("columns", "locks", "buffers", "channels"), [(8, 370, 272, 185), (4, 186, 136, 93)]
)
def test_counts_are_those_of_the_lowering(columns, locks, buffers, channels, tmp_path):
    """With a device that has nothing, the messages say what each tile needs."""
    table = json.loads(DEVICES.read_text())
    for kind in ("core", "memory", "shim"):
        tile = table["devices"]["npu2"][kind]
        tile.update({"locks": 0, "channels_in": 0, "channels_out": 0})
        if "memory_bytes" in tile:
            tile["memory_bytes"] = 0
    (tmp_path / "none.json").write_text(json.dumps(table))

    def needs(check, pattern):
        found = diagnostics(design(columns), [check], tmp_path / "none.json")
        return sum(int(n) for text in found for n in re.findall(pattern, text))

    assert needs("locks", r"needs (\d+) locks") == locks
    array = r"needs (\d+) DMA channels (?:in|out), but (?:core|memory)"
    assert needs("channels", array) == channels
    own = 4 * columns  # each core has one buffer of its own
    assert needs("memory", r"^(\d+) x \d+ bytes of @") + own == buffers


def replaced(text, old, new, count=-1):
    assert old in text
    return text.replace(old, new, count)


MISTAKES = {
    "missing release": (
        "          aie.objectfifo.release @x_all(Consume, 1)\n",
        "",
        r"acquires elements of @x_all \(Consume\) in an endless loop that never releases any",
    ),
    "second release": (
        "        aie.objectfifo.release @y1_2(Produce, 1)\n",
        "        aie.objectfifo.release @y1_2(Produce, 1)\n" * 2,
        r"releases 1 elements of @y1_2 \(Produce\), but the core holds 0 there",
    ),
    "short feed": (
        "aie.dma_bd(%w : memref<327680xi8>, 40960, 20480)",
        "aie.dma_bd(%w : memref<327680xi8>, 40960, 10240)",
        r"@w1_2 in a run, but got 4 as @w1_23 has 4 \(by the runtime sequence @run\), and 8 that",
    ),
    "too few repetitions": (
        " {repeat_count = 1 : i32}",
        "",
        r"one number of elements of @\w+ in a run, but got",
    ),
    "results left behind": (
        "aie.dma_bd(%y : memref<2048xf32>, 256, 256)",
        "aie.dma_bd(%y : memref<2048xf32>, 256, 128)",
        r"one number of elements of @\w+ in a run, but got",
    ),
    "part of an element": (
        "aie.dma_bd(%y : memref<2048xf32>, 256, 256)",
        "aie.dma_bd(%y : memref<2048xf32>, 256, 250)",
        r"moves 1000 bytes of @y1, but expected a multiple of its element, 512 bytes",
    ),
    "result not awaited": (
        "      aiex.dma_await_task(%ty3)\n",
        "",
        "transfers results of @y3 to the host that nothing waits for",
    ),
    "length of a descriptor": (
        "aie.dma_bd(%x : memref<256xbf16>, 0, 256)",
        "aie.dma_bd(%x : memref<256xbf16>, 0, 255)",
        "expected the length of argument 1 to be a multiple of 4 bytes, but got 255 values",
    ),
    "descriptor behind its buffer": (
        "aie.dma_bd(%y : memref<2048xf32>, 256, 256)",
        "aie.dma_bd(%y : memref<2048xf32>, 1900, 256)",
        "reaches value 2155 of argument 2, which has 2048 values; what fits: a length of 148",
    ),
    "wrap": (
        "aie.dma_bd(%w : memref<327680xi8>, 0, 40960)",
        "aie.dma_bd(%w : memref<327680xi8>, 0, 40960, "
        "[<size = 2, stride = 4>, <size = 20480, stride = 1>])",
        "expected the size of dimension 1 of argument 0 to be at most 1023 times 4 bytes",
    ),
    "repetitions": (
        "repeat_count = 1 : i32",
        "repeat_count = 300 : i32",
        "expected a repeat_count of at most 255, but got 300",
    ),
    "offset of a part": (
        "([] [0, 1280])",
        "([] [0, 1284])",
        r"expected offset 1280 of @w1_3, but got 1284: parts fill an element of @w1_23",
    ),
    "number of offsets": (
        "([] [0, 1280, 2560, 3840])",
        "([] [0, 1280, 2560])",
        "expected 4 dst_offsets with 1 inputs and 4 outputs, but got 3",
    ),
    "third channel into a core": (
        "    %acc1_2 =",
        "    aie.objectfifo @z(%t2_1, {%t1_2}, 2 : i32) : !aie.objectfifo<memref<16xi32>>\n"
        "    %acc1_2 =",
        r"needs 3 DMA channels in, but core tile \(1, 2\) has 2",
    ),
    "third channel out of a shim tile": (
        "@x(%t0_0,",
        "@x(%t1_0,",
        r"needs 3 DMA channels out, but shim tile \(1, 0\) has 2",
    ),
    "depth in a core": (
        "@w1_2(%t1_1, {%t1_2}, 2 :",
        "@w1_2(%t1_1, {%t1_2}, 60 :",
        r"needs \d+ bytes of memory, but core tile \(1, 2\) has 65536",
    ),
    "depth in a memory tile": (
        "@w1_23(%t1_0, {%t1_1}, 2 :",
        "@w1_23(%t1_0, {%t1_1}, 300 :",
        r"needs \d+ bytes of memory, but memory tile \(1, 1\) has 524288",
    ),
    "descriptors of a memory tile": (
        "@w1_23(%t1_0, {%t1_1}, 2 :",
        "@w1_23(%t1_0, {%t1_1}, 30 :",
        r"needs \d+ buffer descriptors for its \w+ channels, but memory tile \(1, 1\) has 24",
    ),
    "buffer in a core": (
        '"acc1_2"} : memref<32xf32>',
        '"acc1_2"} : memref<32xf32>\n'
        '    %big = aie.buffer(%t1_2) {sym_name = "big"} : memref<16384xf32>',
        r"needs \d+ bytes of memory, but core tile \(1, 2\) has 65536",
    ),
    "tile": ("aie.tile(7, 5)", "aie.tile(9, 5)", "expected a tile of npu2, but got column 9"),
    "device": ("aie.device(npu2)", "aie.device(npu1)", "expected a tile of npu1, but got column 4"),
    "more iterations than weights": (
        "%blocks = arith.constant 4 : index",
        "%blocks = arith.constant 5 : index",
        r"one number of elements of @\w+ in a run, but got",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_found(name):
    old, new, message = MISTAKES[name]
    found = diagnostics(replaced(design(), old, new, 1))
    assert re.search(message, "\n".join(found)), found


def test_too_many_tasks():
    """Seventeen descriptors of one shim tile, and five tasks in one queue."""
    more = "".join(task(f"q{i}", "y1", "%y : memref<2048xf32>", 0, 256) for i in range(16))
    text = replaced(
        design(), "      aiex.dma_start_task(%tx)", f"{more}\n      aiex.dma_start_task(%tx)"
    )
    found = diagnostics(text)
    assert "needs buffer descriptor 17 of shim tile (1, 0), which has 16" in found[0]
    started = "      aiex.dma_start_task(%tx)\n"
    found = diagnostics(replaced(design(), started, started * 5))
    assert "starts task 5 of @x that has not ended" in found[0]


def test_every_core_can_be_wrong():
    """A mistake in any one of the cores is found, whichever it is."""
    text = design()
    for column in range(8):
        for row in range(2, 6):
            line = f"          aie.objectfifo.release @w{column}_{row}(Consume, 1)\n"
            found = diagnostics(replaced(text, line, ""), ["releases"])
            assert f"acquires elements of @w{column}_{row} (Consume)" in found[0]
