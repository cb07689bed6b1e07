"""Importing headrace loads no native library; what needs it says so."""

import subprocess
import sys

import pytest

import headrace

PROBE = """
import sys
{code}
native = [name for name in sys.modules if "_mlir_libs" in name]
assert not native, native
"""


@pytest.mark.parametrize(
    "code",
    [
        "import headrace; headrace.__version__; dir(headrace)",
        "import headrace.errors, headrace.native",
        "import headrace; headrace.load; headrace.Artifact",
        "import headrace; headrace.formats.names()",
        "import headrace; headrace.ops.matvec(8, 64, format='q8_0').text()",
        "import headrace; headrace.targets()",
        "import headrace.reference, headrace.check.shapes",
        "from headrace.cli import main; assert main(['targets', '--json']) == 0",
        "from headrace.cli import main; assert main(['--help']) == 0",
    ],
)
def test_no_native_library(code):
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_resolves():
    for name in headrace.__all__:
        assert getattr(headrace, name) is not None
    assert set(headrace.__all__) <= set(dir(headrace))


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'headrace' has no attribute 'compil'"):
        _ = headrace.compil


def test_missing_native_library_is_a_readable_error():
    code = """
import sys
sys.modules["headrace._mlir_libs"] = None
import headrace
try:
    headrace.compile("matvec:m=8,k=64,format=q8_0")
except headrace.errors.ToolMissingError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "the compiler's native library does not load" in done.stdout, done.stderr
    assert "headrace_runtime.load(path)" in done.stdout
