"""A target from the scaffold: installed beside Headrace, it compiles, runs, and is found by all."""

import json
import shlex
from pathlib import Path

import pytest
from new_projects import BIN, Site, change

MATVEC = "matvec:m=33,k=96,format=q8_0"
FUSE = "src/headrace_acme/passes/fuse_multiply_add.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("python") / "site packages")  # a space, on purpose


@pytest.fixture(scope="module")
def project(site):
    """The project of the target `acme`, scaffolded and installed."""
    folder = site.folder.parent
    made = site.scaffold("target", "acme", "--dir", folder)
    root = folder / "headrace-acme"
    written = {line.split()[-1] for line in made.stdout.splitlines() if line.startswith("wrote")}
    assert written == {str(path) for path in root.rglob("*") if path.is_file()}
    site.install(root)
    return root


def test_it_is_listed(site, project):
    targets = site.json("targets")["targets"]
    (acme,) = [target for target in targets if target["name"] == "acme"]
    assert acme["cells"] == [
        {
            "op": "qlinear.matvec",
            "format": "q8_0",
            "activations": "f32",
            "constraints": {"k_multiple_of": 32},
            "proof": "executed",
        }
    ]
    assert "cpu" in [target["name"] for target in targets]


@pytest.mark.parametrize(("rows", "columns"), [(1, 32), (97, 160), (256, 1024)])
def test_a_matvec_runs(site, project, rows, columns):
    assert site.error("acme", rows, columns) < 1e-5


def test_every_claim_holds_on_fresh_data(site, project):
    cells = site.json("check", "--target", "acme", "--seed", "5")["cells"]
    assert len(cells) >= 5
    assert all(cell["ok"] and cell["target"] == "acme" for cell in cells)


def test_the_nearest_claim_is_named(site, project):
    refused = site.headrace("compile", "matvec:m=8,k=64,format=q4_0", "-t", "acme", code=1)
    assert "'qlinear.matvec' op with format q4_0 and activations f32" in refused.stderr
    assert "is not claimed by target acme; nearest: format q8_0" in refused.stderr
    refused = site.headrace(
        *("compile", "matvec:m=8,k=64,format=q8_0,activations=bf16", "-t", "acme"), code=1
    )
    assert "nearest: activations f32" in refused.stderr


def test_its_artifact_needs_no_target(site, project, tmp_path):
    saved = tmp_path / "matvec.hr"
    site.headrace("compile", MATVEC, "--target", "acme", "--output", saved)
    manifest = json.loads((saved / "manifest.json").read_text())
    assert (manifest["target"], manifest["loader"]) == ("acme", "shared-library")
    assert "after:acme-lower-matvec" in manifest["files"]["ir"]
    assert "matvec_q8_0_33x96_f32(void *const" in (saved / "kernels.h").read_text()
    alone = """
import sys
sys.modules["headrace"] = None  # no compiler
import headrace_runtime, numpy as np
artifact = headrace_runtime.load(sys.argv[1])
print(artifact(np.ones(96, np.float32), np.zeros(33 * 3 * 34, np.uint8)).sum())
"""
    assert site.run(BIN / "python", "-c", alone, saved).stdout == "0.0\n"


def test_translate_with_its_emitter(site, project):
    text = site.headrace("translate", MATVEC, "--to", "acme-header").stdout
    assert text.startswith("// Kernels of target acme for ")
    assert "void matvec_q8_0_33x96_f32(void *const *bindings, " in text
    unknown = site.headrace("translate", MATVEC, "--to", "acme-heater", code=2)
    assert "did you mean 'acme-header'" in unknown.stderr


def test_its_own_tests(site, project):
    site.run(BIN / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", project / "tests")


def test_one_lit_test_fails_until_the_change_that_it_names(site, project):
    found = site.lit(project / "tests")
    assert found == {"passes/fuse-multiply-add.mlir": "FAIL", "passes/lower-matvec.mlir": "PASS"}
    assert FUSE in (project / "tests/passes/fuse-multiply-add.mlir").read_text()
    change(project / FUSE, "in [(op.rhs, op.lhs)]:", "in [(op.rhs, op.lhs), (op.lhs, op.rhs)]:")
    site.install(project)
    assert set(site.lit(project / "tests").values()) == {"PASS"}
    assert site.error("acme", 33, 96) < 1e-5


def test_a_pass_added_to_it(site, project, tmp_path):
    site.scaffold("pass", "acme-reject-products", "--python", "--dir", project)
    module = project / "src/headrace_acme/passes/reject_products.py"
    site.install(project)
    assert "acme-reject-products" in site.headrace("opt", "--show-python-passes").stdout.split()
    assert site.lit(project / "tests")["passes/reject-products.mlir"] == "FAIL"

    # As its author would write it: an error at the operation, and the failure signalled.
    change(module, "patterns.add(arith.AddFOp, _rewrite)", "_reject(module, handle)")
    change(module, "    rewrite.apply_patterns_and_fold_greedily(module, patterns.freeze())\n", "")
    module.write_text(
        module.read_text()
        + """

def _reject(module, handle):
    def visit(op):
        if op.name == "arith.mulf":
            op.location.emit_error("'arith.mulf' op is not wanted")
            handle.signal_pass_failure()
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
"""
    )
    site.install(project)
    source = tmp_path / "in.mlir"
    source.write_text(
        "func.func @f(%a: f32) -> f32 {\n  %0 = arith.mulf %a, %a : f32\n  return %0 : f32\n}\n"
    )
    failed = site.headrace("opt", "--cse", "--acme-reject-products", source, code=1)
    assert "pass 'acme-reject-products' failed" in failed.stderr
    assert "'arith.mulf' op is not wanted" in failed.stderr
    again = reproduce(site, failed.stderr)
    assert again.returncode == 1
    assert "pass 'acme-reject-products' failed" in again.stderr
    assert "'arith.mulf' op is not wanted" in again.stderr


def reproduce(site, message):
    """Run the command that an error names, as it is printed, after looking at its file."""
    command = message.partition("reproduce with: ")[2].splitlines()[0]
    reproducer = next(Path(word) for word in shlex.split(command) if word.endswith(".mlir"))
    assert reproducer.read_text().startswith(f"// {command}\n")
    return site.shell(command)


def test_a_failed_pass_in_cpp_is_reproduced_by_headrace_opt(site, project):
    failed = site.headrace("compile", "matvec:m=8,k=64,format=q4_0", "-t", "acme", code=1)
    assert "reproduce with: headrace-opt " in failed.stderr
    again = reproduce(site, failed.stderr)
    assert again.returncode == 1
    assert "is not claimed by target acme; nearest: format q8_0" in again.stderr
