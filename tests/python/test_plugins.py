"""Pass plugins in C++: what `load_pass_plugin` refuses, and how it says so.

That it loads one is tested in tests/e2e/test_new_target_cpp.py.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace import plugins
from headrace.errors import ToolMissingError, UsageError, VersionError
from headrace.native import native
from headrace.plugins import load_pass_plugin, loaded_pass_plugins, shares_mlir

SOURCE = """
struct info { unsigned api; const char *name, *version; void (*start)(void); };
int started;
static void start(void) { started = 1; }
struct info ENTRY(void) { return (struct info){API, NAME, VERSION, start}; }
"""
shared = pytest.mark.skipif(not shares_mlir(), reason="this build has MLIR linked inside")


@pytest.fixture
def build(tmp_path):
    """Builds a plugin that says what it is told to: build(name=..., version=..., api=...)."""
    compiler = shutil.which("clang-22") or shutil.which("cc")

    def make(entry=plugins.ENTRY, api=1, name="odd", version=None, file="odd.so"):
        source = tmp_path / "plugin.c"
        source.write_text(SOURCE)
        version = native().llvm_version() if version is None else version
        values = {"ENTRY": entry, "API": api, "NAME": f'"{name}"', "VERSION": f'"{version}"'}
        defines = [f"-D{key}={value}" for key, value in values.items()]
        command = [compiler, "-shared", "-fPIC", *defines, "-o", tmp_path / file, source]
        subprocess.run(command, check=True)
        return tmp_path / file

    return make


def test_missing(tmp_path):
    with pytest.raises(ToolMissingError, match=r"no such file: .*/none.so; expected a library"):
        load_pass_plugin(tmp_path / "none.so")


@shared
def test_not_a_library(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("no library")
    with pytest.raises(VersionError, match=r"text.so does not load: .*built against LLVM 22"):
        load_pass_plugin(path)


@shared
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"entry": "other"}, UsageError, "is no pass plugin: it does not export mlirGetPassPlug"),
        ({"api": 2}, VersionError, "expected version 1 of MLIR's plugin interface, but got 2"),
        ({"version": "21.1.0"}, VersionError, "expected one built against LLVM .* but got 21.1.0"),
        ({"version": ""}, VersionError, "but got none; rebuild it"),
        ({"name": "Headrace"}, UsageError, "is headrace itself"),
    ],
)
def test_refused(build, how, error, message):
    path = build(**how, file=f"{abs(hash(str(how)))}.so")
    with pytest.raises(error, match=message):
        load_pass_plugin(path)
    assert path not in loaded_pass_plugins()


@shared
def test_our_own_plugin_is_refused():
    path = Path(os.environ.get("HEADRACE_BUILD", "build"), "lib/HeadracePlugin.so").resolve()
    with pytest.raises(UsageError, match="is headrace itself, for a stock mlir-opt"):
        load_pass_plugin(path)


@shared
def test_loaded_once(build):
    first = build(name="first", file="first.so")
    assert load_pass_plugin(first) == load_pass_plugin(str(first)) == "first"
    assert loaded_pass_plugins()[first] == "first"
    with pytest.raises(UsageError, match=r"'first' is loaded already, from .*/first.so"):
        load_pass_plugin(build(name="first", file="again.so"))


def test_a_headrace_with_mlir_inside_refuses_all(build, monkeypatch):
    path = build(name="second", file="second.so")
    monkeypatch.setattr(plugins, "shares_mlir", lambda: False)
    with pytest.raises(VersionError, match=r"has MLIR linked inside.*HEADRACE_LINK=dylib"):
        load_pass_plugin(path)


@shared
def test_a_broken_plugin_of_a_target_is_a_warning_of_opt(build, tmp_path, monkeypatch, capsys):
    from headrace import targets
    from headrace.cli import main
    from headrace.targets.base import Target

    table = tmp_path / "capabilities.json"
    table.write_text('{"target": "odd", "cells": []}')
    old = build(name="old", version="21.1.0", file="old.so")
    target = Target("odd", table, lambda _: None, lambda _: [], lambda *_, **__: {}, plugins=(old,))
    find = targets.find
    monkeypatch.setattr(targets, "installed", lambda: ["cpu", "odd"])
    monkeypatch.setattr(targets, "find", lambda name: target if name == "odd" else find(name))
    source = tmp_path / "in.mlir"
    source.write_text("func.func @f() { return }")
    assert main(["opt", str(source), "--cse"]) == 0
    out, err = capsys.readouterr()
    assert "@f" in out
    assert "headrace: warning: pass plugin 'old'" in err and "but got 21.1.0" in err
    # Asked for by name, it is an error.
    assert main(["opt", str(source), "--cse", f"--load-pass-plugin={old}"]) == 1
    assert "headrace: error: pass plugin 'old'" in capsys.readouterr().err


def test_importing_loads_nothing():
    code = "import sys, headrace.plugins; sys.exit('headrace._mlir_libs._mlir' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
