"""Headrace: compiles quantized attention and matrix-vector products to CPU, GPU, NPU and FPGA.

    import headrace as hr
    art = hr.compile(hr.ops.matvec(4096, 14336, format="q4_k"), target="cpu")
    y = art(x, w)

Importing this package loads no native library: each name below resolves on first use, so the
errors, the formats, the targets' tables and the command line's help work without the compiler.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from headrace import formats, ops, targets
    from headrace.artifact import Artifact
    from headrace.compiler import compile
    from headrace.loading import load
    from headrace.quantize import Quantize
    from headrace.reference_run import run_reference

# public name -> (module, attribute), or (module, None) for the module itself
_LAZY: dict[str, tuple[str, str | None]] = {
    "Artifact": ("headrace.artifact", "Artifact"),
    "Quantize": ("headrace.quantize", "Quantize"),
    "compile": ("headrace.compiler", "compile"),
    "formats": ("headrace.formats", None),
    "load": ("headrace.loading", "load"),
    "ops": ("headrace.ops", None),
    "run_reference": ("headrace.reference_run", "run_reference"),
    "targets": ("headrace.targets", None),
}

__all__ = [
    "Artifact",
    "Quantize",
    "__version__",
    "compile",
    "formats",
    "load",
    "ops",
    "run_reference",
    "targets",
]


def __getattr__(name: str) -> Any:
    try:
        module_name, attribute = _LAZY[name]
    except KeyError:
        raise AttributeError(f"module 'headrace' has no attribute '{name}'") from None
    module = importlib.import_module(module_name)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
