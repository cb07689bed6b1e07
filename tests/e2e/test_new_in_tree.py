"""A pass and a format from the scaffold, in a copy of the source tree that is then built.

The copy has no CPU passes, which nothing here needs, and takes what its changes do not touch
(MLIR's own bindings) from the build folder of this tree.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from new_projects import BIN, BUILD, ROOT, Site, change

PARTS = (
    "CMakeLists.txt",
    "cmake",
    "dialects",
    "lib",
    "passes/common",
    "python",
    "scripts",
    "tests/lit.cfg.py",
    "tools",
)


@pytest.fixture(scope="module")
def tree():
    # Always in the same folder, so that ccache knows the second run.
    root = BUILD / "copy" / "tree"
    shutil.rmtree(root.parent, ignore_errors=True)
    for part in PARTS:
        source, target = ROOT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (root / "third_party").mkdir(parents=True)
    (root / "third_party/mlir").symlink_to(ROOT / "third_party/mlir")
    return root


@pytest.fixture(scope="module")
def site(tree):
    """Commands that see the copy's packages, once it is built."""
    return Site(tree / "build/python_packages")


@pytest.fixture(scope="module")
def built(tree, site):
    """The copy with the format `w8` and the pass `common-keep-all`, built."""
    new = ("--dir", tree)
    outside = Site(tree.parent / "none")
    outside.scaffold("format", "w8", *new)
    outside.scaffold("pass", "keep-all", *new)
    packages = site.folder / "headrace"
    # The build links the copy's own sources over these.
    shutil.copytree(BUILD / "python_packages/headrace", packages)
    (packages / "_mlir_libs/libHeadraceCAPI.so").unlink()
    options = [
        "-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=cmake/HeadraceToolchain.cmake",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DPython3_EXECUTABLE={sys.executable}",
    ]
    site.run("cmake", "-S", tree, "-B", tree / "build", "-G", "Ninja", *options)
    targets = ["headrace-opt", "HeadracePythonCAPI", "HeadracePythonTree"]
    jobs = str(len(os.sched_getaffinity(0)))
    site.run("ninja", "-C", tree / "build", "-j", jobs, *targets, timeout=None)
    return tree


def lit(site, tree, test):
    """Run one lit test of the copy; its code and output."""
    site.environment["HEADRACE_BUILD"] = str(tree / "build")
    result = site.run(BIN / "lit", "-v", tree / test, code=None)
    return result.returncode == 0, result.stdout


def test_the_format_encodes_and_decodes_the_same_everywhere(site, built):
    """The generated tests: the codec, the attribute's sizes, the decoding in IR."""
    test = built / "tests/python/test_formats_w8.py"
    result = site.run(BIN / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", test)
    assert re.search(r"^6 passed", result.stdout, re.MULTILINE), result.stdout
    where = site.run(BIN / "python", "-c", "import headrace.native as n; print(n.__file__)").stdout
    assert Path(where.strip()).is_relative_to(built)
    assert "w8" in site.headrace("formats").stdout


def test_the_formats_lit_test_fails_until_it_is_said_what_it_decodes_to(site, built):
    test = "tests/dialects/QLinear/format_w8.mlir"
    passed, output = lit(site, built, test)
    assert not passed
    assert "CHECK: expected string not found in input" in output and "replace this line" in output
    change(built / test, "// CHECK: replace this line", "// CHECK: arith.bitcast {{.*}} to f32")
    assert lit(site, built, test)[0]


def test_the_pass_runs_and_its_lit_test_fails_until_it_does_something(site, built):
    text = site.run(built / "build/bin/headrace-opt", "--help").stdout
    assert re.search(r"--keep-all +- +Say in one line what the pass does", text)
    test = "tests/passes/common/keep_all.mlir"
    passed, output = lit(site, built, test)
    assert not passed and "CHECK-NEXT: expected string not found in input" in output
    change(built / test, "// CHECK-NEXT: replace this line", "// CHECK-NEXT: arith.addf")
    assert lit(site, built, test)[0]


def test_python_knows_the_pass(site, built, tmp_path):
    source = tmp_path / "in.mlir"
    source.write_text("func.func @f() { return }")
    assert "@f" in site.headrace("opt", "--keep-all", source).stdout
