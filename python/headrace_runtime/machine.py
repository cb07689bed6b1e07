"""What the machine under us is: architecture, operating system, CPU features."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .errors import MachineError

# Other spellings of the architecture names that /usr/bin/uname -m prints on Linux.
_MACHINES = {"AMD64": "x86_64", "amd64": "x86_64", "arm64": "aarch64"}
_SYSTEMS = {"win32": "windows"}

# The executor never uses more (HR_MAX_THREADS in runtime/cpu/headrace_plan.h).
MAX_THREADS = 256


@dataclass(frozen=True)
class Machine:
    """A machine that artifacts may run on.

    machine:  "x86_64", "aarch64", ...
    system:   "linux", "darwin" or "windows"
    cpu:      model name for people, "" if unknown
    features: CPU features as /proc/cpuinfo spells them; empty outside Linux
    """

    machine: str
    system: str
    cpu: str
    features: frozenset[str]

    def check(self, machine: str | None, system: str | None, features: Iterable[str]) -> None:
        """Raises MachineError unless this machine is of that kind and has the features.

        `machine` or `system` None means any.
        """
        if machine is not None and machine != self.machine:
            raise MachineError(
                f"the artifact needs a {machine} machine, but this one is {self.machine}; "
                "compile it for this machine"
            )
        if system is not None and system != self.system:
            raise MachineError(
                f"the artifact needs {system}, but this machine runs {self.system}; "
                "compile it for this machine"
            )
        missing = sorted(set(features) - self.features)
        if missing:
            raise MachineError(
                f"the artifact needs CPU features that this machine ({self.cpu or self.machine}) "
                f"lacks: {', '.join(missing)}; compile it with target 'cpu' on this machine, or "
                "for an older CPU such as 'cpu:x86-64-v3'"
            )


def parse_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    """Model name and features of the first CPU in the text of /proc/cpuinfo.

    x86 lists "flags", ARM lists "Features".
    """
    name, features = "", frozenset[str]()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        match key.strip():
            case "model name" | "Processor" if not name:
                name = value.strip()
            case "flags" | "Features" if not features:
                features = frozenset(value.split())
    return name, features


@lru_cache(maxsize=1)
def host() -> Machine:
    """The machine this process runs on."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        text = ""
    name, features = parse_cpuinfo(text)
    machine = platform.machine()
    return Machine(
        machine=_MACHINES.get(machine, machine),
        system=_SYSTEMS.get(sys.platform, sys.platform),
        cpu=name,
        features=features,
    )


def default_threads() -> int:
    """How many threads to run on: one for each CPU this process may use."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return min(available, MAX_THREADS)
