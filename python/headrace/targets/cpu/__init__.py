"""The CPU target: one shared library with vector kernels, a plan executor and its threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.targets.base import Stage, Target
from headrace.targets.cpu.description import CpuDescription, describe

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["CAPABILITIES", "TARGET", "CpuDescription", "describe", "stages"]

CAPABILITIES = Path(__file__).with_name("capabilities.json")


def stages(description: CpuDescription, *, abi: str = "plan") -> list[Stage]:
    """The registered pipeline with the options that this CPU asks for.

    abi: `"plan"` for artifacts, `"iree"` for objects that IREE calls.
    """
    options = (
        f'capabilities="{CAPABILITIES}" dot={description.dot} bf16={description.bf16} '
        f"fast-bf16={str(description.fast_bf16).lower()} "
        f"gfni={str(description.gfni).lower()} "
        f"lookup={description.lookup} "
        f"vector-bits={description.vector_bits} abi={abi} "
        f"poison-scratch={str(description.poison_scratch).lower()}"
    )
    return [Stage("cpu", f"headrace-cpu-pipeline{{{options}}}")]


def _poisoned(description: CpuDescription) -> CpuDescription:
    return replace(description, poison_scratch=True)


def _package(module: ir.Module, description: CpuDescription, folder: Path, **how: Any) -> Any:
    from headrace.targets.cpu.package import package

    return package(module, description, folder, **how)


def _emitter(kind: str) -> Callable[[ir.Module, CpuDescription], str | bytes]:
    def emit_kind(module: ir.Module, description: CpuDescription) -> str | bytes:
        from headrace.targets.cpu import package

        emit: Callable[[ir.Module, CpuDescription], str | bytes] = getattr(package, f"emit_{kind}")
        return emit(module, description)

    return emit_kind


TARGET = Target(
    name="cpu",
    summary="shared library for x86-64 (AVX-512 VNNI, AVX2, portable vectors) and AArch64 (NEON)",
    capabilities=CAPABILITIES,
    describe=describe,
    stages=stages,
    package=_package,
    poisoned=_poisoned,
    emitters={
        "asm": _emitter("assembly"),
        "llvm": _emitter("llvm_ir"),
        "object": _emitter("object"),
    },
    sources={"kernels.s": "asm"},
    options=("x86-64-v3", "x86-64-v4", "sapphirerapids", "znver5", "neoverse-n1", "neoverse-v2"),
)
