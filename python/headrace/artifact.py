"""The artifact, as the compiler package shows it: the runtime's own class, unchanged."""

from __future__ import annotations

from headrace_runtime import Artifact, load

__all__ = ["Artifact", "load"]
