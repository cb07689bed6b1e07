"""`new format`: a storage format in a source tree."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.new.names import camel, check_format_name, source_tree
from headrace.new.render import Made, Scaffold, banner, replace_once, substitute, template

__all__ = ["new_format"]

_DIALECT = "dialects/QLinear"
_CODECS = "python/headrace/formats/__init__.py"
_NEXT = """\
next: make format, then change the codec (python/headrace/formats/@name@.py) and the decoding in IR
      (dialects/QLinear/QLinear@Class@Format.cpp) to what your format is, then
      make build && .venv/bin/pytest tests/python/test_formats_@name@.py
      .venv/bin/lit -v tests/dialects/QLinear/format_@name@.mlir    # fails: it says why"""


def new_format(name: str, folder: Path = Path()) -> Made:
    """Add the format NAME to the source tree around `folder`: int8 with a scale per 32 values.

    Raises `UsageError` for a bad or taken name, and outside of a source tree.
    """
    root = source_tree(Path(folder))
    check_format_name(name, root)
    words = {"name": name, "Class": camel(name)}
    source = f"QLinear{words['Class']}Format.cpp"
    words["banner"] = banner(f"{source} - the format {name}", close=False)
    scaffold = Scaffold(root, words)
    scaffold.add("python/headrace/formats/@name@.py", "format/codec.py")
    scaffold.add(f"{_DIALECT}/{source}", "format/Format.cpp")
    scaffold.add("tests/python/test_formats_@name@.py", "format/test.py")
    scaffold.add("tests/dialects/QLinear/format_@name@.mlir", "format/test.mlir")
    attribute = substitute(template("format/attribute.td"), words)
    scaffold.edit(f"{_DIALECT}/QLinearFormats.td", lambda text: _add_attribute(text, attribute))
    scaffold.edit(
        f"{_DIALECT}/CMakeLists.txt",
        lambda text: replace_once(text, r"(LayoutFormats\.cpp)", rf"\1 {source}"),
    )
    scaffold.edit(_CODECS, lambda text: _add_codec(text, name))
    return scaffold.write_into(_NEXT)


def _add_attribute(text: str, attribute: str) -> str:
    """The attribute behind the other formats of weights, before the section on activations."""
    place = re.search(r"^//===-+===//\n// Activations$", text, re.MULTILINE)
    if place is None:
        raise ValueError("expected the section '// Activations', but found none")
    return text[: place.start()] + attribute + text[place.start() :]


def _add_codec(text: str, name: str) -> str:
    """The module's import, and its place in the list of modules."""
    imports = re.search(r"^from \. import (\([^)]*\)|.+)$", text, re.MULTILINE)
    modules = re.search(r"^_MODULES\b[^=]*= \(([^)]*)\)", text, re.MULTILINE)
    if imports is None or modules is None:
        raise ValueError("expected 'from . import ...' and '_MODULES = (...)', but found neither")
    imported = sorted({*_words(imports[1]), name})
    listed = [*_words(modules[1]), name]
    text = text.replace(imports[0], _listing("from . import ", imported, bare=True), 1)
    return text.replace(modules[0], _listing("_MODULES = ", listed, bare=False), 1)


def _listing(start: str, names: list[str], *, bare: bool) -> str:
    """`start` and the names as the formatter writes them: on one line if they fit."""
    line = ", ".join(names)
    line = start + (line if bare else f"({line})")
    return (
        line
        if len(line) <= 100
        else "\n    ".join([f"{start}(", *map("{},".format, names)]) + "\n)"
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)
