"""MSL to a library of kernels, by clang.

A checked library reports its loads and stores. They are counted as clang leaves them when it has
optimized, so it compiles twice: to LLVM's IR, in which copies of whole structures become calls that
report too, and from there to machine code.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from headrace.artifact_cache import cache_folder
from headrace.errors import CompileError
from headrace.sim.clang import Clang, find_clang
from headrace.sim.msl_kernels import Kernel, Parameter
from headrace.sim.msl_source import Rewritten, rewrite
from headrace.sim.simt import NATIVE

__all__ = ["COMMON_FLAGS", "Compiled", "compile_library", "to_cpp"]

_LIMIT_ENTRIES = 500
# What a source may include; all of it is in runtime/msl/metal.h.
_SYSTEM_HEADERS = [
    *("metal_stdlib", "metal_types", "metal_math", "metal_common", "metal_integer", "metal_pack"),
    *("metal_simdgroup", "metal_quadgroup", "metal_compute", "metal_atomic", "metal_matrix"),
    *("metal_geometric", "metal_relational", "metal_limits", "metal_type_traits", "metal_numeric"),
    *(
        "metal_array",
        "metal_assert",
        "metal_logging",
        "metal_simdgroup_matrix",
        "metal_extended_vector",
    ),
    "simd/simd.h",
]
# As the language says: literals without a suffix are f32, char is signed, half rounds each result.
COMMON_FLAGS = [
    *("-x", "c++", "-std=c++17", "-w", "-nostdinc", "-nostdinc++", "-fsigned-char"),
    *("-fno-exceptions", "-fno-rtti", "-fno-strict-aliasing", "-fno-math-errno"),
    *("-Xclang", "-cl-single-precision-constant", "-fno-threadsafe-statics"),
    f"-I{NATIVE}",
    *("-include", "msl/metal.h"),
]
_HOST_FLAGS = {
    "x86_64": [
        *("-march=x86-64-v3", "-mprefer-vector-width=128"),
        *("-Xclang", "-ffloat16-excess-precision=none"),
        *("-Xclang", "-fbfloat16-excess-precision=none"),
    ],
    "aarch64": ["-march=armv8.2-a+fp16", "-mno-outline-atomics"],
}
# Reports are of up to 16 bytes, and loops that copy stay loops.
_CHECKED = ["-fno-vectorize", "-fno-slp-vectorize", "-fno-builtin"]
_REPORTS = [
    flag
    for option in ("type=1", "trace-loads", "trace-stores")
    for flag in ("-Xclang", f"-fsanitize-coverage-{option}")
]


@dataclass(frozen=True)
class Compiled:
    """path: a shared library. missing: function constants without a value. folder: keeps the
    library there if it is temporary."""

    path: Path
    kernels: list[Kernel]
    missing: list[str]
    folder: tempfile.TemporaryDirectory[str] | None = None

    def line_of(self, offset: int) -> str | None:
        return find_clang().line_of(self.path, offset)


def compile_library(
    source: str,
    *,
    checked: bool,
    aligned: bool,
    kernels: list[str] | None,
    constants: Mapping[int, int | float | bool],
    include: list[Path],
    defines: Mapping[str, str],
) -> Compiled:
    clang = find_clang()
    with tempfile.TemporaryDirectory(prefix="headrace-msl-") as name:
        work = Path(name)
        cpp = to_cpp(clang, work, source, kernels, constants, include, defines)
        parts = [_native(), clang.version, repr((checked, aligned)), cpp.source]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
        cached = _memo.get(digest) or _load(digest)
        if cached is None:
            library = work / "kernels.so"
            _compile(clang, work, cpp, library, checked, aligned)
            cached = _store(digest, library, cpp)
        _memo[digest] = cached
        return cached


# Libraries of this process, by what they were made from.
_memo: dict[str, Compiled] = {}


def to_cpp(
    clang: Clang,
    work: Path,
    source: str,
    kernels: list[str] | None,
    constants: Mapping[int, int | float | bool],
    include: list[Path],
    defines: Mapping[str, str],
) -> Rewritten:
    """Preprocessed, and what is not C++ rewritten; leaves `kernel.metal` in `work`."""
    headers = work / "headers"
    for header in _SYSTEM_HEADERS:
        (headers / header).parent.mkdir(parents=True, exist_ok=True)
        (headers / header).touch()
    (work / "kernel.metal").write_text(source)
    flags = [f"-I{folder.resolve()}" for folder in include]
    flags += [f"-D{name}={value}" for name, value in defines.items()]
    macros = ["-D__METAL_VERSION__=310", "-D__METAL__=1", "-D__METAL_MACOS__=1", "-U__x86_64__"]
    text = clang.run(
        [
            *("-E", "-x", "c++", "-std=c++17", "-w", "-nostdinc", "-nostdinc++", *macros, *flags),
            # A relative path: it is in the text, which is what libraries are cached by.
            *("-isystem", headers.name, "kernel.metal"),
        ],
        work,
        "the MSL",
    )
    return rewrite(text, constants, kernels)


def _compile(
    clang: Clang, work: Path, cpp: Rewritten, library: Path, checked: bool, aligned: bool
) -> None:
    (work / "kernel.cpp").write_text(cpp.source)
    machine = ["-ffp-contract=off", *_HOST_FLAGS.get(platform.machine(), [])]
    # A frame larger than the page that guards a stack must not step over it.
    probes = "-fstack-clash-protection"
    general = ["-O2", "-gline-tables-only", "-fPIC", "-ffunction-sections", probes, *machine]
    hidden = ["-fvisibility=hidden", "-fvisibility-inlines-hidden"]
    source = [*COMMON_FLAGS, *hidden, "kernel.cpp"]
    if checked:
        clang.run([*source, *general, *_CHECKED, "-S", "-emit-llvm", "-o", "k.ll"], work, "the MSL")
        ir = _report_copies((work / "k.ll").read_text())
        (work / "reported.ll").write_text(_report_alignment(ir) if aligned else ir)
        clang.run(
            ["-w", "-x", "ir", "reported.ll", *general, *_CHECKED, *_REPORTS, "-c", "-o", "k.o"],
            work,
            "what it made of the MSL",
        )
    else:
        clang.run([*source, *general, "-c", "-o", "k.o"], work, "the MSL")
    simulator = str(NATIVE / "libheadrace_simt.so")
    clang.run(
        [
            "-shared",
            "-nostdlib++",
            "-Wl,--gc-sections",
            "-o",
            str(library),
            "k.o",
            simulator,
            "-lm",
        ],
        work,
        "its own object file",
    )


def _report_copies(ir: str) -> str:
    """Copies and fills that LLVM writes as intrinsics, as calls of the simulator."""
    names = {"memcpy": "copy", "memmove": "copy", "memset": "fill"}
    renamed: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        function = f"headrace_simt_{names[match[1]]}"
        renamed[match[0]] = function
        return f"@{function}"

    declared = r"^declare [^\n]*@llvm\.(memcpy|memmove|memset)\.[\w.]+\([^\n]*\n"
    ir = re.sub(declared, "", ir, flags=re.MULTILINE)
    # The address spaces of pointers differ, so each call is one through a pointer's type.
    return re.sub(r"@llvm\.(memcpy|memmove|memset)\.[\w.]+", rename, ir) + "".join(
        f"\ndeclare void @{function}({'ptr, ptr' if function.endswith('copy') else 'ptr, i8'}, "
        "i64, i1)\n"
        for function in sorted(set(renamed.values()))
    )


def _report_alignment(ir: str) -> str:
    """A call in front of each access to memory of a launch, with what its type is aligned to."""
    access = (
        r"^ +(?:%[-\w.$]+ = load|store) [^\n]*?(ptr addrspace\(\d+\) %[-\w.$]+), align (\d+)[^\n]*$"
    )
    report = r"  call void @headrace_simt_aligned(\1, i64 \2)\n\g<0>"
    ir, count = re.subn(access, report, ir, flags=re.MULTILINE)
    declared = "declare void @headrace_simt_aligned(ptr, i64) nounwind"
    return f"{ir}\n{declared} memory(inaccessiblemem: readwrite)\n" if count else ir


# --- cache --------------------------------------------------------------------


@cache
def _native() -> str:
    """The simulator and its headers, and where they are."""
    digest = hashlib.sha256(str(NATIVE).encode())
    for path in sorted([*NATIVE.rglob("*.h"), *NATIVE.glob("*.so"), *NATIVE.glob("*/*.h")]):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def _store(digest: str, library: Path, cpp: Rewritten) -> Compiled:
    folder = cache_folder("msl")
    temporary = None
    if folder is None:
        temporary = tempfile.TemporaryDirectory(prefix="headrace-msl-")
        folder = Path(temporary.name)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        final = folder / f"{digest}.so"
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(library.read_bytes())
        Path(file.name).rename(final)
        kernels = [asdict(kernel) for kernel in cpp.kernels]
        described = json.dumps({"kernels": kernels, "missing": cpp.missing})
        final.with_suffix(".json").write_text(described)
        _shrink(folder)
    except OSError as error:
        raise CompileError(f"no room for a compiled kernel: {error}") from error
    return Compiled(final, cpp.kernels, cpp.missing, temporary)


def _load(digest: str) -> Compiled | None:
    folder = cache_folder("msl")
    if folder is None:
        return None
    path = folder / f"{digest}.so"
    try:
        described = json.loads(path.with_suffix(".json").read_text())
        os.utime(path)
    except (OSError, ValueError):
        return None
    return Compiled(
        path,
        [
            Kernel(
                entry["name"],
                entry["function"],
                tuple(Parameter(**parameter) for parameter in entry["parameters"]),
                entry["max_threads"],
            )
            for entry in described["kernels"]
        ],
        described["missing"],
    )


def _shrink(folder: Path) -> None:
    """Delete the libraries that were not used for longest."""
    libraries = sorted(folder.glob("*.so"), key=_last_use)
    for path in libraries[:-_LIMIT_ENTRIES]:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process has deleted it
        return 0.0
