"""One process holds one MLIR and one LLVM.

Two copies have two sets of global registries and type ids; casts between them fail silently. The
tests look at what the loader mapped and at what each library asks for and defines.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import headrace

PACKAGE = Path(headrace.__file__).parent
LIBS = PACKAGE / "_mlir_libs"
EXTENSIONS = sorted(LIBS.glob("*.so"))
CAPI = LIBS / "libHeadraceCAPI.so"

IMPORT_EVERYTHING = """
import importlib, pkgutil
from headrace import ir, passmanager, execution_engine, rewrite
import headrace._mlir_libs as libs
for module in pkgutil.iter_modules(libs.__path__):
    if module.name.startswith("_"):
        importlib.import_module(f"headrace._mlir_libs.{module.name}")
with ir.Context(), ir.Location.unknown():
    module = ir.Module.parse("func.func @f() { return }")
    passmanager.PassManager.parse("builtin.module(canonicalize)").run(module.operation)
files = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
print("\\n".join(sorted(files)))
"""


def mapped_libraries() -> list[str]:
    """Every shared library of a process that imported all of our native modules."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=True
    )
    return [line for line in result.stdout.splitlines() if line.startswith("/")]


def readelf(*arguments: str) -> str:
    return subprocess.run(
        ["readelf", "--wide", *arguments], capture_output=True, text=True, check=True
    ).stdout


def needed(library: Path) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.+?)\]", readelf("--dynamic", str(library)))


def test_extensions_were_built() -> None:
    names = {path.name.split(".")[0] for path in EXTENSIONS}
    assert {"_mlir", "_headrace", "_site_initialize_0", "libHeadraceCAPI"} <= names


def test_a_process_maps_each_library_once() -> None:
    libraries = mapped_libraries()
    for pattern in (r"libMLIR\.so", r"libLLVM[-.]", r"libHeadraceCAPI\.", r"libMLIRPythonSupport"):
        found = {str(Path(path).resolve()) for path in libraries if re.search(pattern, path)}
        assert len(found) <= 1, found
    assert str(CAPI.resolve()) in {str(Path(path).resolve()) for path in libraries}


def test_mlir_is_either_shared_or_inside_the_capi_library() -> None:
    shared = [path for path in mapped_libraries() if re.search(r"/lib(MLIR\.so|LLVM[-.])", path)]
    wants = [name for name in needed(CAPI) if re.match(r"lib(MLIR|LLVM)\b", name)]
    assert len(shared) == len(wants), (shared, wants)
    assert len(wants) in (0, 2), wants


@pytest.mark.parametrize("library", EXTENSIONS, ids=lambda path: path.name.split(".")[0])
def test_no_library_needs_anything_unexpected(library: Path) -> None:
    """Extensions reach MLIR through the C API library only; LLVM itself may come shared."""
    allowed = r"lib(HeadraceCAPI|MLIRPythonSupport-headrace|nanobind-headrace)\.so|libLLVM[-.]"
    allowed += r"|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|z|zstd)\.so|ld-linux"
    if library == CAPI:
        allowed += r"|libMLIR\.so"
    unexpected = [name for name in needed(library) if not re.match(allowed, name)]
    assert not unexpected


@pytest.mark.parametrize("library", EXTENSIONS, ids=lambda path: path.name.split(".")[0])
def test_no_library_defines_a_second_registry(library: Path) -> None:
    """The registries of passes and of command-line options live in one library."""
    symbols = readelf("--symbols", str(library))
    owners = ("mlir::MLIRContext::MLIRContext", "llvm::cl::AddLiteralOption")
    mangled = ("_ZN4mlir11MLIRContextC1E", "_ZN4llvm2cl16AddLiteralOptionE")
    for name, symbol in zip(owners, mangled, strict=True):
        defined = [
            line
            for line in symbols.splitlines()
            if symbol in line and " UND " not in line and " FUNC " in line
        ]
        if library != CAPI or needed(CAPI)[0].startswith("libMLIR"):
            assert not defined, f"{library.name} defines {name}"


def test_other_mlir_packages_may_share_the_process() -> None:
    """torch-mlir and IREE hold their own, newer MLIR; neither disturbs ours."""
    code = """
from headrace import ir
import torch_mlir.ir
import iree.compiler.ir
with ir.Context() as ours, ir.Location.unknown():
    text = "!qlinear.packed<4x256, #qlinear.gguf<q4_k>>"
    assert str(ir.Type.parse(text)) == text
with torch_mlir.ir.Context(), torch_mlir.ir.Location.unknown():
    torch_mlir.ir.Module.parse("module {}")
with iree.compiler.ir.Context(), iree.compiler.ir.Location.unknown():
    iree.compiler.ir.Module.parse("module {}")
print("together")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "together"
