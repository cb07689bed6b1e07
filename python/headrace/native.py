"""The compiler's native library, loaded on first use."""

from __future__ import annotations

import importlib
from types import ModuleType

from headrace.errors import ToolMissingError

__all__ = ["native"]


def native() -> ModuleType:
    """The extension module with code generation and linking.

    Raises `ToolMissingError` where the compiler is not installed (the runtime wheel alone).
    """
    try:
        importlib.import_module("headrace.ir")
        return importlib.import_module("headrace._mlir_libs._headrace")
    except ImportError as error:
        raise ToolMissingError(
            f"the compiler's native library does not load ({error}); expected the package "
            "'headrace' (`pip install headrace`, or `make build` in a source tree). "
            "artifacts that are compiled already run without it: headrace_runtime.load(path)"
        ) from error
