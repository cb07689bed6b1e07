"""`new pass`: a C++ pass in a source tree, or a Python pass in a target."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.errors import UsageError
from headrace.new.names import (
    camel,
    check_pass_name,
    group_of,
    source_tree,
    target_project,
)
from headrace.new.render import Made, Scaffold, banner, replace_once, substitute, template

__all__ = ["new_cpp_pass", "new_python_pass"]

_NEXT_CPP = """\
next: describe the pass in passes/@group@/Passes.td, write it in passes/@group@/@file@.cpp, then
      make format build && .venv/bin/lit -v @test@"""
_NEXT_PYTHON = """\
next: write the pass in @module@, name it in the target's stages, then
      pip install . && lit -v @test@"""


def new_cpp_pass(name: str, folder: Path = Path(), *, group: str | None = None) -> Made:
    """Add the pass NAME to the source tree around `folder`.

    group: the folder of passes/; by default the name up to its first dash if there is such a
        folder, else common.
    Raises `UsageError` for a bad or taken name, an unknown group, and outside of a source tree.
    """
    root = source_tree(Path(folder))
    check_pass_name(name, root)
    groups = sorted(path.parent.name for path in root.glob("passes/*/Passes.td"))
    chosen = group_of(name, group, groups)
    own = name.removeprefix(f"{chosen}-")  # as in passes/cpu/FormKernels.cpp: cpu-form-kernels
    words = {"name": name, "group": chosen, "Class": camel(name), "CLASS": camel(name).upper()}
    words |= {"file": camel(own), "snake": own.replace("-", "_")}
    words["test"] = f"tests/passes/{chosen}/{words['snake']}.mlir"
    words["banner"] = banner(f"{words['file']}.cpp - the pass {name}")
    scaffold = Scaffold(root, words)
    scaffold.add("passes/@group@/@file@.cpp", "pass_cpp/Pass.cpp")
    scaffold.add("@test@", "pass_cpp/test.mlir")
    entry = substitute(template("pass_cpp/Passes.td"), words)
    scaffold.edit(f"passes/{chosen}/Passes.td", lambda text: _before_endif(text, entry))
    scaffold.edit(
        f"passes/{chosen}/CMakeLists.txt",
        lambda text: replace_once(
            text, r"(headrace_add_passes\([^)]*?SOURCES)", rf"\1 {words['file']}.cpp"
        ),
    )
    return scaffold.write_into(_NEXT_CPP)


def _before_endif(text: str, addition: str) -> str:
    """`addition` before the last line that starts with `#endif`."""
    found = list(re.finditer(r"^#endif", text, re.MULTILINE))
    if not found:
        raise ValueError("expected a line '#endif', but found none")
    at = found[-1].start()
    return text[:at] + addition + text[at:]


def new_python_pass(name: str, folder: Path = Path()) -> Made:
    """Add the Python pass NAME to the target project around `folder`.

    Raises `UsageError` for a bad or taken name, and outside of a target's project.
    """
    root, target, package = target_project(Path(folder))
    check_pass_name(name)
    prefix = f"{target.replace('_', '-')}-"
    if not name.startswith(prefix):
        raise UsageError(
            f"pass: expected a name that starts with '{prefix}', the target's, but got '{name}'"
        )
    own = name.removeprefix(prefix)
    passes = Path("src", *package.split("."), "passes")
    if not (root / passes / "__init__.py").is_file():
        raise UsageError(
            f"pass: expected the target's passes in {root / passes}/__init__.py, as "
            "'python -m headrace.new target' makes them"
        )
    words = {"name": name, "test": f"tests/passes/{own}.mlir"}
    words["module"] = (passes / f"{own.replace('-', '_')}.py").as_posix()
    scaffold = Scaffold(root, words)
    scaffold.add("@module@", "pass_python/pass.py")
    scaffold.add("@test@", "pass_python/test.mlir")
    return scaffold.write_into(_NEXT_PYTHON)
