"""Designs of others as AIE text, for times that they published: headrace.sim.aie_timing.

Only their movement and their waiting matter here. What a core computes is a number of cycles, and
its results are zeros: the core function `work` is the C library's memset.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from headrace.sim import aie
from headrace.sim.aie_device import AieTiming
from headrace.sim.aie_run import Run

__all__ = ["eltwise", "gemm_block", "gemv_panels", "gemv_rows", "run_reference", "streamed"]

_FIRST_CORE = 2


def run_reference(text: str, cycles: float, timing: AieTiming) -> Run:
    """Runs with arguments of zeros."""
    design = _loaded(text, timing)
    address, _ = design.functions["work"]
    design = replace(design, functions={"work": (address, cycles)})
    return design.run([np.zeros(size, np.uint8) for size in design.arguments])


@lru_cache(maxsize=16)
def _loaded(text: str, timing: AieTiming) -> aie.AieDesign:
    memset = ctypes.cast(ctypes.CDLL(None).memset, ctypes.c_void_p).value or 0
    return aie.load(text, {"work": memset}, {"work": 0.0}, timing=timing)


def eltwise(columns: int, n: int, tile: int) -> str:
    """c = a + b in bf16: a core a column, straight from and to its shim."""
    text = _Text(columns, _FIRST_CORE + 1)
    block, part = f"{tile}xbf16", n // columns
    whole = f"memref<{n}xbf16>"
    for c in range(columns):
        for name in "ab":
            text.fifo(f"{name}{c}", (c, 0), [(c, 2)], 2, block)
            text.send(f"{name}{c}", name, whole, f"{c * part}, {part}")
        text.fifo(f"c{c}", (c, 2), [(c, 0)], 2, block)
        text.receive(f"c{c}", "c", whole, f"{c * part}, {part}")
        body = [
            *(text.take(f"{name}{c}", "Consume", block, name) for name in "ab"),
            text.take(f"c{c}", "Produce", block, "y"),
            text.work(2 * tile, [(block, "y"), (block, "a"), (block, "b")]),
            *(text.give(f"{name}{c}", port) for name, port in _ends("ab", "c")),
        ]
        text.core((c, 2), body)
    return text.module({"a": whole, "b": whole, "c": whole})


def gemv_panels(m: int, k: int, tile_m: int, columns: int = 8) -> str:
    """y = A x in bf16: panels of rows through the memory tile into the one buffer of a core, and x
    again to all cores for each of them."""
    text = _Text(columns, _FIRST_CORE + 1)
    rounds, panel = m // (columns * tile_m), tile_m * k
    cores = [(c, _FIRST_CORE) for c in range(columns)]
    ones = f"[{', '.join('1' for _ in range(columns + 1))}]"
    text.fifo("x", (0, 0), cores, ones, f"{k}xbf16")
    text.send("x", "x", f"memref<{k}xbf16>", f"0, {k}", repeats=rounds - 1)
    a, y = f"memref<{m * k}xbf16>", f"memref<{m}xbf16>"
    for c in range(columns):
        text.fifo(f"a{c}", (c, 0), [(c, 1)], 2, f"{panel}xbf16")
        text.fifo(f"l{c}", (c, 1), [(c, 2)], "[2, 1]", f"{panel}xbf16")
        text.link([f"a{c}"], [f"l{c}"])
        text.fifo(f"y{c}", (c, 2), [(c, 0)], 2, f"{tile_m}xbf16")
        rows = f"<size = {rounds}, stride = {columns * panel}>, <size = {panel}, stride = 1>"
        outs = f"<size = {rounds}, stride = {columns * tile_m}>, <size = {tile_m}, stride = 1>"
        text.send(f"a{c}", "a", a, f"{c * panel}, {rounds * panel}, [{rows}]")
        text.receive(f"y{c}", "y", y, f"{c * tile_m}, {rounds * tile_m}, [{outs}]")
        body = [
            text.take("x", "Consume", f"{k}xbf16", "x"),
            text.take(f"l{c}", "Consume", f"{panel}xbf16", "a"),
            text.take(f"y{c}", "Produce", f"{tile_m}xbf16", "y"),
            text.work(2 * tile_m, [(f"{tile_m}xbf16", "y"), (f"{k}xbf16", "x")]),
            *(text.give(name, port) for name, port in _ends(["x", f"l{c}"], [f"y{c}"])),
        ]
        text.core((c, 2), body)
    return text.module({"a": a, "x": f"memref<{k}xbf16>", "y": y})


def gemv_rows(m: int, k: int, columns: int = 8) -> str:
    """y = A x in bf16: x once, and rows straight into two buffers of a core."""
    text = _Text(columns, _FIRST_CORE + 1)
    rows = m // columns
    cores = [(c, _FIRST_CORE) for c in range(columns)]
    ones = f"[{', '.join('1' for _ in range(columns + 1))}]"
    text.fifo("x", (0, 0), cores, ones, f"{k}xbf16")
    text.send("x", "x", f"memref<{k}xbf16>", f"0, {k}")
    a, y = f"memref<{m * k}xbf16>", f"memref<{m}xbf16>"
    for c in range(columns):
        text.fifo(f"a{c}", (c, 0), [(c, 2)], 2, f"{k}xbf16")
        text.fifo(f"y{c}", (c, 2), [(c, 0)], 1, f"{rows}xbf16")
        text.send(f"a{c}", "a", a, f"{c * rows * k}, {rows * k}")
        text.receive(f"y{c}", "y", y, f"{c * rows}, {rows}")
        turn = [
            text.take(f"a{c}", "Consume", f"{k}xbf16", "a"),
            text.work(2 * rows, [(f"{rows}xbf16", "y"), (f"{k}xbf16", "a")]),
            text.give(f"a{c}", "Consume"),
        ]
        body = [
            text.take("x", "Consume", f"{k}xbf16", "x"),
            text.take(f"y{c}", "Produce", f"{rows}xbf16", "y"),
            *text.loop(rows, turn),
            *(text.give(name, port) for name, port in _ends(["x"], [f"y{c}"])),
        ]
        text.core((c, 2), body)
    return text.module({"a": a, "x": f"memref<{k}xbf16>", "y": y})


def streamed(columns: int, channels: int, blocks: int) -> str:
    """Blocks of 5120 bytes to four cores of each column, over one or both channels of its shim: the
    weights of a 4-bit product, without its activations."""
    text = _Text(columns, _FIRST_CORE + 4)
    block, share = "5120xi8", 4 // channels
    total = columns * 4 * blocks * 5120
    w = f"memref<{total}xi8>"
    part = total // (columns * channels)
    for c in range(columns):
        for h in range(channels):
            rows = range(_FIRST_CORE + share * h, _FIRST_CORE + share * (h + 1))
            text.fifo(f"w{c}_{h}", (c, 0), [(c, 1)], 2, f"{share * 5120}xi8")
            for r in rows:
                text.fifo(f"w{c}_{h}_{r}", (c, 1), [(c, r)], 2, block)
            text.link([f"w{c}_{h}"], [f"w{c}_{h}_{r}" for r in rows], 5120)
            text.send(f"w{c}_{h}", "w", w, f"{(c * channels + h) * part}, {part}")
            for r in rows:
                text.fifo(f"y{c}_{r}", (c, r), [(c, 1)], 1, "32xf32")
                turn = [
                    text.take(f"w{c}_{h}_{r}", "Consume", block, "w"),
                    text.work(128, [("32xf32", "y"), (block, "w")]),
                    text.give(f"w{c}_{h}_{r}", "Consume"),
                ]
                text.core(
                    (c, r),
                    [
                        text.take(f"y{c}_{r}", "Produce", "32xf32", "y"),
                        *text.loop(blocks, turn),
                        text.give(f"y{c}_{r}", "Produce"),
                    ],
                )
        text.fifo(f"y{c}", (c, 1), [(c, 0)], 1, "128xf32")
        text.link([f"y{c}_{r}" for r in range(_FIRST_CORE, _FIRST_CORE + 4)], [f"y{c}"], 32)
        text.receive(f"y{c}", "y", f"memref<{columns * 128}xf32>", f"{c * 128}, 128")
    return text.module({"w": w, "y": f"memref<{columns * 128}xf32>"})


def gemm_block(
    tile: tuple[int, int, int], steps: int, columns: int = 8, device: str = "npu2"
) -> str:
    """C = A B in bf16 with f32 results, one tile of C for each core: columns have rows of A, rows
    of cores have columns of B, and `steps` tiles of both come through memory tiles into two
    buffers of a core. The tile of C is in its memory until it leaves through the memory tile.
    """
    m, k, n = tile
    text = _Text(columns, _FIRST_CORE + 4)
    rows = range(_FIRST_CORE, _FIRST_CORE + 4)
    a, b, c = f"{m * k}xbf16", f"{k * n}xbf16", f"{m * n}xf32"
    whole = {
        "a": f"memref<{columns * steps * m * k}xbf16>",
        "b": f"memref<{4 * steps * k * n}xbf16>",
        "c": f"memref<{columns * 4 * m * n}xf32>",
    }
    for x in range(columns):
        part = steps * m * k
        text.fifo(f"a{x}", (x, 0), [(x, 1)], 2, a)
        text.fifo(f"la{x}", (x, 1), [(x, r) for r in rows], 2, a)
        text.link([f"a{x}"], [f"la{x}"])
        text.send(f"a{x}", "a", whole["a"], f"{x * part}, {part}")
    for y, r in enumerate(rows):
        part, x = steps * k * n, y * columns // 4
        text.fifo(f"b{y}", (x, 0), [(x, 1)], 2, b)
        text.fifo(f"lb{y}", (x, 1), [(x, r) for x in range(columns)], 2, b)
        text.link([f"b{y}"], [f"lb{y}"])
        text.send(f"b{y}", "b", whole["b"], f"{y * part}, {part}")
    for x in range(columns):
        for y, r in enumerate(rows):
            text.fifo(f"c{x}_{y}", (x, r), [(x, 1)], "[1, 1]", c)
            ins = [(f"la{x}", a, "a"), (f"lb{y}", b, "b")]
            turn = [
                *(text.take(name, "Consume", kind, value) for name, kind, value in ins),
                text.work(4 * m * n, [(c, "c"), (a, "a"), (b, "b")]),
                *(text.give(name, "Consume") for name, _, _ in ins),
            ]
            body = [text.take(f"c{x}_{y}", "Produce", c, "c"), *text.loop(steps, turn)]
            text.core((x, r), [*body, text.give(f"c{x}_{y}", "Produce")])
        text.fifo(f"c{x}", (x, 1), [(x, 0)], 1, f"{4 * m * n}xf32")
        text.link([f"c{x}_{y}" for y in range(4)], [f"c{x}"], m * n)
        text.receive(f"c{x}", "c", whole["c"], f"{x * 4 * m * n}, {4 * m * n}")
    return text.module(whole, device)


def _ends(consumed: Sequence[str], produced: Sequence[str]) -> list[tuple[str, str]]:
    return [*((name, "Consume") for name in consumed), *((name, "Produce") for name in produced)]


class _Text:
    """A module that is being written down."""

    def __init__(self, columns: int, rows: int) -> None:
        self.lines = [
            f"  %t{c}_{r} = aie.tile({c}, {r})" for c in range(columns) for r in range(rows)
        ]
        self.works: dict[str, str] = {}
        self.tasks: list[str] = []
        self.sent: list[str] = []
        self.received: list[str] = []

    def fifo(
        self,
        name: str,
        source: tuple[int, int],
        targets: Sequence[tuple[int, int]],
        depth: int | str,
        element: str,
    ) -> None:
        ends = ", ".join(f"%t{c}_{r}" for c, r in targets)
        number = depth if isinstance(depth, str) else f"{depth} : i32"
        self.lines.append(
            f"  aie.objectfifo @{name}(%t{source[0]}_{source[1]}, {{{ends}}}, {number}) : "
            f"!aie.objectfifo<memref<{element}>>"
        )

    def link(self, sources: Sequence[str], targets: Sequence[str], part: int = 0) -> None:
        """Each of several on one side has `part` elements of the one on the other."""
        ins, outs = (", ".join(f"@{name}" for name in names) for names in (sources, targets))
        places = [
            ", ".join(str(part * i) for i in range(len(names))) if len(names) > 1 else ""
            for names in (sources, targets)
        ]
        self.lines.append(
            f"  aie.objectfifo.link [{ins}] -> [{outs}] ([{places[0]}] [{places[1]}])"
        )

    def take(self, name: str, port: str, element: str, value: str) -> str:
        view = f"!aie.objectfifosubview<memref<{element}>>"
        return (
            f"    %{value}v = aie.objectfifo.acquire @{name}({port}, 1) : {view}\n"
            f"    %{value} = aie.objectfifo.subview.access %{value}v[0] : {view} "
            f"-> memref<{element}>"
        )

    def give(self, name: str, port: str) -> str:
        return f"    aie.objectfifo.release @{name}({port}, 1)"

    def work(self, nbytes: int, memory: Sequence[tuple[str, str]]) -> str:
        """A call on the first of `memory`, which it fills, and others that it reads."""
        kinds = [f"memref<{kind}>" for kind, _ in memory]
        types = ", ".join([kinds[0], "i32", "i32", *kinds[1:]])
        self.works[types] = f"  func.func private @work({types})"
        values = ", ".join([f"%{memory[0][1]}", "%nil", f"%n{nbytes}"])
        values = ", ".join([values, *(f"%{value}" for _, value in memory[1:])])
        return (
            f"    %nil = arith.constant 0 : i32\n    %n{nbytes} = arith.constant {nbytes} : i32\n"
            f"    func.call @work({values}) : ({types}) -> ()"
        )

    def loop(self, turns: int, body: Sequence[str]) -> list[str]:
        head = f"    %turns = arith.constant {turns} : index"
        return [head, "    scf.for %turn = %c0 to %turns step %c1 {", *body, "    }"]

    def core(self, tile: tuple[int, int], body: Sequence[str]) -> None:
        self.lines += [
            f"  aie.core(%t{tile[0]}_{tile[1]}) {{",
            "    %c0 = arith.constant 0 : index",
            "    %c1 = arith.constant 1 : index",
            "    %forever = arith.constant 9223372036854775807 : index",
            "    scf.for %run = %c0 to %forever step %c1 {",
            *body,
            "    }",
            "    aie.end",
            "  }",
        ]

    def send(self, fifo: str, argument: str, kind: str, transfer: str, repeats: int = 0) -> None:
        more = f" {{repeat_count = {repeats} : i32}}" if repeats else ""
        self._task(f"send_{fifo}", fifo, argument, kind, transfer, more)
        self.sent.append(f"send_{fifo}")

    def receive(self, fifo: str, argument: str, kind: str, transfer: str) -> None:
        self._task(f"get_{fifo}", fifo, argument, kind, transfer, " {issue_token = true}")
        self.received.append(f"get_{fifo}")

    def _task(
        self, name: str, fifo: str, argument: str, kind: str, transfer: str, more: str
    ) -> None:
        self.tasks.append(
            f"    %{name} = aiex.dma_configure_task_for @{fifo} {{\n"
            f"      aie.dma_bd(%{argument} : {kind}, {transfer})\n      aie.end\n    }}{more}"
        )

    def module(self, arguments: dict[str, str], device: str = "npu2") -> str:
        listed = ", ".join(f"%{name}: {kind}" for name, kind in arguments.items())
        lines = [
            *("module {", f"aie.device({device}) {{"),
            *self.works.values(),
            *self.lines,
            f"  aie.runtime_sequence @run({listed}) {{",
            *self.tasks,
            *(f"    aiex.dma_start_task(%{name})" for name in (*self.sent, *self.received)),
            *(f"    aiex.dma_await_task(%{name})" for name in self.received),
            *(f"    aiex.dma_free_task(%{name})" for name in self.sent),
            *("  }", "}", "}"),
        ]
        return "\n".join(lines) + "\n"
