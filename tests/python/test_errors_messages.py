"""Errors: one base class, helpful text."""

import pytest

from headrace import errors
from headrace_runtime import HeadraceError


@pytest.mark.parametrize("name", ["CompileError", "UsageError", "VersionError", "ToolMissingError"])
def test_every_error_is_a_headrace_error(name):
    kind = getattr(errors, name)
    assert issubclass(kind, HeadraceError)
    assert issubclass(kind, ValueError)


def test_compile_error_names_its_reproducer(tmp_path):
    path = tmp_path / "x.mlir"
    error = errors.CompileError("pass 'p' failed", reproducer=path, command="headrace-opt x.mlir")
    assert error.reproducer == path
    assert str(error) == "pass 'p' failed\nreproduce with: headrace-opt x.mlir"


def test_compile_error_without_reproducer():
    error = errors.CompileError("no entry")
    assert (str(error), error.command, error.reproducer) == ("no entry", None, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("q4_kk", "q4_k"), ("Q4_K", "q4_k"), ("q6k", "q6_k"), ("zzzzzz", None)],
)
def test_nearest(name, expected):
    assert errors.nearest(name, ["q4_0", "q4_k", "q6_k"]) == expected


def test_unknown_lists_what_is_allowed():
    error = errors.unknown("format", "q4_kk", ["q4_0", "q4_k"])
    assert str(error) == "unknown format 'q4_kk', did you mean 'q4_k'; allowed: q4_0, q4_k"


def test_unknown_shortens_what_is_no_name():
    assert f"unknown format '{'x' * 77}...'; allowed" in str(
        errors.unknown("format", "x" * 10_000, ["q4_0"])
    )


def test_unknown_without_a_near_name():
    error = errors.unknown("format", "zzzz", ["q4_0"])
    assert str(error) == "unknown format 'zzzz'; allowed: q4_0"


@pytest.mark.parametrize(
    ("names", "text"), [([], "nothing"), (["a"], "a"), (["a", "b"], "a or b"), ("abc", "a, b or c")]
)
def test_one_of(names, text):
    assert errors.one_of(names) == text
