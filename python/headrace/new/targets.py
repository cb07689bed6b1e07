"""`new target`: a wheel with a target, outside of Headrace's tree."""

from __future__ import annotations

from pathlib import Path

from headrace import __version__
from headrace.new.names import check_target_name
from headrace.new.render import Made, Scaffold

__all__ = ["new_target"]

_PLUGIN = """
    plugins=(Path(__file__).with_name("native") / "@name@_passes.so",),"""
_CPP_ROW = """\
| `cpp/`, `CMakeLists.txt` | its pass in C++, a plugin that `pip install` builds |
"""
_CPP_NOTE = """

The plugin shares `libMLIR.so` with Headrace, so it needs a Headrace that is built that way (`make
build`, or `HEADRACE_LINK=dylib pip install .` in its source tree) and the same LLVM: `MLIR_DIR`
names the folder of its `MLIRConfig.cmake`, `CXX` the compiler. headrace-opt takes the plugin, too:

```sh
headrace-opt --load-pass-plugin=PATH/@name@_passes.so \\
    --pass-pipeline='builtin.module(@dashed@-fuse-multiply-add)' IN.mlir
```"""
_NEXT = """\
next: cd @folder@ && pip install .
      headrace run matvec:m=256,k=1024,format=q8_0 -t @name@
      lit -v tests    # one test fails: it says which line makes it pass"""


def new_target(name: str, folder: Path = Path(), *, cpp: bool = False) -> Made:
    """Write the project `folder/headrace-NAME`.

    cpp: with its second pass in C++, as a pass plugin.
    Raises `UsageError` for a bad or taken name and a folder that exists; then nothing is written.
    """
    check_target_name(name)
    dashed = name.replace("_", "-")
    words = {"name": name, "dashed": dashed, "NAME": name.upper(), "version": __version__}
    words["plugins"] = _PLUGIN.replace("@name@", name) if cpp else ""
    words["cpp_row"] = _CPP_ROW if cpp else ""
    words["cpp_note"] = _CPP_NOTE.replace("@name@", name).replace("@dashed@", dashed) if cpp else ""
    package = f"src/headrace_{name}"
    words["fuse_source"] = (
        "cpp/FuseMultiplyAdd.cpp" if cpp else f"{package}/passes/fuse_multiply_add.py"
    )
    root = Path(folder) / f"headrace-{dashed}"
    words["folder"] = str(root)
    scaffold = Scaffold(root, words)
    scaffold.add_folder("target")
    scaffold.add_folder("target_cpp" if cpp else "target_python")
    return scaffold.write_folder(_NEXT)
