"""Pass plugins in C++: shared libraries whose passes join the compiler's.

A plugin exports MLIR's `mlirGetPassPluginInfo` and shares `libMLIR.so` with this process, so it
must have been built against the same LLVM, and Headrace must have been built with MLIR shared.
"""

from __future__ import annotations

import ctypes
import os
import threading
from os import PathLike
from pathlib import Path

from headrace.errors import ToolMissingError, UsageError, VersionError
from headrace.native import native

__all__ = ["load_pass_plugin", "loaded_pass_plugins", "shares_mlir"]

API_VERSION = 1  # MLIR_PLUGIN_API_VERSION
ENTRY = "mlirGetPassPluginInfo"


class _PassPluginInfo(ctypes.Structure):
    """`mlir::PassPluginLibraryInfo`."""

    _fields_ = (
        ("api_version", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_char_p),
        ("register", ctypes.CFUNCTYPE(None)),
    )


_loaded: dict[Path, str] = {}  # path -> name
_lock = threading.Lock()


def load_pass_plugin(path: str | PathLike[str]) -> str:
    """Register the passes of the plugin at `path`, once per process; returns the plugin's name.

    Raises `ToolMissingError` if there is no such file, `UsageError` if it is no pass plugin, and
    `VersionError` if it belongs to another LLVM or this Headrace has MLIR linked inside.
    """
    resolved = Path(path).resolve()
    with _lock:
        if resolved not in _loaded:
            _loaded[resolved] = _load(resolved)
        return _loaded[resolved]


def loaded_pass_plugins() -> dict[Path, str]:
    """The plugins of this process: path -> name."""
    with _lock:
        return dict(_loaded)


def shares_mlir() -> bool:
    """Whether this Headrace was built with MLIR as a shared library, as plugins need."""
    major, minor = native().llvm_version().split(".")[:2]
    try:
        # Loads nothing: asks whether the library is in this process.
        ctypes.CDLL(f"libMLIR.so.{major}.{minor}", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return False
    return True


def _load(path: Path) -> str:
    version = native().llvm_version()
    if not path.is_file():
        raise ToolMissingError(
            f"pass plugin: no such file: {path}; expected a library built against LLVM {version}"
        )
    if not shares_mlir():
        # It would bring a second MLIR into the process and register its passes there.
        raise VersionError(
            f"pass plugin {path}: this headrace has MLIR linked inside, and a plugin cannot share "
            "it; expected a headrace built with HEADRACE_LINK=dylib (`make build` in a source "
            "tree); passes written in python work with both"
        )
    try:
        library = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        raise VersionError(
            f"pass plugin {path} does not load: {error}; expected a library built against LLVM "
            f"{version}"
        ) from error
    try:
        entry = getattr(library, ENTRY)
    except AttributeError:
        raise UsageError(f"{path} is no pass plugin: it does not export {ENTRY}") from None
    entry.restype = _PassPluginInfo
    entry.argtypes = ()
    info = entry()
    if info.api_version != API_VERSION:
        raise VersionError(
            f"pass plugin {path}: expected version {API_VERSION} of MLIR's plugin interface, but "
            f"got {info.api_version}; rebuild it against LLVM {version}"
        )
    name, built_for = _text(info.name), _text(info.version)
    if built_for != version:
        raise VersionError(
            f"pass plugin '{name}' ({path}): expected one built against LLVM {version}, but got "
            f"{built_for or 'none'}; rebuild it (a plugin's version is LLVM_VERSION_STRING)"
        )
    # MLIR ends the process if two passes have the same name.
    if name == "Headrace":
        raise UsageError(f"{path} is headrace itself, for a stock mlir-opt; its passes are here")
    if name in _loaded.values():
        other = next(known for known, its_name in _loaded.items() if its_name == name)
        raise UsageError(
            f"pass plugin {path}: a plugin called '{name}' is loaded already, from {other}; "
            "expected another name"
        )
    info.register()
    return name


def _text(data: bytes | None) -> str:
    return data.decode(errors="replace") if data else ""
