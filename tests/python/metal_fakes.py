"""torch.mps, mlx and PyObjC's Metal as far as the runtime uses them, run by our simulator.

They have the documented signatures and nothing more, check what the real ones check, and what is
launched is the text that a Mac would compile. `install` puts one in place of the real package.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from metal_fake_mlx import MlxArray, mlx_module
from metal_fake_pyobjc import MTLCompileOptions, metal_module, objc_module
from metal_fake_torch import Tensor, TorchLibrary, torch_module

from headrace_runtime import machine

__all__ = ["MTLCompileOptions", "MlxArray", "Tensor", "TorchLibrary", "install"]

MAC = machine.Machine("aarch64", "darwin", "Apple M2 Max", frozenset())


def install(monkeypatch: Any, *names: str) -> None:
    """This machine is a Mac that has these backends and no others."""
    monkeypatch.setattr(machine, "host", lambda: MAC)
    for package in ("torch", "mlx", "mlx.core", "Metal", "objc"):
        monkeypatch.setitem(sys.modules, package, None)
    if "torch" in names:
        monkeypatch.setitem(sys.modules, "torch", torch_module())
    if "mlx" in names:
        package: Any = types.ModuleType("mlx")
        package.core = mlx_module()
        monkeypatch.setitem(sys.modules, "mlx", package)
        monkeypatch.setitem(sys.modules, "mlx.core", package.core)
    if "pyobjc" in names:
        monkeypatch.setitem(sys.modules, "Metal", metal_module())
        monkeypatch.setitem(sys.modules, "objc", objc_module())
