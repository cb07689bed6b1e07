"""Prints the core functions of each module of standard input as C++ on aie_api, or why not."""

import sys

from headrace import ir
from headrace.errors import HeadraceError
from headrace.targets.aie import cpp

for text in sys.stdin.read().split("// -----"):
    with ir.Context():
        try:
            print(cpp.emit(ir.Module.parse(text)))
        except HeadraceError as error:
            print(f"error: {error}")
