"""Our compiled kernels as `hal.executable` text, and calls of them as `flow.dispatch` text.

One compiled object becomes one executable with an export per kernel. The object is named by its
path, never inlined: IREE then links it as it is, with our instruction schedule. IREE hands a
kernel each buffer as a base pointer and an offset counted in elements, then the workgroup id.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from headrace.errors import CompileError

# Element types of buffers, with their bytes: named the same in manifests and in MLIR.
ELEMENT_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "i8": 1, "i32": 4, "i64": 8}


@dataclass(frozen=True)
class Slot:
    """A buffer of the plan: its element type and its shape."""

    element: str
    shape: tuple[int, ...]

    @property
    def tensor(self) -> str:
        return f"tensor<{''.join(f'{d}x' for d in self.shape)}{self.element}>"

    @property
    def memref(self) -> str:
        return f"memref<{math.prod(self.shape)}x{self.element}>"


@dataclass(frozen=True)
class Step:
    """One dispatch: a kernel, its grid, what it reads and the one buffer it writes."""

    kernel: str
    symbol: str  # of the function in the object
    grid: tuple[int, ...]
    bindings: tuple[tuple[str, Slot, int], ...]  # slot key, slot, byte offset
    result: int  # index in bindings

    @property
    def reads(self) -> list[tuple[str, Slot, int]]:
        return [b for i, b in enumerate(self.bindings) if i != self.result]


@dataclass(frozen=True)
class Executable:
    """A compiled object and the plan that its manifest gives for it."""

    name: str
    object_name: str
    manifest: dict[str, Any]
    steps: tuple[Step, ...]

    def export(self, step: Step) -> str:
        """The name of the entry point of `step`, unique in the program."""
        return f"{self.name}_{step.kernel}"


def make_executable(name: str, object_name: str, manifest: dict[str, Any]) -> Executable:
    """Read the plan of `manifest` (see docs of the artifact) into dispatch steps.

    A step writes exactly one buffer: the output argument among its bindings, else the transient
    that no earlier step has written.
    """
    slots = _slots(manifest)
    roles = {f"a{i}": a["role"] for i, a in enumerate(manifest["arguments"])}
    symbols = {kernel["name"]: kernel["symbol"] for kernel in manifest["kernels"]}
    written: set[str] = set()
    steps = []
    for entry in manifest["plan"]:
        if entry["constants"]:
            raise CompileError(f"iree: kernel {entry['kernel']} has push constants")
        bindings = tuple(
            (key, slots[key], int(binding.get("offset", 0)))
            for binding in entry["bindings"]
            for key in [_slot_key(binding)]
        )
        results = [
            i
            for i, (key, _, _) in enumerate(bindings)
            if roles.get(key) == "output" or (key.startswith("t") and key not in written)
        ]
        if len(results) != 1 or bindings[results[0]][2] != 0:
            raise CompileError(
                f"iree: kernel {entry['kernel']}: expected one whole result, but got {len(results)}"
            )
        written.add(bindings[results[0]][0])
        steps.append(
            Step(
                entry["kernel"],
                symbols[entry["kernel"]],
                tuple(entry["grid"]),
                bindings,
                results[0],
            )
        )
    return Executable(name, object_name, manifest, tuple(steps))


def executable_text(executable: Executable, target: str) -> str:
    """`hal.executable` with one export per kernel. `target`: `#hal.executable.target<...>`."""
    exports, bodies = [], []
    for ordinal, step in enumerate(executable.steps):
        export = executable.export(step)
        exports.append(_export_text(export, ordinal, step))
        bodies.append(_body_text(export, step))
    path = f'#hal.executable.object<{{path = "{executable.object_name}"}}>'
    return "\n".join(
        [
            f"hal.executable private @{executable.name} {{",
            f"  hal.executable.variant public @cpu target({target}) objects([{path}]) {{",
            *exports,
            "    builtin.module {",
            *bodies,
            "    }",
            "  }",
            "}",
        ]
    )


def dispatch_text(executable: Executable, symbol: str, operands: list[str], result: str) -> str:
    """A function that runs the plan of `executable` as dispatches.

    operands: tensor types of the input arguments in manifest order; result: that of the output.
    """
    inputs = [i for i, a in enumerate(executable.manifest["arguments"]) if a["role"] == "input"]
    outputs = [i for i, a in enumerate(executable.manifest["arguments"]) if a["role"] == "output"]
    values = {
        f"a{i}": (f"%arg{n}", t) for n, (i, t) in enumerate(zip(inputs, operands, strict=True))
    }
    arguments = ", ".join(f"{value}: {kind}" for value, kind in values.values())
    lines = [f"func.func private @{symbol}({arguments}) -> {result} {{"]
    for index, step in enumerate(executable.steps):
        key, slot, _ = step.bindings[step.result]
        kind = result if key == f"a{outputs[0]}" else slot.tensor
        reads = [values[k] for k, _, _ in step.reads]
        export = f"@{executable.name}::@cpu::@{executable.export(step)}"
        lines.append(
            f"  %{index} = flow.dispatch {export}({', '.join(v for v, _ in reads)}) "
            f"{{hal.executable.ref = [@{executable.name}]}} : "
            f"({', '.join(t for _, t in reads)}) -> {kind}"
        )
        values[key] = (f"%{index}", kind)
    lines.append(f"  return {values[f'a{outputs[0]}'][0]} : {result}")
    lines.append("}")
    return "\n".join(lines)


def _slots(manifest: dict[str, Any]) -> dict[str, Slot]:
    slots = {
        f"a{i}": Slot(a["dtype"], tuple(a["shape"])) for i, a in enumerate(manifest["arguments"])
    }
    slots.update({f"t{i}": Slot("i8", (t["bytes"],)) for i, t in enumerate(manifest["transients"])})
    return slots


def _slot_key(binding: dict[str, int]) -> str:
    return f"a{binding['argument']}" if "argument" in binding else f"t{binding['transient']}"


def _layout(step: Step) -> str:
    """Pipeline layout: what is read first, the result last, as `flow.dispatch` lists them."""
    count = len(step.bindings)
    flags = ["storage_buffer, ReadOnly"] * (count - 1) + ["storage_buffer"]
    inner = ", ".join(f"#hal.pipeline.binding<{f}>" for f in flags)
    return f"#hal.pipeline.layout<bindings = [{inner}]>"


def _export_text(export: str, ordinal: int, step: Step) -> str:
    grid = [
        f"        %g{axis} = arith.constant {size} : index" for axis, size in enumerate(step.grid)
    ]
    return "\n".join(
        [
            f"    hal.executable.export public @{export} ordinal({ordinal}) "
            f"layout({_layout(step)}) count(%device: !hal.device) -> (index, index, index) {{",
            *grid,
            "        hal.return %g0, %g1, %g2 : index, index, index",
            "    }",
        ]
    )


def _body_text(export: str, step: Step) -> str:
    """The function IREE calls per workgroup: takes the bindings apart and calls our kernel."""
    order = [i for i in range(len(step.bindings)) if i != step.result] + [step.result]
    lines, arguments, types = [], [], []
    for binding_index, position in enumerate(order):
        _, slot, _ = step.bindings[position]
        lines.append(
            f"        %b{position} = hal.interface.binding.subspan layout({_layout(step)}) "
            f"binding({binding_index}) alignment(64) offset(%zero) : {slot.memref}"
        )
    for position, (_, slot, offset) in enumerate(step.bindings):
        base = f"memref<{slot.element}>"
        lines.append(
            f"        %p{position}, %o{position}, %n{position}, %s{position} = "
            f"iree_codegen.extract_strided_metadata %b{position} : {slot.memref} -> "
            f"{base}, index, index, index"
        )
        at = f"%o{position}"
        if offset:
            size = ELEMENT_BYTES[slot.element]
            lines.append(f"        %d{position} = arith.constant {offset // size} : index")
            lines.append(f"        %e{position} = arith.addi %o{position}, %d{position} : index")
            at = f"%e{position}"
        arguments += [f"%p{position}", at]
        types += [base, "index"]
    arguments += ["%x", "%y", "%z"]
    types += ["index"] * 3
    signature = ", ".join(types)
    return "\n".join(
        [
            f"      func.func private @{step.symbol}({signature}) "
            "attributes {hal.import.static, llvm.bareptr = true}",
            f"      func.func @{export}() {{",
            "        %zero = arith.constant 0 : index",
            *(
                f"        %{axis} = hal.interface.workgroup.id[{i}] : index"
                for i, axis in enumerate("xyz")
            ),
            *lines,
            f"        func.call @{step.symbol}({', '.join(arguments)}) : ({signature}) -> ()",
            "        return",
            "      }",
        ]
    )
