"""AIE text for the tests of the array simulator, with core functions in C."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from headrace.sim.clang import find_clang

KERNELS = """
#include <string.h>
void copy_64(const float *x, float *y) { memcpy(y, x, 256); }
void half_64(const float *x, float *y) { memcpy(y, x, 128); }
void before_64(const float *x, float *y) { memset(y - 1, 0, 260); }
void beyond_64(const float *x, float *y) { memset(y, 0, 260); }
void far_64(const float *x, float *y) { y[100000] = x[0]; }
void after_64(const float *x, float *y) { memcpy(y, x + 1, 256); }
void nowhere_64(const float *x, float *y) { *(volatile float *)4096 = 0; }
void divide_64(const float *x, float *y) { volatile int i = 7, j = 0; y[0] = i / j; }
void trap_64(const float *x, float *y) { __builtin_trap(); }
void scale_64(const float *x, float *y, int by, float plus) {
  for (int i = 0; i < 64; ++i) y[i] = x[i] * (float)by + plus;
}
void zero_16(float *y) { memset(y, 0, 64); }
void accumulate(const float *x, const float *w, float *y) {
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < 64; ++k) y[row] += w[row * 64 + k] * x[k];
}
"""
CYCLES = {
    "copy_64": 20.0,
    "half_64": 20.0,
    "before_64": 20.0,
    "beyond_64": 20.0,
    "far_64": 20.0,
    "after_64": 20.0,
    "nowhere_64": 20.0,
    "divide_64": 20.0,
    "trap_64": 20.0,
    "scale_64": 40.0,
    "zero_16": 8.0,
    "accumulate": 600.0,
}


def build_kernels(folder: Path) -> Path:
    (folder / "cores.c").write_text(KERNELS)
    command = [find_clang().path, "-x", "c", "-O1", "-shared", "-fPIC", "cores.c", "-o", "cores.so"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "cores.so"


def declarations() -> str:
    x, w, y = "memref<64xf32>", "memref<1024xf32>", "memref<16xf32>"
    copies = "\n  ".join(
        f'func.func private @{name}({x}, {x}) attributes {{link_with = "cores.o"}}'
        for name in CYCLES
        if name.endswith("_64") and name != "scale_64"
    )
    return f"""
  {copies}
  func.func private @scale_64({x}, {x}, i32, f32) attributes {{link_with = "cores.o"}}
  func.func private @zero_16({y}) attributes {{link_with = "cores.o"}}
  func.func private @accumulate({x}, {w}, {y}) attributes {{link_with = "cores.o"}}"""


def tiles(columns: int, rows: int = 6) -> str:
    return "\n".join(
        f"  %t{c}_{r} = aie.tile({c}, {r})" for c in range(columns) for r in range(rows)
    )


def fifo(name: str, source: str, targets: str, depth: object, element: str, more: str = "") -> str:
    number = depth if isinstance(depth, str) else f"{depth} : i32"
    kind = f"!aie.objectfifo<memref<{element}>>"
    return f"  aie.objectfifo @{name}({source}, {{{targets}}}, {number}){more} : {kind}"


def take(name: str, port: str, element: str, value: str) -> str:
    """Acquires one element as `value`."""
    view = f"!aie.objectfifosubview<memref<{element}>>"
    return f"""
    %{value}s = aie.objectfifo.acquire @{name}({port}, 1) : {view}
    %{value} = aie.objectfifo.subview.access %{value}s[0] : {view} -> memref<{element}>"""


def give(name: str, port: str) -> str:
    return f"\n    aie.objectfifo.release @{name}({port}, 1)"


def core(tile: str, body: str) -> str:
    """A core that runs a body forever."""
    return f"""
  aie.core({tile}) {{
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %turn = %c0 to %forever step %c1 {{{body}
    }}
    aie.end
  }} {{stack_size = 1024 : i32}}"""


def task(name: str, fifo_name: str, transfer: str, repeats: int = 0, token: bool = False) -> str:
    more = ["issue_token = true"] if token else []
    more += [f"repeat_count = {repeats} : i32"] if repeats else []
    attributes = f" {{{', '.join(more)}}}" if more else ""
    return f"""
    %{name} = aiex.dma_configure_task_for @{fifo_name} {{
      aie.dma_bd({transfer})
      aie.end
    }}{attributes}"""


def sequence(arguments: str, tasks: Sequence[str], sent: str, awaited: str) -> str:
    names, tokens = sent.split(), awaited.split()
    starts = "".join(f"\n    aiex.dma_start_task(%{name})" for name in (*names, *tokens))
    awaits = "".join(f"\n    aiex.dma_await_task(%{name})" for name in tokens)
    frees = "".join(f"\n    aiex.dma_free_task(%{name})" for name in names)
    return f"""
  aie.runtime_sequence @seq({arguments}) {{{"".join(tasks)}{starts}{awaits}{frees}
  }}"""


def device(*parts: str, columns: int = 1, name: str = "npu2") -> str:
    body = "\n".join((declarations(), tiles(columns), *parts))
    return f"module {{\naie.device({name}) {{{body}\n}}\n}}\n"


def elementwise(function: str = "copy_64", depth: object = 2, values: int = 64 * 8) -> str:
    """A core that copies blocks of 64 values from argument 0 to argument 1."""
    element = "64xf32"
    call = f"""
    func.call @{function}(%x, %y) : (memref<{element}>, memref<{element}>) -> ()"""
    body = (
        take("x", "Consume", element, "x")
        + take("y", "Produce", element, "y")
        + call
        + give("x", "Consume")
        + give("y", "Produce")
    )
    kind = f"memref<{values}xf32>"
    return device(
        fifo("x", "%t0_0", "%t0_2", depth, element),
        fifo("y", "%t0_2", "%t0_0", 2, element),
        core("%t0_2", body),
        sequence(
            f"%x: {kind}, %y: {kind}",
            [
                task("in", "x", f"%x : {kind}, 0, {values}"),
                task("out", "y", f"%y : {kind}, 0, {values}", token=True),
            ],
            "in",
            "out",
        ),
    )


def gemv(columns: int, rounds: int, depth: int) -> str:
    """y = W x on two cores of each column: x broadcast, W distributed, y joined.

    Each core has `rounds` blocks of 16 rows; x has `depth` blocks of 64 values. The weights come
    by column, round, block of x, core.
    """
    parts, bodies, tasks, names, tokens = [], [], [], ["send_x"], []
    rows, k = columns * rounds * 32, 64 * depth
    cores = [(c, r) for c in range(columns) for r in (2, 3)]
    everyone = ", ".join(f"%t{c}_{r}" for c, r in cores)
    parts += [
        fifo("x", "%t0_0", "%t0_1", 2, "64xf32"),
        fifo("xs", "%t0_1", everyone, 2, "64xf32"),
        "  aie.objectfifo.link [@x] -> [@xs] ([] [])",
    ]
    w, y = f"memref<{rows * k}xf32>", f"memref<{rows}xf32>"
    tasks.append(task("send_x", "x", f"%x : memref<{k}xf32>, 0, {k}", rounds - 1))
    for c in range(columns):
        shim, memory = f"%t{c}_0", f"%t{c}_1"
        parts.append(fifo(f"w{c}", shim, memory, 2, "2048xf32"))
        parts += [fifo(f"w{c}_{r}", memory, f"%t{c}_{r}", 2, "1024xf32") for r in (2, 3)]
        parts.append(f"  aie.objectfifo.link [@w{c}] -> [@w{c}_2, @w{c}_3] ([] [0, 1024])")
        parts += [fifo(f"y{c}_{r}", f"%t{c}_{r}", memory, 2, "16xf32") for r in (2, 3)]
        parts.append(fifo(f"y{c}", memory, shim, 2, "32xf32"))
        parts.append(f"  aie.objectfifo.link [@y{c}_2, @y{c}_3] -> [@y{c}] ([0, 16] [])")
        share, part = rounds * 32 * k, rounds * 32
        tasks.append(task(f"send_w{c}", f"w{c}", f"%w : {w}, {c * share}, {share}"))
        tasks.append(task(f"get_y{c}", f"y{c}", f"%y : {y}, {c * part}, {part}", token=True))
        names.append(f"send_w{c}")
        tokens.append(f"get_y{c}")
    for c, r in cores:
        blocks = f"""
    %depth = arith.constant {depth} : index
    scf.for %j = %c0 to %depth step %c1 {{{take("xs", "Consume", "64xf32", "x")}{
            take(f"w{c}_{r}", "Consume", "1024xf32", "w")
        }
    func.call @accumulate(%x, %w, %y)
        : (memref<64xf32>, memref<1024xf32>, memref<16xf32>) -> (){give("xs", "Consume")}{
            give(f"w{c}_{r}", "Consume")
        }
    }}"""
        body = take(f"y{c}_{r}", "Produce", "16xf32", "y")
        body += "\n    func.call @zero_16(%y) : (memref<16xf32>) -> ()"
        bodies.append(core(f"%t{c}_{r}", body + blocks + give(f"y{c}_{r}", "Produce")))
    arguments = f"%w: {w}, %x: memref<{k}xf32>, %y: {y}"
    end = sequence(arguments, tasks, " ".join(names), " ".join(tokens))
    return device(*parts, *bodies, end, columns=columns)
