"""Runs cases in forked processes, so that whatever ends them is found, and makes cases small."""

import faulthandler
import mmap
import os
import re
import resource
import signal
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ir_exercise import Broken

MEMORY = 1 << 30  # address space of a process, beyond what it starts with
SECONDS = 10  # of processor time for one case

Note = Callable[[str], None]
Exercise = Callable[[bytes, Note], bool]


def limit() -> None:
    """Limits this process: address space, processor time, and no core file."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@dataclass(frozen=True)
class Finding:
    """`stage`: "parse", "print" or a pipeline; `what`: a signal's name, or what Broken says."""

    stage: str
    what: str
    text: bytes


class Worker:
    """Runs cases until one breaks something. Counts are kept over all runs."""

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise
        self._shared = mmap.mmap(-1, 1 << 17)
        self.cases = self.valid = 0

    def run(self, cases: Iterable[bytes]) -> Finding | None:
        """What the first case that breaks something breaks."""
        self._shared[:] = bytes(len(self._shared))
        child = os.fork()
        if not child:
            status = 3
            try:
                status = self._in_child(cases)
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ran, valid = struct.unpack_from("<QQ", self._shared)
        self.cases += ran
        self.valid += valid
        if status == 0:
            return None
        stage, what, text = (self._field(place) for place in (1, 2, 3))
        if status < 0:
            what = _SIGNALS.get(-status, signal.Signals(-status).name).encode()
        return Finding(stage.decode(), what.decode() or f"exit status {status}", text)

    def _in_child(self, cases: Iterable[bytes]) -> int:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)  # what MLIR says on the way down
        faulthandler.disable()
        limit()
        for number in (signal.SIGPROF, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        valid = 0
        for ran, text in enumerate(cases, 1):
            self._set_field(3, text)
            struct.pack_into("<QQ", self._shared, 0, ran, valid)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                valid += self._exercise(text, lambda stage: self._set_field(1, stage.encode()))
            except Broken as error:
                self._set_field(2, str(error).encode())
                return 1
            except MemoryError:
                self._set_field(2, _MEMORY.encode())
                return 1
            struct.pack_into("<QQ", self._shared, 0, ran, valid)
        return 0

    # Fields 1 to 3: a length and bytes.
    def _set_field(self, place: int, data: bytes) -> None:
        data = data[: _PLACES[place + 1] - _PLACES[place] - 4]
        struct.pack_into(f"<I{len(data)}s", self._shared, _PLACES[place], len(data), data)

    def _field(self, place: int) -> bytes:
        (size,) = struct.unpack_from("<I", self._shared, _PLACES[place])
        start = _PLACES[place] + 4
        return self._shared[start : start + size]


_PLACES = (0, 16, 4096, 8192, 1 << 17)
_MEMORY = f"more than {MEMORY >> 20} MiB"
_SIGNALS = {signal.SIGPROF: f"more than {SECONDS} s"}


def minimized(exercise: Exercise, finding: Finding, tries: int = 400) -> Finding:
    """The same finding from a smaller text: without lines, then without tokens."""
    worker = Worker(exercise)
    for pattern in (rb"[^\n]*\n?", rb"\s+|[%@!#]?[\w.$-]+|[^\s\w]"):
        parts = [part for part in re.findall(pattern, finding.text) if part]
        size = max(1, len(parts) // 2)
        while size:
            at = 0
            while at < len(parts) and worker.cases < tries:
                fewer = parts[:at] + parts[at + size :]
                found = worker.run([b"".join(fewer)])
                if found and (found.stage, _kind(found)) == (finding.stage, _kind(finding)):
                    parts, finding = fewer, found
                else:
                    at += size
            size //= 2
        tries *= 2
    return finding


def _kind(finding: Finding) -> str:
    return finding.what.split(":")[0]
