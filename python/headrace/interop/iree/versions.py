"""The versions this interop was built for, checked before anything else happens.

Text crosses between three compilers (our MLIR, torch-mlir's, IREE's); only the combination below
has been tested, and other versions fail in ways that are hard to read. So a mismatch stops here.
"""

from __future__ import annotations

from importlib import metadata

from headrace.errors import ToolMissingError, VersionError

RUNTIME = {"iree-base-runtime": "3.13.0"}
COMPILER = {"iree-base-compiler": "3.13.0", "torch-mlir": "20261001", "torch": "2.13.0"}


def check_runtime() -> None:
    """Raise ToolMissingError or VersionError unless IREE's runtime is the one tested."""
    _check(RUNTIME)


def check_compiler() -> None:
    """The same for everything that compiling a torch model needs, the runtime included."""
    _check(COMPILER | RUNTIME)


def _check(needed: dict[str, str]) -> None:
    command = "pip install " + " ".join(f"{name}=={version}" for name, version in needed.items())
    found: dict[str, str] = {}
    missing = []
    for name in needed:
        try:
            # torch's local build tag (2.13.0+cpu) says where it came from, not what it is.
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise ToolMissingError(
            f"iree: the Python package {missing[0]} is not installed. To install it: {command}"
        )
    wrong = [name for name in needed if found[name] != needed[name]]
    if wrong:
        details = "; ".join(
            f"{name}: found {found[name]}, but needed {needed[name]}" for name in wrong
        )
        raise VersionError(f"iree: {details}. To install the right versions: {command}")
