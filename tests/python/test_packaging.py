"""What the build tree and the two packages promise about themselves."""

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import headrace
import headrace_runtime

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(headrace.__file__).parent


def test_both_packages_have_one_version() -> None:
    assert headrace.__version__ == headrace_runtime.__version__
    assert importlib.metadata.version("headrace") == headrace.__version__


def test_every_source_file_is_in_the_build_tree() -> None:
    for name in ("headrace", "headrace_runtime"):
        for source in (ROOT / "python" / name).rglob("*"):
            if "__pycache__" in source.parts or not source.is_file():
                continue
            if source.suffix in (".td", ".pyc") or source.name == "pyproject.toml":
                continue
            installed = PACKAGE.parent / source.relative_to(ROOT / "python")
            assert installed.resolve() == source, f"{installed} does not lead to {source}"


def test_native_modules_have_type_stubs() -> None:
    libs = PACKAGE / "_mlir_libs"
    for extension in libs.glob("_*.so"):
        name = extension.name.split(".")[0]
        if name.startswith("_site_initialize"):
            continue
        stubs = [libs / f"{name}.pyi", libs / name / "__init__.pyi"]
        assert any(stub.stat().st_size > 0 for stub in stubs if stub.exists()), name
    assert "class PackedType" in (libs / "_headrace" / "qlinear.pyi").read_text()
    assert "def emit_object" in (libs / "_headrace" / "__init__.pyi").read_text()


def test_packages_are_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (Path(headrace_runtime.__file__).parent / "py.typed").exists()


def test_importing_the_package_loads_no_native_library() -> None:
    code = (
        "import headrace, sys\n"
        "assert 'LLVM' not in open('/proc/self/maps').read()\n"
        "assert not [name for name in sys.modules if name.startswith('headrace._mlir_libs')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_headrace_opt_belongs_to_the_package() -> None:
    from headrace import opt_tool

    result = subprocess.run(
        [str(opt_tool.path()), "--show-dialects"], capture_output=True, text=True, check=True
    )
    assert "qlinear" in result.stdout


def test_iree_and_torch_mlir_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    models = project["optional-dependencies"]["models"]
    pins = dict(line.split("==") for line in models if "==" in line)
    locked = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    assert set(pins) == {"iree-base-compiler", "iree-base-runtime", "torch", "torch-mlir"}
    for name, version in pins.items():
        assert locked[name] == version, name
