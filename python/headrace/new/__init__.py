"""Scaffolds: `python -m headrace.new target|pass|format NAME`.

    target NAME [--cpp]   a wheel outside of this tree, with a target that compiles and runs a
                          matvec, a pass of its own (in Python, or in C++ as a pass plugin), lit
                          tests and a numeric check
    pass NAME             a C++ pass in a source tree of Headrace
    pass NAME --python    a Python pass in a target that `target` made
    format NAME           a storage format in a source tree: NumPy codec, attribute, tests

What is written works at once, except for one lit test: it fails until its author makes it pass,
and says how. Nothing is written if any part cannot be.
"""

from headrace.new.formats import new_format
from headrace.new.passes import new_cpp_pass, new_python_pass
from headrace.new.targets import new_target

__all__ = ["new_cpp_pass", "new_format", "new_python_pass", "new_target"]
