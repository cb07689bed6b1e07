"""The documentation: examples are parts of lit tests, each pass has one, Python code runs."""

import importlib.util
import re
from pathlib import Path

import pytest

from headrace import formats, ir

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TABLES = sorted(ROOT.glob("passes/*/*.td"))

spec = importlib.util.spec_from_file_location("gen_docs", ROOT / "scripts" / "gen_docs.py")
gen_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gen_docs)


def passes():
    """(group, name of the pass, its description) of every pass in TableGen."""
    found = []
    for table in TABLES:
        definitions = re.split(r"^def ", table.read_text(), flags=re.MULTILINE)[1:]
        for text in definitions:
            name = re.search(r'Pass<"([\w-]+)"', text)[1]
            found.append((table.parent.name, name, text))
    return found


def run_lines(path):
    return [line for line in path.read_text().splitlines() if re.match(r"\s*// RUN:", line)]


def test_there_are_passes():
    assert {"decompose-qlinear", "cpu-form-kernels"} <= {name for _, name, _ in passes()}


@pytest.mark.parametrize(("group", "name", "text"), passes(), ids=[p[1] for p in passes()])
def test_each_pass_has_an_example_from_a_test_that_runs_it(group, name, text):
    found = gen_docs.markers(text)
    assert found, f"{name}: no line <!-- lit: tests/passes/{group}/....mlir#label -->"
    for path, label in found:
        assert path.startswith(f"tests/passes/{group}/")
        assert any(re.search(rf"-{name}\b", line) for line in run_lines(ROOT / path)), path
        assert gen_docs.examples(ROOT / path)[label]
        # The text that the pages get is the text that the test runs.
        assert gen_docs.examples(ROOT / path)[label] in gen_docs.expand(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_example_on_a_page_exists(page):
    text = gen_docs.expand(page.read_text())
    assert not gen_docs.markers(text)


def test_labels_of_all_tests_are_closed():
    labels = {
        path: gen_docs.examples(path)
        for path in sorted((ROOT / "tests").rglob("*.mlir"))
        if "// doc:" in path.read_text()
    }
    assert len(labels) >= len(passes())
    assert all(text for parts in labels.values() for text in parts.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("// doc: a\nx\n", "expected 'doc: end' after 'doc: a'"),
        ("// doc: a\n// doc: b\n", "expected a new label, but 'a' is still open"),
        ("// doc: a\n// doc: end\n// doc: a\n", "but 'a' is there already"),
        ("// doc: end\n", "expected 'doc: LABEL' before 'doc: end'"),
    ],
)
def test_bad_labels(tmp_path, text, message):
    test = tmp_path / "test.mlir"
    test.write_text(text)
    with pytest.raises(gen_docs.DocsError, match=message):
        gen_docs.examples(test)


def test_bad_markers(tmp_path):
    (tmp_path / "test.mlir").write_text("// doc: a\n  x\n// doc: end\n")
    assert "```mlir\nx\n```" in gen_docs.expand("<!-- lit: test.mlir#a -->", tmp_path)
    with pytest.raises(gen_docs.DocsError, match=r"test.mlir#b -->: .* of that test; there: a"):
        gen_docs.expand("<!-- lit: test.mlir#b -->", tmp_path)
    with pytest.raises(gen_docs.DocsError, match="expected a test, but found no file"):
        gen_docs.expand("<!-- lit: other.mlir#a -->", tmp_path)


def test_generated_pages(tmp_path):
    pages = {path.relative_to(tmp_path / "out").as_posix(): path for path in generate(tmp_path)}
    assert {page.name for page in PAGES} <= set(pages)
    reference = pages["reference/passes-cpu.md"].read_text()
    for group, name, _ in passes():
        text = pages[f"reference/passes-{group}.md"].read_text()
        assert f"## `-{name}`" in text
    assert "From `tests/passes/cpu/form_kernels.mlir`:" in reference
    dialect = pages["reference/dialect-qlinear.md"].read_text()
    assert "### `qlinear.gated_matvec`" in dialect and "### PackedType" in dialect
    formats_page = pages["reference/formats.md"].read_text()
    assert all(f"| `{name}` |" in formats_page for name in formats.names())
    for module in formats.modules():
        assert module.__doc__.partition("\n")[0] in formats_page
        # A drawing, which is code: indented, with the bounds of fields.
        assert re.search(r"^    .*(\||byte)", module.__doc__, re.MULTILINE), module.__name__
    navigation = (ROOT / "docs" / "mkdocs.yml").read_text()
    assert set(re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE)) == set(pages)


def generate(folder):
    import headrace

    build = Path(headrace.__file__).parents[2]  # python_packages is in the build folder
    return gen_docs.generate(folder / "out", build)


def op_examples():
    """The MLIR blocks in the descriptions of operations."""
    text = "".join(path.read_text() for path in sorted(ROOT.glob("dialects/*/*Ops.td")))
    return re.findall(r"```mlir\n(.*?)```", text, re.DOTALL)


def types_in(text):
    """The types with parameters in a text, in order; other words are not types."""
    found = []
    for start in re.finditer(r"(?:![\w.]+|tensor|memref)<", text):
        if found and start.start() < found[-1][1]:
            continue  # inside of the one before
        depth, end = 1, start.end()
        while depth:
            depth += {"<": 1, ">": -1}.get(text[end], 0)
            end += 1
        found.append((start.start(), end))
    return [text[begin:end] for begin, end in found]


def operands(code):
    """Name and type of each operand of an operation: in `ins` and `outs`, or before a colon."""
    statement = " ".join(code.split())
    groups = re.findall(r"\b(?:ins|outs)\((.*?)\)(?= outs| \{| ->|$)", statement)
    groups = groups or [statement.partition(" = ")[2] or statement]
    for group in groups:
        values, _, kinds = group.partition(" : ")
        indices = re.findall(r"\[(%\w+)", values)
        yield from ((name, "index") for name in indices)
        names = [name for name in re.findall(r"%\w+", values) if name not in indices]
        given = types_in(re.split(r" (?:to|->) ", kinds)[0])
        assert len(names) == len(given), group
        yield from zip(names, given, strict=True)


@pytest.mark.parametrize("code", op_examples())
def test_examples_of_operations_are_valid(code):
    """Their operands become arguments of a function."""
    types = dict(operands(code))
    assert types
    arguments = ", ".join(f"{name}: {kind}" for name, kind in types.items())
    module = ir.Module.parse(f"func.func @f({arguments}) {{\n{code}\nreturn\n}}", ir.Context())
    assert module.operation.verify()


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if python_blocks(p)], ids=lambda p: p.name)
def test_python_code_on_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in python_blocks(page):
        exec(compile(block, page.name, "exec"), names)
    if page.name == "usage.md":
        # The JIT and the CPU's kernels agree, as the page says that they can be compared.
        import numpy as np

        np.testing.assert_allclose(names["y"], names["want"], rtol=1e-4, atol=1e-5)
        assert "matvec" in capsys.readouterr().out
