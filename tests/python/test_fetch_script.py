"""third_party/fetch_mlir_python.sh on tarballs given by path (no network)."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

THIRD_PARTY = Path(__file__).resolve().parents[2] / "third_party"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script and its pins, as third_party/ of a fresh clone."""
    for name in ("fetch_mlir_python.sh", "pins.env"):
        shutil.copy(THIRD_PARTY / name, tmp_path)
    return tmp_path


def make_tarball(folder: Path, *, changed: bool) -> Path:
    """An LLVM source tarball of what the script takes from one, in one file changed."""
    tree = folder / "llvm-project-22.1.8.src" / "mlir"
    shutil.copytree(THIRD_PARTY / "mlir", tree, ignore=shutil.ignore_patterns(".complete"))
    if changed:
        (tree / "python" / "mlir" / "ir.py").write_text("import os\n")
    tarball = folder / "llvm.tar"
    with tarfile.open(tarball, "w") as archive:
        archive.add(tree.parent, tree.parent.name)
    shutil.rmtree(tree.parent)
    return tarball


def fetch(folder: Path, tarball: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / "fetch_mlir_python.sh")],
        env={"PATH": "/usr/bin:/bin", "LLVM_SOURCE_TARBALL": str(tarball)},
        capture_output=True,
        text=True,
    )


def test_a_good_tarball_is_extracted_once(folder: Path) -> None:
    tarball = make_tarball(folder, changed=False)
    assert fetch(folder, tarball).returncode == 0
    assert (folder / "mlir" / "python" / "CMakeLists.txt").exists()
    assert (folder / "mlir" / "lib" / "Bindings" / "Python" / "IRCore.cpp").exists()
    tarball.unlink()
    again = fetch(folder, tarball)
    assert again.returncode == 0
    assert "in place" in again.stderr


def test_changed_sources_are_refused_and_nothing_is_left(folder: Path) -> None:
    result = fetch(folder, make_tarball(folder, changed=True))
    assert result.returncode != 0
    assert "expected sha256" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == [
        "fetch_mlir_python.sh",
        "llvm.tar",
        "pins.env",
    ]


def test_a_missing_tarball_is_named(folder: Path) -> None:
    result = fetch(folder, folder / "absent.tar")
    assert result.returncode != 0
    assert "absent.tar cannot be read" in result.stderr
