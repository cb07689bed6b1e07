#!/usr/bin/env python3
"""Write the pages of the documentation: those of docs/, and a reference of dialects and passes.

    scripts/gen_docs.py build/docs        what `make docs` gives to mkdocs

The reference is what mlir-tblgen makes of the descriptions in TableGen, and of storage formats what
their codecs say. On every page, in those
descriptions too, a line

    <!-- lit: tests/passes/cpu/form_kernels.mlir#plan -->

becomes the part of that test between `// doc: plan` and `// doc: end`, so an example is always
text that a test runs.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKER = re.compile(r"^[ \t]*<!-- lit: (\S+?)#([\w-]+) -->[ \t]*$", re.MULTILINE)
BEGIN = re.compile(r"^\s*// doc: ([\w-]+)\s*$")


class DocsError(Exception):
    """Something in the documentation does not fit together; the message says where."""


def examples(path: Path) -> dict[str, str]:
    """The labelled parts of a lit test; raises DocsError for a label that is open or taken."""
    parts: dict[str, list[str]] = {}
    label = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = BEGIN.match(line)
        if not found:
            if label:
                parts[label].append(line)
        elif found[1] == "end":
            if not label:
                raise DocsError(f"{path}:{number}: expected 'doc: LABEL' before 'doc: end'")
            label = ""
        elif label or found[1] in parts:
            why = f"'{label}' is still open" if label else f"'{found[1]}' is there already"
            raise DocsError(f"{path}:{number}: expected a new label, but {why}")
        else:
            label = found[1]
            parts[label] = []
    if label:
        raise DocsError(f"{path}: expected 'doc: end' after 'doc: {label}'")
    return {label: textwrap.dedent("\n".join(lines)).strip() for label, lines in parts.items()}


def markers(text: str) -> list[tuple[str, str]]:
    """(test, label) of each marker in `text`."""
    return [(found[1], found[2]) for found in MARKER.finditer(text)]


def expand(text: str, root: Path = ROOT) -> str:
    """`text` with every marker replaced by its example; raises DocsError if there is none."""

    def replace(found: re.Match[str]) -> str:
        path, label = root / found[1], found[2]
        if not path.is_file():
            raise DocsError(f"<!-- lit: {found[1]}#{label} -->: expected a test, but found no file")
        parts = examples(path)
        if label not in parts:
            known = ", ".join(parts) or "none"
            raise DocsError(
                f"<!-- lit: {found[1]}#{label} -->: expected a label of that test; there: {known}"
            )
        return f"From `{found[1]}`:\n\n```mlir\n{parts[label]}\n```"

    return MARKER.sub(replace, text)


class Tablegen:
    """mlir-tblgen of the LLVM that the build folder was configured with."""

    def __init__(self, build: Path) -> None:
        cache = build / "CMakeCache.txt"
        if not cache.is_file():
            raise DocsError(f"expected a configured build folder {build}; run `make build`")
        found = re.search(r"^MLIR_DIR:\w+=(.+)$", cache.read_text(), re.MULTILINE)
        if found is None:
            raise DocsError(f"{cache}: expected an entry MLIR_DIR")
        prefix = Path(found[1]).parents[2]
        self._tool, self._include = prefix / "bin" / "mlir-tblgen", prefix / "include"

    def __call__(self, source: Path, *options: str) -> str:
        command = [self._tool, "-I", ROOT, "-I", self._include, *options, source]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise DocsError(f"mlir-tblgen failed on {source}:\n{done.stderr}")
        return done.stdout


def dialect_pages(tablegen: Tablegen) -> dict[str, str]:
    """A page for each dialect."""
    pages = {}
    for folder in sorted(path.parent for path in ROOT.glob("dialects/*/CMakeLists.txt")):
        source = folder / f"{folder.name}.td"  # includes all files of the dialect
        if not source.is_file():
            continue  # interfaces that dialects share
        name = folder.name.lower()
        text = tablegen(source, "-gen-dialect-doc", f"-dialect={name}")
        # The theme has its own table of contents.
        text = re.sub(r"^\[TOC\]\n", "", text, flags=re.MULTILINE)
        pages[f"reference/dialect-{name}.md"] = text
    return pages


def pass_pages(tablegen: Tablegen) -> dict[str, str]:
    """A page for each folder of passes."""
    pages = {}
    for source in sorted(ROOT.glob("passes/*/Passes.td")):
        group = source.parent.name
        text = tablegen(source, "-gen-pass-doc")
        text = re.sub(r"^##(#+ )", r"#\1", text, flags=re.MULTILINE)
        pages[f"reference/passes-{group}.md"] = f"# Passes: {group}\n\n{text}"
    return pages


def format_page() -> str:
    """The storage formats: a table, then what each codec says of its byte layout."""
    from headrace import formats

    found = [formats.get(name) for name in formats.names()]
    lines = [
        "# Storage formats",
        "",
        "Names as on the command line; `headrace formats` prints this table. Byte layouts are",
        "those of the codecs in `headrace.formats`, below.",
        "",
        "| format | bits per value | block | checked by | attribute |",
        "| --- | --- | --- | --- | --- |",
    ]
    for form in found:
        rows, cols = form.block_shape
        lines.append(
            f"| `{form.name}` | {form.bits_per_weight:g} | {rows} x {cols} | {form.checked_by} | "
            f"`{form.attribute}` |"
        )
    for module in formats.modules():
        title, _, text = (module.__doc__ or "").partition("\n")
        lines += ["", f"## {title}", "", text.strip("\n")]
    return "\n".join(lines) + "\n"


def written_pages() -> dict[str, str]:
    """The pages of docs/."""
    folder = ROOT / "docs"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.md")}


def generate(out: Path, build: Path) -> list[Path]:
    """Write every page into the folder `out`, which is emptied first."""
    tablegen = Tablegen(build)
    pages = written_pages() | dialect_pages(tablegen) | pass_pages(tablegen)
    pages["reference/formats.md"] = format_page()
    expanded = {}
    for name, text in pages.items():
        try:
            expanded[name] = expand(text)
        except DocsError as error:
            raise DocsError(f"{name}: {error}") from None
    shutil.rmtree(out, ignore_errors=True)
    for name, text in expanded.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [out / name for name in expanded]


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the pages of the documentation.")
    parser.add_argument("out", type=Path, help="folder to write; what is there is deleted")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the build folder")
    options = parser.parse_args()
    try:
        written = generate(options.out, options.build)
    except DocsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(written)} pages in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
