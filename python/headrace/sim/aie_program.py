"""Programs of cores: flat lists of instructions on registers, for the array simulator."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["OPCODES", "Instruction", "Program"]

# HeadraceOpcode of runtime/array/headrace_array.h, which says what each does.
OPCODES = (
    *("constant", "move", "add", "sub", "mul", "div", "rem", "and", "or", "xor", "shl", "shr"),
    *("min", "max", "equal", "less", "div unsigned", "rem unsigned", "shr unsigned"),
    *("less unsigned", "select", "jump", "branch", "buffer", "element"),
    *("load", "store", "acquire", "release", "poison", "argument", "float", "call", "end"),
)


@dataclass(frozen=True)
class Instruction:
    op: str
    a: int = 0
    b: int = 0
    c: int = 0
    immediate: int = 0
    cycles: float = 0.0


class Program:
    """Instructions that are being written down; registers are used once each."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.registers = 1
        self._constants: dict[int, int] = {}

    def register(self) -> int:
        self.registers += 1
        return self.registers - 1

    def emit(
        self,
        op: str,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        immediate: int = 0,
        cycles: float = 0.0,
    ) -> None:
        self.instructions.append(Instruction(op, a, b, c, immediate, cycles))

    def compute(
        self, op: str, b: int = 0, c: int = 0, immediate: int = 0, cycles: float = 0.0
    ) -> int:
        """The register of a result."""
        register = self.register()
        self.emit(op, register, b, c, immediate, cycles)
        return register

    def constant(self, value: int) -> int:
        """Constants are set once, before everything else."""
        if value not in self._constants:
            self._constants[value] = self.register()
        return self._constants[value]

    def here(self) -> int:
        """A place to jump to. Constants move all of them, in `finish`."""
        return len(self.instructions)

    def hole(self, op: str, a: int = 0, cycles: float = 0.0) -> int:
        """A jump whose target comes later: `fill`."""
        self.emit(op, a, cycles=cycles)
        return len(self.instructions) - 1

    def fill(self, hole: int) -> None:
        waiting = self.instructions[hole]
        self.instructions[hole] = replace(waiting, immediate=self.here())

    def finish(self) -> tuple[Instruction, ...]:
        self.emit("end")
        first = len(self._constants)
        sets = [Instruction("constant", r, immediate=v) for v, r in self._constants.items()]
        moved = [
            replace(i, immediate=i.immediate + first) if i.op in ("jump", "branch") else i
            for i in self.instructions
        ]
        return (*sets, *moved)
