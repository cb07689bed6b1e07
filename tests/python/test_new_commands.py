"""`python -m headrace.new`: names, places, edits; that a refusal writes nothing.

What the scaffolds do once they are installed or built is in tests/e2e/test_new_*.py.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import UsageError
from headrace.new import new_cpp_pass, new_format, new_python_pass, new_target
from headrace.new.__main__ import main
from headrace.new.names import camel
from headrace.new.render import Scaffold, banner, replace_once, substitute

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    """The parts of the source tree that scaffolds look at or change."""
    root = tmp_path / "tree"
    for pattern in (
        "CMakeLists.txt",
        "pyproject.toml",
        "dialects/QLinear/*",
        "passes/*/Passes.td",
        "passes/*/CMakeLists.txt",
        "python/headrace/formats/*.py",
    ):
        for path in ROOT.glob(pattern):
            target = root / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return root


def contents(folder):
    """Every file below a folder with its text."""
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refuse(capsys):
    """Run the command, which must fail: its message. `folder` must not change."""

    def run(folder, *words):
        before = contents(folder)
        assert main([*map(str, words)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("headrace.new: error: ") and "Traceback" not in err
        assert contents(folder) == before
        return err

    return run


def ruff(folder):
    """Format and lint findings of our own settings over a folder."""
    tool = Path(sys.executable).parent / "ruff"
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for command in (["check"], ["format", "--check", "--diff"]):
        subprocess.run([tool, *command, *config, folder], check=True)


# --- targets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cpp", [False, True])
@pytest.mark.parametrize("name", ["npu", "my_chip_2"])
def test_a_target_is_written_whole(tmp_path, name, cpp):
    made = new_target(name, tmp_path, cpp=cpp)
    root = tmp_path / f"headrace-{name.replace('_', '-')}"
    assert sorted(made.written) == sorted(path for path in root.rglob("*") if path.is_file())
    assert list(tmp_path.iterdir()) == [root] and made.edited == ()
    for path, text in contents(root).items():
        assert "@name@" not in text and "@dashed@" not in text, path
        assert "\t" not in text and text.endswith("\n") and not text.endswith("\n\n"), path
    assert (root / "cpp").exists() == (root / "CMakeLists.txt").exists() == cpp
    ruff(root)
    assert f"-t {name}" in made.next_steps and str(root) in made.next_steps


def test_generated_cpp_is_formatted(tmp_path):
    new_target("npu", tmp_path, cpp=True)
    sources = sorted((tmp_path / "headrace-npu/cpp").iterdir())
    tool = shutil.which("clang-format-22") or "/usr/lib/llvm-22/bin/clang-format"
    style = f"--style=file:{ROOT / '.clang-format'}"
    subprocess.run([tool, style, "--dry-run", "--Werror", *sources], check=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cpu", "target: 'cpu' is taken; expected another name than "),
        ("Npu", "target: bad name 'Npu'; allowed: a lower case letter, then"),
        ("2npu", "bad name '2npu'"),
        ("my-chip", "bad name 'my-chip'"),
        ("a__b", "bad name 'a__b'"),
        ("a_", "bad name 'a_'"),
        ("../up", "bad name '../up'"),
        ("lambda", "it is a keyword of Python"),
        ("", "bad name ''"),
    ],
)
def test_bad_target_names(refuse, tmp_path, name, message):
    assert message in refuse(tmp_path, "target", name, "--dir", tmp_path)


def test_a_folder_that_exists_is_left_alone(refuse, tmp_path):
    (tmp_path / "headrace-npu").mkdir()
    message = refuse(tmp_path, "target", "npu", "--dir", tmp_path)
    assert "headrace-npu exists already; expected a folder that does not" in message


def test_a_place_that_cannot_be_written(refuse, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write" in refuse(tmp_path, "target", "npu", "--dir", tmp_path / "file")


# --- passes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "group", "file", "chosen"),
    [
        ("cpu-fold-scales", None, "FoldScales", "cpu"),
        ("fold-scales", None, "FoldScales", "common"),
        ("fold-scales", "cpu", "FoldScales", "cpu"),
    ],
)
def test_a_cpp_pass(tree, name, group, file, chosen):
    made = new_cpp_pass(name, tree / "passes", group=group)
    source = (tree / f"passes/{chosen}/{file}.cpp").read_text()
    assert f"namespace headrace::{chosen} {{" in source
    assert f"GEN_PASS_DEF_{camel(name).upper()}\n" in source
    assert len(source.splitlines()[0]) == 80
    table = (tree / f"passes/{chosen}/Passes.td").read_text()
    assert f'def {camel(name)} : Pass<"{name}", "::mlir::ModuleOp"> {{' in table
    assert table.rstrip().splitlines()[-1].startswith("#endif")
    sources = (tree / f"passes/{chosen}/CMakeLists.txt").read_text().split("SOURCES")[1].split()
    assert f"{file}.cpp" in sources[: sources.index("LINK")]
    test = (tree / f"tests/passes/{chosen}/fold_scales.mlir").read_text()
    assert f"--{name} %s" in test and "CHECK-NEXT: replace this line" in test
    assert {path.name for path in made.edited} == {"Passes.td", "CMakeLists.txt"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cpu-form-kernels"], "'cpu-form-kernels' is taken"),
        (["one-shot-bufferize"], "'one-shot-bufferize' is taken"),
        (["convert-linalg-to-loops"], "'convert-linalg-to-loops' is taken"),
        (["headrace-cpu-pipeline"], "'headrace-cpu-pipeline' is taken"),
        (["fold"], "bad name 'fold'; allowed: words of lower case letters"),
        (["Fold-scales"], "bad name 'Fold-scales'"),
        (["fold-"], "bad name 'fold-'"),
        (["fold-scales", "--group", "cqu"], "unknown group 'cqu', did you mean 'cpu'; allowed: "),
        (["fold-scales", "--python"], "is not in a target's project"),
        (["fold-scales", "--python", "--group", "cpu"], "--group goes with a C++ pass"),
    ],
)
def test_bad_passes(refuse, tree, words, message):
    assert message in refuse(tree, "pass", *words, "--dir", tree)


def test_a_pass_in_the_tree_counts_before_it_is_built(refuse, tree):
    new_cpp_pass("cpu-fold-scales", tree)
    assert "'cpu-fold-scales' is taken" in refuse(tree, "pass", "cpu-fold-scales", "--dir", tree)


def test_not_a_source_tree(refuse, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text("project(other)\n")
    for words in (["pass", "fold-scales"], ["format", "w8"]):
        message = refuse(tmp_path, *words, "--dir", tmp_path)
        assert "is not in a source tree of headrace" in message


def test_a_changed_tree_is_refused_whole(refuse, tree):
    (tree / "passes/cpu/CMakeLists.txt").write_text("add_library(cpu)\n")
    message = refuse(tree, "pass", "cpu-fold-scales", "--dir", tree)
    assert "cannot edit" in message and "passes/cpu/CMakeLists.txt: expected text like" in message


def test_a_failed_write_is_undone(tree):
    blocker = tree / "tests"
    blocker.write_text("a file where a folder must be")
    before = contents(tree)
    with pytest.raises(UsageError, match="cannot write"):
        new_cpp_pass("cpu-fold-scales", tree)
    assert contents(tree) == before


def test_a_python_pass(tmp_path):
    new_target("npu", tmp_path)
    project = tmp_path / "headrace-npu"
    made = new_python_pass("npu-fold-scales", project / "src")
    assert {path.relative_to(project).as_posix() for path in made.written} == {
        "src/headrace_npu/passes/fold_scales.py",
        "tests/passes/fold-scales.mlir",
    }
    ruff(project)
    with pytest.raises(UsageError, match=r"fold_scales.py exists already"):
        new_python_pass("npu-fold-scales", project)
    with pytest.raises(UsageError, match=r"starts with 'npu-', the target's, but got 'fold-it'"):
        new_python_pass("fold-it", project)


def test_a_project_without_a_target(refuse, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n')
    message = refuse(tmp_path, "pass", "npu-fold", "--python", "--dir", tmp_path)
    assert "is not in a target's project (a pyproject.toml with one entry point" in message
    (tmp_path / "pyproject.toml").write_text("[project\n")
    assert "is no TOML" in refuse(tmp_path, "pass", "npu-fold", "--python", "--dir", tmp_path)


# --- formats ---------------------------------------------------------------------------------


def test_a_format(tree):
    made = new_format("w8_f32", tree)
    assert len(made.written) == 4 and len(made.edited) == 3
    ruff(tree / "python/headrace/formats")
    ruff(tree / "tests")
    init = (tree / "python/headrace/formats/__init__.py").read_text()
    assert re.search(r"^from \. import [^=]*?\bw8_f32\b", init, re.MULTILINE)
    assert re.search(r"^_MODULES\b[^=]*= \([^)]*\bw8_f32\b", init, re.MULTILINE)
    dialect = (tree / "dialects/QLinear/QLinearFormats.td").read_text()
    at = dialect.index('QLinear_Format<"W8F32Format", "w8_f32">')
    assert dialect.index("QLinear_RepackedAttr") < at < dialect.index("QLinear_ActI8Attr")
    assert "QLinearW8F32Format.cpp" in (tree / "dialects/QLinear/CMakeLists.txt").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("q4_k", "'q4_k' is taken; expected another name than"),
        ("gguf", "'gguf' is taken"),
        ("kquants", "'kquants' is taken"),
        ("packed", "'packed' is taken"),
        ("W8", "bad name 'W8'"),
        ("w-8", "bad name 'w-8'"),
    ],
)
def test_bad_format_names(refuse, tree, name, message):
    assert message in refuse(tree, "format", name, "--dir", tree)


# --- parts -----------------------------------------------------------------------------------


def test_help_and_no_command(capsys):
    assert main(["--help"]) == 0
    assert {"target", "pass", "format"} <= set(capsys.readouterr().out.split())
    assert main(["target"]) == 2


def test_substitution_is_complete():
    assert substitute("a @x@ @main(", {"x": "b"}) == "a b @main("
    with pytest.raises(KeyError):
        substitute("@y@", {"x": "b"})


def test_edit_messages_name_the_file(tmp_path):
    (tmp_path / "f").write_text("text")
    scaffold = Scaffold(tmp_path, {})
    with pytest.raises(UsageError, match=r"cannot edit .*/f: expected text like 'z\+'"):
        scaffold.edit("f", lambda text: replace_once(text, "z+", "y"))


def test_banner_width():
    assert len(banner("Short.cpp - a pass", close=False)) == 80
    assert banner("x" * 90, close=False).endswith("---===//")
