"""A target from the scaffold with its pass in C++: built, loaded by headrace-opt and by Python."""

import re
import shlex
import shutil

import pytest
from new_projects import LLVM_BIN, Site, change

from headrace.plugins import shares_mlir

pytestmark = pytest.mark.skipif(not shares_mlir(), reason="this build has MLIR linked inside")

PIPELINE = "--pass-pipeline=builtin.module(acme-cpp-fuse-multiply-add)"
FUSED = """\
func.func @f(%a: vector<8xf32>, %b: vector<8xf32>) -> vector<8xf32> {
  %0 = arith.mulf %a, %b fastmath<contract> : vector<8xf32>
  %1 = arith.addf %b, %0 fastmath<contract> : vector<8xf32>
  return %1 : vector<8xf32>
}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("cpp") / "site packages")  # a space, on purpose
    if (ccache := shutil.which("ccache")) is not None:
        site.environment |= {
            "CMAKE_CXX_COMPILER_LAUNCHER": ccache,
            "CCACHE_BASEDIR": str(site.folder.parent),
            "CCACHE_NOHASHDIR": "1",
        }
    return site


@pytest.fixture(scope="module")
def project(site):
    """The project of the target `acme_cpp`, scaffolded, built and installed."""
    site.scaffold("target", "acme_cpp", "--cpp", "--dir", site.folder.parent)
    root = site.folder.parent / "headrace-acme-cpp"
    site.install(root)
    return root


@pytest.fixture(scope="module")
def plugin(site, project):
    return site.folder / "headrace_acme_cpp/native/acme_cpp_passes.so"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.mlir"
    path.write_text(FUSED)
    return path


def test_the_plugin_holds_no_mlir_of_its_own(site, plugin):
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", site.run("readelf", "-dW", plugin).stdout)
    assert {name.split(".so")[0] for name in needed} >= {"libMLIR", "libLLVM"}
    assert plugin.stat().st_size < 1_000_000


@pytest.mark.parametrize("tool", ["headrace-opt", LLVM_BIN / "mlir-opt"], ids=["ours", "stock"])
def test_the_tools_load_it(site, plugin, source, tool):
    out = site.run(tool, f"--load-pass-plugin={plugin}", PIPELINE, source).stdout
    assert "vector.fma" in out and "arith.mulf" not in out


def test_headrace_opt_in_python_knows_it_unasked(site, project, source):
    out = site.headrace("opt", "--acme-cpp-fuse-multiply-add", "--canonicalize", source).stdout
    assert "vector.fma" in out and "arith.mulf" not in out


def test_headrace_opt_in_python_takes_a_plugin(site, plugin, source, tmp_path):
    elsewhere = Site(tmp_path / "empty")
    arguments = ["opt", f"--load-pass-plugin={plugin}", PIPELINE, source]
    assert "vector.fma" in elsewhere.headrace(*arguments).stdout
    unknown = elsewhere.headrace("opt", PIPELINE, source, code=2)
    assert "'acme-cpp-fuse-multiply-add' does not refer to a registered pass" in unknown.stderr


@pytest.mark.parametrize(("rows", "columns"), [(1, 32), (70, 96)])
def test_a_matvec_runs(site, project, rows, columns):
    assert site.error("acme_cpp", rows, columns) < 1e-5


def test_its_pass_did_the_work(site, project, tmp_path):
    site.headrace(
        *("compile", "matvec:m=40,k=64,format=q8_0", "-t", "acme_cpp"),
        *("--dump-dir", tmp_path / "dump", "--output", tmp_path / "out.hr"),
    )
    (before,) = (tmp_path / "dump").glob("*-acme-cpp-lower-matvec.mlir")
    (after,) = (tmp_path / "dump").glob("*-acme-cpp-fuse-multiply-add.mlir")
    assert "vector.fma" not in before.read_text()
    assert after.read_text().count("vector.fma") == 1


def test_the_change_that_its_lit_test_names_and_a_failure(site, project, source):
    found = site.lit(project / "tests")
    assert found == {"passes/fuse-multiply-add.mlir": "FAIL", "passes/lower-matvec.mlir": "PASS"}
    code = project / "cpp/FuseMultiplyAdd.cpp"
    assert (
        "cpp/FuseMultiplyAdd.cpp" in (project / "tests/passes/fuse-multiply-add.mlir").read_text()
    )
    change(
        code,
        "{{op.getRhs(), op.getLhs()}};",
        "{{op.getRhs(), op.getLhs()}, {op.getLhs(), op.getRhs()}};",
    )
    # And a pass that refuses something, to see what its failure prints.
    change(
        code,
        "  void runOnOperation() override {\n",
        """  void runOnOperation() override {
    bool refused = false;
    getOperation()->walk([&](arith::DivFOp op) {
      op.emitOpError("is not wanted");
      refused = true;
    });
    if (refused)
      return signalPassFailure();
""",
    )
    site.install(project)
    assert set(site.lit(project / "tests").values()) == {"PASS"}

    source.write_text(FUSED.replace("arith.mulf", "arith.divf"))
    failed = site.headrace("opt", "--acme-cpp-fuse-multiply-add", source, code=1)
    assert "'arith.divf' op is not wanted" in failed.stderr
    command = failed.stderr.partition("reproduce with: ")[2].splitlines()[0]
    plugin = site.folder / "headrace_acme_cpp/native/acme_cpp_passes.so"
    assert shlex.split(command)[:2] == ["headrace-opt", f"--load-pass-plugin={plugin}"]
    again = site.shell(command)
    assert again.returncode == 1 and "'arith.divf' op is not wanted" in again.stderr
