"""Python packages that `make bench-peers` installs into a folder of their own."""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType

from headrace.bench.peers.base import Unavailable
from headrace.bench.peers.ggml_library import roots


@functools.cache
def load(package: str) -> ModuleType:
    """The package. Raises `Unavailable` if it is not installed."""
    for root in roots():
        folder = str(root / "python")
        # behind all others: what the environment has is not replaced
        if (root / "python" / package).is_dir() and folder not in sys.path:
            sys.path.append(folder)
    try:
        return importlib.import_module(package)
    except ImportError:
        raise Unavailable(f"{package} is not installed; `make bench-peers` installs it") from None
