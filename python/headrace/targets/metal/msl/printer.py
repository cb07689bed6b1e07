"""Prints one kernel, a function of gpu, scf, memref, vector, arith and math operations, as MSL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.metal.msl.buffers import aligned, buffers_of
from headrace.targets.metal.msl.names import Names, carried_name, hint, usual_name
from headrace.targets.metal.msl.operations import EXPRESSIONS, PINNED, defining_op
from headrace.targets.metal.msl.types import lanes, scalar_bytes, type_text

__all__ = ["KernelPrinter"]

# Longest expression that is written inside of another one.
_INLINE = 60
_INDENT = "    "
# What a thread knows of its place: operation -> (name in text, its type).
_PLACES = {
    "gpu.block_id": ("workgroup", "uint3"),
    "gpu.thread_id": ("thread_index", "uint"),
    "gpu.subgroup_id": ("subgroup", "uint"),
    "gpu.lane_id": ("lane", "uint"),
}
_ALLOCATIONS = ("memref.alloca", "memref.alloc")


@dataclass(frozen=True)
class _Memory:
    """Where elements are: a pointer, and the words that its type starts with."""

    pointer: str
    qualifiers: str


class KernelPrinter:
    """The text of one kernel; `buffers`, `places` and `lines` are there once it is made."""

    def __init__(self, function: Any) -> None:
        self.places: dict[str, str] = {}
        self.lines: list[str] = []
        self._names = Names()
        self._depth = 1
        self._texts: dict[ir.Value, tuple[str, bool]] = {}
        self._memory: dict[ir.Value, _Memory] = {}
        (block,) = function.regions[0].blocks
        self.buffers = buffers_of(function, self._names)
        for argument, buffer in zip(block.arguments, self.buffers, strict=True):
            self._memory[argument] = _Memory(buffer.name, buffer.space)
        self._block(block)

    # --- memory ----------------------------------------------------------------------------------

    def _place(self, op: ir.Operation, value: ir.Value) -> _Memory:
        if value not in self._memory:
            raise CompileError(f"{op.location}: msl: '{op.name}' uses memory of unknown origin")
        return self._memory[value]

    def _view(self, op: ir.Operation) -> None:
        source = self._place(op, op.operands[0])
        element = type_text(ir.MemRefType(op.results[0].type).element_type)
        shift = self._text(op.operands[1])
        start = source.pointer if shift == "0" else f"({source.pointer} + {shift})"
        if element == "uchar":
            self._memory[op.results[0]] = _Memory(start, source.qualifiers)
            return
        name = self._names.for_op(op, f"{source.pointer}_{element}")
        self._line(
            f"{source.qualifiers} {element}* {name} = ({source.qualifiers} {element}*){start};"
        )
        self._memory[op.results[0]] = _Memory(name, source.qualifiers)

    def _subview(self, op: ir.Operation) -> None:
        """A part of a buffer, whose elements lie in it as they do in the whole."""
        source = self._place(op, op.operands[0])
        whole = ir.MemRefType(op.operands[0].type)
        if any(stride != 1 for stride in ir.DenseI64ArrayAttr(op.attributes["static_strides"])):
            raise CompileError(f"{op.location}: msl: expected a subview of strides 1, but got {op}")
        dynamic = ir.ShapedType.get_dynamic_stride_or_offset()
        given = iter(list(op.operands)[1:])
        strides, _ = whole.get_strides_and_offset()
        parts = []
        for offset, stride in zip(
            ir.DenseI64ArrayAttr(op.attributes["static_offsets"]), strides, strict=True
        ):
            if offset == dynamic:
                text = self._text(next(given), atom=stride != 1)
                parts.append(text if stride == 1 else f"{stride} * {text}")
            elif offset:
                parts.append(str(offset * stride))
        name = self._names.for_op(op, f"{source.pointer}_part")
        element = type_text(whole.element_type)
        start = " + ".join([source.pointer, *parts])
        self._line(f"{source.qualifiers} {element}* {name} = {start};")
        self._memory[op.results[0]] = _Memory(name, source.qualifiers)

    def _allocate(self, op: ir.Operation) -> None:
        kind = ir.MemRefType(op.results[0].type)
        space = str(kind.memory_space) if kind.memory_space is not None else ""
        shared = space == "#gpu.address_space<workgroup>"
        if space not in ("", "#gpu.address_space<workgroup>", "#gpu.address_space<private>"):
            raise CompileError(f"{op.location}: msl: expected workgroup memory, but got {kind}")
        name = self._names.for_op(op, "shared_memory" if shared else "local")
        count = 1
        for size in kind.shape:
            count *= size
        words = "threadgroup " if shared else ""
        element = type_text(kind.element_type)
        together = aligned(op.results[0]) // scalar_bytes(element)
        if together > 1:
            # An array of vectors is aligned as they are; one of numbers need not be.
            vectors = self._names.fresh(f"{name}_vectors")
            self._line(f"{words}{element}{together} {vectors}[{-(-count // together)}];")
            space = words or "thread "
            self._line(f"{space}{element}* {name} = ({space}{element}*){vectors};")
        else:
            self._line(f"{words}{element} {name}[{count}];")
        self._memory[op.results[0]] = _Memory(name, words.strip() or "thread")

    def _element(self, op: ir.Operation, memref: ir.Value, indices: Sequence[ir.Value]) -> str:
        """Number of an element, counted from the pointer."""
        strides, offset = ir.MemRefType(memref.type).get_strides_and_offset()
        owner = defining_op(memref)
        if owner is not None and owner.name == "memref.subview":
            offset = 0  # the pointer is where the part starts
        parts = []
        for index, stride in zip(indices, strides, strict=True):
            text = self._text(index, atom=stride != 1)
            if text != "0":
                parts.append(text if stride == 1 else f"{stride} * {text}")
        if offset:
            parts.append(str(offset))
        return " + ".join(parts) or "0"

    def _access(
        self, op: ir.Operation, memref: ir.Value, indices: Sequence[ir.Value], kind: ir.Type
    ) -> str:
        """Text that stands for elements in memory."""
        memory = self._place(op, memref)
        at = self._element(op, memref, indices)
        text = type_text(kind)
        if lanes(kind) == 1:
            return f"{memory.pointer}[{at}]"
        aligned = lanes(kind) * scalar_bytes(text)
        alignment = (
            ir.IntegerAttr(op.attributes["alignment"]).value if "alignment" in op.attributes else 1
        )
        packed = "" if alignment >= aligned else "packed_"
        start = memory.pointer if at == "0" else f"({memory.pointer} + {at})"
        return f"*({memory.qualifiers} {packed}{text}*){start}"

    def _matrix_place(self, op: ir.Operation, memref: ir.Value, indices: Sequence[ir.Value]) -> str:
        """Arguments that say where the lines of a matrix are, and whether they are columns."""
        at = self._element(op, memref, indices)
        pointer = self._place(op, memref).pointer
        stride = ir.IntegerAttr(op.attributes["leadDimension"]).value
        transposed = ", ulong2(0), true" if "transpose" in op.attributes else ""
        return f"{pointer if at == '0' else f'{pointer} + {at}'}, {stride}{transposed}"

    def _matrix(self, op: ir.Operation, usual_name: str) -> str:
        """Declares the matrix that an operation has as its result; returns its name."""
        name = self._names.for_op(op, usual_name)
        self._line(f"{type_text(op.results[0].type)} {name};")
        self._texts[op.results[0]] = (name, True)
        return name

    def _load_matrix(self, op: ir.Operation) -> None:
        name = self._matrix(op, "loaded")
        memref, *indices = op.operands
        self._line(f"simdgroup_load({name}, {self._matrix_place(op, memref, indices)});")

    def _store_matrix(self, op: ir.Operation) -> None:
        value, memref, *indices = op.operands
        place = self._matrix_place(op, memref, indices)
        self._line(f"simdgroup_store({self._text(value)}, {place});")

    def _multiply_matrices(self, op: ir.Operation) -> None:
        if "a_transpose" in op.attributes or "b_transpose" in op.attributes:
            raise CompileError(
                f"{op.location}: msl: expected matrices that are transposed by their loads, "
                f"but got {op}"
            )
        texts = ", ".join(self._text(operand) for operand in op.operands)
        self._line(f"simdgroup_multiply_accumulate({self._matrix(op, 'product')}, {texts});")

    # --- expressions -----------------------------------------------------------------------------

    def _text(self, value: ir.Value, *, atom: bool = False) -> str:
        if value not in self._texts:
            op = defining_op(value)
            name = f"a result of '{op.name}'" if op else "an argument"
            raise CompileError(f"msl: expected a number or a vector, but got {name}: {value.type}")
        text, is_atom = self._texts[value]
        return f"({text})" if atom and not is_atom else text

    def _define(self, op: ir.Operation, expression: str, *, is_atom: bool, pinned: bool) -> None:
        """A name for the result, or its text alone where that is used once and short."""
        result = op.results[0]
        uses = list(result.uses)
        constant = op.name == "arith.constant"
        near = len(uses) == 1 and uses[0].owner.operation.block == op.block
        short = len(expression) <= _INLINE and hint(op) is None
        if constant or (not pinned and near and short):
            self._texts[result] = (expression, is_atom)
            return
        name = self._names.for_op(op, usual_name(op))
        self._line(f"const {type_text(result.type)} {name} = {expression};")
        self._texts[result] = (name, True)

    def _compute(self, op: ir.Operation) -> None:
        build = EXPRESSIONS[op.name]
        # In a call or a constructor an argument needs no parentheses.
        calls = op.name in _CALLS

        def operand(index: int) -> str:
            return self._text(op.operands[index], atom=not calls)

        text, is_atom = build(op, operand)
        self._define(op, text, is_atom=is_atom, pinned=op.name in PINNED)

    def _identify(self, op: ir.Operation) -> None:
        name, kind = _PLACES[op.name]
        self.places[name] = kind
        if "dimension" not in op.attributes:
            self._texts[op.results[0]] = (f"int({name})", True)
            return
        dimension = str(op.attributes["dimension"]).removeprefix("#gpu<dim ").removesuffix(">")
        if name == "thread_index" and dimension != "x":
            raise CompileError(f"{op.location}: msl: expected workgroups of one row of threads")
        place = f"{name}.{dimension}" if name == "workgroup" else name
        self._texts[op.results[0]] = (f"int({place})", True)

    # --- statements ------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        self.lines.append(_INDENT * self._depth + text)

    def _block(self, block: Any) -> None:
        for item in block.operations:
            op = item.operation
            if op.name in EXPRESSIONS:
                self._compute(op)
            elif op.name in _PLACES:
                self._identify(op)
            elif op.name in _ALLOCATIONS:
                self._allocate(op)
            elif op.name in _STATEMENTS:
                _STATEMENTS[op.name](self, op)
            else:
                known = sorted([*EXPRESSIONS, *_PLACES, *_ALLOCATIONS, *_STATEMENTS])
                raise CompileError(
                    f"{op.location}: msl: '{op.name}' cannot be written as MSL; allowed: "
                    f"{', '.join(known)}"
                )

    def _load(self, op: ir.Operation) -> None:
        kind = op.results[0].type
        text = self._access(op, op.operands[0], list(op.operands)[1:], kind)
        if "packed_" in text:
            text = f"{type_text(kind)}({text})"
        self._define(op, text, is_atom=not text.startswith("*"), pinned=True)

    def _store(self, op: ir.Operation) -> None:
        value, memref, *indices = op.operands
        target = self._access(op, memref, indices, value.type)
        self._line(f"{target} = {self._text(value)};")

    def _for(self, op: ir.Operation) -> None:
        lower, upper, step, *inits = op.operands
        (body,) = op.regions[0].blocks
        counter, *carried = body.arguments
        for argument, result, init in zip(carried, op.results, inits, strict=True):
            name = self._names.fresh(carried_name(argument))
            self._line(f"{type_text(result.type)} {name} = {self._text(init)};")
            self._texts[argument] = self._texts[result] = (name, True)
        name = self._names.fresh(hint(op) or "i")
        self._texts[counter] = (name, True)
        head = f"{type_text(counter.type)} {name} = {self._text(lower)}"
        more = f"{name} += {self._text(step)}"
        self._line(f"for ({head}; {name} < {self._text(upper, atom=True)}; {more}) {{")
        self._depth += 1
        self._block(body)
        self._depth -= 1
        self._line("}")

    def _if(self, op: ir.Operation) -> None:
        for result in op.results:
            name = self._names.for_op(op, "chosen")
            self._line(f"{type_text(result.type)} {name};")
            self._texts[result] = (name, True)
        self._line(f"if ({self._text(op.operands[0])}) {{")
        for number, region in enumerate(op.regions):
            if not len(region.blocks):
                continue
            if number:
                self._line("} else {")
            self._depth += 1
            self._block(region.blocks[0])
            self._depth -= 1
        self._line("}")

    def _yield(self, op: ir.Operation) -> None:
        targets = [self._text(result) for result in op.block.owner.results]
        values = [self._text(value) for value in op.operands]
        if _overlap(targets, values):
            # All are computed before any is assigned.
            for index, value in enumerate(op.operands):
                name = self._names.fresh("next")
                self._line(f"const {type_text(value.type)} {name} = {values[index]};")
                values[index] = name
        for target, text in zip(targets, values, strict=True):
            if target != text:
                self._line(f"{target} = {text};")

    def _barrier(self, op: ir.Operation) -> None:
        self._line("threadgroup_barrier(mem_flags::mem_threadgroup);")

    def _return(self, op: ir.Operation) -> None:
        pass


def _overlap(targets: Sequence[str], values: Sequence[str]) -> bool:
    """Whether a value reads what an earlier assignment changed."""

    def words(text: str) -> Iterator[str]:
        yield from re.findall(r"\w+", text)

    return any(
        targets[before] in words(values[after])
        for after in range(len(targets))
        for before in range(after)
        if targets[before] != values[before]
    )


# Operations whose text has operands as arguments only.
_CALLS = frozenset(
    name
    for name in EXPRESSIONS
    if name.startswith("math.")
    or name
    in [
        "vector.fma",
        "vector.broadcast",
        "vector.from_elements",
        "gpu.subgroup_reduce",
        "gpu.shuffle",
        "arith.minui",
        "arith.maxui",
        "arith.minsi",
        "arith.maxsi",
        "arith.minnumf",
        "arith.maxnumf",
        "arith.uitofp",
        "arith.sitofp",
        "arith.fptoui",
        "arith.fptosi",
        "vector.bitcast",
        "arith.bitcast",
    ]
)

_STATEMENTS: dict[str, Callable[[KernelPrinter, ir.Operation], None]] = {
    "memref.view": KernelPrinter._view,
    "memref.subview": KernelPrinter._subview,
    "memref.load": KernelPrinter._load,
    "vector.load": KernelPrinter._load,
    "memref.store": KernelPrinter._store,
    "vector.store": KernelPrinter._store,
    "scf.for": KernelPrinter._for,
    "scf.if": KernelPrinter._if,
    "scf.yield": KernelPrinter._yield,
    "gpu.barrier": KernelPrinter._barrier,
    "gpu.subgroup_mma_load_matrix": KernelPrinter._load_matrix,
    "gpu.subgroup_mma_store_matrix": KernelPrinter._store_matrix,
    "gpu.subgroup_mma_compute": KernelPrinter._multiply_matrices,
    "func.return": KernelPrinter._return,
}
